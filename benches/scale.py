"""How a server's costs grow with sessions, watchers, waiters and tasks, and what that lets an ensemble carry.

    python benches/scale.py [--quick] [--plot FILE.svg] [--json FILE]

One machine runs everything: the servers, which sync every write to disk, and the clients, a process for each load.
Rates are therefore those of both together. What is counted of the servers alone is the processor time of their
processes and their heap after a full collection, before and after; costs of one are the difference over the count. With
three and five servers they are counted for the leader and for a follower. Prints Markdown tables.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from machine import Usage
from scale_load import Work, serve
from scale_report import costs, growth, plot, sizing
from server_probe import cpu, live_heap
from sparkeeper.local import LocalEnsemble, LocalServer, ServerSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

GROWTH = {
    "sessions": (250, 1_000, 2_000),
    "caches": (250, 1_000, 2_000),
    "line": (250, 1_000, 2_000),
    "tasks": (1_000, 10_000, 100_000),
}
QUICK_GROWTH = {"sessions": (20, 40), "caches": (20, 40), "line": (20, 40), "tasks": (200, 400)}
# What is measured once more with the servers of an ensemble.
ENSEMBLE = {"sessions": 200, "caches": 200, "line": 200, "tasks": 5_000, "commits": 40}
QUICK_ENSEMBLE = {"sessions": 20, "caches": 20, "line": 20, "tasks": 200, "commits": 2}
SETTINGS = ServerSettings(sync=True, heap="2g")
BUSY = 0.10


@dataclass(frozen=True)
class Moment:
    """The leader's live megabytes, and what servers have used of their processors, before and after looking at it."""

    until: dict[str, float]
    since: dict[str, float]
    heap: float


class Servers:
    """The servers of a run, by role: the only one or the leader, and followers."""

    def __init__(self, leader: LocalServer, followers: list[LocalServer], connect: str) -> None:
        self.leader, self.followers, self.connect = leader, followers, connect

    def now(self) -> Moment:
        """Say what they hold and have used."""
        until = self._used()
        heap = live_heap(self.leader)
        return Moment(until, self._used(), heap)

    def _used(self) -> dict[str, float]:
        used = {"leader": cpu(self.leader)}
        if self.followers:
            used["follower"] = sum(map(cpu, self.followers)) / len(self.followers)
        return used


@contextlib.contextmanager
def servers(count: int) -> Iterator[Servers]:
    """Start one, or an ensemble."""
    if count == 1:
        with LocalServer(settings=SETTINGS) as one:
            yield Servers(one, [], one.connect_string)
        return
    with LocalEnsemble(count, settings=SETTINGS) as ensemble:
        leader = ensemble.nodes[ensemble.wait_quorum()]
        followers = [node for node in ensemble.nodes if node is not leader]
        # With every client at a follower, what the leader uses is the ensemble's own price.
        yield Servers(leader, followers, ",".join(node.connect_string for node in followers))


def run(load: str, count: int, found: Servers) -> dict[str, Any]:
    """Run a load in a process of its own, and note the costs of what it did."""
    print(f"{load}: {count:,}", file=sys.stderr, flush=True)
    context = multiprocessing.get_context("spawn")
    pipe, theirs = context.Pipe()
    process = context.Process(target=serve, args=(load, found.connect, count, theirs))
    process.start()
    theirs.close()
    moments, before = {}, Usage.now()
    while isinstance(said := pipe.recv(), str):
        moments[said] = found.now()
        pipe.send(None)
    others = Usage.now().others_since(before)
    process.join()
    figures, works = said
    return {
        "load": load,
        "count": count,
        "figures": figures,
        "costs": [_cost(work, moments) for work in works],
        "heap": max(moment.heap for moment in moments.values()),
        "others": others,
    }


def _cost(work: Work, moments: dict[str, Moment]) -> dict[str, Any]:
    """Divide what was used and is held since by the count: microseconds, bytes."""
    since, until = moments[work.since], moments[work.until]
    used = {role: 1e6 * (until.until[role] - before) / work.count for role, before in since.since.items()}
    return {"what": work.what, **used, "bytes": 2**20 * (until.heap - since.heap) / work.count}


def main() -> None:
    """Measure, print, plot."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small loads: shows that everything works")
    parser.add_argument("--plot", type=Path, metavar="FILE.svg", help="draw the growth")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write every figure")
    args = parser.parse_args()
    loads = QUICK_ENSEMBLE if args.quick else ENSEMBLE
    grown: list[dict[str, Any]] = []
    by_size: dict[int, list[dict[str, Any]]] = {}
    for size in (1, 3, 5):
        with servers(size) as some:
            # The first time a server compiles its code.
            for load in ("sessions", "tasks"):
                run(load, loads[load], some)
            by_size[size] = [run(load, count, some) for load, count in loads.items()]
            if size == 1:
                for load, counts in (QUICK_GROWTH if args.quick else GROWTH).items():
                    grown += [run(load, count, some) for count in counts]
    print(growth(grown), costs(by_size), sizing(by_size, grown), sep="\n")
    most = max(one["others"] for one in (*grown, *(one for ones in by_size.values() for one in ones)))
    print(f"\nOther processes used {most:.0%} of the CPUs at most, in one load.")
    if args.quick:
        print("A quick run shows that everything works; its figures are too few to be quoted.")
    if most > BUSY:
        print("The machine was busy with other work: do not quote these figures, repeat the run on an idle one.")
    if args.plot:
        plot(grown, args.plot)
    if args.json:
        args.json.write_text(json.dumps({"growth": grown, "ensembles": by_size}, indent=2) + "\n")


if __name__ == "__main__":
    main()
