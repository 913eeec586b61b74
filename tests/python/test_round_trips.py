"""Every recipe takes as few round trips as it promises, counted through a link that is slow."""

import pytest

from flights import flight


@pytest.fixture
def far(proxy, coordinator):
    """A coordinator behind a link that can be made slow; its session's own requests are few."""
    return coordinator(proxy.connect_string, session_timeout=20)


@pytest.fixture
def let_go():
    """Keep what a call is granted, and give the last of it back, all the way, before the next."""
    held = []

    def last():
        while held:
            held.pop().release(wait=True)

    yield held, last
    last()


def test_a_lock_is_acquired_in_one_round_trip(proxy, far, let_go):
    held, last = let_go
    lock = far.lock("l")
    lock.acquire().release(wait=True)
    taken = flight(proxy, lambda: held.append(lock.acquire()), before=last)
    assert (taken.round_trips, taken.requests) == (1, 2)


def test_a_lock_cycle_takes_one_round_trip(proxy, far):
    lock = far.lock("l")
    lock.acquire().release(wait=True)
    cycles = flight(proxy, lambda: [lock.acquire().release() for _ in range(3)])
    assert cycles.round_trips == 3


def test_several_locks_are_acquired_in_one_round_trip(proxy, far, let_go):
    held, last = let_go
    locks = far.multi_lock(["a", "b", "c"])
    locks.acquire().release(wait=True)
    taken = flight(proxy, lambda: held.append(locks.acquire()), before=last)
    assert taken.round_trips == 1


def test_permits_are_acquired_in_two_round_trips_at_most(proxy, far, let_go):
    held, last = let_go
    semaphore = far.semaphore("s", permits=8)
    semaphore.acquire(2).release(wait=True)
    taken = flight(proxy, lambda: held.append(semaphore.acquire(2)), before=last)
    assert taken.round_trips <= 2


def test_a_fair_campaign_takes_one_round_trip(proxy, far):
    election = far.election("e", id="a")
    terms = [election.campaign()]
    taken = flight(proxy, lambda: terms.append(election.campaign()), before=lambda: terms.pop().step_down(wait=True))
    assert taken.round_trips == 1
    terms.pop().step_down(wait=True)


def test_an_addition_takes_two_round_trips_at_most(proxy, far, coordinator):
    counter, other = far.counter("c"), coordinator().counter("c")
    counter.add(1)
    alone = flight(proxy, lambda: counter.add(1))
    assert alone.round_trips == 1
    # Somebody else added meanwhile, so what we had seen is out of date.
    beside = flight(proxy, lambda: counter.add(1), before=lambda: other.add(1))
    assert beside.round_trips <= 2


def test_an_item_is_got_in_three_round_trips_at_most(proxy, far):
    queue = far.queue("q")
    queue.put_many([b"item"] * 20)
    item = queue.get()
    items = [item]
    taken = flight(proxy, lambda: items.append(queue.get()), before=lambda: items.pop().ack())
    assert taken.round_trips <= 3
    items.pop().ack()


def test_a_task_takes_a_worker_four_round_trips_at_most(proxy, far):
    tasks = far.tasks("t", strategy="priority")
    tasks.submit(range(40))

    def echo(payload):
        return payload

    # Look, claim, store the result; the worker's own node and the last look are shared by all.
    taken = flight(proxy, lambda: tasks.work(echo, limit=6))
    assert taken.round_trips <= 6 * 4
