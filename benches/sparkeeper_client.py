"""Sparkeeper as worker.py measures it: one Coordinator, lock handles that are used again and again."""

from __future__ import annotations

import importlib.metadata
from typing import TYPE_CHECKING

import sparkeeper

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

VERSION: str = importlib.metadata.version("sparkeeper")


class SparkeeperLock:
    def __init__(self, zk: sparkeeper.Coordinator, path: str) -> None:
        self._lock = zk.lock(path)

    def acquire(self) -> None:
        self._held = self._lock.acquire()

    def release(self, *, wait: bool = False) -> None:
        self._held.release(wait=wait)


class Client:
    def __init__(self, connect: str) -> None:
        self._zk = sparkeeper.connect(connect, session_timeout=10)

    def lock(self, path: str) -> SparkeeperLock:
        return SparkeeperLock(self._zk, path)

    def cycle_async(self, path: str) -> Callable[[], Awaitable[None]]:
        """Make a coroutine function that takes and releases the lock once."""
        lock = self._zk.lock(path)

        async def take() -> None:
            held = await lock.acquire_async()
            held.release(wait=False)

        return take

    def close(self) -> None:
        self._zk.close()
