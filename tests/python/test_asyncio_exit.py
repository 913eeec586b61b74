"""The ends of `async with`: whenever a task is cancelled there, nothing stays held by nobody."""

import asyncio
import contextlib
import itertools
import time

import pytest

from waiting import wait_for

_TIMES = 60


def handles(zk):
    """What `async with` acquires by itself, beside whoever holds or waits for it."""
    rw = zk.read_write_lock("rw")
    semaphore = zk.semaphore("s", permits=2)
    together = zk.multi_lock(["a", "b"])
    return {
        "lock": (lambda: zk.lock("l"), zk.lock("l").contenders),
        "read": (lambda: zk.read_write_lock("rw").read(), rw.read().contenders),
        "write": (lambda: zk.read_write_lock("rw").write(), rw.write().contenders),
        "semaphore": (lambda: zk.semaphore("s", permits=2), semaphore.holders),
        "multi_lock": (lambda: zk.multi_lock(["a", "b"]), lambda: [*itertools.chain(*together.contenders().values())]),
    }


def grants(zk):
    """What is granted by a call, and then left by `async with`, beside whoever has it."""
    return {
        "held": (lambda: zk.lock("l").acquire_async(), zk.lock("l").contenders),
        "permits": (lambda: zk.semaphore("s", permits=2).acquire_async(), zk.semaphore("s", permits=2).holders),
        "term": (lambda: zk.election("e").campaign_async(), zk.election("e").candidates),
        "membership": (lambda: zk.group("g").join_async(), zk.group("g").members),
        "registration": (
            lambda: zk.registry("r").register_async("api", "h:1"),
            lambda: zk.registry("r").instances("api"),
        ),
    }


async def cancelled_at(turns, scope):
    """Run `scope` in a task that is cancelled so many turns of the loop after its body began."""
    inside = asyncio.Event()

    async def work():
        async with scope:
            inside.set()

    task = asyncio.create_task(work())
    await inside.wait()
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("name", ["lock", "read", "write", "semaphore", "multi_lock"])
async def test_a_task_that_is_cancelled_while_it_leaves_has_left(zk, name):
    make, holders = handles(zk)[name]
    for number in range(_TIMES):
        await asyncio.wait_for(cancelled_at(number % 4, make()), 10)
    await asyncio.to_thread(wait_for, lambda: list(holders()) == [], 5, "nobody to hold it")


@pytest.mark.parametrize("name", ["lock", "read", "write", "semaphore", "multi_lock"])
async def test_a_body_that_overruns_its_time_leaves(zk, name):
    make, holders = handles(zk)[name]
    for _ in range(_TIMES // 3):
        # Where it has left before the loop looks at its clock, it was in time after all.
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(overrun(make()), 0.05)
    await asyncio.to_thread(wait_for, lambda: list(holders()) == [], 5, "nobody to hold it")


async def overrun(scope):
    async with scope:
        # The cancel comes at the first chance after it: while it leaves.
        time.sleep(0.06)  # noqa: ASYNC251 - that is the point


@pytest.mark.parametrize("name", ["held", "permits", "term", "membership", "registration"])
async def test_a_task_that_is_cancelled_between_the_grant_and_the_body_gives_it_back(zk, name):
    grant, holders = grants(zk)[name]
    for number in range(_TIMES):
        granted = asyncio.Event()

        async def work(granted=granted):
            awaited = grant()
            async with await awaited:
                granted.set()
                await asyncio.sleep(0)

        task = asyncio.create_task(work())
        waiting = asyncio.create_task(granted.wait())
        while not (waiting.done() or task._fut_waiter is None):  # noqa: ASYNC110 - the loop tells nobody
            await asyncio.sleep(0)
        for _ in range(number % 4):
            await asyncio.sleep(0)
        task.cancel()
        waiting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait_for(task, 10)
    await asyncio.to_thread(wait_for, lambda: list(holders()) == [], 5, "nobody to have it")


async def test_an_item_whose_task_is_cancelled_at_its_end_is_acknowledged(zk):
    queue = zk.queue("q")
    for number in range(20):
        await queue.put_async(str(number).encode())
    for number in range(20):
        await cancelled_at(number % 4, await queue.get_async(timeout=5))
    await asyncio.to_thread(wait_for, lambda: (len(queue), queue.depth().at_work) == (0, 0), 5, "all to be done")
    counted = zk.metrics()["q"]
    assert (counted.acquired, counted.released, counted.lost) == (20, 20, 0)


async def test_a_party_whose_leaving_is_cancelled_has_left(zk, coordinator):
    for _ in range(10):
        here, there = (one.double_barrier("d", parties=2) for one in (zk, coordinator()))
        await asyncio.gather(here.enter_async(10), there.enter_async(10))
        leaving = asyncio.create_task(here.leave_async(10))
        await asyncio.sleep(0)
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving
        await there.leave_async(10)


async def test_a_coordinator_whose_closing_is_cancelled_closes(coordinator):
    for turns in range(10):
        zk = coordinator()
        zk.lock("l").acquire()
        await cancelled_at(turns % 3, zk)
        await asyncio.to_thread(wait_for, lambda zk=zk: zk.state == "CLOSED", 5, "it to be closed")


async def test_a_cancelled_update_is_made_all_the_same(zk):
    member = await zk.group("g").join_async(data=b"old", id="me")
    instance = await zk.registry("r").register_async("api", "old:1", id="me")
    for number in range(10):
        updates = member.update_async(str(number).encode()), instance.update_async(address=f"new:{number}")
        tasks = [asyncio.create_task(update) for update in updates]
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        await asyncio.to_thread(
            wait_for,
            lambda n=number: [found.data for found in zk.group("g").members()] == [str(n).encode()],
            5,
            "the data",
        )
        await asyncio.to_thread(
            wait_for,
            lambda n=number: [found.address for found in zk.registry("r").instances("api")] == [f"new:{n}"],
            5,
            "the address",
        )
