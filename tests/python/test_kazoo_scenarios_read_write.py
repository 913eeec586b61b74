"""What kazoo's own tests ask of read and write locks, asked of ours through kazoo's shape."""

import threading

from kazoo_shaped import ReadLock, WriteLock
from waiting import wait_for


def test_readers_share_and_a_writer_does_not(coordinator):
    one, two = ReadLock(coordinator(), "l", "reader one"), ReadLock(coordinator(), "l", "reader two")
    writer = WriteLock(coordinator(), "l", "writer")
    for reader in (one, two):
        assert reader.acquire(blocking=False)
        assert reader.is_acquired
        # One object holds it once.
        assert not reader.acquire(blocking=False)
    assert not writer.acquire(blocking=False)
    one.release()
    assert not writer.acquire(blocking=False)
    two.release()
    assert writer.acquire(timeout=10)
    writer.release()


def test_a_writer_shuts_everybody_out(coordinator):
    writer = WriteLock(coordinator(), "l", "writer")
    assert writer.acquire(blocking=False)
    assert not writer.acquire(blocking=False)
    assert not ReadLock(coordinator(), "l", "reader").acquire(blocking=False)
    assert not WriteLock(coordinator(), "l", "another").acquire(blocking=False)
    writer.release()


def test_a_reader_and_a_writer_are_served_in_the_order_in_which_they_came(coordinator):
    first = WriteLock(coordinator(), "l", "test")
    first.acquire()
    inside, let_go = [], {name: threading.Event() for name in ("reader", "writer")}

    def work(lock):
        with lock:
            inside.append(lock.identifier)
            let_go[lock.identifier].wait(30)
            inside.remove(lock.identifier)

    threads = []
    for number, (kind, name) in enumerate(((ReadLock, "reader"), (WriteLock, "writer")), 2):
        threads.append(threading.Thread(target=work, args=(kind(coordinator(), "l", name),), daemon=True))
        threads[-1].start()
        wait_for(lambda number=number: len(first.contenders()) == number, 60, "the next in line")
    assert first.contenders() == ["test", "reader", "writer"]
    first.release()
    for name in ("reader", "writer"):
        wait_for(lambda name=name: inside == [name], 60, f"the {name} to be let in")
        let_go[name].set()
    for thread in threads:
        thread.join(60)
    wait_for(lambda: first.contenders() == [], 60, "the line to be empty")
