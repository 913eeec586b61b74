"""A server that is away for longer than the sessions: what is granted at its return counts, and work goes on."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

import sparkeeper
from sparkeeper.local import LocalServer
from waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

TIMEOUT = 4


@pytest.fixture
def own() -> Iterator[LocalServer]:
    with LocalServer() as server:
        yield server


@pytest.fixture
def zk(own: LocalServer) -> Iterator[sparkeeper.Coordinator]:
    with sparkeeper.connect(own.connect_string, session_timeout=TIMEOUT) as opened:
        yield opened


def away(own: LocalServer, zk: sparkeeper.Coordinator) -> None:
    """Take the server away until no lease of this session is certain any more, and bring it back."""
    held = zk.lock("witness").acquire()
    own.kill()
    wait_for(lambda: held.state == "LOST", 60, "the lease to run out")
    own.restart()


@pytest.mark.parametrize("kind", ["lock", "multi_lock", "write", "semaphore", "election", "queue"])
def test_what_is_acquired_at_the_return_is_acquired_once(
    own: LocalServer, zk: sparkeeper.Coordinator, kind: str
) -> None:
    """The server gives sessions their whole timeout again, so ours goes on; its lease must be proven first."""
    queue = zk.queue("q", max_attempts=1)
    queue.put(b"1")
    acquire = {
        "lock": lambda: zk.lock("a").acquire(60),
        "multi_lock": lambda: zk.multi_lock(["a", "b"]).acquire(60),
        "write": lambda: zk.read_write_lock("a").write().acquire(60),
        "semaphore": lambda: zk.semaphore("a", permits=1).acquire(timeout=60),
        "election": lambda: zk.election("a").campaign(60),
        "queue": lambda: queue.get(60),
    }[kind]
    away(own, zk)
    grant = acquire()
    grant.check()
    path = {"semaphore": "a/leases", "queue": f"q/items/{zk.children('q/items')[0]}"}.get(kind, "a")
    if kind == "queue":
        assert grant.attempt == 1
        grant.ack()
    else:
        # Each try makes a node below it.
        assert zk.exists(path).cversion == 1


@pytest.mark.parametrize("strategy", ["average", "priority"])
def test_a_worker_does_all_tasks_once_the_server_is_back(own: LocalServer, strategy: str) -> None:
    """Not before: the attempt that the outage cut off counts; no other does."""
    with (
        sparkeeper.connect(own.connect_string, session_timeout=TIMEOUT) as zk,
        sparkeeper.connect(own.connect_string, session_timeout=TIMEOUT) as driver,
    ):
        tasks = driver.tasks("t", strategy=strategy, max_attempts=2)
        tasks.submit(range(20))
        begun, go = threading.Event(), threading.Event()

        def handler(payload: int) -> int:
            if payload == 5:
                begun.set()
                go.wait(60)
            return payload

        worker = threading.Thread(
            target=lambda: zk.tasks("t", strategy=strategy, max_attempts=2).work(handler, limit=20), daemon=True
        )
        worker.start()
        assert begun.wait(60)
        away(own, driver)
        go.set()
        wait_for(lambda: tasks.status().results == 20, 60, "every result")
        found = list(tasks.results())
        assert sorted(one.value for one in found) == list(range(20))
        assert all(one.ok for one in found)
        assert sum(one.attempts for one in found) <= 21


def test_a_worker_whose_node_was_deleted_counts_again(own: LocalServer, zk: sparkeeper.Coordinator) -> None:
    """Under "average" who is not there has no share."""
    tasks = zk.tasks("t", strategy="average")
    go, begun = threading.Event(), threading.Event()

    def handler(payload: int) -> int:
        begun.set()
        go.wait(60)
        return payload

    tasks.submit(range(4))
    with sparkeeper.connect(own.connect_string) as other:
        worker = threading.Thread(target=lambda: tasks.work(handler, limit=4), daemon=True)
        worker.start()
        assert begun.wait(60)
        other.delete("t/workers", recursive=True)
        go.set()
        wait_for(lambda: other.tasks("t").status().results == 4, 60, "every result")
        worker.join(60)
