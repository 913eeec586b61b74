"""The janitor: one process among many that settles what dead writers left, for as long as it is elected."""

from __future__ import annotations

import logging
import threading
from datetime import timedelta
from typing import TYPE_CHECKING

from sparkeeper.exceptions import Closed, ConfigError, SparkeeperError
from sparkeeper.spark.table import Table
from sparkeeper.spark.vacuum import JOBS

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence
    from types import TracebackType

    from pyspark.sql import SparkSession
    from typing_extensions import Self

    from sparkeeper._sparkeeper import Term
    from sparkeeper.coordinator import Coordinator

_log = logging.getLogger("sparkeeper")


class Janitor:
    """Recovers tables, and vacuums them where told; `Coordinator.janitor` makes it.

    Any number of processes may have one: they elect one that works. Use it in a `with` block, where it works in a
    thread, or call `run`, which blocks.
    """

    def __init__(  # noqa: PLR0913 - each is a setting
        self,
        zk: Coordinator,
        spark: SparkSession,
        paths: Sequence[str | os.PathLike[str]],
        *,
        every: float | timedelta,
        grace: float | timedelta,
        older_than: float | timedelta | None,
        path: str,
    ) -> None:
        """Name the tables, and how often to look at them."""
        if isinstance(paths, str) or not paths:
            raise ConfigError(f"janitor({paths!r}): give a list of the paths of tables")
        self._tables = [Table(zk, spark, table) for table in paths]
        self._every = every.total_seconds() if isinstance(every, timedelta) else float(every)
        if self._every <= 0:
            raise ConfigError(f"janitor(every={every!r}): give seconds, or a timedelta, above 0")
        self._grace, self._older_than = grace, older_than
        self._election = zk.election(path)
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self.rounds = 0
        """How often this process looked at all tables."""

    def run(self) -> None:
        """Campaign, and work while elected, until `stop`; a table that fails is logged and tried again."""
        try:
            self._election.run(self._work)
        except Closed:
            if not self._stopped.is_set():
                raise

    def stop(self) -> None:
        """End the work after the table that is being looked at."""
        self._stopped.set()
        self._election.stop()

    def once(self) -> None:
        """Look at all tables, elected or not; what any number of processes do at once is safe."""
        for table in self._tables:
            if self._stopped.is_set():
                return
            try:
                table.recover(grace=self._grace)
                if self._older_than is not None:
                    table.vacuum(older_than=self._older_than, jobs_older_than=JOBS)
            except (OSError, SparkeeperError) as error:
                _log.warning("janitor: %s: %s; it is tried again in %g s", table.path, error, self._every)
        self.rounds += 1

    def _work(self, term: Term) -> None:
        while not term.lost.is_set() and not self._stopped.is_set():
            self.once()
            self._stopped.wait(self._every)

    def __enter__(self) -> Self:
        """Work in a thread."""
        self._thread = threading.Thread(target=self.run, name="sparkeeper-janitor", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop, and wait for the end of it."""
        self.stop()
        if self._thread is not None:
            self._thread.join()
