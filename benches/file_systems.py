"""A whole save of 200 files over plain `df.write`: on a disk directly, and on the same disk through Hadoop's JVM."""

from __future__ import annotations

import statistics
import tempfile
import time
import uuid
from typing import TYPE_CHECKING

from pyspark.sql import SparkSession

import sparkeeper
from sparkeeper.local import LocalServer

if TYPE_CHECKING:
    from collections.abc import Callable

FILES = 200
ROUNDS = 5


def main() -> None:
    with tempfile.TemporaryDirectory() as disk, LocalServer() as server:
        spark = (
            SparkSession.builder.master("local[2]")
            .config("spark.ui.enabled", "false")
            .config("spark.ui.showConsoleProgress", "false")
            .config("spark.log.level", "ERROR")
            .config(f"spark.hadoop.fs.viewfs.mounttable.disk.link.{disk}", f"file://{disk}")
            .getOrCreate()
        )
        df = spark.range(FILES * 1000).repartition(FILES).cache()
        df.count()
        with sparkeeper.connect(server.connect_string) as zk:
            for root in (f"file://{disk}", f"viewfs://disk{disk}"):
                plain, ours = alternate(
                    lambda root=root: df.write.parquet(f"{root}/{uuid.uuid4().hex}"),
                    lambda root=root: zk.write(df).progress(on=False).save(f"{root}/{uuid.uuid4().hex}"),
                )
                ratio = statistics.median(ours) / statistics.median(plain)
                print(f"{root.partition(':')[0]}: plain {shown(plain)}, ours {shown(ours)}: {ratio:.2f} of plain")
        spark.stop()


def alternate(*ways: Callable[[], object]) -> list[list[float]]:
    """Return the seconds of each way, after a round that warms up, one beside the other."""
    seconds: list[list[float]] = [[] for _ in ways]
    for turn in range(ROUNDS + 1):
        for taken, way in zip(seconds, ways, strict=True):
            begun = time.perf_counter()
            way()
            if turn:
                taken.append(time.perf_counter() - begun)
    return seconds


def shown(seconds: list[float]) -> str:
    """Show the median and the extremes."""
    return f"{statistics.median(seconds):.2f} s ({min(seconds):.2f}-{max(seconds):.2f})"


if __name__ == "__main__":
    main()
