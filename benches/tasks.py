"""Small tasks through four workers, beside Spark's own map of the same function and kazoo's LockingQueue.

    python benches/tasks.py [--quick] [--json FILE]

The function does next to nothing, so that the time is what a task costs: a worker's time for one task is the wall time
from the first task to the last result, times the workers, over the tasks. Round trips are the time of a single worker's
tasks over a link with a delay, over that delay.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kazoo.client import KazooClient

import sparkeeper
from machine import Usage
from quiet_spark import session
from raw_server import round_trip
from slow_link import Link
from sparkeeper.local import LocalServer, ServerSettings
from task_workers import Crew, serve_kazoo, serve_tasks, work

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyspark.sql import SparkSession

WORKERS = 4
DELAY = 0.010
MOST_ROUND_TRIPS = 4.0
TRIES = 5
BUSY = 0.10


def ours(connect: str, count: int, turn: int) -> float:
    """Time tasks through worker processes."""
    path = f"bench/tasks-{turn}"
    with sparkeeper.connect(connect, timeout=30) as zk, Crew(WORKERS, serve_tasks, connect, path) as crew:
        tasks = zk.tasks(path, strategy="priority")
        tasks.submit(range(count))
        crew.go()
        began = time.perf_counter()
        _check((result.value for result in tasks.results()), count)
        return time.perf_counter() - began


def in_spark(spark: SparkSession, connect: str, count: int, turn: int) -> float:
    """Time tasks through workers in executors, the start of the Spark job included."""
    with sparkeeper.connect(connect, timeout=30) as zk:
        tasks = zk.tasks(f"bench/spark-{turn}", strategy="priority")
        tasks.submit(range(count))
        began = time.perf_counter()
        _check((result.value for result in tasks.run(spark, work, workers=WORKERS, progress=False)), count)
        return time.perf_counter() - began


def plain_spark(spark: SparkSession, _connect: str, count: int, _turn: int) -> float:
    """Time Spark's own map: results come together at the end, and a task that fails fails the job."""
    began = time.perf_counter()
    _check(spark.sparkContext.parallelize(range(count), WORKERS).map(work).collect(), count)
    return time.perf_counter() - began


def kazoo(connect: str, count: int, turn: int) -> float:
    """Time kazoo's LockingQueue, whose workers store results in nodes of their own."""
    path = f"/bench-kazoo-{turn}"
    client: Any = KazooClient(connect, timeout=10.0)
    client.start(timeout=30)
    try:
        client.ensure_path(f"{path}-results")
        queue = client.LockingQueue(path)
        items = [str(number).encode() for number in range(count)]
        for first in range(0, count, 500):
            queue.put_all(items[first : first + 500])
        with Crew(WORKERS, serve_kazoo, connect, path) as crew:
            crew.go()
            began = time.perf_counter()
            while client.get(f"{path}-results")[1].numChildren < count:
                time.sleep(0.02)
            return time.perf_counter() - began
    finally:
        client.stop()
        client.close()


def round_trips(address: tuple[str, int], count: int) -> float:
    """Say how many round trips a worker takes for a task, looking for it included."""
    link = Link(address, DELAY)
    with contextlib.closing(link), sparkeeper.connect(f"{link.address[0]}:{link.address[1]}", timeout=30) as zk:
        tasks = zk.tasks("bench/far", strategy="priority")
        tasks.submit(range(count * TRIES))
        took = []
        for _ in range(TRIES):
            began = time.perf_counter()
            tasks.work(work, limit=count)
            took.append(time.perf_counter() - began)
        # Load only ever adds to the time, so the fastest is the closest.
        return min(took) / count / round_trip(link.address)


def _check(values: Any, count: int) -> None:  # noqa: ANN401 - any iterable
    found = sorted(values)
    if found != [number * number for number in range(count)]:
        raise RuntimeError(f"{len(found)} results for {count} tasks")


def _row(title: str, count: int, seconds: list[float]) -> str:
    each = sorted(1e3 * WORKERS * second / count for second in seconds)
    rate = sorted(count / second for second in seconds)
    return (
        f"| {title} | {count:,} | {statistics.median(rate):,.0f} ({rate[0]:,.0f}-{rate[-1]:,.0f}) "
        f"| {statistics.median(each):.2f} ({each[0]:.2f}-{each[-1]:.2f}) |"
    )


def main() -> None:
    """Measure everything and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a smoke test: too few tasks to be quoted")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write every round's figures")
    args = parser.parse_args()
    count, rounds = (1_000, 1) if args.quick else (10_000, 3)
    found: dict[str, list[float]] = {}
    others = []
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        # As in production: every write reaches the disk first.
        server = stack.enter_context(LocalServer(settings=ServerSettings(sync=True, heap="1g")))
        connect = server.connect_string
        host, port = connect.rsplit(":", 1)
        # The function is pickled by name, so tasks import its module.
        here = {"spark.executorEnv.PYTHONPATH": str(Path(__file__).parent)}
        spark = session(folder, "tasks", {"spark.master": f"local[{WORKERS}]", **here})
        stack.callback(spark.stop)
        cases: dict[str, Callable[[int], float]] = {
            "Sparkeeper, 4 processes": lambda turn: ours(connect, count, turn),
            "Sparkeeper, 4 workers in Spark": lambda turn: in_spark(spark, connect, count, turn),
            "kazoo LockingQueue, 4 processes": lambda turn: kazoo(connect, count, turn),
            "Spark, rdd.map, 4 partitions": lambda turn: plain_spark(spark, connect, count, turn),
        }
        plain_spark(spark, connect, count, 0)
        for turn in range(rounds):
            print(f"round {turn + 1} of {rounds}", file=sys.stderr, flush=True)
            before = Usage.now()
            for title, measure in cases.items():
                found.setdefault(title, []).append(measure(turn))
            others.append(Usage.now().others_since(before))
        trips = round_trips((host, int(port)), 20)
    print("| | tasks | tasks/s | a worker's ms for one |", "|---|---|---|---|", sep="\n")
    for title, seconds in found.items():
        print(_row(title, count, seconds))
    verdict = "met" if trips <= MOST_ROUND_TRIPS else "missed"
    print(f"\nRound trips of a worker for a task: {trips:.2f}, target ≤ {MOST_ROUND_TRIPS:g}: {verdict}.")
    print(f"Median (lowest-highest) of {rounds} rounds; other processes used {max(others):.0%} of the CPUs at most.")
    if args.quick:
        print("A quick run shows that everything works; its figures are too few to be quoted.")
    if max(others) > BUSY:
        print("The machine was busy with other work: do not quote these figures, repeat the run on an idle one.")
    if args.json:
        figures = {"seconds": found, "tasks": count, "round_trips": trips, "others_share": others}
        args.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
