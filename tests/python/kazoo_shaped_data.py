"""Our counters, queues, barriers, groups and caches in the shape of kazoo's, for tests alone."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from sparkeeper import exceptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from typing_extensions import Self

    import sparkeeper


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
