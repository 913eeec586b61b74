"""One handle of every recipe, to be used before and after something happened to the ensemble."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sparkeeper


class Recipes:
    """Handles in one coordinator's namespace, made once and used as often as asked."""

    def __init__(self, zk: sparkeeper.Coordinator, timeout: float = 30.0) -> None:
        self.zk = zk
        self.timeout = timeout
        self.sides = zk.read_write_lock("recipes/rw")
        self.several = zk.multi_lock(["recipes/one", "recipes/two"])
        self.semaphore = zk.semaphore("recipes/semaphore", permits=2)
        self.election = zk.election("recipes/election")
        self.barrier = zk.barrier("recipes/barrier")
        self.double_barrier = zk.double_barrier("recipes/double", parties=1)
        self.counter = zk.counter("recipes/counter")
        self.queue = zk.queue("recipes/queue")
        self.cache = zk.cache("recipes/config")
        self.config = zk.config("recipes/config/app")
        self.registry = zk.registry("recipes/registry")
        self.group = zk.group("recipes/group")
        self.partitions = zk.partitions("recipes/partitions", items=["a", "b"], quiet=0.05)
        self._uses = 0

    def use(self) -> None:
        """Use each once, through the same handles as ever."""
        self._uses += 1
        with self.sides.write().acquire(self.timeout) as held:
            held.check()
        with self.sides.read().acquire(self.timeout) as held:
            held.check()
        with self.several.acquire(self.timeout) as held:
            held.check()
        with self.semaphore.acquire(2, self.timeout) as permits:
            permits.check()
        with self.election.campaign(timeout=self.timeout) as term:
            term.checkpoint({"uses": self._uses})
            assert term.restore() == {"uses": self._uses}
        self.barrier.close()
        self.barrier.open()
        self.barrier.wait(self.timeout)
        self.double_barrier.enter(self.timeout)
        self.double_barrier.leave(self.timeout)
        before = self.counter.value
        assert self.counter.add(1) == before + 1
        self.queue.put(f"use {self._uses}".encode())
        with self.queue.get(timeout=self.timeout) as item:
            assert item.data == f"use {self._uses}".encode()
        self.config.set({"uses": self._uses})
        assert self.config.value == {"uses": self._uses}
        with self.registry.register("service", f"host:{self._uses}"):
            assert self.registry.discover("service").address == f"host:{self._uses}"
        with self.group.join(id="me") as me:
            assert [member.id for member in self.group.members()] == ["me"]
            me.update(b"x")
        with self.partitions.join(id="me", timeout=self.timeout) as me, next(me.claims()) as claim:
            claim.checkpoint({"uses": self._uses})
            assert claim.restore() == {"uses": self._uses}
            assert self.partitions.progress()[claim.partition].owner == "me"
        with self.zk.multi() as batch:
            batch.create(f"recipes/config/batch-{self._uses}-{self.zk.session_id}")
        self.cache.wait_ready(self.timeout)
