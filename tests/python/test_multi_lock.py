"""Several locks as one: all or none, no deadlock, nothing left behind."""

import asyncio
import pickle
import threading
import time

import pytest

from program import Program
from sparkeeper import exceptions
from waiting import wait_for
from wire import Op


def nodes(zk, *paths):
    """How many nodes there are below each path."""
    return [len(zk.children(path)) if zk.exists(path) else 0 for path in paths]


def test_all_or_none(zk, coordinator):
    other = coordinator()
    with zk.multi_lock(["a", "b", "/a"], owner="app-42") as held:
        assert held.paths == ["a", "b"]
        assert {line[0].token for line in zk.multi_lock(["a", "b"]).contenders().values()} == {held.token}
        assert other.lock("a").try_acquire() is None
        assert other.lock("b").try_acquire() is None
        assert other.multi_lock(["b", "c"]).try_acquire() is None
        assert other.lock("c").try_acquire() is not None, "what was not had is left alone"
        zk.create("made", guard=held)
        assert "HELD" in repr(held)
        assert [zk.metrics()[path].held for path in "ab"] == [1, 1]
    wait_for(lambda: nodes(zk, "a", "b") == [0, 0], 60, "both to be free")
    with pytest.raises(exceptions.LockLost):
        zk.create("late", guard=held)
    with other.lock("b"), pytest.raises(exceptions.AcquireTimeout, match="'b' is held by"):
        zk.multi_lock(["a", "b"]).acquire(timeout=2)
    wait_for(lambda: nodes(zk, "a") == [0], 60, "nothing to be left in the line that was free")


def test_no_path_and_bad_paths_are_refused_at_once(zk):
    with pytest.raises(exceptions.ConfigError, match="no path"):
        zk.multi_lock([])
    with pytest.raises(exceptions.InvalidPath):
        zk.multi_lock(["a", "b//c"])
    assert pickle.loads(pickle.dumps(zk.multi_lock(["a", "b"], owner="x"))).paths == ["a", "b"]


def test_too_many_paths_are_refused_at_once(zk):
    begun = time.monotonic()
    with pytest.raises(exceptions.PayloadTooLarge, match="20000 nodes together"):
        zk.multi_lock([f"path-{number}" for number in range(20_000)]).acquire(timeout=10)
    assert time.monotonic() - begun < 2


def test_reentrant_and_released_whole(zk, coordinator):
    lock = zk.multi_lock(["a", "b"])
    with lock as outer:
        with lock as inner:
            assert inner.token == outer.token
        assert coordinator().lock("a").try_acquire() is None
    held = lock.acquire()
    held.release(wait=True)
    assert nodes(zk, "a", "b") == [0, 0]


def test_one_node_deleted_is_all_lost(coordinator):
    zk = coordinator(session_timeout=1.5)
    held = zk.multi_lock(["a", "b", "c"]).acquire()
    told = []
    held.on_lost(told.append)
    (name,) = zk.children("b")
    coordinator().delete(f"b/{name}")
    wait_for(lambda: told, 60, "on_lost")
    assert held.state == "LOST"
    wait_for(lambda: nodes(zk, "a", "b", "c") == [0, 0, 0], 60, "the others to go too")


def test_an_uncontended_acquire_is_one_flight(proxy, coordinator):
    zk = coordinator(proxy.connect_string)
    lock = zk.multi_lock(["a", "b", "c"])
    lock.acquire().release(wait=True)
    before = proxy.requests.copy()
    lock.acquire().release(wait=True)
    used = proxy.requests - before
    assert (used[Op.MULTI], used[Op.GET_CHILDREN], used[Op.DELETE]) == (1, 3, 3)


@pytest.mark.parametrize("stay_down", [False, True])
def test_a_lost_reply_leaves_one_node_in_each_line(proxy, coordinator, stay_down):
    zk, other = coordinator(proxy.connect_string, session_timeout=8), coordinator()
    lock = zk.multi_lock(["a", "b"])
    lock.acquire().release(wait=True)
    dropped = proxy.drop_reply(Op.MULTI, stay_down=stay_down)
    granted = []
    thread = threading.Thread(target=lambda: granted.append(lock.acquire(timeout=30)))
    thread.start()
    assert dropped.wait(60)
    if stay_down:
        wait_for(lambda: proxy.open == 0, 60, "the link to be down")
        proxy.heal()
    thread.join(60)
    assert nodes(other, "a", "b") == [1, 1]
    assert other.lock("a").contenders()[0].token == granted[0].token
    wait_for(lambda: granted[0].state == "HELD", 60, "the link to be trusted again")
    granted[0].release(wait=True)
    assert nodes(other, "a", "b") == [0, 0]


async def test_a_cancelled_wait_leaves_nothing(zk, coordinator):
    held = await coordinator().lock("b").acquire_async()
    task = asyncio.create_task(zk.multi_lock(["a", "b", "c"]).acquire_async())
    await asyncio.to_thread(wait_for, lambda: nodes(zk, "a", "b", "c") == [1, 2, 1], 10, "it to stand in line")
    task.cancel()
    await asyncio.wait([task])
    await asyncio.to_thread(wait_for, lambda: nodes(zk, "a", "b", "c") == [0, 1, 0], 10, "the nodes to be gone")
    held.check()


_CROSSING = """
zk = sparkeeper.connect(sys.argv[1], namespace=sys.argv[2])
lock = zk.multi_lock(sys.argv[3:])
say("ready")
hear()
for _ in range(200):
    with lock:
        pass
say("done")
"""


def test_opposite_orders_never_deadlock(connect_string, namespace):
    with (
        Program(_CROSSING, connect_string, namespace, "a", "b", "c") as one,
        Program(_CROSSING, connect_string, namespace, "c", "b", "d") as two,
        Program(_CROSSING, connect_string, namespace, "b", "a") as three,
    ):
        programs = (one, two, three)
        assert [program.answer() for program in programs] == ["ready"] * 3
        for program in programs:
            program.tell()
        assert [program.answer(120) for program in programs] == ["done"] * 3
