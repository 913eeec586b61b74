"""A Spark job whose tasks are workers: it runs beside the driver's loop over results, and carries none of them."""

from __future__ import annotations

import logging
import re
import uuid
from typing import TYPE_CHECKING, Any

from sparkeeper.exceptions import ConfigError, RunCancelled, SparkeeperError
from sparkeeper.task_worker import our_name, serve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

_LOG = logging.getLogger(__name__)

# How often in a row the job is started again without a result in between.
_PATIENCE = 3
# How long the end of a job is waited for whose tasks have nothing to do any more, and again once it was cancelled.
_FAREWELL = 10.0
# How long a worker tries to connect.
_CONNECTING = 30.0
# How Spark says that somebody cancelled a job: 4 and later, its Connect, and 3.5.
_CANCELLED = re.compile(r"\[SPARK_JOB_CANCELLED\].*|\[OPERATION_CANCELED\].*|\bJob \d+ cancelled\b.*")


# What the executors' Python must have before it can run anything of ours.
_MISSING = re.compile(r"No module named '(sparkeeper|pyarrow)")


class TaskJob:
    """Workers in Spark's executors, for one run."""

    def __init__(
        self,
        spark: SparkSession,
        path: str,
        workers: int,
        serve_run: Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]],
    ) -> None:
        """Start so many for the tasks at `path`, each of which runs `serve_run`."""
        self._spark = spark
        self._path = path
        self._tag = f"sparkeeper-run-{uuid.uuid4().hex}"
        self._workers = workers
        self._serve_run = serve_run
        self._results = 0
        self._in_vain = 0
        self._error: Exception | None = None
        self._begin()

    def tend(self, results: int) -> None:
        """Start the job again where it ended, as it does when Spark loses a worker for the last time that it accepts.

        Raises:
            RunCancelled: Somebody cancelled the job.
            ConfigError: The executors run another Python, without us.
            Exception: Spark's own, where it ends again and again and no result comes.
        """
        if self._thread.is_alive():
            return
        if cancelled := _cancelled(self._error):
            raise RunCancelled(
                f"run of tasks '{self._path}': the Spark job of its workers was cancelled ({cancelled}); "
                "tasks that are not done stay queued, so call run again to go on"
            ) from self._error
        if missing := _MISSING.search(str(self._error)):
            raise ConfigError(
                f"run of tasks '{self._path}': the Python of Spark's executors has no {missing[1]}; set PYSPARK_PYTHON "
                "to one that has, before the session starts, or ship your environment with the job"
            ) from self._error
        self._in_vain = 0 if results > self._results else self._in_vain + 1
        self._results = results
        if self._in_vain >= _PATIENCE:
            raise self._error or SparkeeperError(
                f"run of tasks '{self._path}': {self._workers} workers ended {self._in_vain} times without a result; "
                "their log says why"
            )
        _LOG.warning("the job of the workers ended before the tasks did, and is started again: %s", self._error)
        self._begin()

    def dismiss(self, *, wait: bool) -> None:
        """Wait for the end of the job where no task is open any more; who does not go then does nothing that counts."""
        if not wait:
            return
        self._thread.join(_FAREWELL)
        if self._thread.is_alive():
            _LOG.warning("workers of tasks '%s' are not gone after %s s; their job is cancelled", self._path, _FAREWELL)
            self._cancel()
            self._thread.join(_FAREWELL)

    def _begin(self) -> None:
        from pyspark import InheritableThread  # noqa: PLC0415 - workers need us, and not this

        # What cannot be sent, and a session that was stopped, are told to whoever asks for results.
        one_each = self._spark.range(0, self._workers, 1, self._workers)
        # Not by words: Spark would look for this thread's active session to read them.
        job = one_each.mapInArrow(self._serve_run, one_each.schema)
        self._error = None
        # Who cancels the jobs of the thread that asks for results means this one as well.
        self._thread = InheritableThread(
            self._work, args=(job,), session=self._spark, name="sparkeeper-task-job", daemon=True
        )
        self._thread.start()

    def _work(self, job: DataFrame) -> None:
        try:
            if self._classic():
                self._spark.sparkContext.addJobTag(self._tag)
            else:
                self._spark.addTag(self._tag)
            job.collect()
        except Exception as error:  # noqa: BLE001 - whatever it is, the driver's loop reports it
            self._error = error

    def _cancel(self) -> None:
        try:
            if self._classic():
                self._spark.sparkContext.cancelJobsWithTag(self._tag)
            else:
                self._spark.interruptTag(self._tag)
        except Exception as error:  # noqa: BLE001 - the results are whole, whatever became of Spark
            _LOG.warning("the job of the workers of tasks '%s' was not cancelled: %s", self._path, error)

    def _classic(self) -> bool:
        return getattr(self._spark, "_jvm", None) is not None


def _cancelled(error: Exception | None) -> str | None:
    """Return how Spark says that the job was cancelled; None where it was not."""
    # What a worker said, which may be anything, comes after the first lines.
    found = _CANCELLED.search("\n".join(str(error).splitlines()[:2]))
    return found and found.group().rstrip(".")


def serving(
    settings: dict[str, Any],
    path: str,
    keywords: dict[str, Any],
    handler: Callable[[Any], object],
    place: tuple[int, str],
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Return what each Spark task does: work for one run, on a session of its own, which ends with the Spark task.

    Args:
        settings: Of the driver's coordinator.
        path: Where the tasks are.
        keywords: Of the driver's handle.
        handler: Called with each payload.
        place: How many workers the run has, and its id.
    """

    def serve_run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for _ in batches:
            pass
        _serve_run(settings, path, keywords, handler, place)
        yield from ()

    return serve_run


def _serve_run(
    settings: dict[str, Any],
    path: str,
    keywords: dict[str, Any],
    handler: Callable[[Any], object],
    place: tuple[int, str],
) -> None:
    from sparkeeper.coordinator import Coordinator  # noqa: PLC0415 - it imports what imports this module

    workers, run = place
    with Coordinator(**{**settings, "owner": our_name()}) as zk:
        zk._open(_CONNECTING)  # noqa: SLF001 - ours
        tasks = zk.tasks(path, **keywords)
        worker = tasks._worker(our_name(), 1.0, workers, run)  # noqa: SLF001 - our other half
        try:
            serve(worker, handler, tasks._values)  # noqa: SLF001 - our other half
        finally:
            worker.leave()
