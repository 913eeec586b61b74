"""Fault-tolerant writes beside plain ones and beside Delta Lake, their commits in a storm, and on large tables.

    python benches/writes.py [--quick] [--json FILE] [--delta PYTHON]

What is compared takes turns within each round, and ratios are taken round by round. Delta Lake runs in an environment
of its own that `make bench` sets up, with a PySpark that it supports. Prints Markdown tables.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sparkeeper
from machine import Usage
from quiet_spark import session
from report import figure
from sparkeeper.local import LocalServer, ServerSettings
from write_cases import Append, Burst, Growth, Saves, Storm

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pyspark.sql import SparkSession

BUSY = 0.10
BUSY_NOTE = " The machine was busy with other work: do not quote these figures, repeat the run on an idle one."
QUICK_NOTE = " A quick run shows that everything works; its figures are not to be quoted."
TARGET = {200: 1.10}


@dataclass(frozen=True)
class Plan:
    """How much is measured: rounds by files, bursts by writers, and appends to tables of so many files."""

    saves: dict[int, int]
    storms: dict[int, int]
    growth: tuple[int, ...]
    appends: int


FULL = Plan({10: 9, 200: 7, 1_000: 3, 5_000: 1}, {1: 40, 8: 10, 32: 4}, (100, 1_000, 10_000), 20)
QUICK = Plan({10: 2, 200: 1}, {1: 3, 8: 1}, (100, 1_000), 10)


@dataclass
class Figures:
    """One value a round, by what was measured."""

    saves: dict[int, list[dict[str, float]]] = field(default_factory=dict)
    storms: dict[int, list[Burst]] = field(default_factory=dict)
    growth: dict[int, list[Append]] = field(default_factory=dict)
    delta: dict[str, Any] | None = None
    others: dict[str, float] = field(default_factory=dict)


def measure_saves(spark: SparkSession, zk: sparkeeper.Coordinator, folder: Path, plan: Plan, found: Figures) -> None:
    """Save and write plainly, in turns; the first round is thrown away."""
    for files, rounds in plan.saves.items():
        with contextlib.closing(Saves(spark, zk, folder, files)) as saves:
            # Where a round takes long, the compiler has warmed up on what came before.
            for turn in range(rounds + 1 if files in (10, 200) else rounds):
                took = saves.measure(turn)
                if turn or files not in (10, 200):
                    found.saves.setdefault(files, []).append(took)


def measure_storms(spark: SparkSession, connect: str, folder: Path, plan: Plan, found: Figures) -> None:
    """Commit in bursts; the first of each is thrown away."""
    for writers, bursts in plan.storms.items():
        with contextlib.closing(Storm(spark, connect, folder, writers)) as storm:
            storm.measure()
            found.storms[writers] = [storm.measure() for _ in range(bursts)]


def measure_growth(spark: SparkSession, zk: sparkeeper.Coordinator, folder: Path, plan: Plan, found: Figures) -> None:
    """Append to a small, a large and a larger table, in turns."""
    tables = [Growth(spark, zk, folder, files) for files in plan.growth]
    for _ in range(plan.appends):
        for table in tables:
            found.growth.setdefault(table.files, []).append(table.measure())


def measure_delta(python: Path, *, quick: bool) -> dict[str, Any] | None:
    """Run `write_peers.py` in its environment, where that exists."""
    if not python.exists():
        return None
    script = Path(__file__).with_name("write_peers.py")
    environment = {**os.environ, "PYTHONPATH": str(Path(sparkeeper.__file__).parent.parent)}
    command = [python, script, *(["--quick"] if quick else [])]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def show_saves(found: Figures) -> None:
    """Whole saves over plain writes."""
    print("\n| append of | plain df.write, s | zk.write, s | ratio | target | |\n|---|---|---|---|---|---|")
    for files, rounds in found.saves.items():
        ratios = [took["sparkeeper"] / took["plain"] for took in rounds]
        target = TARGET.get(files)
        verdict = "-" if target is None else "met" if statistics.median(ratios) <= target else "missed"
        cells = (
            f"{files:,} files",
            figure([took["plain"] for took in rounds], 2),
            figure([took["sparkeeper"] for took in rounds], 2),
            figure(ratios, 2, "x"),
            f"≤ {target}x" if target else "-",
            verdict,
        )
        print(f"| {' | '.join(cells)} |")


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that this share of them does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def show_storms(found: Figures) -> None:
    """Commits, Spark's writing apart."""
    print("\n| writers at once | commit p50, ms | p99, ms | commits/s | proposals a commit |\n|---|---|---|---|---|")
    for writers, bursts in found.storms.items():
        latencies = [1000 * latency for burst in bursts for latency in burst.latencies]
        cells = (
            f"{writers}",
            f"{statistics.median(latencies):.1f}",
            f"{percentile(latencies, 0.99):.1f}",
            figure([burst.rate for burst in bursts]),
            f"{sum(burst.proposals for burst in bursts) / len(latencies):.2f}",
        )
        print(f"| {' | '.join(cells)} |")


