"""The workers of tasks.py: processes that connect, wait for the word, and work until they are told to stop."""

from __future__ import annotations

import multiprocessing
import threading
from typing import TYPE_CHECKING, Any

from kazoo.client import KazooClient
from kazoo.exceptions import NoNodeError

import sparkeeper
from sparkeeper.exceptions import Closed

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.synchronize import Barrier, Event

    from typing_extensions import Self


def work(payload: int) -> int:
    """What every task does: nothing to speak of, so that what is measured is all else."""
    return payload * payload


class Crew:
    """Processes that run `serve(connect, path, ready, stop)`; they are waited for at the end of the `with`."""

    def __init__(self, count: int, serve: Callable[..., None], connect: str, path: str) -> None:
        """Start them."""
        context = multiprocessing.get_context("spawn")
        self._ready, self._stop = context.Barrier(count + 1), context.Event()
        arguments = (connect, path, self._ready, self._stop)
        self._processes = [context.Process(target=serve, args=arguments) for _ in range(count)]
        for process in self._processes:
            process.start()

    def go(self) -> None:
        """Let them begin, once all are connected."""
        self._ready.wait(60)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for process in self._processes:
            process.join(60)
            process.kill()


def serve_tasks(connect: str, path: str, ready: Barrier, stop: Event) -> None:
    """Be a worker of ours."""
    zk = sparkeeper.connect(connect, timeout=30)
    threading.Thread(target=lambda: (stop.wait(), zk.close()), daemon=True).start()
    ready.wait(60)
    try:
        zk.tasks(path, strategy="priority").work(work)
    except Closed:
        return


def serve_kazoo(connect: str, path: str, ready: Barrier, stop: Event) -> None:
    """Take from kazoo's LockingQueue, and put each result where the driver finds it.

    A result that is stored before its item is consumed is stored again where the worker dies in between: that is
    what its queue offers.
    """
    client: Any = KazooClient(connect, timeout=10.0)
    client.start(timeout=30)
    queue = client.LockingQueue(path)
    ready.wait(60)
    while not stop.is_set():
        try:
            item = queue.get(timeout=0.5)
        except NoNodeError:
            # Somebody consumed it between its listing and its reading.
            continue
        if item is not None:
            client.create(f"{path}-results/result-", str(work(int(item))).encode(), sequence=True)
            queue.consume()
    client.stop()
    client.close()
