"""What kazoo's own tests ask of a lock and a semaphore, asked of ours through kazoo's shape."""

import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from kazoo_shaped import Cancelled, Lock, LockTimeout, Semaphore
from waiting import wait_for


class Taker:
    """Takes something in a thread, holds it until the test says so, and notes what happened."""

    def __init__(self, what, inside):
        self.what = what
        self.cancelled = False
        self._inside, self._let_go = inside, threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        try:
            with self.what:
                self._inside.append(self.what.identifier)
                self._let_go.wait(60)
                self._inside.remove(self.what.identifier)
        except Cancelled:
            self.cancelled = True

    def end(self):
        self._let_go.set()
        self._thread.join(60)
        assert not self._thread.is_alive()


@pytest.fixture
def inside():
    """Who is inside now."""
    return []


@pytest.fixture
def take(inside):
    with contextlib.ExitStack() as stack:

        def start(what):
            taker = Taker(what, inside)
            stack.callback(taker.end)
            return taker

        yield start


def test_one_contender_is_seen_by_another_and_lets_go(zk, take, inside):
    taker = take(Lock(zk, "l", "one"))
    other = Lock(zk, "l", "two")
    wait_for(lambda: inside == ["one"], 60, "the lock to be taken")
    assert other.contenders() == ["one"]
    taker.end()
    assert inside == []
    wait_for(lambda: other.contenders() == [], 60, "the lock to be free")


def test_contenders_are_served_in_the_order_in_which_they_are_listed(zk, take, inside):
    first = Lock(zk, "l", "test")
    first.acquire()
    takers = {f"contender{number}": take(Lock(zk, "l", f"contender{number}")) for number in range(5)}
    wait_for(lambda: len(first.contenders()) == 6, 60, "everybody to line up")
    test, *line = first.contenders()
    assert test == "test"
    first.release()
    while line:
        wait_for(lambda: inside == line[:1], 60, "the next to be let in")
        assert first.contenders() == line
        takers[line.pop(0)].end()


def test_a_waiter_comes_in_when_the_holders_session_expires(proxy, coordinator, take, inside):
    frail = coordinator(proxy.connect_string, session_timeout=1)
    lock = Lock(frail, "l", "test")
    lock.acquire()
    watcher = Lock(coordinator(), "l", "contender")
    take(watcher)
    wait_for(lambda: watcher.contenders() == ["test", "contender"], 60, "the line")
    proxy.cut()
    wait_for(lambda: inside == ["contender"], 60, "the contender to be let in")
    proxy.heal()
    assert not lock.is_acquired
    lock.release()
    assert watcher.contenders() == ["contender"]


def test_without_blocking_a_held_lock_is_refused_and_nobody_is_left_in_line(zk, take, inside):
    take(Lock(zk, "l", "one"))
    wait_for(lambda: inside, 60, "the lock to be taken")
    other = Lock(zk, "l", "two")
    assert not other.acquire(blocking=False)
    wait_for(lambda: other.contenders() == ["one"], 60, "the line to be the holder alone")


def test_contenders_can_be_asked_first_of_all(zk):
    assert Lock(zk, "never/used", "one").contenders() == []


def test_a_waiter_is_cancelled_and_leaves_the_line(zk, coordinator, take, inside):
    take(Lock(zk, "l", "one"))
    wait_for(lambda: inside == ["one"], 60, "the lock to be taken")
    waiter = take(Lock(coordinator(), "l", "two"))
    wait_for(lambda: waiter.what.contenders() == ["one", "two"], 60, "the waiter in line")
    waiter.what.cancel()
    wait_for(lambda: waiter.cancelled, 60, "the waiter to be told")
    wait_for(lambda: waiter.what.contenders() == ["one"], 60, "its place to be gone")


def test_acquired_twice_it_is_refused_and_still_held(zk):
    lock = Lock(zk, "l", "one")
    lock.acquire()
    assert lock.is_acquired
    assert lock.acquire(timeout=0.3) is False
    assert lock.acquire(blocking=False) is False
    assert lock.is_acquired
    assert lock.release()
    assert not lock.is_acquired
    assert not lock.release()


