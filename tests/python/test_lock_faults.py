"""What holders and waiters get when sessions, links and processes fail under them."""

import ctypes
import signal
import threading
import time

import pytest

from program import Program
from sparkeeper import exceptions
from waiting import wait_for
from wire import Op

_HOLDER = """
zk = sparkeeper.connect(sys.argv[1], namespace=sys.argv[2], session_timeout=1.5, timeout=20)
zk.create("state", b"mine")
held = zk.lock("l").acquire()
say({"token": held.token, "state": held.state})
hear()  # it is stopped here, and goes on after its session
outcome = {"state": held.state, "valid_for": held.valid_for()}
for name, call in {
    "check": held.check,
    "set": lambda: zk.set("state", b"stale", guard=held),
    "create": lambda: zk.create("stale", guard=held),
    "delete": lambda: zk.delete("state", guard=held),
}.items():
    try:
        call()
        outcome[name] = "done"
    except Exception as error:
        outcome[name] = type(error).__name__
held.release(wait=True)
outcome["token"] = zk.lock("l", timeout=20).acquire().token
say(outcome)
hear()
"""


def test_a_process_stopped_past_its_session_and_continued_does_nothing(coordinator, namespace, connect_string):
    zk = coordinator()
    with Program(_HOLDER, connect_string, namespace) as stopped:
        first = stopped.answer()
        assert first["state"] == "HELD"
        stopped.send(signal.SIGSTOP)
        held = zk.lock("l").acquire(timeout=30)
        assert held.token > first["token"]
        stopped.send(signal.SIGCONT)
        stopped.tell()
        # The stopped process's release must not have let it in beside us.
        wait_for(lambda: len(zk.lock("l").contenders()) == 2, 20, "the other to stand in line again")
        held.check()
        assert zk.get("state")[0] == b"mine"
        assert zk.exists("stale") is None
        held.release()
        outcome = stopped.answer()
        assert outcome.pop("token") > held.token
    lost = "LockLost"
    assert outcome == {"state": "LOST", "valid_for": 0.0, "check": lost, "set": lost, "create": lost, "delete": lost}


def test_a_frozen_holder_knows_before_the_next_is_let_in(proxy, coordinator):
    frozen = coordinator(proxy.connect_string, session_timeout=2)
    held = frozen.lock("l").acquire()
    told = []
    held.on_lost(lambda error: told.append((time.monotonic(), error)))
    next_held = []
    waiter = threading.Thread(target=lambda: next_held.append((coordinator().lock("l").acquire(), time.monotonic())))
    waiter.start()
    wait_for(lambda: len(coordinator().lock("l").contenders()) == 2, 10, "the waiter to stand in line")
    proxy.freeze()
    wait_for(lambda: held.state == "LOST", 10, "the holder to know")
    assert not next_held, "somebody was let in before the holder knew"
    wait_for(lambda: told, 1, "on_lost within a second")
    waiter.join(20)
    (granted, at) = next_held[0]
    ((lost_at, error),) = told
    assert lost_at < at
    assert isinstance(error, exceptions.LockLost)
    assert granted.token > held.token
    # Released late, over a link that works again, it must not touch its successor's node.
    held.release()
    proxy.thaw()
    wait_for(lambda: frozen.state == "CONNECTED", 10, "the next session")
    frozen.sync()
    assert [contender.token for contender in frozen.lock("l").contenders()] == [granted.token]
    granted.check()


def test_a_lock_is_at_risk_while_the_link_is_down_and_held_again(proxy, coordinator):
    held = coordinator(proxy.connect_string, session_timeout=8).lock("l").acquire()
    proxy.cut()
    wait_for(lambda: held.state == "AT_RISK", 5, "the holder to know of the cut")
    held.check()
    assert 0 < held.valid_for() <= 8
    proxy.heal()
    wait_for(lambda: held.state == "HELD", 8, "the lock to be verified")


def test_a_link_that_breaks_as_it_comes_back_is_noticed(proxy, coordinator):
    zk = coordinator(proxy.connect_string, session_timeout=6)
    held = zk.lock("l").acquire()
    proxy.cut()
    wait_for(lambda: zk.state == "SUSPENDED", 5, "the cut")
    # The library's first request after the handshake: until it is answered, it does not tell of a broken link.
    dropped = proxy.drop_reply(Op.PING, stay_down=True)
    proxy.heal()
    assert dropped.wait(5)
    wait_for(lambda: zk.state == "CONNECTED", 1, "what the library says", interval=0.001)
    # A beat is out for a third of the session timeout by then; the library would say it after 7/5.
    wait_for(lambda: zk.state == "SUSPENDED", 3.5, "the silence to be noticed")
    assert held.state == "AT_RISK"
    proxy.heal()
    wait_for(lambda: zk.state == "CONNECTED", 6, "the link")
    wait_for(lambda: held.state == "HELD", 6, "the lock to be verified")


def test_a_silent_link_is_noticed_before_the_lease_is_over(proxy, coordinator):
    zk = coordinator(proxy.connect_string, session_timeout=12)
    held, session = zk.lock("l").acquire(), zk.session_id
    proxy.freeze()
    wait_for(lambda: held.state == "AT_RISK", 7, "a beat to be out for four seconds")
    assert (zk.state, held.valid_for() > 3) == ("SUSPENDED", True)
    proxy.thaw()
    wait_for(lambda: held.state == "HELD", 5, "the answer")
    assert (zk.state, zk.session_id) == ("CONNECTED", session)


def test_a_node_that_somebody_deletes_is_a_lost_lock(coordinator):
    zk = coordinator(session_timeout=1.5)
    held = zk.lock("l").acquire()
    told = []
    held.on_lost(told.append)
    (name,) = zk.children("l")
    coordinator().delete(f"l/{name}")
    wait_for(lambda: told, 2, "on_lost")
    assert held.state == "LOST"
    with pytest.raises(exceptions.LockLost, match="deleted"):
        held.check()
    assert zk.lock("l").acquire(timeout=5).token > held.token


def test_python_held_longer_than_the_session_timeout_costs_nothing(coordinator):
    zk = coordinator(session_timeout=1.5)
    held = zk.lock("l").acquire()
    session, token = zk.session_id, held.token
    other = coordinator()
    lost = []
    held.on_lost(lost.append)
    beats = []
    stop = threading.Event()

    def beat():
        while not stop.wait(0.01):
            beats.append(time.monotonic())

    thread = threading.Thread(target=beat)
    thread.start()
    wait_for(lambda: beats, 5, "the other thread")
    begun = time.monotonic()
    # PyDLL, unlike CDLL, keeps the interpreter's lock during the call.
    ctypes.PyDLL(None).usleep(4_000_000)
    ended = time.monotonic()
    stop.set()
    thread.join(10)
    assert ended - begun >= 4
    assert not [at for at in beats if begun + 0.1 < at < ended - 0.1], "another thread ran: the lock was not held"
    assert (held.state, zk.state, zk.session_id) == ("HELD", "CONNECTED", session)
    held.check()
    assert [contender.token for contender in other.lock("l").contenders()] == [token]
    assert other.lock("l").try_acquire() is None
    assert not lost


def test_a_handle_that_lost_its_lock_acquires_again_in_the_same_thread(proxy, coordinator):
    zk = coordinator(proxy.connect_string, session_timeout=1)
    lock = zk.lock("l")
    with lock as first:
        proxy.cut()
        wait_for(lambda: first.state == "LOST", 10, "the lock to be lost")
        proxy.heal()
        with lock as second:
            assert second.token > first.token
            first.release()
            second.check()
            assert [contender.token for contender in lock.contenders()] == [second.token]
