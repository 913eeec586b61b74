"""Our locks, semaphores and elections in the shape of kazoo's: the names, arguments and answers its users know.

What kazoo's objects can be told from another thread (`cancel`) is told here to a task in an event loop of our own.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from typing import TYPE_CHECKING, Any

from sparkeeper import exceptions

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from typing_extensions import Self

    import sparkeeper


class LockTimeout(Exception):
    """It was not acquired in time."""


class Cancelled(Exception):
    """`cancel` was called meanwhile."""


class Loop:
    """An event loop in a thread of its own, in which whatever waits can be cancelled."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()

    def start(self, work: Coroutine[Any, Any, Any]) -> concurrent.futures.Future[Any]:
        return asyncio.run_coroutine_threadsafe(work, self._loop)


LOOP = Loop()


class _Grantable:
    """What can be acquired, released and cancelled; one object holds it once, whichever thread asks."""

    def __init__(self, identifier: str) -> None:
        self.identifier = identifier
        self.cancelled = False
        self._turn = threading.Lock()
        self._pending: concurrent.futures.Future[Any] | None = None
        self._held: Any = None

    async def _ask(self, timeout: float | None) -> Any:
        raise NotImplementedError

    @property
    def is_acquired(self) -> bool:
        return self._held is not None and self._held.state != "LOST"

    def acquire(self, blocking: bool = True, timeout: float | None = None) -> bool:  # noqa: FBT001, FBT002 - kazoo's
        patience = 0 if not blocking else timeout
        if not self._turn.acquire(timeout=-1 if patience is None else patience):
            return False
        granted = False
        try:
            self.cancelled = False
            self._pending = LOOP.start(self._ask(patience))
            self._held = self._pending.result()
            granted = True
        except concurrent.futures.CancelledError:
            raise Cancelled(self.identifier) from None
        except exceptions.AcquireTimeout as late:
            if blocking:
                raise LockTimeout(str(late)) from late
        finally:
            self._pending = None
            if not granted:
                self._turn.release()
        return granted

    def release(self) -> bool:
        if self._held is None:
            return False
        held, self._held = self._held, None
        held.release(wait=True)
        self._turn.release()
        return True

    def cancel(self) -> None:
        self.cancelled = True
        if self._pending is not None:
            self._pending.cancel()

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


class Lock(_Grantable):
    def __init__(self, zk: sparkeeper.Coordinator, path: str, identifier: str = "somebody") -> None:
        super().__init__(identifier)
        self._lock = self._handle(zk, path)

    def _handle(self, zk: sparkeeper.Coordinator, path: str) -> Any:
        return zk.lock(path, owner=self.identifier)

    async def _ask(self, timeout: float | None) -> Any:
        return await self._lock.acquire_async(timeout)

    def contenders(self) -> list[str]:
        return [contender.owner for contender in self._lock.contenders()]


class ReadLock(Lock):
    def _handle(self, zk: sparkeeper.Coordinator, path: str) -> Any:
        return zk.read_write_lock(path, owner=self.identifier).read()


class WriteLock(Lock):
    def _handle(self, zk: sparkeeper.Coordinator, path: str) -> Any:
        return zk.read_write_lock(path, owner=self.identifier).write()


class Semaphore(_Grantable):
    def __init__(
        self, zk: sparkeeper.Coordinator, path: str, identifier: str = "somebody", max_leases: int = 1
    ) -> None:
        super().__init__(identifier)
        self._semaphore = zk.semaphore(path, permits=max_leases, owner=identifier)

    async def _ask(self, timeout: float | None) -> Any:
        return await self._semaphore.acquire_async(1, timeout)

    def lease_holders(self) -> list[str]:
        return [holder.owner for holder in self._semaphore.holders()]


class Election:
    def __init__(self, zk: sparkeeper.Coordinator, path: str, identifier: str = "somebody") -> None:
        self._election = zk.election(path, id=identifier)

    def run(self, func: Callable[..., object], *arguments: object) -> None:
        self._election.run(lambda _term: func(*arguments), terms=1)

    def cancel(self) -> None:
        self._election.stop()

    def contenders(self) -> list[str]:
        return [candidate.id for candidate in self._election.candidates()]
