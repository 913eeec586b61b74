"""Writes beside Delta Lake, in an environment with a PySpark that it supports; `writes.py` starts this.

    .venv-delta/bin/python benches/write_peers.py [--quick]

Prints the seconds of every round as JSON: one append, one overwrite, and several appends by threads at once, to tables
of one session, by plain `df.write`, by Delta Lake and by `zk.write`, which take turns.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import sparkeeper
from quiet_spark import session
from sparkeeper.local import LocalServer, ServerSettings
from write_cases import seconds

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyspark.sql import DataFrame

FILES = 20
WRITERS = 6
APPENDS = 2  # of each writer
ROUNDS = 5


def settings() -> dict[str, str]:
    """What a session needs for Delta Lake; both libraries come from Maven Central's own client in Spark."""
    pyspark = ".".join(version("pyspark").split(".")[:2])
    return {
        "spark.jars.packages": f"io.delta:delta-spark_{pyspark}_2.13:{version('delta-spark')}",
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        # Its own defaults read a log in 50 tasks and shuffle into 200, which takes most of the time on two cores.
        "spark.databricks.delta.snapshotPartitions": "2",
        "spark.sql.shuffle.partitions": "2",
    }


def at_once(save: Callable[[str], object], pool: ThreadPoolExecutor) -> float:
    """Let all writers append, one after the other each, and time the whole."""

    def append_all(_: int) -> None:
        for _ in range(APPENDS):
            save("append")

    return seconds(lambda: list(pool.map(append_all, range(WRITERS))))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="one round")
    rounds = 1 if parser.parse_args().quick else ROUNDS
    found: dict[str, dict[str, list[float]]] = {}
    with (
        tempfile.TemporaryDirectory(prefix="sparkeeper-bench-") as folder,
        LocalServer(settings=ServerSettings(sync=True)) as server,
        sparkeeper.connect(server.connect_string, namespace="bench") as zk,
        ThreadPoolExecutor(WRITERS) as pool,
    ):
        spark = session(folder, "writes beside Delta Lake", settings())
        df = spark.range(0, 100 * FILES, 1, FILES).selectExpr("id", "id % 7 value").cache()
        one = spark.range(0, 100, 1, 1).selectExpr("id", "id % 7 value").cache()
        df.count(), one.count()
        saves: dict[str, Callable[[DataFrame, str, str], object]] = {
            "plain": lambda rows, mode, path: rows.write.mode(mode).parquet(path),
            "Delta Lake": lambda rows, mode, path: rows.write.format("delta").mode(mode).save(path),
            "sparkeeper": lambda rows, mode, path: zk.write(rows).mode(mode).save(path),
        }
        for turn in range(rounds + 1):
            start = turn % len(saves)
            for name in (list(saves) * 2)[start : start + len(saves)]:
                path, save = str(Path(folder, f"{name}-{turn}")), saves[name]
                save(one, "append", path)
                took = {
                    f"append {FILES} files": seconds(lambda: save(df, "append", path)),  # noqa: B023 - called at once
                    f"overwrite with {FILES} files": seconds(lambda: save(df, "overwrite", path)),  # noqa: B023
                }
                # Plain appends delete each other's `_temporary`: they fail, or lose rows.
                if name != "plain":
                    case = f"{WRITERS} writers, {APPENDS} appends of 1 file each"
                    took[case] = at_once(lambda mode: save(one, mode, path), pool)  # noqa: B023
                if turn:
                    for case, value in took.items():
                        found.setdefault(case, {}).setdefault(name, []).append(value)
        spark.stop()
    print(json.dumps({"pyspark": version("pyspark"), "delta-spark": version("delta-spark"), "seconds": found}))


if __name__ == "__main__":
    main()
