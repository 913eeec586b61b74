"""A Spark driver as a process of its own, told by its standard input what to write and where to die.

Commands and answers are one JSON object a line. `drivers.Driver` is the other end.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

from pyspark.sql import SparkSession

import sparkeeper
from sparkeeper.exceptions import SparkeeperError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sparkeeper.spark.steps import Step


def main() -> None:
    """Serve commands until the input ends."""
    settings = json.loads(sys.argv[1])
    builder = SparkSession.builder
    remote = settings.pop("remote", None)
    builder = builder.remote(remote) if remote else builder.master(settings.pop("master", "local[1]"))
    # Of each pair the second is for a console that nobody reads.
    for key, value in (("spark.ui.enabled", "false"), ("spark.ui.showConsoleProgress", "false")):
        builder = builder.config(key, value)
    spark = builder.config("spark.sql.shuffle.partitions", "2").getOrCreate()
    zk = sparkeeper.connect(settings.pop("connect"), **settings)
    say({"ready": True, "spark": spark.version})
    for line in sys.stdin:
        command = json.loads(line)
        try:
            say(COMMANDS[command.pop("do")](spark, zk, **command))
        except Exception as error:  # noqa: BLE001 - the other end wants to know whatever it is
            say({"error": type(error).__name__, "ours": isinstance(error, SparkeeperError), "text": str(error)})
    zk.close()
    spark.stop()


def write(  # noqa: PLR0913 - one for each thing a test wants to choose
    spark: SparkSession,
    zk: sparkeeper.Coordinator,
    path: str,
    rows: tuple[int, int],
    mode: str = "append",
    job_id: str | None = None,
    at: tuple[str, str] | None = None,
    *,
    blind: bool = False,
) -> dict[str, Any]:
    """Write `id` from rows[0] to rows[1]; `at` is a step and the signal to send ourselves then."""
    builder = zk.write(spark.range(*rows, numPartitions=2)).mode(mode).blind(blind)
    if job_id is not None:
        builder = builder.job_id(job_id)
    steps: list[str] = []

    def on_step(step: Step) -> None:
        steps.append(step.name)
        if at is not None and step.name == at[0]:
            os.kill(os.getpid(), signal.Signals[at[1]])

    commit = builder.on_step(on_step).save(path)
    return {"version": commit.version, "files": commit.files, "replayed": commit.replayed, "steps": steps}


def append_jobs(
    spark: SparkSession, zk: sparkeeper.Coordinator, path: str, first: int, count: int, rows: int
) -> dict[str, Any]:
    """Append `count` jobs, each of so many rows that say which job they are of."""
    for job in range(first, first + count):
        zk.write(spark.range(job * rows, (job + 1) * rows)).job_id(f"job-{job}").save(path)
        say({"did": job})
    return {"done": count}


def plain_append(spark: SparkSession, _zk: sparkeeper.Coordinator, path: str, rows: tuple[int, int]) -> dict[str, Any]:
    """Append as plain Spark does."""
    spark.range(*rows, numPartitions=2).write.mode("append").parquet(path)
    return {"done": 1}


def count(spark: SparkSession, _zk: sparkeeper.Coordinator, path: str) -> dict[str, Any]:
    """Count as plain Spark does."""
    return {"rows": spark.read.parquet(path).count()}


def say(answer: dict[str, Any]) -> None:
    """Answer one line."""
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


COMMANDS: dict[str, Callable[..., dict[str, Any]]] = {
    "write": write,
    "append_jobs": append_jobs,
    "plain_append": plain_append,
    "count": count,
}

if __name__ == "__main__":
    main()
