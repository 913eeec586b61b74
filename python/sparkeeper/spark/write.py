"""`zk.write(df)`: a fault-tolerant write, worded as Spark words its own."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from sparkeeper.exceptions import ConfigError
from sparkeeper.spark.attempt import Request, write
from sparkeeper.spark.place import locate
from sparkeeper.spark.staging import Output

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Sequence

    from pyspark.sql import DataFrame
    from typing_extensions import Self

    from sparkeeper._sparkeeper import Claim, Coordinator, Held, Permits, QueueItem, Term
    from sparkeeper.spark.records import Commit
    from sparkeeper.spark.steps import Step

_MODES = ("append", "overwrite")


class Write:
    """What is to be written, and how; `Coordinator.write` makes it, and nothing happens before `save`.

    Plain readers of the path see the whole commit or nothing of it, whatever dies when.
    """

    def __init__(self, zk: Coordinator, df: DataFrame) -> None:
        """Describe a write of `df`."""
        self._zk = zk
        self._df = df
        self._format = "parquet"
        self._mode = "append"
        self._partition_by: tuple[str, ...] = ()
        self._options: dict[str, str] = {}
        self._job_id: str | None = None
        self._guard: Claim | Held | Permits | QueueItem | Term | None = None
        self._blind = False
        self._on_step: Callable[[Step], None] = lambda _: None

    def format(self, name: str) -> Self:
        """Set Spark's name of the file format; parquet by default, and the one that is tested."""
        self._format = name
        return self

    def mode(self, name: str) -> Self:
        """Set what happens to the rows that are there: "append" (default) keeps, "overwrite" replaces them.

        Raises:
            ConfigError: It is another word.
        """
        if name not in _MODES:
            raise ConfigError(f"mode({name!r}): use one of {', '.join(_MODES)}")
        self._mode = name
        return self

    def partitionBy(self, *columns: str | Sequence[str]) -> Self:  # noqa: N802 - Spark's own name
        """Set the columns whose values become directories, outermost first; one by one or as a list, as in Spark."""
        given = columns[0] if len(columns) == 1 and not isinstance(columns[0], str) else columns
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
        """Name the job: it is committed exactly once under this name, and a second run returns the first commit."""
        self._job_id = name
        return self

    def guard(self, held: Claim | Held | Permits | QueueItem | Term) -> Self:
        """Commit only while this stands: a lock, permits, a leadership, a claim on a partition, a queue's item."""
        self._guard = held
        return self

    def blind(self, on: bool = True) -> Self:  # noqa: FBT001, FBT002 - a switch that reads as a sentence
        """Let an overwrite replace what others committed since it began; without, that is a `CommitConflict`."""
        self._blind = on
        return self

    def on_step(self, callback: Callable[[Step], None]) -> Self:
        """Call `callback` after each step, in the calling thread; what it raises before the commit rolls back."""
        self._on_step = callback
        return self

    def save(self, path: str | os.PathLike[str]) -> Commit:
        """Write the rows, once.

        Args:
            path: The table's directory; every spelling of one place is one table.

        Raises:
            CommitConflict: An overwrite met a commit that it has not seen, or an append one that changed the form.
            Fenced: Somebody took this write for dead, or the guard was lost; nothing of it is visible.
            CommitUnknown: The commit's reply was lost and the ensemble stayed away. Run it again with the same job id.
            HistoryLost: The files know more than ZooKeeper, which was wiped or restored from an old copy.
            NotATable: The directory holds something else.
            CorruptManifest: A manifest on disk is not what was committed.
            ConfigError: The path, the job id or the columns do not fit.
        """
        return write(
            Request(
                zk=self._zk,
                output=Output(self._df, self._format, self._partition_by, dict(self._options)),
                place=locate(self._df.sparkSession, path),
                operation=self._mode,
                job_id=self._job_id if self._job_id is not None else uuid.uuid4().hex,
                blind=self._blind,
                guard=self._guard,
                on_step=self._on_step,
            )
        )
