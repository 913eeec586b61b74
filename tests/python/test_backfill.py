"""The backfill of the examples, with real drivers: one is killed, every row is there once, its month goes on."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from pathlib import Path

import sparkeeper

BACKFILL = Path(__file__).parents[2] / "examples" / "backfill.py"


class Backfill:
    def __init__(self, log, *arguments, remote):
        self.process = subprocess.Popen(
            [sys.executable, str(BACKFILL), *arguments],
            stdout=subprocess.PIPE,
            stderr=log.open("ab"),
            bufsize=0,
            env={**os.environ, "SPARK_REMOTE": remote},
        )

    def hear(self):
        ready, _, _ = select.select([self.process.stdout], [], [], 120)
        assert ready, "the driver said nothing"
        line = self.process.stdout.readline()
        assert line, f"the driver ended with {self.process.wait()}"
        return json.loads(line)

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()


def test_three_drivers_share_a_year_and_one_dies(spark, spark_connect, connect_string, namespace, tmp_path):
    root = f"{connect_string}/{namespace.replace('/', '-')}"
    rows = spark.range(1200).selectExpr("id", "int(id % 12 + 1) as month", "int(id / 12 % 28 + 1) as day")
    rows.write.parquet(str(tmp_path / "source"))
    arguments = (str(tmp_path / "out"), root, str(tmp_path / "source"), "0.3")
    drivers = [Backfill(tmp_path / "drivers.log", *arguments, remote=spark_connect) for _ in range(3)]
    try:
        # One dies between the two halves of a month, its checkpoint behind it.
        victim = drivers[0]
        name = victim.hear()["joined"]
        while "half" not in (said := victim.hear()) or said["half"] != 1:
            pass
        victim.process.kill()
        for driver in drivers[1:]:
            while "finished" not in driver.hear():
                pass
            assert driver.process.wait(60) == 0
        with sparkeeper.connect(root, namespace="backfill") as zk:
            progress = zk.partitions("flights-2013").progress()
        assert progress.finished
        results = progress.results()
        assert sum(result["rows"] for result in results.values()) == 1200
        assert results[said["month"]]["resumed"] == 1, "it went on from the checkpoint"
        assert progress[said["month"]].owner != name
        out = spark.read.parquet(str(tmp_path / "out"))
        assert (out.count(), out.select("id").distinct().count()) == (1200, 1200)
    finally:
        for driver in drivers:
            driver.end()
