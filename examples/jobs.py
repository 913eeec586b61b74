"""The jobs that the story starts as processes of their own, so that they can really compete and really die.

`python jobs.py book LEDGER TIMES [CONNECT]` books seats in a ledger that only one at a time may touch.
`python jobs.py overwrite PATH SOURCE [CONNECT]` replaces a table by its own rows, ten minutes later.
Without CONNECT each does it as plain Python, or plain Spark, would. `spark-submit jobs.py …` takes them to a cluster.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

import sparkeeper


def book(ledger: str, times: str, connect: str | None = None) -> None:
    """Read the number in the ledger and write it back plus one: a resource that bears one user at a time."""
    with sparkeeper.connect(connect, namespace="demo") if connect else contextlib.nullcontext() as zk:
        for _ in range(int(times)):
            with zk.lock("ledger", timeout=60) if zk else contextlib.nullcontext():
                seats = int(Path(ledger).read_text())
                turned = Path(f"{ledger}.{os.getpid()}")
                turned.write_text(str(seats + 1))
                turned.replace(ledger)


def overwrite(path: str, source: str, connect: str | None = None) -> None:
    """Overwrite the table with every departure ten minutes later, in twelve small tasks."""
    from pyspark.sql import SparkSession, functions  # noqa: PLC0415 - the other job has no use for it

    spark = SparkSession.builder.config("spark.ui.enabled", "false").getOrCreate()
    later = spark.read.parquet(source).withColumn("dep_delay", functions.col("dep_delay") + 10).repartition(12)
    if connect is None:
        later.write.mode("overwrite").parquet(path)
    else:
        with sparkeeper.connect(connect, namespace="demo") as zk:
            zk.write(later).mode("overwrite").job_id("ten-minutes-later").save(path)


if __name__ == "__main__":
    {"book": book, "overwrite": overwrite}[sys.argv[1]](*sys.argv[2:])
