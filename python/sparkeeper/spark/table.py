"""`zk.table(spark, path)`: what was committed to a table, now and before, and the care it needs."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

from pyspark.sql.types import StructType

from sparkeeper.exceptions import ConfigError, HistoryLost
from sparkeeper.notebook import chart, html
from sparkeeper.spark import adoption, delta_log, names
from sparkeeper.spark.doctor import Diagnosis, diagnose
from sparkeeper.spark.exporting import export_plain
from sparkeeper.spark.history import History, changes, frame
from sparkeeper.spark.opening import open_table
from sparkeeper.spark.pins import Pin
from sparkeeper.spark.place import locate
from sparkeeper.spark.proof import proven
from sparkeeper.spark.publish import publish
from sparkeeper.spark.recovery import GRACE, Recovery, recover
from sparkeeper.spark.repairing import repair
from sparkeeper.spark.restoring import restore
from sparkeeper.spark.vacuum import JOBS, RETENTION, Vacuum, vacuum

if TYPE_CHECKING:
    import os
    from datetime import datetime, timedelta

    from pyspark.sql import DataFrame, DataFrameReader, SparkSession

    from sparkeeper._sparkeeper import Coordinator, Ledger
    from sparkeeper.spark.records import Commit, Version

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

    def read(self, version: int | None = None, as_of: datetime | str | None = None) -> DataFrame:
        """Return the rows of a version, the newest by default.

        Without arguments it is what `spark.read.load(path)` sees, after publishing what a dead writer committed and did
        not publish. A DataFrame keeps its snapshot whatever is committed later, for as long as vacuum keeps its files:
        `pin` holds them.

        Args:
            version: Which one.
            as_of: Or the one that was the newest then: a datetime (a naive one is local time), or ISO 8601 text.
                Commits carry the time of their writers' clocks.

        Raises:
            ConfigError: There is no such version, it was vacuumed, or both arguments are given.
            NotATable: Nothing was written there.
        """
        if version is not None and as_of is not None:
            raise ConfigError(f"read(version={version}, as_of={as_of}): give one of them")
        try:
            ledger = self._open()
        except HistoryLost as lost:
            if version is not None or as_of is not None:
                raise
            _log.warning("%s", lost)
            return self._read_unproven(lost)
        history = History(self._files, ledger)
        if as_of is not None:
            version = history.as_of(as_of)
        if version is None:
            head = history.manifest(ledger.version) if history.head is None else history.head
            publish(self._files, ledger, history.chain, head)
            return self._reader(_shape(history, ledger.version)).load(ledger.location.canonical)
        live = [f"{self._files.root}/{path}" for path, _, _ in history.live(version)]
        shape = _shape(history, version)
        if not live:
            return self._spark.createDataFrame([], StructType.fromJson(shape["schema"]))
        # Names are names here: a bracket in one is no pattern.
        reader = self._reader(shape).option("basePath", self._files.root).option("__globPaths__", "false")
        return reader.load(live)

    def history(self) -> DataFrame:
        """Return the versions that are kept, oldest first, one row each.

        Columns: version, operation, job_id, added, removed (files), files, bytes (after it), committed_at (by the
        writer's clock), writer (app, host, pid, user, spark), token (the guard's), tx, parameters.
        """
        return frame(self._spark, self._versions())

    def plot(self) -> Any:  # noqa: ANN401 - altair is optional
        """Draw bytes and files after each version that is kept: an altair chart.

        Raises:
            ConfigError: altair is not installed; it comes with `sparkeeper[viz]`.
        """
        return chart.history(self.path, self._versions())

    def changes(self, from_version: int, to_version: int | None = None) -> DataFrame:
        """Return the files that commits added and removed, one row each, for readers that follow a table.

        Columns: version, change ("added" or "removed"), path (below the table), size (bytes), partition.

        Args:
            from_version: The last version that the reader has seen; 0 for none.
            to_version: The last one to tell of; the newest unless given.

        Raises:
            ConfigError: There are no such versions, or vacuum took one of them: read the table anew then.
        """
        ledger = self._open()
        history = History(self._files, ledger)
        to = ledger.version if to_version is None else to_version
        if not 0 <= from_version <= to <= ledger.version:
            raise ConfigError(
                f"changes({from_version}, {to_version}) of {self.path}: give versions from 0 to {ledger.version}"
            )
        if from_version + 1 < history.floor:
            raise ConfigError(
                f"changes({from_version}, {to_version}) of {self.path}: versions before {history.floor} were vacuumed; "
                "read the table anew, and go on from there"
            )
        return changes(self._spark, [manifest for manifest in history.since(from_version) if manifest["version"] <= to])

    def restore(self, version: int, job_id: str | None = None) -> Commit:
        """Make a version's rows the newest again, as a version of its own; nothing is copied.

        Raises:
            ConfigError: There is no such version, or it was vacuumed.
            CommitConflict: Somebody committed meanwhile.
            CorruptManifest: A file of it is missing.
        """
        return restore(self._zk, self._spark, self._place, version, job_id=job_id)

    def pin(self, version: int | None = None, name: str | None = None) -> Pin:
        """Keep a version from vacuum, the newest by default: `with table.pin() as pin: table.read(pin.version)`.

        Args:
            version: Which one.
            name: Keep it under this name until `unpin`; without, until the `with` block or the session ends.

        Raises:
            ConfigError: It was vacuumed, or the name is on another version.
        """
        ledger = self._open()
        if version is not None and not 0 < version <= ledger.version:
            raise ConfigError(f"pin({version}) of {self.path}: there is no such version, it has 1 to {ledger.version}")
        return Pin(ledger, ledger.version if version is None else version, name)

    def unpin(self, name: str) -> None:
        """End a pin that was given a name; one that is gone is as good."""
        self._open().unpin(name)

    def vacuum(
        self,
        older_than: float | timedelta = RETENTION,
        *,
        jobs_older_than: float | timedelta = JOBS,
        dry_run: bool = False,
    ) -> Vacuum:
        """Delete what only versions had that were replaced longer ago than `older_than`, and what dead writers left.

        Args:
            older_than: Seconds, or a timedelta; a week by default. Readers of what is deleted fail, so it must be
                longer than any of them takes; pinned versions, and those after them, stay.
            jobs_older_than: Forget job ids whose commit is older; 90 days by default. Their runs write again.
            dry_run: Only say what would be deleted.
        """
        ledger = self._open()
        if not dry_run:
            recover(self._files, ledger, job_id=None, grace=GRACE)
        return vacuum(self._files, ledger, older_than=older_than, jobs_older_than=jobs_older_than, dry_run=dry_run)

    def recover(self, grace: float | timedelta = GRACE) -> Recovery:
        """Settle what dead writers left: publish what they committed, delete what they did not.

        Args:
            grace: How long a writer's session may be missed before it is given up; 0 gives up all whose session is
                gone. A writer given up that goes on gets `Fenced`.
        """
        return recover(self._files, self._open(), job_id=None, grace=grace)

    def doctor(self) -> Diagnosis:
        """Compare directory, mirror and ZooKeeper, and say what is wrong and what to do; nothing is changed."""
        with self._place.reached():
            return diagnose(self._zk, self._place)

    def adopt(self, format: str = "parquet", **options: str) -> Commit:  # noqa: A002 - Spark's own name
        """Make a plain directory a table, with its files as they lie, also a partitioned one.

        Nobody else may write to it meanwhile. A directory that is a copy of a table becomes a table of its own.

        Args:
            format: Spark's name of the files' format.
            **options: What a reader of them needs, such as `header="true"`.

        Raises:
            ConfigError: It is a table already, or there are no files that a table could have.
        """
        with self._place.reached():
            return adoption.adopt(self._zk, self._spark, self._place, format, options)

    def repair(self) -> int:
        """Rebuild ZooKeeper's record from the directory, where it was lost, and return the version it is at.

        Job ids and batches of streaming queries come back with the manifests that are kept.

        Raises:
            CorruptManifest: The directory does not prove a version.
        """
        with self._place.reached():
            return repair(self._zk, self._place)

    def export_plain(self) -> int:
        """Give up coordination: leave a plain directory with the newest version, and return its number of files.

        Older versions, the mirrors and ZooKeeper's record are deleted. Done half, it is finished by doing it again.

        Raises:
            ConfigError: Pins keep older versions.
        """
        return export_plain(self._zk, self._place)

    def mirror_delta(self) -> None:
        """Begin to write `_delta_log` with every commit, for readers of Delta tables; it starts at the newest version.

        Raises:
            ConfigError: The files are not parquet, or the log of another writer is there.
        """
        ledger = self._open()
        recover(self._files, ledger, job_id=None, grace=GRACE)
        if ledger.version == 0:
            raise ConfigError(f"table {self.path}: nothing was committed yet; write something first")
        delta_log.begin(self._files, History(self._files, ledger), ledger.version)

    def _versions(self) -> list[Version]:
        return History(self._files, self._open()).versions

    def _open(self) -> Ledger:
        return open_table(self._zk, self._place, create=False)

    def _reader(self, shape: dict[str, Any]) -> DataFrameReader:
        reader = self._spark.read.format(shape["format"]).options(**shape.get("reading", {}))
        return reader.schema(StructType.fromJson(shape["schema"]))

    def _read_unproven(self, lost: HistoryLost) -> DataFrame:
        """Read what the mirror shows, in the form that its manifest says."""
        identity = self._files.read(names.IDENTITY)
        if identity is None:
            raise lost
        chain, head = proven(self._files, identity)
        shape = json.loads(chain.since(head, names.version(head) - 1)[0])["shape"]
        return self._reader(shape).load(json.loads(identity)["uri"])

    def __repr__(self) -> str:
        """Say where it is."""
        return f"<Table {self.path}>"

    def _repr_html_(self) -> str:
        return html.history(self.path, self._versions)


def _shape(history: History, version: int) -> dict[str, Any]:
    shape: dict[str, Any] = history.since(version - 1)[0]["shape"]
    return shape
