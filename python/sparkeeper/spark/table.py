"""`zk.table(spark, path)`: what was committed to a table, now and before."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

from pyspark.sql.types import StructType

from sparkeeper._sparkeeper import Chain
from sparkeeper.exceptions import ConfigError, HistoryLost
from sparkeeper.spark.files import read_manifest
from sparkeeper.spark.opening import open_table
from sparkeeper.spark.place import locate
from sparkeeper.spark.publish import publish
from sparkeeper.spark.records import Version
from sparkeeper.spark.recovery import GRACE, Recovery, read_since, recover

if TYPE_CHECKING:
    import os
    from datetime import timedelta

    from pyspark.sql import DataFrame, SparkSession

    from sparkeeper._sparkeeper import Coordinator, Ledger

_log = logging.getLogger("sparkeeper")


class Table:
    """A table that `zk.write` made; `Coordinator.table` makes this handle."""

    def __init__(self, zk: Coordinator, spark: SparkSession, path: str | os.PathLike[str]) -> None:
        """Name the table at `path`; nothing is read before it is asked for."""
        self._zk = zk
        self._spark = spark
        self._place = locate(spark, path)
        self._files = self._place.files

    @property
    def path(self) -> str:
        """The one spelling of its place."""
        return self._place.location.canonical

    @property
    def version(self) -> int:
        """The newest committed version; 0 before the first."""
        return self._open().version

    def read(self, version: int | None = None) -> DataFrame:
        """Return the rows of a version, the newest by default.

        The newest is what `spark.read.load(path)` sees, after publishing what a dead writer committed and did not
        publish. A DataFrame keeps its snapshot whatever is committed later.

        Raises:
            ConfigError: There is no such version.
            NotATable: Nothing was written there.
        """
        try:
            ledger = self._open()
        except HistoryLost as lost:
            if version is not None:
                raise
            _log.warning("%s", lost)
            return self._spark.read.parquet(self._place.spelling.canonical)
        chain = Chain()
        name = self._manifest(ledger, chain, version)
        shape = json.loads(self._read_since(chain, name, int(name.split("-")[0]) - 1)[-1])["shape"]
        schema = StructType.fromJson(shape["schema"])
        reader = self._spark.read.format(shape["format"]).schema(schema)
        if version is None:
            publish(self._files, ledger, chain, name)
            return reader.load(ledger.location.canonical)
        while (missing := chain.missing_for_live(name)) is not None:
            chain.provide(missing, read_manifest(self._files, missing))
        live = [f"{self._files.root}/{path}" for path, _, _ in chain.live(name)]
        if not live:
            return self._spark.createDataFrame([], schema)
        # Names are names here: a bracket in one is no pattern.
        return reader.option("basePath", self._files.root).option("__globPaths__", "false").load(live)

    def history(self) -> list[Version]:
        """Return every version, oldest first."""
        ledger = self._open()
        if ledger.manifest is None:
            return []
        return [Version.read(text) for text in self._read_since(Chain(), ledger.manifest, 0)]

    def recover(self, grace: float | timedelta = GRACE) -> Recovery:
        """Settle what dead writers left: publish what they committed, delete what they did not.

        Args:
            grace: How long a writer's session may be missed before it is given up; 0 gives up all whose session is
                gone. A writer given up that goes on gets `Fenced`.
        """
        return recover(self._files, self._open(), job_id=None, grace=grace)

    def _open(self) -> Ledger:
        return open_table(self._zk, self._place, create=False)

    def _manifest(self, ledger: Ledger, chain: Chain, version: int | None) -> str:
        """Return the manifest of a version."""
        newest = ledger.manifest
        if newest is None:
            raise ConfigError(f"table {self.path}: nothing was committed yet; write something first")
        if version is None or version == ledger.version:
            return newest
        if not 0 < version < ledger.version:
            raise ConfigError(f"table {self.path}: there is no version {version}; it has 1 to {ledger.version}")
        after = self._read_since(chain, newest, version)
        name: str = json.loads(after[0])["base"]["manifest"]
        return name

    def _read_since(self, chain: Chain, head: str, version: int) -> list[str]:
        return read_since(self._files, chain, head, version)

    def __repr__(self) -> str:
        """Say where it is."""
        return f"<Table {self.path}>"
