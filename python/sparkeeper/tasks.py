"""Tasks for workers: the handle, in Python's values; the native half does the work."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from sparkeeper import _sparkeeper
from sparkeeper._needs import needs
from sparkeeper.exceptions import ConfigError, SparkeeperError
from sparkeeper.task_results import Results
from sparkeeper.task_values import Values, encode
from sparkeeper.task_worker import check_handler, our_name, serve
from sparkeeper.tasks_state import DeadTask, TaskStatus

if TYPE_CHECKING:
    import os
    from datetime import timedelta

    from pyspark.sql import SparkSession
    from typing_extensions import Self

    from sparkeeper.coordinator import Coordinator

Dedupe: TypeAlias = "Iterable[str] | Callable[[Any], str]"

# The session of a driver that was killed has ended by then, unless its timeout is longer than the usual 10 s.
_TURN = 30.0


class Tasks(_sparkeeper.Tasks):
    """The tasks at one path; `Coordinator.tasks` makes it.

    Whoever calls `work`, or is a worker of `run`, takes tasks, the highest priority first, and each has one result.
    Where a worker dies, its task is tried again elsewhere once its session timeout is over: a handler may run more
    than once for a task. It pickles as configuration and connects where it is used.
    """

    def __new__(  # noqa: PLR0913 - each is a setting with a default
        cls,
        coordinator: Coordinator,
        path: str,
        *,
        strategy: str = "average",
        max_attempts: int = 3,
        lease: float | timedelta = 60.0,
        backoff: float | timedelta = 1.0,
        ageing: float | timedelta = 60.0,
        time_limit: float | timedelta | None = None,
        directory: str | os.PathLike[str] | None = None,  # noqa: ARG004 - for `__init__`
    ) -> Self:
        """Make the handle; nothing happens before it is used."""
        made = super().__new__(cls, coordinator, path, strategy, max_attempts, lease, backoff, ageing, time_limit)
        return cast("Self", made)  # the stub of a native class names the class

    def __init__(
        self, coordinator: Coordinator, _path: str, *, directory: str | os.PathLike[str] | None = None, **_: object
    ) -> None:
        """Keep what the native half does not know."""
        self._coordinator = coordinator
        self._values = Values(directory)

    def submit(self, payloads: Iterable[Any], priority: int = 0, dedupe: Dedupe | None = None) -> list[str]:
        """Submit tasks, in order, each exactly once also where a reply is lost.

        Args:
            payloads: One for each task: JSON, which is None, booleans, finite numbers, text, lists (and tuples, which
                arrive as lists) and mappings from text to these. Up to 64 KiB each, or any size where the tasks have a
                `directory`.
            priority: -999 to 999; higher goes first. A task that waits gains a level with every `ageing` seconds.
            dedupe: An id of your own for each task, or a function of the payload that returns it. Tasks with one id are
                one while it waits or is at work, and for five minutes after it was done or given up.

        Returns:
            The tasks' ids; that of the earlier task where one repeats it.

        Raises:
            ConfigError: A payload is no JSON, or the priority is out of range, or the `directory` cannot be written;
                nothing was submitted.
            PayloadTooLarge: A payload has more than 64 KiB, and there is no `directory`; nothing was submitted.
            ConnectionLost: The ensemble stays away, or went in the midst: tasks before have been submitted. With
                `dedupe`, submit them all again.
        """
        return self._submit(*self._inputs(payloads, dedupe, priority))

    async def submit_async(self, payloads: Iterable[Any], priority: int = 0, dedupe: Dedupe | None = None) -> list[str]:
        """As `submit`, to be awaited. What was sent before a cancel lands all the same."""
        return await self._submit_async(*self._inputs(payloads, dedupe, priority))

    def work(
        self,
        handler: Callable[[Any], object],
        *,
        name: str | None = None,
        capacity: float = 1.0,
        idle: float | timedelta | None = None,
        limit: int | None = None,
    ) -> int:
        """Be a worker: call `handler(payload)` for one task after the other, and store what it returns, which is JSON.

        A handler that raises has failed: the task is tried again after a back-off, here or elsewhere, and after
        `max_attempts` it is given up, with the error and its traceback. While the handler runs, its claim is extended
        in the background. An attempt past the time limit counts as failed, and what the handler returns then does not
        count; the handler is not interrupted. `sys.exit` in a handler is a failure as any other; KeyboardInterrupt,
        which is Ctrl-C, puts the task back and ends the work.

        Args:
            handler: Called with the payload.
            name: Who to say that ended a task; host and process by default.
            capacity: Under the strategy "average", our size beside the other workers'.
            idle: Return when no task came for so long, seconds or timedelta; None works for ever.
            limit: Return after so many tasks were done.

        Returns:
            How many tasks were done.

        Raises:
            ConfigError: The handler, the capacity or the limit is none.
            Closed: The coordinator was closed meanwhile.
        """
        check_handler(handler)
        if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 0):
            raise ConfigError(f"work: limit={limit!r}; give a whole number from 0 on, or None")
        worker = self._worker(our_name() if name is None else name, capacity, 1, None)
        try:
            return serve(worker, handler, self._values, idle, limit)
        finally:
            worker.leave()

    def run(
        self,
        spark: SparkSession,
        handler: Callable[[Any], object],
        workers: int = 2,
        *,
        timeout: float | timedelta | None = _TURN,
        progress: bool = True,
    ) -> Results:
        """Return an iterator over the results of tasks that workers in Spark's executors do, as `results` does.

        A Spark job with a task for each worker runs while the iterator is used; it carries no results, which come
        through ZooKeeper as tasks end. A worker that is killed is replaced by Spark, or by another job. Closed early,
        or where this driver dies, the workers end after the task that they have; once no task is open, Spark is asked
        to kill who is not gone in 10 s. Other jobs of the session share the executors with them. The job has the job
        group and the tags of the thread that asks for the first result; where it is cancelled, so is the run.

        Args:
            spark: A session, classic or Connect.
            handler: As for `work`; it is pickled, so it takes along what it uses.
            workers: How many; where there are fewer cores, so many work at a time.
            timeout: As for `results`.
            progress: Show how far the tasks are, in a notebook or a terminal, where they take longer than a second.

        Raises:
            ConfigError: There is no worker, or a secret of our coordinator was given as a literal, which stays here.
        """
        check_handler(handler)
        if isinstance(workers, bool) or not isinstance(workers, int) or workers < 1:
            raise ConfigError(f"run: workers={workers!r}; give a whole number from 1 on")
        for module in ("pyspark", "pyarrow"):
            needs("tasks.run", module)
        from sparkeeper.spark.task_job import TaskJob, serving  # noqa: PLC0415 - pyspark is needed only here

        _, (settings, _, path, keywords) = self.__reduce__()

        def start(run: str) -> TaskJob:
            return TaskJob(spark, path, workers, serving(settings, path, keywords, handler, (workers, run)))

        return Results(self._coordinator, self, timeout, start, progress=progress)

    def results(self, timeout: float | timedelta | None = _TURN, *, progress: bool = False) -> Results:
        """Return an iterator over the results as tasks end, until none is open and no result is left.

        Args:
            timeout: How long to wait, when the first is asked for, for another one to end its `results` or `run`.
            progress: As for `run`.
        """
        return Results(self._coordinator, self, timeout, progress=progress)

    def status(self) -> TaskStatus:
        """Return how many tasks wait, are at work or were given up, and who works."""
        return TaskStatus.read(self._status())

    async def status_async(self) -> TaskStatus:
        """As `status`, to be awaited."""
        return TaskStatus.read(await self._status_async())

    def dead_letters(self, limit: int | None = None) -> list[DeadTask]:
        """Return tasks that were given up, `limit` of them where it is given, each with its last error.

        One whose payload cannot be read says why in `unread`.
        """
        return [self._dead(letter) for letter in self._dead_letters(limit)]

    async def dead_letters_async(self, limit: int | None = None) -> list[DeadTask]:
        """As `dead_letters`, to be awaited."""
        return [self._dead(letter) for letter in await self._dead_letters_async(limit)]

    def cancel(self, ids: Iterable[str] | None = None) -> int:
        """Cancel tasks that are not done, and return how many that were. Each has a result that says so.

        A handler that is at one is not interrupted, and what it returns does not count.

        Args:
            ids: Which; all by default.
        """
        return self._cancel(_ids(ids))

    async def cancel_async(self, ids: Iterable[str] | None = None) -> int:
        """As `cancel`, to be awaited."""
        return await self._cancel_async(_ids(ids))

    def purge_dead(self, id: str | None = None) -> int:  # noqa: A002 - the public name
        """Remove dead tasks, one or all, and return how many."""
        letters = self._dead_letters(None)
        count = self._purge_dead(id)
        self._purged(letters, id)
        return count

    async def purge_dead_async(self, id: str | None = None) -> int:  # noqa: A002 - the public name
        """As `purge_dead`, to be awaited."""
        letters = await self._dead_letters_async(None)
        count = await self._purge_dead_async(id)
        self._purged(letters, id)
        return count

    def _purged(self, letters: list[_sparkeeper.DeadLetter], id: str | None) -> None:  # noqa: A002 - as above
        for letter in letters:
            if id in {None, letter.id}:
                self._values.forget(letter.data)

    def _inputs(self, payloads: object, dedupe: object, priority: int) -> tuple[list[bytes], int, list[str] | None]:
        if isinstance(payloads, (str, bytes, Mapping)) or not isinstance(payloads, Iterable):
            raise ConfigError(f"submit: found {payloads!r}; give a list with a payload for each task")
        values = list(payloads)
        # All are looked at before any is written.
        texts = [encode(value, f"submit: payload {at}") for at, value in enumerate(values)]
        ids = _dedupe_ids(values, dedupe)
        return [self._values.put(text, f"submit: payload {at}") for at, text in enumerate(texts)], priority, ids

    def _dead(self, letter: _sparkeeper.DeadLetter) -> DeadTask:
        payload, unread = None, None
        try:
            payload = self._values.read(letter.data, f"the payload of dead task {letter.id}")
        except (SparkeeperError, OSError) as lost:
            # The others are not lost, and this one can be removed.
            unread = str(lost)
        return DeadTask(letter.id, payload, letter.attempts, letter.error, -letter.priority, letter.since, unread)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as configuration."""
        rebuild, (settings, factory, path, keywords) = super().__reduce__()
        return rebuild, (settings, factory, path, {**keywords, "directory": self._values.directory})


def _dedupe_ids(values: list[Any], dedupe: object) -> list[str] | None:
    if dedupe is None:
        return None
    if isinstance(dedupe, str) or not (callable(dedupe) or isinstance(dedupe, Iterable)):
        raise ConfigError(f"dedupe={dedupe!r}: give an id for each task, or a function of the payload that returns one")
    ids = [dedupe(value) for value in values] if callable(dedupe) else list(dedupe)
    for id in ids:  # noqa: A001 - it is one
        if not isinstance(id, str):
            raise ConfigError(f"dedupe: found {id!r} as an id; give text")
    return ids


def _ids(ids: Iterable[str] | None) -> list[str] | None:
    if isinstance(ids, str):
        raise ConfigError(f"cancel: found {ids!r}; give a list of ids")
    return None if ids is None else list(ids)
