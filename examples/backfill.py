"""A backfill that several drivers share: each takes what is its own, and what a dead one leaves goes on elsewhere.

`python backfill.py OUTPUT [CONNECT]`, or `spark-submit backfill.py OUTPUT [CONNECT]`, as often as you have machines:
the first publishes the list, all work through it, and each ends when everything is done. Kill one, start another: every
month of flights is committed exactly once.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from typing import TYPE_CHECKING

from pyspark.sql import SparkSession, functions

import sparkeeper

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from sparkeeper import Claim

MONTHS = range(1, 13)
# The halves of a month: a partition is committed in steps, and a checkpoint says which are behind us.
HALVES = (1, 2)


def work(
    zk: sparkeeper.Coordinator, flights: DataFrame, output: str, claim: Claim, pause: float = 0.0
) -> dict[str, int]:
    """Copy one month, half by half, each under a name of its own: who repeats one finds it done."""
    month = claim.partition
    done = claim.restore() or {"halves": 0, "rows": 0}
    resumed = done["halves"]
    for half in HALVES[resumed:]:
        day = functions.col("day")
        part = flights.where((functions.col("month") == month) & ((day <= 15) if half == 1 else (day > 15)))  # noqa: PLR2004 - the middle of a month
        zk.write(part).job_id(f"month-{month}-{half}").guard(claim).save(output)
        done = {"halves": half, "rows": done["rows"] + part.count()}
        claim.checkpoint(done)
        say({"month": month, "half": half, "resumed": resumed})
        time.sleep(pause)
    return {"rows": done["rows"], "resumed": resumed}


def say(line: dict[str, int | str]) -> None:
    """Tell whoever watches; Spark's log is another stream."""
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def main(output: str, connect: str = "local", source: str = "", pause: str = "0") -> None:
    """Join the backfill and work until all of it is done."""
    remote = os.environ.get("SPARK_REMOTE")
    builder = SparkSession.builder.remote(remote) if remote else SparkSession.builder.config("spark.log.level", "ERROR")
    builder = builder.config("spark.ui.enabled", "false").config("spark.sql.execution.arrow.pyspark.enabled", "true")
    spark = builder.appName("backfill").getOrCreate()
    if source:
        flights = spark.read.parquet(source)
    else:
        from flights import load  # noqa: PLC0415 - a source of one's own needs no package

        flights = load(spark)
    name = f"{socket.gethostname()}-{os.getpid()}"
    with (
        sparkeeper.connect(connect, namespace="backfill", session_timeout=4) as zk,
        zk.partitions("flights-2013", items=MONTHS).join(id=name) as member,
    ):
        say({"joined": name})
        finished = member.run(lambda claim: work(zk, flights, output, claim, float(pause)))
        say({"finished": finished})


if __name__ == "__main__":
    main(*sys.argv[1:])
