"""`zk.foreach_batch(path, app_id)`: every micro-batch of a streaming query is committed exactly once.

A batch that was committed is not written again. A query whose checkpoint is not the one it had is refused: its batches
have the numbers of others, and rows would be lost. And the driver that started
last is the only one that can commit, whoever else runs the query on the same checkpoint.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sparkeeper.exceptions import ConfigError
from sparkeeper.spark.write import Write

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from pyspark.sql import DataFrame

    from sparkeeper._sparkeeper import Coordinator, Ledger, Turn


@dataclass
class Batch:
    """One batch of a query, and the driver that writes it."""

    app_id: str
    number: int
    driver: Driver

    def turn(self, ledger: Ledger) -> Turn | None:
        """Return the turn to commit it, or None where it was committed.

        Raises:
            Fenced: Another driver took the query over.
            ConfigError: The query begins before the last batch that was committed.
        """
        if not self.driver.in_charge:
            ledger.take_over(self.app_id, self.driver.name, self.number)
            self.driver.in_charge = True
        return ledger.next_turn(self.app_id, self.number, self.driver.name)


class Driver:
    """One run of a query: it takes the query over with its first batch, and never again."""

    def __init__(self) -> None:
        """Name it as no other."""
        self.name = uuid.uuid4().hex
        self.in_charge = False


class ForeachBatch:
    """What `foreachBatch` calls; `Coordinator.foreach_batch` makes it."""

    def __init__(
        self,
        zk: Coordinator,
        path: str | os.PathLike[str],
        app_id: str,
        configure: Callable[[Write], Write] | None,
    ) -> None:
        """Name the table, and the query."""
        if not isinstance(app_id, str) or not app_id:
            raise ConfigError(f"foreach_batch(app_id={app_id!r}): give the query a name that it keeps across restarts")
        self._zk = zk
        self._path = path
        self._app_id = app_id
        self._configure = configure
        self._driver = Driver()

    def __call__(self, df: DataFrame, batch_id: int) -> None:
        """Commit a batch, once.

        Raises:
            Fenced: Another driver took the query over: stop this one.
            ConfigError: This driver begins before the last batch that was committed: its checkpoint is another one.
        """
        batch = Batch(self._app_id, batch_id, self._driver)
        write = Write(self._zk, df, batch=batch).mode("append")
        if self._configure is not None:
            write = self._configure(write)
        write.job_id(f"{self._app_id}/{batch_id}").save(self._path)
