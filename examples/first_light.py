"""One job, end to end: what breaks with plain Spark, and what holds with Sparkeeper, on 336,776 real flights.

It is the job of the article that this project comes from, in four chapters: connect, repartition, share a
resource, survive a crash. Every figure is computed while you watch. Spark's own log goes to a file.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from pyspark.errors import PySparkException
from pyspark.sql import SparkSession, functions

import flights
import sparkeeper
from screen import Summary, console, quiet, say, section, working
from sparkeeper.local import shared_server

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyspark.sql import DataFrame

JOBS = Path(__file__).with_name("jobs.py")
BOOKINGS = 400
JOB_TIMEOUT = 120.0


def main() -> None:
    """Tell the story."""
    folder = Path(tempfile.mkdtemp(prefix="sparkeeper-demo-"))
    log = folder / "spark.log"
    summary = Summary()
    console.print("[bold]Sparkeeper: one Spark job, end to end[/]")
    say(f"[dim]Spark's own log: {log}[/]")
    with quiet(log):
        spark, zk = chapter_connect()
        with spark_stops(spark), zk:
            data = chapter_repartition(spark, zk, summary)
            chapter_resource(zk, folder, summary)
            chapter_crash(spark, zk, data, folder, summary)
    summary.show()
    shutil.rmtree(folder, ignore_errors=True)


def chapter_connect() -> tuple[SparkSession, sparkeeper.Coordinator]:
    """Open the session that the user has anyway, and coordinate through it."""
    section(1, "Connect")
    with working("starting Spark, and a real ZooKeeper out of Spark's own jars"):
        spark = (
            SparkSession.builder.appName("first-light")
            .master("local[2]")
            .config("spark.zookeeper.connect", "local")
            .config("spark.zookeeper.namespace", "demo")
            .config("spark.ui.enabled", "false")
            .config("spark.sql.execution.arrow.pyspark.enabled", "true")
            .getOrCreate()
        )
        zk = sparkeeper.connect(spark)
    say(
        f"Spark {spark.version}, ZooKeeper {shared_server().version} at {zk.connect_string}, session {zk.session_id:#x}"
    )
    return spark, zk


def chapter_repartition(spark: SparkSession, zk: sparkeeper.Coordinator, summary: Summary) -> DataFrame:
    """Place rows by plan: the article's own example first, then the flights."""
    section(2, "Repartition")
    numbers = spark.range(100).withColumnRenamed("id", "value")
    plain = sizes(numbers.repartition(2, functions.col("value") % 2), 2)
    zk.delete("plans", recursive=True) if zk.exists("plans") else None
    plan = zk.partition_plan("value-parity", numbers, by=["value % 2"], partitions=2)
    planned = sizes(plan.repartition(numbers), 2)
    say('the article\'s repartition(2, col("value") % 2) of 100 rows:')
    say(f"  plain [red]{plain}[/]   planned [green]{planned}[/]")
    summary.add("100 rows by value % 2 into 2 partitions", str(plain), str(planned))

    with working("reading the flights"):
        data = flights.load(spark)
        rows = data.count()
    with working("hashing, then planning and placing, by destination into 16 partitions"):
        plain = sizes(data.repartition(16, "dest"), 16)
        plan = zk.partition_plan("flights-by-dest", data, by=["dest"], partitions=16)
        placed = plan.repartition(data)
        planned = sizes(placed, 16)
        split = placed.select("dest", functions.spark_partition_id().alias("home")).distinct().groupBy("dest").count()
        homes = split.agg(functions.max("count"), functions.count("dest")).first()
    skew = [max(found) / (rows / 16) for found in (plain, planned)]
    say(f"{rows:,} flights to {homes[1]} destinations; heaviest partition over the mean:")
    say(f"  plain [red]{skew[0]:.2f}[/]   planned [green]{skew[1]:.2f}[/]")
    say(f"rows after placing: {sum(planned):,} of {rows:,}; partitions a destination lies in: {homes[0]}")
    summary.add(f"{rows:,} flights by dest into 16: max / mean", f"{skew[0]:.2f}", f"{skew[1]:.2f}")
    return data


