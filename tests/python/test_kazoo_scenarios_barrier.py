"""What kazoo's own tests ask of a barrier and a double barrier, asked of ours through kazoo's shape."""

import threading

import pytest

from kazoo_shaped_data import Barrier, DoubleBarrier
from waiting import wait_for


def test_where_there_is_no_barrier_nobody_waits(zk):
    assert Barrier(zk, "b").wait()
    assert Barrier(zk, "b").wait(0)


def test_a_barrier_holds_until_it_is_removed(zk, coordinator):
    barrier = Barrier(zk, "b")
    barrier.create()
    assert not barrier.wait(0)
    passed = threading.Event()
    thread = threading.Thread(target=lambda: Barrier(coordinator(), "b").wait(30) and passed.set())
    thread.start()
    assert not passed.wait(0.2)
    assert barrier.remove()
    assert passed.wait(60)
    thread.join(60)
    assert barrier.wait()


def test_what_is_not_there_cannot_be_removed(zk):
    assert not Barrier(zk, "b").remove()


def test_a_double_barrier_of_one_is_no_barrier(zk):
    barrier = DoubleBarrier(zk, "b", 1)
    for _ in range(2):
        assert not barrier.participating
        barrier.enter()
        assert barrier.participating
        barrier.leave()
    assert not barrier.participating


@pytest.mark.parametrize("parties", [2, 3])
def test_all_begin_together_and_end_together(zk, coordinator, parties):
    leave = threading.Event()
    barriers = [DoubleBarrier(coordinator(), "b", parties) for _ in range(parties)]
    left = []

    def work(barrier):
        barrier.enter()
        leave.wait(30)
        barrier.leave()
        left.append(barrier)

    threads = [threading.Thread(target=work, args=(barrier,), daemon=True) for barrier in barriers]
    *early, last = threads
    for thread in early:
        thread.start()
    watched = zk.double_barrier("b", parties=parties)
    wait_for(lambda: len(watched.members()) == parties - 1, 60, "all but one to be there")
    assert not any(barrier.participating for barrier in barriers)
    last.start()
    wait_for(lambda: all(barrier.participating for barrier in barriers), 60, "all to be let in")
    assert not left
    leave.set()
    for thread in threads:
        thread.join(60)
    assert len(left) == parties
    assert not any(barrier.participating for barrier in barriers)
    assert watched.members() == []


def test_nobody_leaves_before_the_last_wants_to(coordinator):
    first, second = (DoubleBarrier(coordinator(), "b", 2) for _ in range(2))
    go, out = threading.Event(), threading.Event()

    def work():
        first.enter()
        first.leave()
        out.set()

    def other():
        second.enter()
        go.wait(30)
        second.leave()

    threads = [threading.Thread(target=one, daemon=True) for one in (work, other)]
    for thread in threads:
        thread.start()
    wait_for(lambda: second.participating, 60, "both to be in")
    assert not out.wait(0.3)
    go.set()
    assert out.wait(60)
    for thread in threads:
        thread.join(60)
