"""Sparkeeper as worker.py measures it: one Coordinator, handles that are used again and again."""

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


class SparkeeperPermit:
    def __init__(self, zk: sparkeeper.Coordinator, path: str, permits: int) -> None:
        self._semaphore = zk.semaphore(path, permits=permits)

    def acquire(self) -> None:
        self._held = self._semaphore.acquire()

    def release(self, *, wait: bool = False) -> None:
        self._held.release(wait=wait)


class SparkeeperTerm:
    def __init__(self, zk: sparkeeper.Coordinator, path: str, name: str) -> None:
        self._election = zk.election(path, id=name)

    def acquire(self) -> None:
        self._term = self._election.campaign()

    def release(self, *, wait: bool = False) -> None:
        self._term.step_down(wait=wait)


class SparkeeperCounter:
    def __init__(self, zk: sparkeeper.Coordinator, path: str) -> None:
        self._counter = zk.counter(path)

    def add(self) -> None:
        self._counter.add(1)

    def value(self) -> int:
        return self._counter.value


class Client:
    def __init__(self, connect: str) -> None:
        self._zk = sparkeeper.connect(connect, session_timeout=10)

    def lock(self, path: str) -> SparkeeperLock:
        return SparkeeperLock(self._zk, path)

    def semaphore(self, path: str, permits: int) -> SparkeeperPermit:
        return SparkeeperPermit(self._zk, path, permits)

    def election(self, path: str, name: str) -> SparkeeperTerm:
        return SparkeeperTerm(self._zk, path, name)

    def counter(self, path: str) -> SparkeeperCounter:
        return SparkeeperCounter(self._zk, path)

    def item(self, path: str) -> Callable[[], None]:
        """Make a function that passes one item through a queue."""
        queue = self._zk.queue(path)

        def once() -> None:
            queue.put(b"item")
            queue.get().ack()

        return once

    def cycle_async(self, path: str) -> Callable[[], Awaitable[None]]:
        """Make a coroutine function that takes and releases the lock once."""
        lock = self._zk.lock(path)

        async def take() -> None:
            held = await lock.acquire_async()
            held.release(wait=False)

        return take

    def close(self) -> None:
        self._zk.close()
