"""kazoo as worker.py measures it: one KazooClient, `Lock` handles that are used again and again."""

from __future__ import annotations

import kazoo.version
from kazoo.client import KazooClient

VERSION: str = kazoo.version.__version__


class KazooLock:
    def __init__(self, client: KazooClient, path: str) -> None:
        self._lock = client.Lock(path, "bench")

    def acquire(self) -> None:
        self._lock.acquire()

    def release(self, *, wait: bool = False) -> None:
        """Release; kazoo always waits for the reply."""
        del wait
        self._lock.release()


class Client:
    def __init__(self, connect: str) -> None:
        self._client = KazooClient(connect, timeout=10.0)
        self._client.start(timeout=10.0)

    def lock(self, path: str) -> KazooLock:
        return KazooLock(self._client, path)

    def close(self) -> None:
        self._client.stop()
        self._client.close()
