"""Ten thousand timed acquires leave nothing: neither watches and nodes on the server, nor memory here."""

import asyncio
import ctypes
import gc

import psutil

from sparkeeper import exceptions
from sparkeeper.local import words
from waiting import wait_for

_AT_ONCE = 100


def watches(server, namespace):
    """How many watches the server has for the test's nodes: others' sessions may come and go."""
    total, ours = 0, False
    # A line for each path, and below it, indented, one for each session that watches it.
    for line in words.ask(server.port, "wchp", 30).splitlines():
        if line.startswith("/"):
            ours = line.startswith(f"/{namespace}/")
        elif ours and line.startswith("\t"):
            total += 1
    return total


def resident():
    """Megabytes of memory that the process needs now: what was freed goes back to the system first."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    return psutil.Process().memory_info().rss / 2**20


def in_line(lock):
    """How many hold it or wait for it; None while the link is down, as it may be on a busy machine."""
    try:
        return len(lock.contenders())
    except exceptions.ConnectionLost:
        return None


async def try_for_a_moment(zk, times):
    """Acquire, with a time limit, what somebody else holds: many times, some at once."""

    async def once():
        try:
            await zk.lock("l").acquire_async(timeout=0.02)
        except exceptions.AcquireTimeout:
            return 1
        return 0

    async def work():
        return sum([await once() for _ in range(times // _AT_ONCE)])

    return sum(await asyncio.gather(*(work() for _ in range(_AT_ONCE))))


def test_ten_thousand_timed_acquires_leave_nothing(coordinator, server, namespace):
    # The longest that the server grants: it is to be overloaded, and the sessions are to outlive that.
    zk, holder = (coordinator(session_timeout=40) for _ in range(2))
    held = holder.lock("l").acquire()
    wait_for(lambda: watches(server, namespace) >= 1, 60, "the holder's own watch")
    before = watches(server, namespace)
    # The first thousand fill pools and caches.
    assert asyncio.run(try_for_a_moment(zk, 1_000)) == 1_000
    wait_for(lambda: watches(server, namespace) == before, 60, "the watches of the first thousand to be gone")
    memory = resident()
    assert asyncio.run(try_for_a_moment(zk, 10_000)) == 10_000
    wait_for(lambda: watches(server, namespace) == before, 60, "the watch count to return to where it was")
    wait_for(lambda: in_line(holder.lock("l")) == 1, 60, "the nodes to be gone")
    wait_for(lambda: resident() < memory + 8, 60, "the memory to return to where it was")
    held.check()


def test_hundreds_of_coordinators_leave_nothing(coordinator, server, namespace):
    def cycle(times):
        for _ in range(times):
            with coordinator() as zk, zk.lock("l", timeout=10):
                pass

    descriptors = psutil.Process().num_fds
    cycle(50)
    open_before, threads, memory = descriptors(), psutil.Process().num_threads(), resident()
    cycle(300)
    wait_for(lambda: descriptors() <= open_before, 60, "the sockets to be closed")
    wait_for(lambda: watches(server, namespace) == 0, 60, "the watches to be gone")
    wait_for(lambda: resident() < memory + 8, 60, "the memory to return to where it was")
    assert psutil.Process().num_threads() <= threads + 1
