"""The semaphore as processes use it: never too many permits out, whoever is killed; what it says and what it leaves."""

import asyncio
import pickle
import random
import threading
import time

import pytest

import sparkeeper
from program import Program
from sparkeeper import exceptions
from waiting import wait_for

_LIMIT, _CLIENTS, _PROCESSES = 3, 50, 5

# Each process has ten clients, each with a session and a line place of its own. Who holds permits marks them in the
# tree with nodes that go with its session, and looks whether the marks are too many.
_PROGRAM = """
import random, threading
chance = random.Random(sys.argv[3])

def client(number, seed):
    chance = random.Random(seed)
    zk = sparkeeper.connect(sys.argv[1], namespace=sys.argv[2], session_timeout=2, timeout=20)
    semaphore = zk.semaphore("s", permits=3)
    while True:
        wanted = chance.choice([1, 1, 2])
        held = semaphore.acquire(wanted)
        marks = [zk.create(f"marks/m-", ephemeral=True, sequence=True, guard=held) for _ in range(wanted)]
        seen = len(zk.children("marks"))
        say({"token": held.token, "marks": seen})
        for mark in marks:
            zk.delete(mark)
        held.release()

for number in range(10):
    threading.Thread(target=client, args=(number, chance.random()), daemon=True).start()
hear()
"""


def test_fifty_clients_and_random_kills_never_have_more_than_three(zk, connect_string, namespace):
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    zk.create("marks")
    zk.semaphore("s", permits=_LIMIT)

    def start():
        return Program(_PROGRAM, connect_string, namespace, str(chance.random()))

    programs = [start() for _ in range(_PROCESSES)]
    most = tokens = 0
    try:
        wait_for(lambda: len(zk.semaphore("s").contenders()) >= _CLIENTS - _LIMIT, 60, "the clients to stand in line")
        for kill in range(8):
            for program in programs:
                for _ in range(5):
                    said = program.answer()
                    most, tokens = max(most, said["marks"]), tokens + 1
                assert len(zk.children("s/leases")) <= _LIMIT, f"seed {seed}, kill {kill}"
            # SIGKILL, wherever it is: in line, between its requests, with permits.
            victim = chance.randrange(_PROCESSES)
            programs[victim].process.kill()
            programs[victim].wait()
            programs[victim] = start()
    finally:
        for program in programs:
            program.__exit__()
    assert 1 < most <= _LIMIT, f"seed {seed}: {most} permits were out"
    assert tokens == 8 * _PROCESSES * 5
    # What the killed leave goes with their sessions, and all permits can be had again.
    zk.semaphore("s", permits=_LIMIT).acquire(_LIMIT, timeout=60).release(wait=True)


def test_what_it_says(zk, coordinator):
    jdbc = zk.semaphore("jdbc", permits=8, owner="app-42")
    held = jdbc.acquire(3)
    assert (held.permits, held.state, held.owner, held.path) == (3, "HELD", "app-42", "jdbc")
    assert 5 < held.valid_for() <= 10
    held.check()
    (holder,) = coordinator().semaphore("jdbc").holders()
    assert isinstance(holder, sparkeeper.PermitHolder)
    assert (holder.owner, holder.permits, holder.token) == ("app-42", 3, held.token)
    assert holder.session_id == zk.session_id
    assert "3 held" in repr(jdbc)
    assert "permits=3" in repr(held)
    with pytest.raises(exceptions.AcquireTimeout, match=r"app-42 \(3\)"):
        coordinator().semaphore("jdbc", permits=4).acquire(2, timeout=2)
    with pytest.raises(TypeError, match="do not pickle"):
        pickle.dumps(held)
    zk.create("state", guard=held)
    held.release(wait=True)
    assert (held.state, held.valid_for(), jdbc.holders()) == ("LOST", 0.0, [])
    with pytest.raises(exceptions.NotOwner):
        held.release()
    with pytest.raises(exceptions.LockLost):
        zk.create("more", guard=held)
    metrics = zk.metrics()["jdbc"]
    assert (metrics.acquired, metrics.released, metrics.held) == (1, 1, 0)


