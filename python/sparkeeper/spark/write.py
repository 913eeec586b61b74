"""`zk.write(df)`: a fault-tolerant write, worded as Spark words its own."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from sparkeeper.exceptions import CommitConflict, ConfigError
from sparkeeper.spark.attempt import Request, write
from sparkeeper.spark.content import Rows
from sparkeeper.spark.counting import Counted
from sparkeeper.spark.opening import committed_version
from sparkeeper.spark.place import locate
from sparkeeper.spark.progress import Progress
from sparkeeper.spark.records import Commit
from sparkeeper.spark.staging import Output

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Sequence

    from pyspark.sql import DataFrame
    from typing_extensions import Self

    from sparkeeper._sparkeeper import Coordinator
    from sparkeeper.spark.guards import Guard
    from sparkeeper.spark.steps import Step
    from sparkeeper.spark.stream import Batch

_MODES = ("append", "overwrite", "overwrite_partitions", "error", "errorifexists", "ignore")
_FENCES = ("takeover", "session")
_FORMATS = ("parquet", "orc", "csv", "json", "text")


class Write:
    """What is to be written, and how; `Coordinator.write` makes it, and nothing happens before `save`.

    Plain readers of the path see the whole commit or nothing of it, whatever dies when.
    """

    def __init__(self, zk: Coordinator, df: DataFrame, *, batch: Batch | None = None) -> None:
        """Describe a write of `df`."""
        if not hasattr(df, "sparkSession"):
            raise ConfigError(
                f"write({type(df).__name__}): give a Spark DataFrame; spark.createDataFrame makes one of another"
            )
        self._zk = zk
        self._df = df
        self._format = "parquet"
        self._mode = "append"
        self._partition_by: tuple[str, ...] = ()
        self._options: dict[str, str] = {}
        self._job_id: str | None = None
        self._guard: Guard | None = None
        self._blind = False
        self._merge = False
        self._fence = "takeover"
        self._count = False
        self._batch = batch
        self._on_step: Callable[[Step], None] = lambda _: None
        self._progress = True
        self._commits = True

    def format(self, name: str) -> Self:
        """Set Spark's name of the file format: "parquet" (default), "orc", "csv", "json" or "text".

        Raises:
            ConfigError: It is another one: what writes no plain files of its own cannot be committed here.
        """
        if not isinstance(name, str) or name.lower() not in _FORMATS:
            raise ConfigError(f"format({name!r}): use one of {', '.join(_FORMATS)}")
        self._format = name.lower()
        return self

    def mode(self, name: str) -> Self:
        """Set what happens to the rows that are there.

        Args:
            name: "append" (default) keeps them; "overwrite" replaces them all, or, where the option or the session's
                `partitionOverwriteMode` is dynamic as in Spark, those of the partitions written; "overwrite_partitions"
                replaces those of the partitions written, whatever the session says; "error" (or "errorifexists")
                refuses where something was committed; "ignore" does nothing then.

        Raises:
            ConfigError: It is another word.
        """
        if not isinstance(name, str) or name.lower() not in _MODES:
            raise ConfigError(f"mode({name!r}): use one of {', '.join(_MODES)}")
        self._mode = name.lower()
        return self

    def partitionBy(self, *columns: str | Sequence[str]) -> Self:  # noqa: N802 - Spark's own name
        """Set the columns whose values become directories, outermost first; one by one or as a list, as in Spark."""
        given = columns[0] if len(columns) == 1 and isinstance(columns[0], (list, tuple)) else columns
        if not all(isinstance(column, str) for column in given):
            raise ConfigError(f"partitionBy{columns!r}: give names of columns, or one list of them")
        self._partition_by = tuple(str(column) for column in given)
        return self

    def option(self, key: str, value: str | float | bool) -> Self:  # noqa: FBT001 - as Spark's own
        """Set an option of Spark's writer, as `DataFrameWriter.option` does."""
        self._options[key] = str(value).lower() if isinstance(value, bool) else str(value)
        return self

    def options(self, **options: str | float | bool) -> Self:
        """Set several options."""
        for key, value in options.items():
            self.option(key, value)
        return self

    def job_id(self, name: str) -> Self:
        """Name the job: it is committed exactly once under this name, and a second run returns the first commit.

        Raises:
            ConfigError: It is no text.
        """
        if not isinstance(name, str):
            raise ConfigError(f"job_id({name!r}): give text, such as job_id({str(name)!r})")
        self._job_id = name
        return self

    def guard(self, held: Guard) -> Self:
        """Commit only while this stands: a lock, permits, a leadership, a claim on a partition, a queue's item."""
        self._guard = held
        return self

    def blind(self, on: bool = True) -> Self:  # noqa: FBT001, FBT002 - a switch that reads as a sentence
        """Let an overwrite replace what others committed since it began; without, that is a `CommitConflict`."""
        self._blind = on
        return self

    def fence(self, how: str) -> Self:
        """Set what stops a writer whose session expired while it wrote.

        Args:
            how: "takeover" (default): it goes on, and fails where somebody took over. "session": it fails.

        Raises:
            ConfigError: It is another word.
        """
        if how not in _FENCES:
            raise ConfigError(f"fence({how!r}): use one of {', '.join(_FENCES)}")
        self._fence = how
        return self

    def merge_schema(self, on: bool = True) -> Self:  # noqa: FBT001, FBT002 - as `blind`
        """Let columns be missing, in these rows or in the table, where they are NULL then; without, that is refused.

        For formats whose files name their columns: parquet, orc, json. Plain readers see the new columns where they
        merge schemas too (`option("mergeSchema", "true")`), `zk.table(...).read()` always does.
        """
        self._merge = on
        return self

    def count_rows(self, on: bool = True) -> Self:  # noqa: FBT001, FBT002 - as `blind`
        """Count the rows while they are written, for `commit.rows`."""
        self._count = on
        return self

    def on_step(self, callback: Callable[[Step], None]) -> Self:
        """Call `callback` after each step, in the calling thread; what it raises before the commit rolls back."""
        self._on_step = callback
        return self

    def progress(self, on: bool = True) -> Self:  # noqa: FBT001, FBT002 - as `blind`
        """Show the stages of a save of more than a second, in a terminal or a notebook; False is silent."""
        self._progress = on
        return self

    def save(self, path: str | os.PathLike[str]) -> Commit:
        """Write the rows, once.

        Args:
            path: The table's directory; every spelling of one place is one table.

        Raises:
            CommitConflict: A commit that this write has not seen forbids it: any to an overwrite, one to the same
                partitions to an overwrite of partitions, one of another form to an append.
            Fenced: Somebody took this write for dead, or the guard was lost; nothing of it is visible.
            CommitUnknown: The commit's reply was lost and the ensemble stayed away. Run it again with the same job id.
            HistoryLost: The files know more than ZooKeeper, which was wiped or restored from an old copy.
            NotATable: The directory holds something else.
            CorruptManifest: A manifest on disk is not what was committed.
            NotAuthorized: This user may not write there.
            ConfigError: The path, the job id or the columns do not fit, or mode "error" found a commit.
        """
        counted = Counted(self._df) if self._count else None
        request = self._request(path, counted)
        if request is not None:
            try:
                with request.progress:
                    return write(request).with_rows(counted)
            except (CommitConflict, ConfigError):
                # Somebody may have been first since we looked.
                if self._mode != "ignore" or not committed_version(self._zk, request.place):
                    raise
        version = committed_version(self._zk, locate(self._df.sparkSession, path))
        return Commit(version, files=0, bytes=0, replayed=False, ignored=True)

    def _request(self, path: str | os.PathLike[str], counted: Counted | None = None) -> Request | None:
        """What to do, or None where "ignore" says nothing."""
        place = locate(self._df.sparkSession, path)
        if self._mode == "ignore" and committed_version(self._zk, place) > 0:
            return None
        df = self._df if counted is None else counted.df
        output = Output(df, self._format, self._resolved(), dict(self._options))
        return Request(
            zk=self._zk,
            place=place,
            content=Rows(
                output,
                operation=self._operation(),
                blind=self._blind,
                create=self._mode in {"error", "errorifexists", "ignore"},
                one_session=self._fence == "session",
                merge=self._merge or self._option("mergeSchema") == "true",
            ),
            job_id=self._job_id if self._job_id is not None else uuid.uuid4().hex,
            guard=self._guard,
            progress=Progress(place.location.canonical, self._on_step, wanted=self._progress, commits=self._commits),
            batch=self._batch,
        )

    def _resolved(self) -> tuple[str, ...]:
        """Return the partition columns as the rows spell them: Spark finds them whatever their case."""
        if self._df.sparkSession.conf.get("spark.sql.caseSensitive", "false") == "true":
            return self._partition_by
        spelled = {column.lower(): column for column in self._df.columns}
        return tuple(spelled.get(column.lower(), column) for column in self._partition_by)

    def _operation(self) -> str:
        if self._mode != "overwrite":
            return "overwrite_partitions" if self._mode == "overwrite_partitions" else "append"
        session = self._df.sparkSession.conf.get("spark.sql.sources.partitionOverwriteMode", "static")
        how = self._option("partitionOverwriteMode") or session or "static"
        return "overwrite_partitions" if self._partition_by and how.lower() == "dynamic" else "overwrite"

    def _option(self, key: str) -> str | None:
        found = [value for name, value in self._options.items() if name.lower() == key.lower()]
        return found[-1].lower() if found else None
