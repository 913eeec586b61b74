"""Callbacks that raise, block or call the coordinator: heartbeats go on, the others run, nothing deadlocks."""

import sys
import threading
import time

import pytest

from sparkeeper import exceptions
from waiting import wait_for


@pytest.fixture
def unraisable(monkeypatch):
    """What was raised where nobody could catch it."""
    caught = []
    monkeypatch.setattr(sys, "unraisablehook", lambda found: caught.append((found.exc_type, str(found.exc_value))))
    return caught


def lose(zk, path):
    """Take the lock away by deleting its node."""
    (name,) = zk.children(path)
    zk.delete(f"{path}/{name}")


def test_one_that_raises_is_reported_and_the_others_run(coordinator, unraisable):
    zk = coordinator(session_timeout=1.5)
    held = zk.lock("l").acquire()
    told = []

    def fail(_error):
        raise ValueError("mine to make")

    held.on_lost(fail)
    held.on_lost(told.append)
    lose(zk, "l")
    wait_for(lambda: told and unraisable, 60, "both callbacks")
    assert unraisable == [(ValueError, "mine to make")]
    assert isinstance(told[0], exceptions.LockLost)
    assert "'l'" in str(told[0])
    # A callback of a lock that is lost already is called at once.
    held.on_lost(told.append)
    wait_for(lambda: len(told) == 2, 60, "the late callback")
    assert zk.state == "CONNECTED"


def test_ones_that_block_delay_neither_heartbeats_nor_others(coordinator):
    zk = coordinator(session_timeout=1.5)
    release, blocked, told = threading.Event(), [], []

    def block(error):
        blocked.append(error)
        release.wait(60)

    session = zk.session_id
    zk.on_state(block)
    for number in range(20):
        zk.lock(f"l{number}").acquire().on_lost(block)
    survivor = zk.lock("survivor").acquire()
    try:
        for number in range(20):
            lose(zk, f"l{number}")
        wait_for(lambda: len(blocked) == 20, 60, "all to be in their callbacks")
        begun = time.monotonic()
        held = zk.lock("other").acquire()
        held.on_lost(told.append)
        lose(zk, "other")
        wait_for(lambda: told, 60, "another callback beside them")
        wait_for(lambda: time.monotonic() - begun > 3, 60, "two session timeouts")
        assert (zk.session_id, survivor.state) == (session, "HELD")
        survivor.check()
    finally:
        release.set()


def test_one_that_calls_the_coordinator_gets_its_answer(coordinator):
    zk = coordinator(session_timeout=1.5)
    zk.create("a", b"x")
    lock = zk.lock("l")
    answers = []

    def work(error):
        with lock as again:
            answers.append((zk.get("a")[0], again.state, zk.state, error.__class__))
        zk.set("a", b"written")

    held = lock.acquire()
    held.on_lost(work)
    lose(zk, "l")
    wait_for(lambda: answers, 60, "the callback's own calls")
    assert answers == [(b"x", "HELD", "CONNECTED", exceptions.LockLost)]
    wait_for(lambda: zk.get("a")[0] == b"written", 60, "its write")


def test_one_that_closes_the_coordinator(coordinator):
    zk = coordinator(session_timeout=1.5)
    states, done = [], threading.Event()

    def close(_error):
        zk.close()
        done.set()

    zk.on_state(states.append)
    held = zk.lock("l").acquire()
    held.on_lost(close)
    lose(zk, "l")
    assert done.wait(60)
    wait_for(lambda: states == ["CLOSED"], 60, "the news of the end")


def test_states_come_in_order_also_to_one_that_is_slow(proxy, coordinator):
    zk = coordinator(proxy.connect_string, session_timeout=20)
    gate, quick, slow = threading.Event(), [], []

    def wait(state):
        gate.wait(30)
        slow.append(state)

    zk.on_state(wait)
    zk.on_state(quick.append)
    for _ in range(3):
        proxy.cut()
        wait_for(lambda: zk.state == "SUSPENDED", 60, "the cut")
        proxy.heal()
        wait_for(lambda: zk.state == "CONNECTED", 60, "the link")
        # A link that breaks before the client library's first request on it was answered is news only later.
        zk.sync()
    wait_for(lambda: len(quick) == 6, 60, "all news")
    assert not slow
    gate.set()
    wait_for(lambda: len(slow) == 6, 60, "all news, late")
    assert quick == slow == ["SUSPENDED", "CONNECTED"] * 3


def test_a_release_is_no_loss(coordinator):
    zk = coordinator()
    told = []
    with zk.lock("l") as held:
        held.on_lost(told.append)
    other = zk.lock("m").acquire()
    other.on_lost(told.append)
    zk.close()
    wait_for(lambda: told, 60, "the loss of the lock that was not released")
    assert ["'m'" in str(error) for error in told] == [True]


def test_what_is_no_callable_is_refused(zk):
    held = zk.lock("l").acquire()
    for register in (held.on_lost, zk.on_state):
        with pytest.raises(TypeError, match="callable"):
            register("not a function")
