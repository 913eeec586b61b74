"""Readers share, writers exclude, in order of arrival: FAULTS 18, with processes that are killed."""

import pickle
import random
import signal
import threading

import pytest

from program import Program
from sparkeeper import exceptions
from test_lock import in_a_thread
from waiting import wait_for
from wire import Op


class Waiter:
    """A side that is taken in a thread, held, and released when the test says so."""

    def __init__(self, lock):
        self.lock, self.held, self._let_go = lock, None, threading.Event()
        before = len(lock.contenders())
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        wait_for(lambda: len(lock.contenders()) == before + 1, 60, "our node in line")

    def _run(self):
        with self.lock as held:
            self.held = held
            self._let_go.wait(60)

    def release(self):
        self._let_go.set()
        self._thread.join(60)


def test_readers_share_and_a_writer_is_alone(zk, coordinator):
    one, two = zk.read_write_lock("p"), coordinator().read_write_lock("p")
    with one.read() as first, two.read() as second:
        assert first.token != second.token
        assert two.write().path == "p"
        assert in_a_thread(two.write().try_acquire) is None
        # Asked in the session that tried: another may still see the node that it withdrew.
        assert [shown.position for shown in two.read().contenders()] == [0, 0]
    with one.write():
        assert two.read().try_acquire() is None
        assert two.write().try_acquire() is None
        with pytest.raises(exceptions.AcquireTimeout, match=r"read lock 'p'.*held by"):
            two.read().acquire(timeout=2)


def test_later_readers_do_not_starve_a_waiting_writer(zk, coordinator):
    reader = zk.read_write_lock("p").read().acquire()
    writer = Waiter(coordinator().read_write_lock("p").write())
    late = Waiter(coordinator().read_write_lock("p").read())
    assert coordinator().read_write_lock("p").read().try_acquire() is None
    assert [shown.position for shown in late.lock.contenders()] == [0, 1, 2]
    reader.release()
    wait_for(lambda: writer.held, 60, "the writer to be let in")
    assert late.held is None
    writer.release()
    wait_for(lambda: late.held, 60, "the reader behind it")
    late.release()


def test_a_writer_may_read_too_and_keep_that(zk, coordinator):
    pair = zk.read_write_lock("p")
    written = pair.write().acquire()
    waiting = Waiter(coordinator().read_write_lock("p").write())
    read = pair.read().acquire(timeout=5)
    written.release(wait=True)
    read.check()
    other = Waiter(coordinator().read_write_lock("p").read())
    assert waiting.held is None, "a writer beside a reader"
    read.release()
    wait_for(lambda: waiting.held, 60, "the waiting writer")
    assert other.held is None
    waiting.release()
    other.release()


def test_a_reader_that_asks_for_the_write_lock_gets_an_error_at_once(zk):
    pair = zk.read_write_lock("p")
    with pair.read() as held:
        with pytest.raises(exceptions.WouldDeadlock, match="write lock 'p'"):
            pair.write().acquire()
        with pytest.raises(exceptions.WouldDeadlock):
            pair.write().try_acquire()
        assert in_a_thread(pair.write().try_acquire) is None, "another thread is only another contender"
        held.check()
    with pair.write() as outer, pair.write() as inner, pair.read():
        assert inner.token == outer.token
        with pair.write():
            pass


async def test_the_asyncio_siblings(zk):
    pair = zk.read_write_lock("p")
    async with pair.write() as held:
        async with pair.read():
            assert "(write) HELD" in repr(pair.write())
        assert held.state == "HELD"
    async with pair.read():
        with pytest.raises(exceptions.WouldDeadlock):
            await pair.write().acquire_async()


def test_what_they_say_and_count_and_how_they_travel(zk):
    pair = zk.read_write_lock("p", owner="app-42", timeout=7)
    read, write = pair.read(), pair.write()
    assert "(read) not held" in repr(read)
    with write, read:
        assert "(read) HELD owner='app-42'" in repr(read)
        assert "(write) HELD" in repr(write)
        assert "held by another" in in_a_thread(lambda: repr(write))
        assert "read here written here" in repr(pair)
        assert zk.metrics()["p"].held == 2
    counted = zk.metrics()["p"]
    assert (counted.acquired, counted.released, counted.held) == (2, 2, 0)
    read, write = pickle.loads(pickle.dumps((read, write)))
    with read, pytest.raises(exceptions.WouldDeadlock):
        write.acquire()


def test_an_uncontended_acquire_is_one_create_and_one_list(proxy, coordinator):
    pair = coordinator(proxy.connect_string).read_write_lock("p")
    pair.read().acquire().release(wait=True)
    for side, create in ((pair.read(), Op.CREATE2), (pair.write(), Op.CREATE2)):
        before = proxy.requests.copy()
        side.acquire().release(wait=True)
        used = proxy.requests - before
        assert (used[create], used[Op.GET_CHILDREN], used[Op.DELETE]) == (1, 1, 1)


@pytest.mark.parametrize("side", ["read", "write"])
def test_a_frozen_holder_knows_before_the_next_is_let_in(proxy, coordinator, side):
    frozen = coordinator(proxy.connect_string, session_timeout=2)
    held = getattr(frozen.read_write_lock("p"), side)().acquire()
    waiting = Waiter(coordinator().read_write_lock("p").write())
    proxy.freeze()
    wait_for(lambda: held.state == "LOST", 60, "the holder to know")
    assert waiting.held is None, "somebody was let in before the holder knew"
    wait_for(lambda: waiting.held, 60, "the writer")
    assert waiting.held.token > held.token
    waiting.release()
    proxy.thaw()


_WORKER = """
import random
zk = sparkeeper.connect(sys.argv[1], namespace=sys.argv[2], session_timeout=2, timeout=20)
pair, chance = zk.read_write_lock("p"), random.Random(int(sys.argv[3]))
say("ready")
hear()
while True:
    writes = chance.random() < 0.4
    with (pair.write() if writes else pair.read()) as held:
        # What is seen under the lock is what another holder must not change: writers' marks are guarded.
        kind = "w" if writes else "r"
        mark = zk.create(f"inside/{kind}-", ephemeral=True, sequence=True, guard=held)
        beside = [name for name in zk.children("inside") if f"/{name}" not in mark]
        bad = beside if writes else [name for name in beside if name.startswith("w")]
        zk.delete(mark)
    say({"kind": kind, "bad": bad})
"""


def test_many_processes_with_random_kills_never_share_with_a_writer(coordinator, namespace, connect_string):
    zk = coordinator()
    zk.create("inside")
    chance = random.Random(11)
    done = {"r": 0, "w": 0}
    workers = []

    def start():
        worker = Program(_WORKER, connect_string, namespace, str(chance.randrange(1000)))
        workers.append(worker)
        assert worker.answer() == "ready"
        worker.tell()
        return worker

    try:
        alive = [start() for _ in range(5)]
        for turn in range(60):
            worker = alive[turn % len(alive)]
            said = worker.answer()
            # Of a killed writer the mark goes with its session, as its node in line does; the guard kept both in step.
            assert said["bad"] == [], said
            done[said["kind"]] += 1
            if turn % 15 == 14:
                victim = chance.randrange(len(alive))
                alive[victim].send(signal.SIGKILL)
                alive[victim] = start()
    finally:
        for worker in workers:
            worker.__exit__()
    assert min(done.values()) > 5, done
    # Whatever was killed wherever, the line goes on and ends empty.
    assert zk.read_write_lock("p").write().acquire(timeout=30).state == "HELD"
