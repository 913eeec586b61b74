"""Threads and tasks that wait until something ends their wait."""

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
    """Waits for a lock in four threads and three tasks of one event loop, each on a handle of its own, and for
    whatever else is given, in a thread each; what ended each wait is kept.
    """

    def __init__(self, lock: Callable[[], Lock], *others: Callable[[], object]) -> None:
        """Begin to wait."""
        self.ended: list[tuple[SparkeeperError, float]] = []
        self._threads = [threading.Thread(target=self._wait, args=(lock().acquire,)) for _ in range(4)]
        self._threads += [threading.Thread(target=self._wait, args=(other,)) for other in others]
        self._threads.append(threading.Thread(target=lambda: asyncio.run(self._wait_together([lock() for _ in "abc"]))))
        self.in_line = 7
        self.count = self.in_line + len(others)
        for thread in self._threads:
            thread.start()

    def _wait(self, wait: Callable[[], object]) -> None:
        try:
            wait()
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
