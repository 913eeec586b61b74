"""`zk.transaction()`: writes to several tables that are committed together, in one request to ZooKeeper."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from sparkeeper.exceptions import ConfigError
from sparkeeper.spark.attempt import Part, begin, carry_out, give_up, prepare, race
from sparkeeper.spark.records import Commit
from sparkeeper.spark.write import Write

if TYPE_CHECKING:
    import os
    from types import TracebackType

    from pyspark.sql import DataFrame
    from typing_extensions import Self

    from sparkeeper._sparkeeper import Coordinator
    from sparkeeper.spark.attempt import Request
    from sparkeeper.spark.guards import Guard


class Transaction:
    """Several tables, one commit; `Coordinator.transaction` makes it.

    Each `save` writes its rows where nobody sees them. Leaving the `with` block commits all of them, or, after an
    exception, none.
    """

    def __init__(self, zk: Coordinator, job_id: str | None, guard: Guard | None) -> None:
        """Begin with no table."""
        self._zk = zk
        self._job_id = job_id if job_id is not None else uuid.uuid4().hex
        self._guard = guard
        self._begun: dict[str, Part | Commit] = {}
        self._entered = self._over = False
        self._failed: BaseException | None = None
        self.commits: dict[str, Commit] = {}
        """The commit of each table, by the one spelling of its path; filled when the block is left."""

    def write(self, df: DataFrame) -> TransactionWrite:
        """Begin to describe a write of `df`; it takes part with its `save`."""
        return TransactionWrite(self, self._zk, df)

    def __enter__(self) -> Self:
        """Begin."""
        if self._over:
            raise ConfigError("a transaction is entered once: make another with zk.transaction()")
        self._entered = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Commit, or roll back after an exception.

        Raises:
            CommitConflict: One of the tables moved on in a way that its write has not seen.
            Fenced: Somebody took one of the writes for dead, or the guard was lost.
            CommitUnknown: The commit's reply was lost and the ensemble stayed away. Run it again with the same job id.
            ConfigError: An earlier run of the job wrote to other tables.
        """
        self._over = True
        if self._failed is not None:
            if error is None:
                raise ConfigError(
                    f"transaction of job '{self._job_id}': one of its writes failed ({self._failed}), so nothing of it "
                    "is committed; let the error leave the block, and begin another"
                ) from self._failed
            return
        if error is not None:
            self._roll_back(error)
            return
        parts = [part for part in self._begun.values() if isinstance(part, Part)]
        done = {path: commit for path, commit in self._begun.items() if isinstance(commit, Commit)}
        if parts and done:
            raise self._mixed(parts, done)
        commits = carry_out(parts, lambda: race(parts)) if parts else []
        self.commits = {**done, **{_place(part.request): commit for part, commit in zip(parts, commits, strict=True)}}

    def _mixed(self, parts: list[Part], done: dict[str, Commit]) -> ConfigError:
        error = ConfigError(
            f"transaction of job '{self._job_id}': an earlier run of it committed to {', '.join(done)} and not to "
            f"{', '.join(_place(part.request) for part in parts)}; give a job with other tables its own job_id"
        )
        give_up(parts, error)
        return error

    def _take(self, request: Request) -> None:
        path = _place(request)
        if self._over or not self._entered:
            state = "over" if self._over else "not begun: with zk.transaction() as tx"
            raise ConfigError(f"save to {path}: its transaction is {state}")
        if path in self._begun:
            raise ConfigError(
                f"save to {path}: this transaction writes to that table already; union the rows, or use another one"
            )
        try:
            begun = self._begun[path] = begin(request)
            if isinstance(begun, Part):
                prepare(begun)
        except BaseException as error:
            # Whoever catches it inside the block must not commit the others.
            self._over, self._failed = True, error
            self._roll_back(error)
            raise

    def _roll_back(self, error: BaseException) -> None:
        parts = [part for part in self._begun.values() if isinstance(part, Part)]
        if parts:
            give_up(parts, error)


class TransactionWrite(Write):
    """A write that is committed with others."""

    def __init__(self, transaction: Transaction, zk: Coordinator, df: DataFrame) -> None:
        """Describe a write of `df`."""
        super().__init__(zk, df)
        self._transaction = transaction
        self._commits = False
        self._guard = transaction._guard  # noqa: SLF001 - one module

    def job_id(self, name: str) -> Self:
        """Refuse: the transaction has the name."""
        raise ConfigError(f"job_id({name!r}): name the transaction, zk.transaction(job_id={name!r})")

    def save(self, path: str | os.PathLike[str]) -> None:  # type: ignore[override] # there is no commit yet
        """Write the rows where nobody sees them; the end of the transaction commits them.

        Raises:
            ConfigError: The transaction is over, writes to the table already, or the rows do not fit it.
        """
        self._job_id = self._transaction._job_id  # noqa: SLF001 - one module
        request = self._request(path)
        if request is not None:
            with request.progress:
                self._transaction._take(request)  # noqa: SLF001 - one module


def _place(request: Request) -> str:
    return request.place.location.canonical
