"""Locks and the other recipes beside kazoo and Curator, in one run against one real server.

    python benches/locks.py [--quick] [--json FILE]

The libraries take turns within each round, so that a drift of the machine hits all of them alike. Ratios are taken
round by round. Prints a Markdown table with the targets and whether each is met.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from machine import Usage
from peers import NAMES, Peer
from raw_server import raw_cycles, round_trip, server_version
from report import HEADER, figure, row
from scenarios import RAW_WIDTH, Scenario, scenarios
from slow_link import Link

if TYPE_CHECKING:
    from collections.abc import Iterator

DELAY = 0.010


@dataclass(frozen=True)
class Plan:
    """How long a run takes: seconds per measurement, and how many rounds of them are kept."""

    rounds: int
    warmup: float
    seconds: float
    first_warmup: float  # in a round that is thrown away, for the JVM's compiler


FULL = Plan(rounds=7, warmup=0.25, seconds=1.0, first_warmup=1.5)
QUICK = Plan(rounds=2, warmup=0.15, seconds=0.35, first_warmup=0.8)

BUSY = 0.10
BUSY_NOTE = " The machine was busy with other work: do not quote these figures, repeat the run on an idle one."
QUICK_NOTE = " A quick run shows that everything works; its figures are too few to be quoted, its verdicts too."


@contextlib.contextmanager
def server(given: str | None) -> Iterator[tuple[str, int]]:
    """Start a fresh server out of PySpark's jars, unless one is given."""
    if given:
        host, port = given.rsplit(":", 1)
        yield host, int(port)
        return
    from sparkeeper.local import LocalServer, ServerSettings  # noqa: PLC0415 - not needed beside a given server

    # As in production: every write reaches the disk first, and the heap does not bound it.
    with LocalServer(settings=ServerSettings(sync=True, heap="1g")) as local:
        host, port = local.connect_string.rsplit(":", 1)
        yield host, int(port)


@dataclass
class Run:
    """The figures of a run: `rates[title][peer]` and `rtts[title]`, one value a round."""

    address: tuple[str, int]
    link: Link
    peers: list[Peer]
    versions: dict[str, str]
    began: float
    rates: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    rtts: dict[str, list[float]] = field(default_factory=dict)
    raw: list[float] = field(default_factory=list)
    others: list[float] = field(default_factory=list)

    def measure(self, scenario: Scenario, turn: int, warmup: float, seconds: float, *, keep: bool) -> None:
        """Let every library run one scenario, each round with another one first."""
        address = self.link.address if scenario.link else self.address
        start = turn % len(self.peers)
        for peer in self.peers[start:] + self.peers[:start]:
            if peer.name in scenario.lacking:
                continue
            if scenario.beside and peer.name != "sparkeeper":
                if keep:
                    self.rates.setdefault(scenario.title, {})[peer.name] = self.rates[scenario.beside][peer.name]
                continue
            answer = peer.ask(
                scenario.op,
                connect=f"{address[0]}:{address[1]}",
                path=f"/bench/{peer.name}-{scenario.op}-{scenario.width}",
                width=scenario.width,
                warmup=warmup,
                seconds=seconds,
            )
            if keep:
                rate = answer["count"] / answer["seconds"]
                self.rates.setdefault(scenario.title, {}).setdefault(peer.name, []).append(rate)
        if scenario.raw:
            found = raw_cycles(address, scenario.width, warmup, seconds)
            if keep:
                self.raw.append(found)
        if keep and scenario.link:
            self.rtts.setdefault(scenario.title, []).append(round_trip(address))


def environment(address: tuple[str, int], peers: list[Peer]) -> dict[str, str]:
    """Name the machine and the versions of everything that takes part."""
    found = {
        "CPUs": str(len(os.sched_getaffinity(0))),
        "machine": f"{platform.system()} {platform.release()} {platform.machine()}",
        "ZooKeeper server": server_version(address),
    }
    for peer in peers:
        found.update(peer.ask("versions"))
    return found


def footer(run: Run, plan: Plan, loopback_rtt: float) -> str:
    """Say under the table how it was measured, on what, and how busy the machine was with other work."""
    link_rtts = [rtt for rtts in run.rtts.values() for rtt in rtts]
    return (
        f"Median (lowest-highest) of {plan.rounds} rounds of {plan.seconds:g} s, ratios round by round. "
        f"{', '.join(f'{name} {value}' for name, value in run.versions.items())}. "
        f"Server and libraries share these CPUs. Without a library, ready-made requests for {RAW_WIDTH} locks: "
        f"{figure(run.raw)} cycles/s. "
        f"Round trip of a ping: {loopback_rtt * 1e3:.2f} ms on loopback, "
        f"{min(link_rtts) * 1e3:.1f}-{max(link_rtts) * 1e3:.1f} ms on the link. "
        f"Other processes used {figure([100 * share for share in run.others], 0)} % of the CPUs per round. "
        f"The run took {time.monotonic() - run.began:.0f} s."
        + (QUICK_NOTE if plan is QUICK else "")
        + (BUSY_NOTE if max(run.others) > BUSY else "")
    )


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="under a minute, for a smoke test: wide ranges")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write every round's figures")
    parser.add_argument("--connect", metavar="HOST:PORT", help="use this server instead of a fresh one")
    parser.add_argument("--peers", default=",".join(NAMES), help="which libraries, by comma (default: all)")
    return parser.parse_args()


def main() -> None:
    """Run every scenario and print the table."""
    args = arguments()
    plan = QUICK if args.quick else FULL
    began = time.monotonic()
    with contextlib.ExitStack() as stack:
        address = stack.enter_context(server(args.connect))
        link = stack.enter_context(contextlib.closing(Link(address, DELAY)))
        peers = [stack.enter_context(contextlib.closing(Peer(name))) for name in args.peers.split(",")]
        run = Run(address, link, peers, environment(address, peers), began)
        rows = scenarios(DELAY)
        for turn in range(plan.rounds + 1):
            print(f"round {turn} of {plan.rounds}" if turn else "warming up", file=sys.stderr, flush=True)
            before = Usage.now()
            for scenario in rows:
                if turn == 0:
                    run.measure(scenario, turn, plan.first_warmup, plan.warmup, keep=False)
                else:
                    run.measure(scenario, turn, plan.warmup, plan.seconds, keep=True)
            if turn:
                run.others.append(Usage.now().others_since(before))
        loopback_rtt = round_trip(address)

    print(*HEADER, *(row(s, run.rates[s.title], run.rtts.get(s.title, [])) for s in rows), sep="\n")
    print("\n" + footer(run, plan, loopback_rtt))
    if args.json:
        figures = {
            "environment": run.versions,
            "rates": run.rates,
            "link_rtt_seconds": run.rtts,
            "loopback_rtt_seconds": loopback_rtt,
            "raw_cycles": run.raw,
            "others_share": run.others,
        }
        args.json.write_text(json.dumps(figures, indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
