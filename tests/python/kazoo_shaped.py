"""Our recipes in the shape of kazoo's: the names, arguments and answers that its users know, for tests alone.

What kazoo's objects can be told from another thread (`cancel`) is told here to a task in an event loop of our own.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import threading
from typing import TYPE_CHECKING, Any

from sparkeeper import exceptions

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

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


class Counter:
    def __init__(self, zk: sparkeeper.Coordinator, path: str, default: int = 0) -> None:
        self._counter = zk.counter(path, default=default)
        self.pre_value: int | None = None
        self.post_value: int | None = None

    @property
    def value(self) -> int:
        return self._counter.value

    def __add__(self, amount: int) -> Self:
        if not isinstance(amount, int):
            raise TypeError("a whole number, please")
        self.post_value = self._counter.add(amount)
        self.pre_value = self.post_value - amount
        return self

    def __sub__(self, amount: int) -> Self:
        return self + -amount


class Queue:
    """kazoo's `Queue`: `get` takes an item out for good."""

    def __init__(self, zk: sparkeeper.Coordinator, path: str) -> None:
        self._queue = zk.queue(path)

    def __len__(self) -> int:
        return len(self._queue)

    def put(self, value: bytes, priority: int = 100) -> None:
        if not isinstance(value, bytes):
            raise TypeError("bytes, please")
        self._queue.put(value, priority=priority)

    def get(self) -> bytes | None:
        item = self._queue.try_get()
        if item is None:
            return None
        item.ack()
        return item.data


class LockingQueue(Queue):
    """kazoo's `LockingQueue`: an item that was got stays, locked, until it is consumed or released."""

    def __init__(self, zk: sparkeeper.Coordinator, path: str) -> None:
        super().__init__(zk, path)
        self._item: Any = None

    def put_all(self, values: list[bytes], priority: int = 100) -> None:
        self._queue.put_many(values, priority=priority)

    def get(self, timeout: float | None = None) -> bytes | None:
        if self._item is None:
            with contextlib.suppress(exceptions.AcquireTimeout):
                self._item = self._queue.get(timeout=timeout)
        return None if self._item is None else self._item.data

    def holds_lock(self) -> bool:
        return self._item is not None and self._item.state != "LOST"

    def consume(self) -> bool:
        return self._settle(lambda item: item.ack())

    def release(self) -> bool:
        return self._settle(lambda item: item.give_back(delay=0))

    def _settle(self, how: Callable[[Any], object]) -> bool:
        item, self._item = self._item, None
        if item is None:
            return False
        with contextlib.suppress(exceptions.ClaimLost):
            how(item)
            return True
        return False


class Barrier:
    def __init__(self, zk: sparkeeper.Coordinator, path: str) -> None:
        self._barrier = zk.barrier(path)

    def create(self) -> None:
        self._barrier.close()

    def remove(self) -> bool:
        return bool(self._barrier.open())

    def wait(self, timeout: float | None = None) -> bool:
        try:
            self._barrier.wait(timeout)
        except TimeoutError:
            return False
        return True


class Party:
    """kazoo's `Party` and `ShallowParty`: who iterates over it reads what the members said of themselves."""

    def __init__(self, zk: sparkeeper.Coordinator, path: str, identifier: str = "somebody") -> None:
        self.data = identifier.encode()
        self._group = zk.group(path)
        self._member: Any = None

    @property
    def participating(self) -> bool:
        return self._member is not None and self._member.state in {"JOINED", "AT_RISK"}

    def join(self) -> None:
        if self._member is None:
            self._member = self._group.join(data=self.data)

    def leave(self) -> None:
        if self._member is not None:
            self._member.leave(wait=True)
            self._member = None

    def __iter__(self) -> Iterator[str]:
        return iter([member.data.decode() for member in self._group.members()])

    def __len__(self) -> int:
        return len(self._group.members())


class TreeCache:
    """kazoo's `TreeCache`: `listen`, `start`, `get_data`, `get_children`, `close`."""

    def __init__(self, zk: sparkeeper.Coordinator, path: str) -> None:
        self._zk, self._path = zk, path
        self._listeners: list[Callable[[Any], object]] = []
        self._cache: Any = None

    def listen(self, listener: Callable[[Any], object]) -> None:
        self._listeners.append(listener)

    def start(self) -> None:
        if self._cache is not None:
            raise RuntimeError("already started")
        self._cache = self._zk.cache(self._path)
        self._cache.wait_ready(10)
        for listener in self._listeners:
            self._cache.on_change(listener)

    def close(self) -> None:
        self._cache.close()

    def get_data(self, path: str) -> bytes | None:
        return self._cache.get(path)

    def get_children(self, path: str) -> frozenset[str] | None:
        try:
            return frozenset(self._cache.children(path))
        except KeyError:
            return None


class DoubleBarrier:
    def __init__(self, zk: sparkeeper.Coordinator, path: str, num_clients: int) -> None:
        self._barrier = zk.double_barrier(path, parties=num_clients)
        self.participating = False

    def enter(self) -> None:
        self._barrier.enter()
        self.participating = True

    def leave(self) -> None:
        self._barrier.leave()
        self.participating = False