def test_it_is_not_reentrant_and_each_with_gives_back_its_own(zk):
    jdbc = zk.semaphore("jdbc", permits=2)
    with jdbc as outer:
        with jdbc as inner:
            assert inner.token > outer.token
            assert jdbc.try_acquire() is None
            inner.release(wait=True)
            jdbc.acquire(timeout=5).release(wait=True)
        outer.check()
        assert [holder.token for holder in jdbc.holders()] == [outer.token]
    assert outer.state == "LOST"
    with jdbc.acquire(2) as both:
        assert both.permits == 2
    jdbc.acquire(2, timeout=5).release()


@pytest.mark.parametrize("n", [0, -1, 3])
def test_what_cannot_be_had_is_refused_at_once(zk, n):
    with pytest.raises(exceptions.ConfigError):
        zk.semaphore("jdbc", permits=2).acquire(n)
    with pytest.raises(exceptions.ConfigError):
        zk.semaphore("jdbc", permits=-abs(n))


@pytest.mark.parametrize("n", [4097, 2**40])
def test_more_permits_than_one_request_can_take_are_refused_with_the_limit(zk, n):
    for ask in (zk.semaphore("jdbc", permits=2**31 - 1).acquire, zk.semaphore("jdbc", permits=2**31 - 1).try_acquire):
        with pytest.raises(exceptions.ConfigError, match=rf"n={n}: ask for 1 to 4096 permits at once"):
            ask(n)
    with zk.semaphore("jdbc", permits=5000).acquire(4096) as permits:
        assert permits.permits == 4096
    long = zk.semaphore("jdbc", permits=5000, owner="x" * 1000)
    with pytest.raises(exceptions.PayloadTooLarge, match="4000 nodes together"):
        long.acquire(4000)


def test_the_limit_is_everybodys_and_stays(zk, coordinator):
    ours, theirs = zk.semaphore("jdbc", permits=1), coordinator().semaphore("jdbc", permits=5)
    assert (ours.permits, theirs.permits) == (1, 5)
    first = ours.acquire()
    ours.permits = 1
    granted = []
    waiter = threading.Thread(target=lambda: granted.append(theirs.acquire(2)))
    with pytest.raises(exceptions.ConfigError, match="1 in all"):
        theirs.acquire(2)
    ours.permits = 2
    waiter.start()
    wait_for(lambda: len(ours.contenders()) == 1, 60, "the waiter to stand in line")
    theirs.permits = 3
    waiter.join(60)
    assert [permits.permits for permits in granted] == [2]
    ours.permits = 1
    first.check()
    granted[0].check()
    assert pickle.loads(pickle.dumps(theirs)).permits == 1
    with pytest.raises(exceptions.ConfigError, match="acquire all of them"):
        ours.permits = 0


def test_under_asyncio_a_cancelled_wait_leaves_nothing(zk, coordinator):
    jdbc = zk.semaphore("jdbc", permits=2)
    other = coordinator().semaphore("jdbc")

    async def work():
        async with jdbc as held:
            assert held.permits == 1
            waiting = asyncio.ensure_future(jdbc.acquire_async(2))
            while not await jdbc.contenders_async():
                assert not waiting.done()
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            assert await jdbc.try_acquire_async(2) is None
        both = await jdbc.acquire_async(2, timeout=10)
        await jdbc.set_permits_async(4)
        assert await jdbc.permits_async() == 4
        assert [holder.permits for holder in await jdbc.holders_async()] == [2]
        await both.release_async(wait=True)

    asyncio.run(work())
    wait_for(lambda: not other.contenders() and not other.holders(), 60, "nothing to be left")


def test_a_waiter_outlives_a_cut_and_a_timed_one_leaves_nothing_behind_it(proxy, coordinator):
    near, far = coordinator().semaphore("s"), coordinator(proxy.connect_string, session_timeout=8).semaphore("s")
    held = near.acquire()
    granted = []
    waiter = threading.Thread(target=lambda: granted.append(far.acquire()))
    waiter.start()
    wait_for(lambda: len(near.contenders()) == 1, 60, "the waiter to stand in line")
    proxy.cut()
    begun = time.monotonic()
    with pytest.raises(exceptions.AcquireTimeout):
        far.acquire(timeout=1)
    assert 0.9 < time.monotonic() - begun < 1.2
    held.release(wait=True)
    proxy.heal()
    waiter.join(60)
    assert [permits.state for permits in granted] == ["HELD"]
    wait_for(lambda: not near.contenders(), 60, "no node to be left in line")
