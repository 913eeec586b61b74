"""What the tests of Spark's Python workers run in tasks, which import it by name."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import signal
from typing import TYPE_CHECKING, Any

import sparkeeper

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

# A module lives as long as its worker, and so does what a task leaves here.
KEPT: list[Any] = []
FIRST: dict[str, Any] = {}


def leak(zk: sparkeeper.Coordinator) -> dict[str, Any]:
    """Take one of everything, give nothing back, and keep it beyond the task."""
    held = zk.lock("lock", timeout=60).acquire()
    pair = zk.read_write_lock("pair").read()
    semaphore = zk.semaphore("permits", permits=100)
    barrier = zk.double_barrier("barrier", parties=1)
    barrier.enter(60)
    KEPT.extend(
        (
            *(held, pair, pair.acquire(60), semaphore, semaphore.acquire(2), barrier),
            *(zk.group("group").join(), zk.registry("registry").register("service", "host:1")),
            zk,
        )
    )
    zk.create("plain/ephemeral-", ephemeral=True, sequence=True)
    return {"pid": os.getpid(), "session": zk.session_id, "owner": zk.owner, "token": held.token}


def arrow(batches: Iterable[Any]) -> Iterator[Any]:
    """Leak in `mapInArrow`."""
    import pyarrow as pa  # noqa: PLC0415 - in the executor

    for _ in batches:
        yield pa.RecordBatch.from_pylist([leak(sparkeeper.connect())])


def pandas(frames: Iterable[Any]) -> Iterator[Any]:
    """Leak in `mapInPandas`."""
    import pandas as pd  # noqa: PLC0415 - in the executor

    for _ in frames:
        yield pd.DataFrame([leak(sparkeeper.connect())])


SCHEMA = "pid long, session long, owner string, token long"


def in_task(body: Callable[[], Any]) -> Callable[[Iterable[Any]], Iterator[Any]]:
    """Return what `mapInArrow` takes, and which says what `body` returns, as text."""

    def run(batches: Iterable[Any]) -> Iterator[Any]:
        import pyarrow as pa  # noqa: PLC0415 - in the executor

        for _ in batches:
            yield pa.RecordBatch.from_pylist([{"said": repr(body())}])

    return run


def count_connections(port: int) -> int:
    """Work for a moment on a connection to the database, and return how many it has then."""
    import postgres  # noqa: PLC0415 - in the executor

    with (
        sparkeeper.connect() as zk,
        zk.semaphore("jdbc", 8, timeout=240),
        postgres.connection(port) as connection,
        contextlib.closing(connection.cursor()) as cursor,
    ):
        cursor.execute("SELECT pg_sleep(0.05)")
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'")
        return int(cursor.fetchone()[0])


ATTEMPT = "attempt long, rest string"


def write_twice(marks: str) -> Callable[[Iterable[Any]], Iterator[Any]]:
    """Return what takes a lock in partition 0 and writes under it; the first attempt then freezes.

    When it is continued it writes again. It freezes after its first rows are on their way to Spark.
    """

    def run(batches: Iterable[Any]) -> Iterator[Any]:
        import pyarrow as pa  # noqa: PLC0415 - in the executor
        from pyspark import TaskContext  # noqa: PLC0415

        task = TaskContext.get()
        attempt = task.attemptNumber()
        list(batches)
        if task.partitionId() > 0:
            return
        zk = sparkeeper.connect()
        held = zk.lock("once", timeout=120).acquire()
        zk.set("value", b"attempt %d" % attempt, guard=held)
        mark(marks, f"held-{attempt}", token=held.token, pid=os.getpid(), owner=zk.owner)
        # More than the worker keeps in its buffer.
        for _ in range(2):
            yield pa.RecordBatch.from_pylist([{"attempt": attempt, "rest": "x" * 200_000}])
        if attempt == 0:
            os.kill(os.getpid(), signal.SIGSTOP)
            try:
                zk.set("value", b"late", guard=held)
            except sparkeeper.exceptions.SparkeeperError as error:
                mark(marks, "late", error=type(error).__name__, text=str(error), state=held.state)

    return run


def failing_once(marks: str) -> Callable[[Iterable[Any]], Iterator[Any]]:
    """Return what keeps a lock, and fails in its first attempt."""

    def run(batches: Iterable[Any]) -> Iterator[Any]:
        import pyarrow as pa  # noqa: PLC0415 - in the executor
        from pyspark import TaskContext  # noqa: PLC0415

        attempt = TaskContext.get().attemptNumber()
        for _ in batches:
            found = leak(sparkeeper.connect())
            mark(marks, f"failing-{attempt}", **found)
            if attempt == 0:
                raise ValueError("enough")
            yield pa.RecordBatch.from_pylist([{"token": found["token"]}])

    return run


def mark(marks: str, name: str, **found: Any) -> None:
    """Leave a word for the test, all of it at once."""
    written = pathlib.Path(marks, f".{name}")
    written.write_text(json.dumps(found))
    written.rename(pathlib.Path(marks, name))


def together(zk: sparkeeper.Coordinator, marks: str, kind: str) -> int:
    """Meet the stage's other tasks in a double barrier, and return its generation.

    Inside, the first one kills its worker, once.
    """
    from pyspark import BarrierTaskContext  # noqa: PLC0415 - in the executor

    task = BarrierTaskContext.get()
    parties = len(task.getTaskInfos())
    try:
        with zk.double_barrier(kind, parties=parties, timeout=120, all_or_none=True) as generation:
            if task.partitionId() == 0 and not pathlib.Path(marks, f"{kind}-killed").exists():
                mark(marks, f"{kind}-killed")
                os.kill(os.getpid(), signal.SIGKILL)
    except sparkeeper.exceptions.MemberLost as error:
        mark(marks, f"{kind}-lost-{task.partitionId()}", text=str(error))
        raise
    return generation
