"""Three drivers share a backfill of a year of flights; one is killed in the middle, and nothing is lost or doubled."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyspark.sql import SparkSession

import sparkeeper
from flights import load
from sparkeeper.local import LocalServer

if TYPE_CHECKING:
    from sparkeeper import GroupProgress

BACKFILL = Path(__file__).with_name("backfill.py")


def main(drivers: int = 3) -> None:
    """Tell it."""
    folder = Path(tempfile.mkdtemp(prefix="sparkeeper-backfill-"))
    log = (folder / "drivers.log").open("wb")
    spark = SparkSession.builder.config("spark.ui.enabled", "false").config("spark.log.level", "ERROR").getOrCreate()
    flights = load(spark)
    flights.write.parquet(str(folder / "flights"))
    with LocalServer() as server, sparkeeper.connect(server.connect_string, namespace="backfill") as zk:
        processes = [
            subprocess.Popen(
                [
                    sys.executable,
                    str(BACKFILL),
                    str(folder / "out"),
                    server.connect_string,
                    str(folder / "flights"),
                    "1",
                ],
                stdout=subprocess.PIPE,
                stderr=log,
                env={**os.environ, "SPARK_LOCAL_IP": "127.0.0.1"},
            )
            for _ in range(drivers)
        ]
        victim = processes[0]
        while "half" not in hear(victim):
            pass
        victim.kill()
        victim.wait()
        print(f"killed driver-{victim.pid} after its first half of a month")
        for process in processes[1:]:
            while "finished" not in (line := hear(process)):
                print(f"driver-{process.pid}: {line}")
            print(f"driver-{process.pid} finished {line['finished']} months")
            process.wait()
        progress: GroupProgress = zk.partitions("flights-2013").progress()
    print(progress)
    rows = spark.read.parquet(str(folder / "out")).count()
    print(f"{rows:,} rows in the table, {flights.count():,} flights; Spark's own log is in {folder}")
    spark.stop()


def hear(process: subprocess.Popen[bytes]) -> dict[str, Any]:
    """Return the next line that a driver said."""
    line = process.stdout.readline() if process.stdout else b""
    if not line:
        raise RuntimeError(f"driver {process.pid} ended with {process.wait()}")
    return json.loads(line)


if __name__ == "__main__":
    main()
