"""Recipes with a bug each, put in on purpose, so that the history checker can show that it finds such bugs.

Each class is a coordinator but for one recipe, which is written the way it is often written.
"""

from __future__ import annotations

import contextlib
import threading
from typing import Any

from sparkeeper import exceptions

_IDLE = threading.Event()


class _Broken:
    def __init__(self, zk: Any) -> None:
        self._zk = zk

    def __getattr__(self, name: str) -> Any:
        return getattr(self._zk, name)

    def _create(self, path: str, data: bytes = b"", **kind: bool) -> bool:
        if self._zk.exists(path) is not None:
            return False
        with contextlib.suppress(exceptions.NodeExists):
            self._zk.create(path, data, **kind)
            return True
        return False


class BlindCounter(_Broken):
    """A counter that sets at the version it read, and does it again where the reply was lost."""

    def counter(self, path: str) -> BlindCounter:
        self._path = path
        self._create(path, b"0")
        return self

    def add(self, amount: int) -> int:
        while True:
            with contextlib.suppress(exceptions.BadVersion, exceptions.ConnectionLost, exceptions.SessionExpired):
                data, stat = self._zk.get(self._path)
                # The bug: after a lost reply this may have landed already.
                self._zk.set(self._path, b"%d" % (int(data) + amount), version=stat.version)
                return int(data) + amount


class TrustingLock(_Broken):
    """A lock on an ephemeral node that believes it is held for as long as nobody says otherwise."""

    def lock(self, path: str) -> TrustingLock:
        self._path = path
        return self

    def acquire(self, timeout: float) -> TrustingLock:
        del timeout
        while True:
            with contextlib.suppress(exceptions.ConnectionLost, exceptions.SessionExpired):
                self._create(f"{self._path}/held", ephemeral=True)
                stat = self._zk.exists(f"{self._path}/held")
                if stat is not None and stat.ephemeral_owner == self._zk.session_id:
                    self.token = stat.czxid
                    return self
            _IDLE.wait(0.02)

    def check(self) -> None:
        """Believe: this is the bug."""

    def set(self, path: str, data: bytes, guard: object) -> None:
        """Write without a fence: the other half of the bug."""
        del guard
        self._zk.set(path, data)

    def release(self) -> None:
        stat = self._zk.exists(f"{self._path}/held")
        if stat is not None and stat.czxid == self.token:
            _insist(self._zk, f"{self._path}/held")


class HastySemaphore(_Broken):
    """A semaphore that counts the permits that are out, and then takes one."""

    def semaphore(self, path: str, permits: int) -> HastySemaphore:
        self._path, self._limit = path, permits
        self._create(f"{path}")
        return self

    def acquire(self, permits: int, timeout: float) -> HastySemaphore:
        del timeout
        while True:
            names = self._zk.children(self._path)
            if sum(int(name.split("-")[0]) for name in names) + permits <= self._limit:
                # The bug: meanwhile, and that is a while, others count as well.
                _IDLE.wait(0.01)
                self._mine = self._zk.create(f"{self._path}/{permits}-", ephemeral=True, sequence=True)
                return self
            _IDLE.wait(0.001)

    def check(self) -> None:
        if self._zk.exists(self._mine) is None:
            raise exceptions.LockLost(self._mine)

    def release(self) -> None:
        _insist(self._zk, self._mine)


class UnguardedQueue(_Broken):
    """A queue that leases an item by an ephemeral node, and deletes it when told to, whoever has the lease now."""

    def queue(self, path: str, **_: int) -> UnguardedQueue:
        self._path = path
        for part in ("items", "leases"):
            self._create(f"{path}/{part}")
        return self

    def put(self, data: bytes) -> None:
        self._zk.create(f"{self._path}/items/{data.decode()}", data)

    def get(self, timeout: float) -> UnguardedItem:
        _IDLE.wait(timeout / 10)
        for name in self._zk.children(f"{self._path}/items"):
            if self._create(f"{self._path}/leases/{name}", ephemeral=True):
                stat = self._zk.exists(f"{self._path}/items/{name}")
                if stat is not None:
                    attempt = self._zk.set(f"{self._path}/items/{name}", name.encode()).version
                    return UnguardedItem(self._zk, self._path, name, attempt)
        raise exceptions.AcquireTimeout(self._path)


class UnguardedItem:
    """An item that was leased."""

    def __init__(self, zk: Any, path: str, name: str, attempt: int) -> None:
        self._zk, self._path, self._name, self.attempt = zk, path, name, attempt
        self.data = name.encode()

    def check(self) -> None:
        """Believe."""

    def ack(self) -> None:
        # The bug: no check that the lease is still ours; and what is gone is taken to be done.
        for part in ("items", "leases"):
            _insist(self._zk, f"{self._path}/{part}/{self._name}")


def _insist(zk: Any, path: str) -> None:
    """Delete a node, until it is gone."""
    while True:
        with contextlib.suppress(exceptions.ConnectionLost, exceptions.SessionExpired):
            with contextlib.suppress(exceptions.NoNode):
                zk.delete(path)
            return
