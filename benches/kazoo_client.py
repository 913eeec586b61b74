"""kazoo as worker.py measures it: one KazooClient, handles that are used again and again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import kazoo.version
from kazoo.client import KazooClient

if TYPE_CHECKING:
    from collections.abc import Callable

VERSION: str = kazoo.version.__version__


class KazooLock:
    def __init__(self, lock: Any) -> None:  # noqa: ANN401 - kazoo has no types
        self._lock = lock

    def acquire(self) -> None:
        self._lock.acquire()

    def release(self, *, wait: bool = False) -> None:
        """Release; kazoo always waits for the reply."""
        del wait
        self._lock.release()


class KazooCounter:
    def __init__(self, client: KazooClient, path: str) -> None:
        self._counter = client.Counter(path)

    def add(self) -> None:
        self._counter += 1

    def value(self) -> int:
        return int(self._counter.value)


class Client:
    def __init__(self, connect: str) -> None:
        self._client = KazooClient(connect, timeout=10.0)
        self._client.start(timeout=10.0)

    def lock(self, path: str) -> KazooLock:
        return KazooLock(self._client.Lock(path, "bench"))

    def semaphore(self, path: str, permits: int) -> KazooLock:
        return KazooLock(self._client.Semaphore(path, "bench", max_leases=permits))

    def election(self, path: str, name: str) -> KazooLock:
        # `Election.run` takes this lock, calls, and releases it.
        return KazooLock(self._client.Election(path, name).lock)

    def counter(self, path: str) -> KazooCounter:
        return KazooCounter(self._client, path)

    def item(self, path: str) -> Callable[[], None]:
        """Make a function that passes one item through a `LockingQueue`, kazoo's queue with acknowledgements."""
        queue = self._client.LockingQueue(path)

        def once() -> None:
            queue.put(b"item")
            queue.get()
            queue.consume()

        return once

    def close(self) -> None:
        self._client.stop()
        self._client.close()
