"""What the tests of Spark's Python workers run in tasks, which import it by name."""

from __future__ import annotations

import os
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