def show_growth(found: Figures) -> None:
    """Appends of one file, by how many there are."""
    print(
        "\n| append of 1 file to a table of | once written by Spark, ms | the dearest, ms | metadata, bytes "
        "| with the full list, bytes | mean, bytes |\n|---|---|---|---|---|---|"
    )
    for files, appends in found.growth.items():
        written = [append.written for append in appends]
        cells = (
            f"{files:,} files",
            figure([1000 * append.took for append in appends], 1),
            f"{1000 * max(append.took for append in appends):.1f}",
            f"{statistics.median(written):,.0f}",
            f"{max(written):,}",
            f"{statistics.mean(written):,.0f}",
        )
        print(f"| {' | '.join(cells)} |")


def show_delta(found: Figures) -> None:
    """Writes beside Delta Lake."""
    if found.delta is None:
        print("\nDelta Lake was left out: `make bench` sets up its environment.")
        return
    print(
        f"\n| PySpark {found.delta['pyspark']}, Delta Lake {found.delta['delta-spark']} | plain, s | Delta Lake, s "
        "| zk.write, s | to plain | to Delta Lake |\n|---|---|---|---|---|---|"
    )
    for case, sides in found.delta["seconds"].items():
        seconds = [figure(sides[side], 2) if side in sides else "-" for side in ("plain", "Delta Lake", "sparkeeper")]
        ratios = [
            figure([ours / theirs for ours, theirs in zip(sides["sparkeeper"], sides[peer], strict=True)], 2, "x")
            if peer in sides
            else "-"
            for peer in ("plain", "Delta Lake")
        ]
        print(f"| {' | '.join((case, *seconds, *ratios))} |")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few files and rounds")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure there")
    default = Path(__file__).parent.parent / ".venv-delta/bin/python"
    parser.add_argument("--delta", type=Path, default=default, help="the Python of an environment with Delta Lake")
    args = parser.parse_args()
    plan, found, began = QUICK if args.quick else FULL, Figures(), time.monotonic()

    @contextlib.contextmanager
    def watched(title: str) -> Iterator[None]:
        print(title, file=sys.stderr, flush=True)
        before = Usage.now()
        yield
        found.others[title] = Usage.now().others_since(before)

    # As in production: every write reaches the disk first.
    with (
        tempfile.TemporaryDirectory(prefix="sparkeeper-bench-") as name,
        LocalServer(settings=ServerSettings(sync=True)) as server,
    ):
        folder, spark = Path(name), session(name, "writes")
        with sparkeeper.connect(server.connect_string, namespace="bench") as zk:
            with watched("saves"):
                measure_saves(spark, zk, folder, plan, found)
            with watched("storms"):
                measure_storms(spark, server.connect_string, folder, plan, found)
            with watched("growth"):
                measure_growth(spark, zk, folder, plan, found)
        version = spark.version
        spark.stop()
    # Of what ran in a process that has ended, its parent cannot tell the share.
    found.delta = measure_delta(args.delta, quick=args.quick)

    for show in (show_saves, show_storms, show_growth, show_delta):
        show(found)
    busy = ", ".join(f"{title} {share:.0%}" for title, share in found.others.items())
    print(
        f"\nMedian (lowest-highest), ratios round by round; local disk, PySpark {version}, 2 of {os.cpu_count()} "
        f"cores, with a ZooKeeper server that syncs. Writers at once have their files in place, and Spark is idle. "
        f"Other processes used of the CPUs: {busy}. The run took {time.monotonic() - began:.0f} s."
        + (QUICK_NOTE if args.quick else "")
        + (BUSY_NOTE if max(found.others.values()) > BUSY else "")
    )
    if args.json:
        args.json.write_text(json.dumps(asdict(found), indent=2) + "\n")


if __name__ == "__main__":
    main()
