"""What `zk.metrics()` counts: per path, and over expiries of the session."""

import threading
import time

import pytest

from sparkeeper import exceptions
from waiting import wait_for


def test_a_path_counts_what_was_acquired_and_released(zk):
    lock = zk.lock("/jobs/nightly")
    for _ in range(3):
        with lock:
            assert zk.metrics()["jobs/nightly"].held == 1
    counted = zk.metrics()["jobs/nightly"]
    assert (counted.acquired, counted.released, counted.held, counted.lost) == (3, 3, 0, 0)
    assert "acquired=3, released=3, held=0" in repr(counted)


def test_one_path_has_one_entry_however_it_is_written(zk):
    with zk.lock("/same"):
        pass
    with zk.lock("same"):
        pass
    assert zk.metrics()["same"].acquired == 2
    assert list(zk.metrics()) == ["same"]


def test_nothing_is_counted_before_the_first_grant(zk, coordinator):
    with zk.lock("busy"):
        other = coordinator()
        assert other.lock("busy").try_acquire() is None
        assert other.metrics() == {}


def test_times_of_waiting_and_holding(zk, coordinator):
    other = coordinator()
    held = zk.lock("busy").acquire()
    began = time.monotonic()
    waiter = threading.Thread(target=lambda: other.lock("busy").acquire(20).release(wait=True))
    waiter.start()
    wait_for(lambda: len(zk.lock("busy").contenders()) == 2, 60, "a waiter")
    in_line = time.monotonic()
    wait_for(lambda: time.monotonic() - in_line > 0.2, 60, "time to pass")
    asked_for_at_least = time.monotonic() - in_line
    held.release(wait=True)
    held_at_most = time.monotonic() - began
    waiter.join(60)
    mine, theirs = zk.metrics()["busy"], other.metrics()["busy"]
    assert asked_for_at_least <= theirs.wait_seconds <= held_at_most + 1
    assert theirs.longest_wait_seconds == theirs.wait_seconds
    assert asked_for_at_least <= mine.hold_seconds <= held_at_most + 1
    assert mine.wait_seconds < 1


def test_a_loss_ends_a_grant_and_the_write_it_guarded_is_counted(zk, coordinator):
    held = zk.lock("taken").acquire()
    zk.create("data", b"old")
    (node,) = (name for name in zk.children("taken") if "-lock-" in name)
    coordinator().delete(f"taken/{node}")
    with pytest.raises(exceptions.LockLost):
        zk.set("data", b"new", guard=held)
    assert zk.get("data")[0] == b"old"
    assert zk.metrics()["taken"].fenced_writes == 1
    wait_for(lambda: held.state == "LOST", 60, "the loss to be noticed")
    counted = zk.metrics()["taken"]
    assert (counted.acquired, counted.released, counted.held, counted.lost) == (1, 1, 0, 1)
