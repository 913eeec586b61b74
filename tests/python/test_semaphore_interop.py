"""Curator's InterProcessSemaphoreV2 and kazoo's Semaphore share permits with ours, in both directions."""

import functools
import threading

import pytest
from kazoo.exceptions import LockTimeout
from kazoo.recipe.lock import Lock as KazooLock

import peer
from curator import Curator
from waiting import wait_for


@pytest.fixture
def curator(spark, connect_string):
    with Curator(spark, connect_string) as running:
        yield running


@pytest.fixture
def kazoo(connect_string):
    client = peer.connect(connect_string)
    # Told about the names of our line; the semaphore makes its lock through this.
    client.Lock = functools.partial(KazooLock, client, extra_lock_patterns=["-lock-"])
    yield client
    client.stop()
    client.close()


@pytest.fixture
def path(namespace):
    """The semaphore's absolute path, for those who know no namespace."""
    return f"/{namespace}/jdbc"


class Theirs:
    """An `InterProcessSemaphoreV2`, with a number of its own or one shared through a `SharedCount`."""

    def __init__(self, curator, path, permits):
        self._units = curator.jvm.java.util.concurrent.TimeUnit
        locks = curator.jvm.org.apache.curator.framework.recipes.locks
        self._semaphore = locks.InterProcessSemaphoreV2(curator.client, path, permits)

    def acquire(self, n=1, timeout=10.0):
        """Return the leases, or None."""
        return self._semaphore.acquire(n, int(timeout * 1000), self._units.MILLISECONDS)

    def release(self, leases):
        """Give them back."""
        self._semaphore.returnAll(leases)


def kazoos(client, path, permits):
    """Make kazoo's semaphore where ours keeps its leases and its line."""
    made = client.Semaphore(f"{path}/leases", "a kazoo job", max_leases=permits)
    made.lock_path = f"{path}/locks"
    return made


def test_curators_leases_count_as_ours(curator, coordinator, path):
    theirs, ours = Theirs(curator, path, 3), coordinator().semaphore("jdbc", permits=3)
    leases = theirs.acquire(2)
    assert len(ours.holders()) == 2
    assert {holder.session_id & 0xFFFFFFFFFFFFFFFF for holder in ours.holders()} == {curator.session_id}
    assert ours.try_acquire(2) is None
    one = ours.acquire(timeout=10)
    granted = []
    waiter = threading.Thread(target=lambda: granted.append(ours.acquire(2, timeout=30)))
    waiter.start()
    wait_for(lambda: len(ours.contenders()) == 1, 60, "ours in line")
    assert theirs.acquire(1, 0.3) is None
    theirs.release(leases)
    waiter.join(60)
    assert [permits.permits for permits in granted] == [2]
    one.release(wait=True)
    granted[0].release(wait=True)


def test_our_permits_count_as_curators(curator, coordinator, path):
    theirs, ours = Theirs(curator, path, 3), coordinator().semaphore("jdbc", permits=3)
    held = ours.acquire(2)
    assert theirs.acquire(2, 0.3) is None
    leases = theirs.acquire(1)
    assert leases is not None
    assert ours.try_acquire() is None
    answers = []
    waiter = threading.Thread(target=lambda: answers.append(theirs.acquire(2, 30)))
    waiter.start()
    wait_for(lambda: len(ours.contenders()) == 1, 60, "theirs in line")
    held.release(wait=True)
    waiter.join(60)
    assert len(answers[0]) == 2
    theirs.release(leases)
    theirs.release(answers[0])
    ours.acquire(3, timeout=10).release(wait=True)


def test_curator_shares_our_limit(curator, coordinator, path):
    ours = coordinator().semaphore("jdbc", permits=3)
    ours.permits = 300
    count = curator.jvm.org.apache.curator.framework.recipes.shared.SharedCount(curator.client, f"{path}/permits", 7)
    count.start()
    try:
        assert count.getCount() == 300
        count.setCount(2)
        wait_for(lambda: ours.permits == 2, 60, "their number to be ours")
        ours.permits = 5
        wait_for(lambda: count.getCount() == 5, 60, "our number to be theirs")
    finally:
        count.close()


def test_kazoo_and_we_share_permits(kazoo, coordinator, path):
    ours = coordinator().semaphore("jdbc", permits=2)
    theirs = kazoos(kazoo, path, 2)
    assert theirs.acquire(timeout=10)
    assert [(holder.owner, holder.permits) for holder in ours.holders()] == [("a kazoo job", 1)]
    assert ours.try_acquire(2) is None
    held = ours.acquire(timeout=10)
    other = kazoos(kazoo, path, 2)
    assert not other.acquire(blocking=False)
    with pytest.raises(LockTimeout):
        other.acquire(timeout=0.3)
    theirs.release()
    both = []
    waiter = threading.Thread(target=lambda: both.append(ours.acquire(2, timeout=30)))
    waiter.start()
    wait_for(lambda: len(ours.contenders()) == 1, 60, "ours in line")
    # Ours waits at the front, so kazoo waits behind it although a permit is free.
    assert not other.acquire(blocking=False)
    held.release(wait=True)
    waiter.join(60)
    assert [permits.permits for permits in both] == [2]
    both[0].release(wait=True)
    assert other.acquire(timeout=10)
    other.release()


def test_all_at_once_never_have_more_than_there_are(curator, kazoo, coordinator, path):
    inside, most, turns = [], [], []

    def enter(who):
        inside.append(who)
        most.append(len(inside))
        turns.append(who)
        inside.remove(who)

    def ours():
        semaphore = coordinator().semaphore("jdbc", permits=2)
        for _ in range(10):
            with semaphore:
                enter("ours")

    def curators():
        theirs = Theirs(curator, path, 2)
        for _ in range(10):
            leases = theirs.acquire(1, 60)
            enter("curator")
            theirs.release(leases)

    def kazoo_jobs():
        for _ in range(10):
            with kazoos(kazoo, path, 2):
                enter("kazoo")

    threads = [threading.Thread(target=work) for work in (ours, ours, curators, curators, kazoo_jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert sorted(turns) == ["curator"] * 20 + ["kazoo"] * 10 + ["ours"] * 20
    assert max(most) <= 2
    assert coordinator().semaphore("jdbc").holders() == []
