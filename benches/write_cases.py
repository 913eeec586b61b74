"""What is measured of fault-tolerant writes: whole saves, commits of many at once, and appends to large tables."""

from __future__ import annotations

import contextlib
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sparkeeper
from sparkeeper.spark.steps import Step

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pyspark.sql import DataFrame, SparkSession

# A burst in which somebody failed must not wait for ever.
PATIENCE = 120


def seconds(call: Callable[[], object]) -> float:
    """Time a call."""
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


class Saves:
    """An append of so many files, by `zk.write(df)` and by `df.write`, to a table that holds one row."""

    def __init__(self, spark: SparkSession, zk: sparkeeper.Coordinator, folder: Path, files: int) -> None:
        self.files = files
        self._zk, self._folder = zk, folder
        self._row = spark.range(1).selectExpr("id", "id % 7 value")
        self._df = spark.range(0, 100 * files, 1, files).selectExpr("id", "id % 7 value").cache()
        self._df.count()

    def measure(self, turn: int) -> dict[str, float]:
        """Let each take its turn, every other time the other one first."""
        sides = {"plain": self._plain, "sparkeeper": self._ours}
        order = list(sides) if turn % 2 else list(reversed(sides))
        return {side: sides[side](self._folder / f"{side}-{self.files}-{turn}") for side in order}

    def close(self) -> None:
        """Free the rows."""
        self._df.unpersist()

    def _plain(self, table: Path) -> float:
        self._row.write.parquet(str(table))
        took = seconds(lambda: self._df.write.mode("append").parquet(str(table)))
        shutil.rmtree(table)
        return took

    def _ours(self, table: Path) -> float:
        self._zk.write(self._row).save(table)
        took = seconds(lambda: self._zk.write(self._df).mode("append").save(table))
        shutil.rmtree(table)
        return took


@dataclass(frozen=True)
class Burst:
    """Commits of writers that had put their files in place and went on in one instant."""

    latencies: list[float]
    """Seconds from that instant to each commit."""
    proposals: int
    """How many of them there were, those included that lost a race."""

    @property
    def rate(self) -> float:
        """Commits per second."""
        return len(self.latencies) / max(self.latencies)


class Storm:
    """So many writers, each with a session of its own and a file of one row, that commit to one table at once.

    Spark is idle meanwhile: nobody commits before all files are in place, and nobody goes on before all have committed.
    """

    def __init__(self, spark: SparkSession, connect: str, folder: Path, writers: int) -> None:
        self.writers = writers
        self._df = spark.range(0, 1, 1, 1)
        self._table = folder / f"storm-{writers}"
        self._stack = contextlib.ExitStack()
        open_one = lambda: self._stack.enter_context(sparkeeper.connect(connect, namespace="bench"))  # noqa: E731
        self._sessions = [open_one() for _ in range(writers)]
        self._pool = self._stack.enter_context(ThreadPoolExecutor(writers))
        self._sessions[0].write(self._df).save(self._table)

    def measure(self) -> Burst:
        """Make one burst."""
        start, end = (threading.Barrier(self.writers, timeout=PATIENCE) for _ in range(2))
        found = list(self._pool.map(lambda zk: self._commit(zk, start, end), self._sessions))
        return Burst([latency for latency, _ in found], sum(proposals for _, proposals in found))

    def close(self) -> None:
        """End the sessions."""
        self._stack.close()

    def _commit(
        self, zk: sparkeeper.Coordinator, start: threading.Barrier, end: threading.Barrier
    ) -> tuple[float, int]:
        times: dict[Step, float] = {}
        proposals = 0

        def on_step(step: Step) -> None:
            nonlocal proposals
            if step is Step.RELOCATED:
                start.wait()
            times[step] = time.perf_counter()
            proposals += step is Step.PROPOSED
            if step is Step.COMMITTED:
                end.wait()

        zk.write(self._df).on_step(on_step).save(self._table)
        return times[Step.COMMITTED] - times[Step.RELOCATED], proposals


@dataclass(frozen=True)
class Append:
    """What one append of one file cost, after Spark had written it."""

    took: float
    """Seconds from there to the end of it."""
    written: int
    """Bytes of the manifest and the mirror."""


class Growth:
    """Appends of one file to a table that holds many."""

    def __init__(self, spark: SparkSession, zk: sparkeeper.Coordinator, folder: Path, files: int) -> None:
        self.files = files
        self._zk, self._table = zk, folder / f"growth-{files}"
        many = spark.range(0, files, 1, 2)
        zk.write(many).option("maxRecordsPerFile", 1).save(self._table)
        self._df: DataFrame = spark.range(0, 1, 1, 1)

    def measure(self) -> Append:
        """Append once."""
        times: dict[Step, float] = {}
        before = self._metadata()
        self._zk.write(self._df).on_step(lambda step: times.update({step: time.perf_counter()})).save(self._table)
        after = self._metadata()
        written = sum(after[name] for name in after.keys() - before.keys())
        return Append(times[Step.CLEANED] - times[Step.STAGED], written)

    def _metadata(self) -> dict[Path, int]:
        folders = (self._table / "_zk/manifests", self._table / "_spark_metadata")
        return {file: file.stat().st_size for folder in folders for file in folder.iterdir()}
