"""The coordinator: the native session, with what meets Spark on top."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, overload

from sparkeeper import _sparkeeper
from sparkeeper._needs import needs
from sparkeeper.config import MISSING, Config
from sparkeeper.election import Election
from sparkeeper.notebook import html
from sparkeeper.partitions import Partitions
from sparkeeper.tasks import Tasks

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Sequence
    from datetime import timedelta
    from types import TracebackType

    from pyspark.sql import Column, DataFrame, SparkSession
    from typing_extensions import Self

    from sparkeeper.config import Missing
    from sparkeeper.spark.guards import Guard
    from sparkeeper.spark.janitor import Janitor
    from sparkeeper.spark.plan import PartitionPlan
    from sparkeeper.spark.stream import ForeachBatch
    from sparkeeper.spark.table import Table
    from sparkeeper.spark.transaction import Transaction
    from sparkeeper.spark.write import Write

T = TypeVar("T")


class Coordinator(_sparkeeper.Coordinator):
    """One session with a ZooKeeper ensemble, and everything that is done through it.

    `sparkeeper.connect` makes one. It is safe to share between threads and tasks. It pickles as configuration
    and connects again where it is used; it does not survive a fork.
    """

    def election(
        self,
        path: str,
        *,
        id: str | None = None,  # noqa: A002 - the public name
        strategy: str = "fair",
        priority: int | None = None,
        score: Callable[[], float] | None = None,
    ) -> Election:
        """Return the election at `path`; nothing happens before `campaign` or `run`.

        Args:
            path: Where its candidates stand.
            id: Who we say we are; the coordinator's owner by default.
            strategy: How leaders are found, the same for all candidates on one path. "fair": in order of arrival.
                "random": by lot, drawn anew for every term. "priority": the highest, ties in order of arrival. "vote":
                every live member casts one ballot for the candidate with the best score, and a strict majority elects.
            priority: For "priority", 0 by default. A leader is not deposed by a higher one that arrives.
            score: For "vote": called in every round without arguments, returns a number, say how far this candidate's
                checkpoint is; without one everybody has 0, and the first to arrive is elected.

        Raises:
            ConfigError: The arguments contradict each other.
            InvalidPath: The path is not one ZooKeeper accepts.
        """
        return Election(self, path, id=id, strategy=strategy, priority=priority, score=score)

    @overload
    def config(self, path: str, schema: type[T], *, default: T | Missing = ..., keep: int = ...) -> Config[T]: ...

    @overload
    def config(
        self,
        path: str,
        schema: dict[str, Any] | None = ...,
        *,
        default: Any = ...,  # noqa: ANN401 - any JSON
        keep: int = ...,
    ) -> Config[Any]: ...

    def config(
        self,
        path: str,
        schema: type[Any] | dict[str, Any] | None = None,
        *,
        default: Any = MISSING,
        keep: int = 100,
    ) -> Config[Any]:
        """Return the configuration at `path`.

        Args:
            path: Where it is, or will be.
            schema: A dataclass, whose instances its values are; or field names and types, `{"port": int}`, with
                `(type, default)` for those that may be missing; or None for any JSON.
            default: The value while none was written. Without one, reading is a `NoNode` until then.
            keep: How many versions are kept.

        Raises:
            ConfigError: The schema has a type that cannot be checked, or the default does not fit.
        """
        return Config(self, path, schema, default, keep)

    def partitions(  # noqa: PLR0913 - each is a setting with a default
        self,
        path: str,
        items: Iterable[Any] | None = None,
        *,
        weights: object = None,
        priorities: object = None,
        zones: object = None,
        strategy: str | None = None,
        quiet: float | timedelta | None = None,
    ) -> Partitions:
        """Return the group at `path`, which divides items among whoever joins; nothing happens before it is used.

        What is left out is as whoever joined first brought it.

        Args:
            path: Where the group is.
            items: What to divide: numbers, strings, or tuples of these, in the order of work; or an Arrow column.
            weights: How heavy each is, 1 where a mapping does not say: in any form that `sparkeeper.assign` takes, such
                as `df.groupBy("k").count().toArrow()`.
            priorities: Only for the strategy "priority": higher items go first; likewise, 0 where a mapping does not
                say.
            zones: Where each would like to be; likewise.
            strategy: "sticky" unless said otherwise: "average", "range", "round_robin", "priority", "weighted",
                "rendezvous".
            quiet: Seconds (or timedelta) to wait for others after a coming or going, before items move; 0.3 by default.

        Raises:
            ConfigError: No group can be like that.
            InvalidPath: The path is not one ZooKeeper accepts.
        """
        return Partitions(
            self,
            path,
            items,
            weights=weights,
            priorities=priorities,
            zones=zones,
            strategy=strategy,
            quiet=quiet,
        )

    def tasks(  # noqa: PLR0913 - each is a setting with a default
        self,
        path: str,
        *,
        strategy: str = "average",
        max_attempts: int = 3,
        lease: float | timedelta = 60.0,
        backoff: float | timedelta = 1.0,
        ageing: float | timedelta = 60.0,
        time_limit: float | timedelta | None = None,
        directory: str | os.PathLike[str] | None = None,
    ) -> Tasks:
        """Return the tasks at `path`, for whoever submits, works, or waits for results; give every process the same.

        Args:
            path: Where they are. They are a queue with more: `zk.queue` takes a path of its own.
            strategy: "average": each worker does its share at most, tasks over workers rounded up, and shares change
                when workers come or go. "priority": whoever is free takes the next.
            max_attempts: Attempts before a task is given up.
            lease: Seconds (or timedelta) for which a claim stands without a heartbeat of its worker; it ends with the
                worker's session in any case.
            backoff: How long a task waits after its first failure; doubled with each, up to five minutes, less up to
                a half by chance.
            ageing: Higher priorities go first among tasks that came within this time; each such time of waiting is
                worth a level, so that none waits for ever. At least 1 s.
            time_limit: How long an attempt may take; None is for ever.
            directory: Where payloads and results above 64 KiB go: an absolute path, or an `s3a:` URI, that submitters,
                workers and drivers all reach. Without it they are refused.

        Raises:
            ConfigError: There is no such strategy, or no attempt is allowed, or none may take any time.
            InvalidPath: The path is not one ZooKeeper accepts.
        """
        return Tasks(
            self,
            path,
            strategy=strategy,
            max_attempts=max_attempts,
            lease=lease,
            backoff=backoff,
            ageing=ageing,
            time_limit=time_limit,
            directory=directory,
        )

    def write(self, df: DataFrame) -> Write:
        """Begin a fault-tolerant write of `df`; nothing happens before `save`."""
        needs("zk.write", "pyspark")
        from sparkeeper.spark.write import Write  # noqa: PLC0415 - pyspark is needed only here

        return Write(self, df)

    def table(self, spark: SparkSession, path: str) -> Table:
        """Return the table at `path`, which `write` made."""
        needs("zk.table", "pyspark")
        from sparkeeper.spark.table import Table  # noqa: PLC0415 - pyspark is needed only here

        return Table(self, spark, path)

    def transaction(self, job_id: str | None = None, guard: Guard | None = None) -> Transaction:
        """Begin a transaction over several tables: `with zk.transaction() as tx: tx.write(df).save(path)`, for each.

        Args:
            job_id: Exactly once under this name, as in `Write.job_id`.
            guard: A lock, term, claim, permits or item that must still stand at the commit.
        """
        needs("zk.transaction", "pyspark")
        from sparkeeper.spark.transaction import Transaction  # noqa: PLC0415 - pyspark is needed only here

        return Transaction(self, job_id, guard)

    def foreach_batch(
        self,
        path: str | os.PathLike[str],
        app_id: str,
        configure: Callable[[Write], Write] | None = None,
    ) -> ForeachBatch:
        """Return what `writeStream.foreachBatch` takes, to commit every batch to the table at `path` exactly once.

        A batch that was committed is not written again, also where the checkpoint forgot it. The driver that began
        last takes the query over: another one on the same checkpoint gets `Fenced` with its next batch.

        Args:
            path: The table.
            app_id: The query's name, which it keeps across restarts.
            configure: Called with each `Write`, an append of parquet, to set more: `lambda w: w.partitionBy("day")`.

        Raises:
            ConfigError: The name is empty.
        """
        needs("zk.foreach_batch", "pyspark")
        from sparkeeper.spark.stream import ForeachBatch  # noqa: PLC0415 - pyspark is needed only here

        return ForeachBatch(self, path, app_id, configure)

    def janitor(  # noqa: PLR0913 - each is a setting with a default
        self,
        spark: SparkSession,
        paths: Sequence[str | os.PathLike[str]],
        *,
        every: float | timedelta = 60.0,
        grace: float | timedelta = 600.0,
        older_than: float | timedelta | None = None,
        path: str = "janitor",
    ) -> Janitor:
        """Return a janitor of tables: of all processes that have one, one is elected and does the work.

        Args:
            spark: The session to reach the tables by.
            paths: The tables.
            every: Seconds (or timedelta) between two looks.
            grace: How long a writer's session may be missed before it is given up.
            older_than: Vacuum versions that were replaced longer ago; None leaves them.
            path: The election.
        """
        needs("zk.janitor", "pyspark")
        from sparkeeper.spark.janitor import Janitor  # noqa: PLC0415 - pyspark is needed only here

        return Janitor(self, spark, paths, every=every, grace=grace, older_than=older_than, path=path)

    def partition_plan(  # noqa: PLR0913 - each is a setting with a default
        self,
        name: str,
        df: DataFrame | None = None,
        *,
        by: str | Sequence[str | Column] | None = None,
        partitions: int | None = None,
        weights: str | DataFrame | None = None,
        split_heavy: bool | None = None,
        buckets: int | None = None,
        replan: bool = False,
        version: int | None = None,
    ) -> PartitionPlan:
        """Return the partition plan published under `name`; with `df`, compute and publish it if nobody did.

        What is said of a plan that is published is compared with it; what is not said is taken as published.

        Args:
            name: The plan's name in this namespace, without slashes.
            df: The rows to count. Not read when the plan is published already.
            by: Column names, or SQL expressions such as `"value % 2"`, whose values decide where a row goes.
            partitions: How many partitions to fill, 1 to 100,000.
            weights: What makes a key heavy. "count", the default: its rows. "bytes": their size in Spark's row format.
                A numeric column or SQL expression: its sum; NULL is 0, fractions count to 12 digits. A DataFrame of
                the key's columns and one of weights: then `df` is not read, and a key that it lacks goes by hash.
            split_heavy: Spread a key that is heavier than a fair share over several partitions.
            buckets: Place hash buckets of keys, so many of them, instead of keys. Without it each of up to 10,000
                distinct keys is placed by itself, and more keys are placed by 64 buckets for each partition.
            replan: Publish the next version, made from `df`: even again, while few keys move. Of two who do so at once
                one does it, and both get its plan. The last ten versions are kept.
            version: Return this version.

        Raises:
            NoNode: `df` is absent and no plan of that name is published, or the version is not kept.
            ConfigError: The plan is published with another definition, or the definition cannot be planned.
            PayloadTooLarge: Its keys are longer than 32 MiB together.
        """
        for module in ("pyspark", "pyarrow"):
            needs("zk.partition_plan", module)
        from sparkeeper.spark.plan import partition_plan  # noqa: PLC0415 - pyspark is needed only here

        return partition_plan(
            self,
            name,
            df,
            by=by,
            partitions=partitions,
            weights=weights,
            split_heavy=split_heavy,
            buckets=buckets,
            replan=replan,
            version=version,
        )

    def __enter__(self) -> Self:
        """Return the coordinator."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the session."""
        self.close()

    async def __aenter__(self) -> Self:
        """Return the coordinator."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the session."""
        await self.close_async()

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as configuration."""
        from sparkeeper import _rebuild  # noqa: PLC0415 - it imports this module

        return _rebuild.coordinator, (self._settings(),)

    def __repr__(self) -> str:
        """Say where it is connected, as what, and its state."""
        place = f"{self.connect_string}/{self.namespace}" if self.namespace else self.connect_string
        return f"<Coordinator {place} {self.state} session={self.session_id:#x}>"

    def _repr_html_(self) -> str:
        return html.coordinator(self)