def chapter_resource(zk: sparkeeper.Coordinator, folder: Path, summary: Summary) -> None:
    """Let two job processes use one thing that bears one user at a time."""
    section(3, "Share a resource")
    found = []
    for what, connect in (("without a lock", []), ("with zk.lock", [zk.connect_string])):
        ledger = folder / "ledger"
        ledger.write_text("0")
        with working(f"two jobs book {BOOKINGS} seats each, {what}"):
            jobs = [start_job("book", str(ledger), str(BOOKINGS), *connect) for _ in range(2)]
            failed = sum(job.wait(JOB_TIMEOUT) != 0 for job in jobs)
        booked = int(ledger.read_text())
        found.append(f"{booked} of {2 * BOOKINGS}" + (f", {failed} of 2 jobs failed" if failed else ""))
    say(f"seats in the ledger afterwards: without [red]{found[0]}[/], with [green]{found[1]}[/]")
    summary.add("seats booked by two jobs at once", *found)


def chapter_crash(
    spark: SparkSession, zk: sparkeeper.Coordinator, data: DataFrame, folder: Path, summary: Summary
) -> None:
    """Kill a driver in the middle of an overwrite, and see what readers are left with."""
    section(4, "Survive a crash")
    rows = data.count()
    plain, ours, source = (str(folder / name) for name in ("plain", "ours", "source"))
    with working("writing the flights as two tables"):
        data.write.parquet(source)
        data.write.parquet(plain)
        zk.write(data).mode("overwrite").save(ours)
    with working("plain Spark overwrites one; its driver gets SIGKILL once the old files are gone"):
        kill_when("overwrite", plain, source, when=lambda: not list(Path(plain).glob("part-*")))
    left = readable(spark, plain)
    say(f"plain: a reader finds [red]{left}[/]")
    with working("Sparkeeper overwrites the other; its driver gets SIGKILL while Spark writes"):
        kill_when("overwrite", ours, source, zk.connect_string, when=lambda: any(staged(ours)))
    held = readable(spark, ours)
    say(f"Sparkeeper: a reader finds [green]{held}[/]")
    summary.add("a reader, after a killed overwrite", left, held)

    table = zk.table(spark, ours)
    with working("the killed job runs again"):
        if start_job("overwrite", ours, source, zk.connect_string).wait(JOB_TIMEOUT) != 0:
            raise SystemExit("the second run failed; see Spark's log")
    late = functions.sum("dep_delay")
    moved = table.read().agg(late).first()[0] - data.agg(late).first()[0]
    known = data.where("dep_delay is not null").count()
    versions = table.history().count()
    leftovers = len(list(staged(ours)))
    say(
        f"afterwards: {readable(spark, ours)}, {moved / known:.0f} minutes later each, "
        f"{versions} versions, {leftovers} files left over"
    )
    summary.add("the killed job, run again", "not tried", f"{moved / known:.0f} minutes later, {rows:,} rows")


def sizes(df: DataFrame, partitions: int) -> list[int]:
    """Return the number of rows in each partition, by Spark's own account."""
    counts = df.groupBy(functions.spark_partition_id().alias("partition")).count().collect()
    found = {row["partition"]: row["count"] for row in counts}
    return [found.get(partition, 0) for partition in range(partitions)]


def readable(spark: SparkSession, path: str) -> str:
    """Return what a plain reader sees at a path, in words."""
    try:
        return f"{spark.read.parquet(path).count():,} rows"
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what the reader gets
        said = error.getCondition() if isinstance(error, PySparkException) else type(error).__name__
        return f"no table ({said})"


def staged(path: str) -> list[Path]:
    """Return the files in the private staging of a table's writers."""
    return list(Path(path, "_zk", "tx").rglob("*.parquet"))


def start_job(*arguments: str) -> subprocess.Popen[bytes]:
    """Start a job as a process of its own, with a Spark of one core."""
    place = {"PYSPARK_SUBMIT_ARGS": "--master local[1] pyspark-shell"}
    return subprocess.Popen(
        [sys.executable, str(JOBS), *arguments], stdout=subprocess.DEVNULL, env={**os.environ, **place}
    )


def kill_when(*arguments: str, when: Callable[[], bool]) -> None:
    """Start a job, and send its driver SIGKILL as soon as `when` holds."""
    job = start_job(*arguments)
    end = time.monotonic() + JOB_TIMEOUT
    while not when():
        if job.poll() is not None or time.monotonic() > end:
            raise SystemExit("the job ended before it could be killed; see Spark's log")
        time.sleep(0.002)
    job.send_signal(signal.SIGKILL)
    job.wait()


@contextlib.contextmanager
def spark_stops(spark: SparkSession) -> contextlib.AbstractContextManager[None]:
    """Stop Spark at the end, whatever happens."""
    try:
        yield
    finally:
        spark.stop()


if __name__ == "__main__":
    main()
