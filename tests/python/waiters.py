"""Threads and tasks that wait for a lock until something ends their wait."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING

from sparkeeper.exceptions import SparkeeperError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sparkeeper import Lock


class Waiters:
    """Waits in four threads and three tasks of one event loop, each on a handle of its own; what ended each is kept."""

    def __init__(self, lock: Callable[[], Lock]) -> None:
        """Begin to wait."""
        self.ended: list[tuple[SparkeeperError, float]] = []
        self._threads = [threading.Thread(target=self._wait, args=(lock(),)) for _ in range(4)]
        self._threads.append(threading.Thread(target=lambda: asyncio.run(self._wait_together([lock() for _ in "abc"]))))
        self.count = 7
        for thread in self._threads:
            thread.start()

    def _wait(self, lock: Lock) -> None:
        try:
            lock.acquire()
        except SparkeeperError as error:
            self.ended.append((error, time.monotonic()))

    async def _wait_together(self, locks: list[Lock]) -> None:
        async def wait(lock: Lock) -> None:
            try:
                await lock.acquire_async()
            except SparkeeperError as error:
                self.ended.append((error, time.monotonic()))

        await asyncio.gather(*(wait(lock) for lock in locks))

    def join(self, timeout: float) -> None:
        """Wait until every wait has ended, by an error."""
        deadline = time.monotonic() + timeout
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        assert len(self.ended) == self.count, f"ended: {self.ended}"
