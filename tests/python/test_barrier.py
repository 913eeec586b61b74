"""The barrier: closed, it holds everybody; open, nobody."""

import asyncio
import pickle
import threading
import time

import pytest

from program import Program
from sparkeeper import exceptions
from sparkeeper.local import words
from waiting import wait_for


def watches(server, namespace):
    """How many watches the server keeps below a namespace."""
    return sum(line.startswith(f"/{namespace}/") for line in words.ask(server.port, "wchp", 30).splitlines())


def waiting(barrier, passed, **how):
    """A thread that waits at a barrier and says when it is through."""

    def wait():
        barrier.wait(**how)
        passed.append(time.monotonic())

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    return thread


def test_closed_it_holds_and_opened_all_go_on(zk, coordinator, server, namespace):
    barrier = zk.barrier("stages/go")
    assert barrier.is_open()
    barrier.wait(timeout=0)
    assert barrier.close() is True
    assert barrier.close() is False
    assert not coordinator().barrier("stages/go").is_open()
    passed = []
    threads = [waiting(coordinator().barrier("stages/go"), passed) for _ in range(5)]
    wait_for(lambda: watches(server, namespace) == 1, 60, "a watch on the node")
    with pytest.raises(exceptions.AcquireTimeout, match="closed by"):
        barrier.wait(timeout=0)
    assert not passed
    opened = time.monotonic()
    assert coordinator().barrier("stages/go").open() is True
    for thread in threads:
        thread.join(60)
    assert len(passed) == 5
    assert min(passed) > opened
    assert barrier.open() is False
    assert watches(server, namespace) == 0


def test_a_timed_wait_ends_in_time_names_who_closed_it_and_leaves_no_watch(zk, coordinator, server, namespace):
    coordinator(owner="the nightly job").barrier("go").close()
    assert zk.exists("go")  # connected: the second below is for the wait alone
    begun = time.monotonic()
    with pytest.raises(exceptions.AcquireTimeout, match=r"'go'.*the nightly job"):
        zk.barrier("go").wait(timeout=1)
    assert 0.9 < time.monotonic() - begun < 1.2
    wait_for(lambda: watches(server, namespace) == 0, 60, "the watch to be gone")


def test_it_stays_closed_when_who_closed_it_is_killed(zk, connect_string, namespace):
    code = "zk = sparkeeper.connect(sys.argv[1], namespace=sys.argv[2])\nsay(zk.barrier('go').close())\nhear()\n"
    with Program(code, connect_string, namespace) as program:
        assert program.answer() is True
        program.process.kill()
        program.wait()
    with pytest.raises(exceptions.AcquireTimeout):
        zk.barrier("go").wait(timeout=0.3)
    assert zk.barrier("go").open()


def test_a_wait_goes_on_through_a_cut_and_an_expiry(proxy, coordinator):
    zk, far = coordinator(), coordinator(proxy.connect_string, session_timeout=1.5)
    zk.barrier("go").close()
    session, passed = far.session_id, []
    thread = waiting(far.barrier("go"), passed)
    proxy.cut()
    wait_for(lambda: far.state == "EXPIRED", 60, "the session to end while it waits")
    assert not passed
    proxy.heal()
    wait_for(lambda: far.state == "CONNECTED" and far.session_id != session, 60, "the next session")
    assert not passed
    zk.barrier("go").open()
    thread.join(60)
    assert passed


def test_it_was_opened_while_the_waiter_was_cut_off(proxy, coordinator):
    zk, far = coordinator(), coordinator(proxy.connect_string, session_timeout=10)
    zk.barrier("go").close()
    passed = []
    thread = waiting(far.barrier("go"), passed)
    proxy.cut()
    zk.barrier("go").open()
    proxy.heal()
    thread.join(60)
    assert passed


def test_a_lost_reply_to_open_does_not_open_what_was_closed_since(proxy, coordinator):
    zk, far = coordinator(), coordinator(proxy.connect_string, session_timeout=10)
    barrier = far.barrier("go")
    barrier.close()
    dropped = proxy.drop_reply(2, stay_down=True)  # delete
    answers = []
    thread = threading.Thread(target=lambda: answers.append(barrier.open()))
    thread.start()
    assert dropped.wait(60)
    assert zk.barrier("go").close() is True, "it was open meanwhile"
    proxy.heal()
    thread.join(60)
    assert answers == [True]
    assert not zk.barrier("go").is_open()


async def test_a_cancelled_wait_leaves_no_watch(zk, coordinator, server, namespace):
    await coordinator().barrier("go").close_async()
    task = asyncio.create_task(zk.barrier("go").wait_async())
    await asyncio.to_thread(wait_for, lambda: watches(server, namespace) == 1, 5, "the watch")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.to_thread(wait_for, lambda: watches(server, namespace) == 0, 5, "the watch to be gone")
    assert not await zk.barrier("go").is_open_async()
    assert await zk.barrier("go").open_async()
    await zk.barrier("go").wait_async(timeout=5)


def test_closing_the_coordinator_ends_a_wait(zk, coordinator):
    zk.barrier("go").close()
    other, outcome = coordinator(), []

    def wait():
        try:
            other.barrier("go").wait()
        except exceptions.Closed as error:
            outcome.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    other.close()
    thread.join(60)
    assert len(outcome) == 1


def test_a_handle_pickles(zk):
    barrier = pickle.loads(pickle.dumps(zk.barrier("go")))
    barrier.close()
    assert not zk.barrier("go").is_open()
    assert "go" in repr(barrier)
    with pytest.raises(exceptions.InvalidPath):
        zk.barrier("a//b")


def test_a_node_of_somebody_else_is_neither_waited_at_nor_deleted_nor_shown(zk):
    zk.create("settings", b"password=hunter2")
    barrier = zk.barrier("settings")
    for refused in (barrier.open, barrier.close, barrier.is_open, lambda: barrier.wait(timeout=0), barrier.wait):
        with pytest.raises(exceptions.ConfigError, match="no barrier of ours") as raised:
            refused()
        assert "hunter2" not in str(raised.value)
    assert zk.get("settings")[0] == b"password=hunter2"