def test_of_many_threads_that_do_not_wait_one_gets_it(zk):
    lock = Lock(zk, "l", "one")
    with ThreadPoolExecutor(20) as threads:
        assert sum(threads.map(lambda _: lock.acquire(blocking=False), range(20))) == 1


def test_many_threads_that_share_one_object_go_in_one_by_one(zk):
    lock = Lock(zk, "l", "one")
    inside, most = [], []

    def enter(number):
        with lock:
            inside.append(number)
            most.append(len(inside))
            inside.remove(number)

    with ThreadPoolExecutor(20) as threads:
        list(threads.map(enter, range(20)))
    assert most == [1] * 20


@pytest.mark.parametrize("kind", [Lock, Semaphore])
def test_acquired_again_after_a_release(zk, kind):
    again = kind(zk, "l", "one")
    for _ in range(3):
        assert again.acquire()
        assert again.release()


@pytest.mark.parametrize("kind", [Lock, Semaphore])
def test_a_wait_ends_at_its_time_limit(zk, coordinator, take, inside, kind):
    take(kind(zk, "l", "one"))
    wait_for(lambda: inside, 60, "it to be taken")
    late = kind(coordinator(), "l", "two")
    with pytest.raises(LockTimeout, match="one"):
        late.acquire(timeout=0.5)
    assert not late.is_acquired


def test_a_semaphore_of_one_is_a_lock(zk, take, inside):
    first = Semaphore(zk, "s", "one")
    first.acquire()
    take(Semaphore(zk, "s", "two"))
    assert inside == []
    assert first.lease_holders() == ["one"]
    first.release()
    wait_for(lambda: inside == ["two"], 60, "the other to be let in")


def test_a_semaphore_refuses_the_one_too_many(zk):
    one, two, three = (Semaphore(zk, "s", name, max_leases=2) for name in ("one", "two", "three"))
    one.acquire()
    two.acquire()
    assert not three.acquire(blocking=False)
    assert set(one.lease_holders()) == {"one", "two"}
    two.release()
    three.acquire()
    assert set(one.lease_holders()) == {"one", "three"}
    one.release()
    three.release()


def test_what_was_not_acquired_can_be_released_without_harm(zk):
    one, two = (Semaphore(zk, "s", name) for name in ("one", "two"))
    one.acquire()
    assert not two.acquire(blocking=False)
    assert not two.release()
    assert one.lease_holders() == ["one"]
    assert one.release()
    assert not one.release()


def test_who_waits_for_a_semaphore_is_cancelled_and_can_ask_again(zk, take):
    holder = Semaphore(zk, "s", "fred")
    holder.acquire()
    waiter = take(Semaphore(zk, "s", "george"))
    wait_for(lambda: waiter.what._pending, 60, "george to ask")
    assert holder.lease_holders() == ["fred"]
    waiter.what.cancel()
    wait_for(lambda: waiter.cancelled, 60, "george to be told")
    holder.release()
    assert waiter.what.cancelled
    assert waiter.what.acquire()
    assert holder.lease_holders() == ["george"]
    waiter.what.release()


def test_a_waiter_whose_session_expires_gets_the_semaphore_all_the_same(proxy, coordinator, take, inside):
    holder = Semaphore(coordinator(), "s", "george")
    holder.acquire()
    frail = coordinator(proxy.connect_string, session_timeout=1)
    session = frail.session_id
    waiter = take(Semaphore(frail, "s", "fred"))
    wait_for(lambda: waiter.what._pending, 60, "fred to ask")
    proxy.cut()
    wait_for(lambda: frail.state == "EXPIRED", 60, "fred's session to end")
    proxy.heal()
    wait_for(lambda: frail.session_id not in {0, session}, 60, "fred's next session")
    assert holder.lease_holders() == ["george"]
    holder.release()
    wait_for(lambda: inside == ["fred"], 60, "fred to be let in")
    assert holder.lease_holders() == ["fred"]


def test_the_stored_limit_counts_whatever_a_handle_was_made_with(zk):
    one, two = Semaphore(zk, "s", "one", max_leases=1), Semaphore(zk, "s", "two", max_leases=2)
    zk.semaphore("s").permits = 1
    one.acquire()
    # kazoo raises ValueError for the second; here the number that everybody agreed on rules.
    assert not two.acquire(blocking=False)
    assert one.lease_holders() == ["one"]
