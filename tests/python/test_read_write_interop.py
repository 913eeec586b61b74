"""Curator's read/write locks and revocation, out of Spark's own jars, beside ours on one path, both ways."""

import pytest
from pyspark.java_gateway import ensure_callback_server_started

from curator import Contender, Curator
from test_read_write_lock import Waiter
from waiting import wait_for


@pytest.fixture
def curator(spark, connect_string):
    with Curator(spark, connect_string) as running:
        yield running


@pytest.fixture
def path(namespace):
    """The lock's absolute path, for those who know no namespace."""
    return f"/{namespace}/p"


def pair(curator, path):
    """Make the reader and the writer of an `InterProcessReadWriteLock`."""
    made = curator.jvm.org.apache.curator.framework.recipes.locks.InterProcessReadWriteLock(curator.client, path)
    sides = curator.mutex(path), curator.mutex(path)
    sides[0]._mutex, sides[1]._mutex = made.readLock(), made.writeLock()
    return sides


def test_readers_share_across_the_two(curator, coordinator, path):
    ours = coordinator().read_write_lock("p")
    read, write = pair(curator, path)
    theirs = Contender(read).start()
    assert theirs.wait()
    with ours.read():
        assert not pair(curator, path)[1].acquire(0.3)
        assert [shown.position for shown in ours.read().contenders()] == [0, 0]
    assert ours.write().try_acquire() is None
    theirs.release()
    with ours.read():
        again = Contender(pair(curator, path)[0]).start()
        assert again.wait(60)
        again.release()
    assert write.acquire(10)
    write.release()


def test_writers_exclude_across_the_two(curator, coordinator, path):
    ours = coordinator().read_write_lock("p")
    theirs = Contender(pair(curator, path)[1]).start()
    assert theirs.wait()
    assert ours.read().try_acquire() is None
    assert ours.write().try_acquire() is None
    theirs.release()
    with ours.write():
        for side in pair(curator, path):
            assert not side.acquire(0.3)


def test_in_order_of_arrival_with_curator(curator, coordinator, path):
    reader = coordinator().read_write_lock("p").read().acquire()
    writer = Contender(pair(curator, path)[1]).start()
    late = Waiter(coordinator().read_write_lock("p").read())
    last = Contender(pair(curator, path)[0]).start()
    assert writer.waiting
    assert late.held is None
    reader.release()
    assert writer.wait(60)
    assert late.held is None
    assert last.waiting
    writer.release()
    wait_for(lambda: late.held, 60, "our reader behind Curator's writer")
    assert last.wait(60)
    late.release()
    last.release()


def test_our_writer_keeps_reading_before_a_curator_writer(curator, coordinator, path):
    ours = coordinator().read_write_lock("p")
    written = ours.write().acquire()
    theirs = Contender(pair(curator, path)[1]).start()
    read = ours.read().acquire(timeout=5)
    written.release(wait=True)
    beside = coordinator().read_write_lock("p").read()
    assert beside.try_acquire() is None, "behind Curator's writer"
    assert theirs.waiting
    read.release()
    assert theirs.wait(60)
    theirs.release()


def test_a_curator_writer_keeps_reading_before_ours(curator, coordinator, path):
    read, write = pair(curator, path)
    assert write.acquire(10)
    ours = Waiter(coordinator().read_write_lock("p").write())
    assert read.acquire(10)
    write.release()
    shown = ours.lock.contenders()
    assert [one.position for one in shown] == [0, 1]
    assert ours.held is None
    read.release()
    wait_for(lambda: ours.held, 60, "our writer")
    ours.release()


def test_curators_revoker_is_heard_and_the_owner_stays(curator, coordinator, path):
    held = coordinator(session_timeout=30).lock("p", owner="the nightly job").acquire()
    heard = []
    held.on_release_requested(heard.append)
    revoker = curator.jvm.org.apache.curator.framework.recipes.locks.Revoker
    (node,) = curator.mutex(path).line()
    revoker.attemptRevoke(curator.client, node)
    wait_for(lambda: heard == [""], 60, "the request")
    other = coordinator().lock("p")
    wait_for(lambda: other.contenders()[0].owner == "the nightly job", 60, "the owner to be put back")
    other.request_release("and why")
    wait_for(lambda: heard == ["", "and why"], 60, "ours, after Curator's")
    revoker.attemptRevoke(curator.client, node)
    wait_for(lambda: heard == ["", "and why", ""], 60, "Curator's second")


class Listener:
    """A Curator holder's listener."""

    class Java:
        implements = ("org.apache.curator.framework.recipes.locks.RevocationListener",)

    def __init__(self):
        self.asked = 0

    def revocationRequested(self, _mutex):  # noqa: N802 - Java's name
        self.asked += 1


def test_a_curator_holder_hears_our_request(spark, curator, coordinator, path):
    ensure_callback_server_started(spark._sc._gateway)
    listener, mutex = Listener(), curator.mutex(path)
    mutex._mutex.makeRevocable(listener)
    assert mutex.acquire(10)
    assert len(coordinator().lock("p").request_release("please")) == 1
    wait_for(lambda: listener.asked == 1, 60, "Curator's listener")
    coordinator().lock("p").request_release("please")
    wait_for(lambda: listener.asked == 2, 60, "the second time")
    mutex.release()
