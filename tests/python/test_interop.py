"""Curator, out of Spark's own jars, and kazoo contend with us on one path: one holder at a time, Curator in order."""

import threading

import pytest
from kazoo.recipe.lock import Lock as KazooLock

import peer
from curator import Curator, thread_pinned
from waiting import wait_for

# What kazoo has to be told about names that are not its own.
_OURS = ["-lock-"]


@pytest.fixture
def curator(spark, connect_string):
    with Curator(spark, connect_string) as running:
        yield running


@pytest.fixture
def kazoo(connect_string):
    client = peer.connect(connect_string)
    yield client
    client.stop()
    client.close()


@pytest.fixture
def path(namespace):
    """The lock's absolute path, for those who know no namespace."""
    return f"/{namespace}/l"


class Ours:
    """One of our contenders: a lock that is taken in a thread, held, and released when the test says so."""

    def __init__(self, coordinator, on_grant):
        self.lock = coordinator().lock("l")
        self._on_grant, self._let_go = on_grant, threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self):
        before = len(self.lock.contenders())
        self._thread.start()
        wait_for(lambda: len(self.lock.contenders()) == before + 1, 60, "our node in line")
        return self

    def _run(self):
        with self.lock:
            self._on_grant()
            self._let_go.wait(60)

    def release(self):
        self._let_go.set()
        self._thread.join(60)


def test_a_curator_mutex_shuts_us_out(spark, curator, coordinator, path):
    assert thread_pinned(spark)
    lock = coordinator().lock("l")
    contender = curator.contender(path).start()
    assert contender.wait()
    assert lock.try_acquire() is None
    (shown,) = lock.contenders()
    assert shown.session_id & 0xFFFFFFFFFFFFFFFF == curator.session_id
    assert shown.position == 0
    assert shown.owner, "Curator puts its address there"
    contender.release()
    with lock.acquire(timeout=10) as held:
        assert held.token > shown.token


def test_our_lock_shuts_a_curator_mutex_out(curator, coordinator, path):
    lock = coordinator().lock("l", owner="a PySpark job")
    held = lock.acquire()
    mutex = curator.mutex(path)
    assert not mutex.acquire(0.3)
    assert [contender.owner for contender in lock.contenders()] == ["a PySpark job"]
    contender = curator.contender(path).start()
    assert contender.waiting
    assert [contender.position for contender in lock.contenders()] == [0, 1]
    held.release()
    assert contender.wait(60)
    contender.release()


def test_in_order_of_arrival_with_curator(curator, coordinator, path):
    order = []
    contenders = []
    for number in range(8):
        note = lambda number=number: order.append(number)  # noqa: E731 - bound to its number
        made = Ours(coordinator, note) if number % 2 else curator.contender(path, note)
        contenders.append(made.start())
    assert len(coordinator().lock("l").contenders()) == 8
    for number, contender in enumerate(contenders):
        wait_for(lambda number=number: len(order) > number, 60, "the next to be granted")
        assert order == list(range(number + 1)), "two at once, or out of order"
        contender.release()
    assert order == list(range(8))


def test_a_curator_client_that_goes_frees_the_lock(spark, connect_string, coordinator, path):
    leaving = Curator(spark, connect_string)
    try:
        assert leaving.mutex(path).acquire(10)
        granted = threading.Event()
        waiting = Ours(coordinator, granted.set).start()
        assert not granted.is_set()
    finally:
        leaving.close()
    assert granted.wait(60)
    waiting.release()


def test_kazoo_and_we_shut_each_other_out(kazoo, coordinator, path):
    lock = coordinator().lock("l", owner="a PySpark job")
    theirs = KazooLock(kazoo, path, "a kazoo job", extra_lock_patterns=_OURS)
    assert theirs.acquire(timeout=10)
    assert lock.try_acquire() is None
    assert [(shown.owner, shown.position) for shown in lock.contenders()] == [("a kazoo job", 0)]
    theirs.release()
    with lock.acquire(timeout=10):
        assert not theirs.acquire(blocking=False)
        assert theirs.contenders() == ["a PySpark job"]
    assert theirs.acquire(timeout=10)
    theirs.release()


def test_everybody_at_once_excludes_everybody(curator, kazoo, coordinator, path):
    inside, most, turns = [], [], []

    def enter(who):
        inside.append(who)
        most.append(len(inside))
        turns.append(who)
        inside.remove(who)

    def ours():
        lock = coordinator().lock("l")
        for _ in range(10):
            with lock:
                enter("ours")

    def curators():
        mutex = curator.mutex(path)
        for _ in range(10):
            assert mutex.acquire(60)
            enter("curator")
            mutex.release()

    def kazoos():
        theirs = KazooLock(kazoo, path, "kazoo", extra_lock_patterns=_OURS)
        for _ in range(10):
            with theirs:
                enter("kazoo")

    threads = [threading.Thread(target=work) for work in (ours, ours, curators, curators, kazoos)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert sorted(turns) == ["curator"] * 20 + ["kazoo"] * 10 + ["ours"] * 20
    assert set(most) == {1}
    assert coordinator().lock("l").contenders() == []
