"""Ctrl-C ends any wait within 200 ms and leaves nothing; so does a wait that takes too long, connected or not."""

import os
import signal
import threading
import time

import pytest

import sparkeeper
from sparkeeper import exceptions
from sparkeeper.local import words
from waiting import wait_for


@pytest.fixture
def ctrl_c():
    """Sends the process a real SIGINT after a while; the time of the last one is in the list."""
    sent, timers = [], []

    def press():
        sent.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)

    def after(seconds):
        timers.append(threading.Timer(seconds, press))
        timers[-1].start()
        return sent

    yield after
    for timer in timers:
        timer.cancel()
        timer.join()


def watches(server, namespace):
    """How many watches the server keeps below a namespace."""
    return sum(line.startswith(f"/{namespace}/") for line in words.ask(server.port, "wchp", 30).splitlines())


def interrupted(call, sent):
    """Run `call`, which the signal must end in time."""
    with pytest.raises(KeyboardInterrupt):
        call()
    assert time.monotonic() - sent[-1] < 0.2


def test_a_wait_for_a_lock(zk, coordinator, ctrl_c, server, namespace):
    held = coordinator().lock("l").acquire()
    lock = zk.lock("l")
    wait_for(lambda: watches(server, namespace) == 1, 60, "the holder's own watch")
    for wait in (lock.acquire, lambda: lock.acquire(timeout=60), lock.__enter__):
        sent = ctrl_c(0.4)
        interrupted(wait, sent)
        wait_for(lambda: len(lock.contenders()) == 1, 60, "our node to be gone")
        wait_for(lambda: watches(server, namespace) == 1, 60, "our watch to be gone")
    held.release()
    lock.acquire(timeout=5).release()


def test_a_wait_for_a_claim(zk, ctrl_c):
    group = zk.partitions("p", items=range(2), quiet=0.05)
    with group.join("me") as member:
        claims = member.claims(hold=True)
        held = [next(claims) for _ in range(2)]
        for wait in (lambda: next(claims), lambda: member.run(str)):
            interrupted(wait, ctrl_c(0.3))
            assert [claim.state for claim in held] == ["HELD", "HELD"]
        # What is granted after an interrupted wait is not lost with it.
        held[0].release()
        assert next(claims).partition == 0


def test_every_call_on_a_link_that_is_silent(proxy, coordinator, ctrl_c):
    zk = coordinator(proxy.connect_string, session_timeout=30)
    zk.create("a")
    held = zk.lock("held").acquire()
    lock = zk.lock("l")
    group = zk.partitions("p", items=range(2), quiet=0.05)
    member = group.join("me")
    claims = member.claims(hold=True)
    claim = next(claims)
    proxy.freeze()
    calls = {
        "get": lambda: zk.get("a"),
        "set": lambda: zk.set("a", b"x"),
        "create": lambda: zk.create("b"),
        "delete": lambda: zk.delete("a"),
        "exists": lambda: zk.exists("a"),
        "children": lambda: zk.children("a"),
        "sync": zk.sync,
        "acquire": lock.acquire,
        "try_acquire": lock.try_acquire,
        "contenders": lock.contenders,
        "release": lambda: held.release(wait=True),
        "join": zk.partitions("other", items=[1]).join,
        "checkpoint": lambda: claim.checkpoint("x"),
        "progress": group.progress,
        "done": claim.done,
        "leave": lambda: member.leave(wait=True),
        "connect": lambda: sparkeeper.connect(proxy.connect_string, timeout=60),
    }
    for call in calls.values():
        interrupted(call, ctrl_c(0.15))
    proxy.thaw()
    wait_for(lambda: zk.lock("l").contenders() == [], 60, "interrupted acquires to leave nothing")
    wait_for(lambda: zk.lock("held").contenders() == [], 60, "the interrupted release to be seen through")
    wait_for(lambda: group.members() == {}, 60, "the interrupted leave to be seen through")
    wait_for(lambda: zk.children("p/claims") == zk.children("p/fences") == [], 60, "no claim to be left")
    wait_for(lambda: zk.partitions("other").members() == {}, 60, "the interrupted join to leave nobody")


def test_a_wait_with_nobody_there_at_all(proxy, coordinator, ctrl_c):
    zk = coordinator(proxy.connect_string, session_timeout=1)
    proxy.cut()
    wait_for(lambda: zk.state == "EXPIRED", 60, "the session to be over")
    for call in (
        lambda: zk.get("a"),
        zk.lock("l").acquire,
        lambda: sparkeeper.connect(proxy.connect_string, timeout=60),
    ):
        interrupted(call, ctrl_c(0.15))


def test_a_timed_out_acquire_leaves_nothing_also_while_disconnected(proxy, coordinator, server, namespace):
    zk = coordinator(proxy.connect_string, session_timeout=20)
    other = coordinator()
    held = other.lock("l").acquire()
    lock = zk.lock("l")
    wait_for(lambda: watches(server, namespace) == 1, 60, "the holder's own watch")
    for fault, repair in ((lambda: None, lambda: None), (proxy.freeze, proxy.thaw), (proxy.cut, proxy.heal)):
        fault()
        begun = time.monotonic()
        with pytest.raises(exceptions.AcquireTimeout):
            lock.acquire(timeout=1)
        assert 0.9 < time.monotonic() - begun < 1.1
        repair()
        wait_for(lambda: zk.state == "CONNECTED", 60, "the link")
        wait_for(lambda: [c.token for c in other.lock("l").contenders()] == [held.token], 60, "our node to be gone")
        wait_for(lambda: watches(server, namespace) == 1, 60, "our watch to be gone")
    assert held.state == "HELD"
