"""What goes on, read from the nodes of a real server while it goes on."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from sparkeeper.survey import Survey, survey
from waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

    import sparkeeper


def look(zk: sparkeeper.Coordinator) -> Survey:
    with zk.cache("/") as cache:
        snapshot = cache.snapshot()
    return survey({path: snapshot[path] for path in snapshot})


@pytest.fixture
def first(coordinator: Callable[..., sparkeeper.Coordinator]) -> sparkeeper.Coordinator:
    return coordinator(owner="first")


@pytest.fixture
def second(coordinator: Callable[..., sparkeeper.Coordinator]) -> sparkeeper.Coordinator:
    return coordinator(owner="second")


def test_nothing_goes_on(zk: sparkeeper.Coordinator) -> None:
    assert look(zk) == Survey((), (), (), (), ())


def test_holders_and_waiters_of_every_kind_of_line(
    zk: sparkeeper.Coordinator, first: sparkeeper.Coordinator, second: sparkeeper.Coordinator
) -> None:
    before = time.time() * 1000
    held = [
        first.lock("a").acquire(),
        first.semaphore("b/jdbc", permits=3).acquire(2),
        first.read_write_lock("c").read().acquire(),
        first.election("d").campaign(),
    ]
    wait = [
        lambda: second.lock("a").acquire(),
        lambda: second.semaphore("b/jdbc", permits=3).acquire(2),
        lambda: second.read_write_lock("c").write().acquire(),
        lambda: second.election("d").campaign(),
    ]
    with ThreadPoolExecutor(4) as pool:
        later = [pool.submit(one) for one in wait]
        found = wait_for(
            lambda: (one := look(zk)) and sum(len(line.waiters) for line in one.lines) == 4 and one, 60, "all"
        )
        for one in held:
            one.step_down() if hasattr(one, "step_down") else one.release()
        for one in later:
            one.result(60)
    kinds = {line.path: line.kind for line in found.lines}
    assert kinds == {"a": "lock", "b/jdbc": "semaphore", "c": "read_write_lock", "d": "election"}
    for line, grant in zip(found.lines, held, strict=True):
        assert [one.owner for one in line.holders] == ["first"], line
        assert [one.owner for one in line.waiters] == ["second"], line
        assert line.holders[0].token == grant.token
        assert line.waiters[0].token is None
        assert abs(line.holders[0].since - before) < 60_000
    assert found.lines[1].holders[0].count == 2
    assert {(one.session, one.owner) for one in found.sessions} == {
        (f"0x{zk.session_id:x}", name) for zk, name in ((first, "first"), (second, "second"))
    }


def test_readers_before_the_first_writer_hold_together(
    zk: sparkeeper.Coordinator, first: sparkeeper.Coordinator, second: sparkeeper.Coordinator
) -> None:
    first.read_write_lock("c").read().acquire()
    second.read_write_lock("c").read().acquire()
    (line,) = look(zk).lines
    assert [one.owner for one in line.holders] == ["first", "second"]
    assert not line.waiters


def test_members_of_groups_services_and_partitions(zk: sparkeeper.Coordinator, first: sparkeeper.Coordinator) -> None:
    first.group("g").join(b"hello")
    first.registry("r").register("api", "host:1", id="one")
    member = first.partitions("p", range(6)).join("m")
    wait_for(lambda: len(member.held) == 6, 60, "the member to own all")
    found = look(zk)
    assert [(one.path, one.kind, len(one.members)) for one in found.gatherings] == [
        ("g", "group", 1),
        ("p", "partitions", 1),
        ("r/api", "service", 1),
    ]
    partitions = found.gatherings[1]
    assert (partitions.items, partitions.done, partitions.members[0].owns) == (6, 0, 6)
    assert [one.members[0].address for one in found.gatherings] == ["", "", "host:1"]
    # What a recipe is made of is not shown as another's.
    assert not found.lines


def test_queues_and_tasks_are_counted(zk: sparkeeper.Coordinator, first: sparkeeper.Coordinator) -> None:
    queue = first.queue("q")
    queue.put_many([b"1", b"2", b"3"])
    queue.get()
    tasks = first.tasks("t", max_attempts=1)
    tasks.submit([1, 0, 5])
    assert [(one.path, one.kind) for one in look(zk).work] == [("q", "queue"), ("t", "tasks")]
    go = threading.Event()

    def handler(payload: int) -> float:
        return go.wait(60) if payload == 5 else 1 / payload

    with ThreadPoolExecutor(1) as pool:
        working = pool.submit(tasks.work, handler, name="w", limit=2)
        found = wait_for(lambda: (one := look(zk).work[1]).dead and one.at_work and one, 60, "the third at work")
        go.set()
        working.result(60)
    assert (found.queued, found.at_work, found.dead, found.results, found.workers) == (1, 1, 1, 2, ("w",))
    (queue_now,) = (one for one in look(zk).work if one.kind == "queue")
    assert (queue_now.queued, queue_now.at_work, queue_now.workers) == (3, 1, ("first",))


def test_nodes_that_are_nobodys_are_no_part_of_it(zk: sparkeeper.Coordinator) -> None:
    zk.create("plain/config", b"{broken")
    for name in ("spec", "assignment", "members"):
        zk.create(f"odd/{name}", b"\xff")
        zk.create(name, b"[]")
    zk.create("odd/items")
    assert look(zk) == Survey((), (), (), (), ())
