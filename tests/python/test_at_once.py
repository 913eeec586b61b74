"""Acquisitions that one task asks for at once, through one handle: the second waits for what becomes of the first."""

import asyncio

import pytest

from sparkeeper import exceptions
from waiting import wait_for

# Each with what keeps it out.
_HANDLES = {
    "lock": (lambda zk: zk.lock("l"), lambda zk: zk.lock("l")),
    "read lock": (lambda zk: zk.read_write_lock("l").read(), lambda zk: zk.read_write_lock("l").write()),
    "write lock": (lambda zk: zk.read_write_lock("l").write(), lambda zk: zk.read_write_lock("l").read()),
    "multi-lock": (lambda zk: zk.multi_lock(["l", "m"]), lambda zk: zk.lock("l")),
}


def line(zk):
    """The nodes in the line that all the handles stand in."""
    return zk.children("l") if zk.exists("l") else []


async def free(zk):
    """Wait until nobody stands in line."""
    await asyncio.to_thread(wait_for, lambda: line(zk) == [], 10, "the line to be empty")


@pytest.mark.parametrize("make", [make for make, _ in _HANDLES.values()], ids=_HANDLES)
async def test_all_get_it_and_the_node_goes_with_the_last(zk, make):
    handle = make(zk)
    several = await asyncio.wait_for(asyncio.gather(*(handle.acquire_async() for _ in range(5))), 20)
    assert len({held.token for held in several}) == 1
    assert len(line(zk)) == 1
    for held in several[1:]:
        await held.release_async()
    several[0].check()
    await several[0].release_async(wait=True)
    assert line(zk) == []


@pytest.mark.parametrize(("make", "barring"), _HANDLES.values(), ids=_HANDLES)
async def test_a_first_that_is_cancelled_or_too_late_leaves_its_turn_to_the_second(zk, coordinator, make, barring):
    handle = make(zk)
    held = await barring(coordinator()).acquire_async(10)
    cancelled = asyncio.create_task(handle.acquire_async())
    await asyncio.to_thread(wait_for, lambda: len(line(zk)) == 2, 10, "the first to stand in line")
    late = asyncio.create_task(handle.acquire_async(1))
    patient = asyncio.create_task(handle.acquire_async())
    assert await handle.try_acquire_async() is None
    with pytest.raises(exceptions.AcquireTimeout):
        await late
    assert len(line(zk)) == 2, "who waits for the first does not stand in line"
    cancelled.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    await held.release_async()
    mine = await asyncio.wait_for(patient, 20)
    mine.check()
    again = await asyncio.wait_for(handle.acquire_async(), 10)
    assert again.token == mine.token
    await mine.release_async()
    await again.release_async()
    await free(zk)


async def test_the_two_sides_of_a_pair(zk):
    pair = zk.read_write_lock("l")
    write, read = await asyncio.wait_for(asyncio.gather(pair.write().acquire_async(), pair.read().acquire_async()), 20)
    assert sorted(name.split("__")[1] for name in line(zk)) == ["READ", "WRIT"]
    await write.release_async()
    await read.release_async()
    await free(zk)
    read, refused = await asyncio.wait_for(
        asyncio.gather(pair.read().acquire_async(), pair.write().acquire_async(), return_exceptions=True), 20
    )
    assert isinstance(refused, exceptions.WouldDeadlock)
    await read.release_async()


async def test_tasks_of_their_own_wait_for_each_other(zk):
    lock, inside = zk.lock("l"), []

    async def work(number):
        async with lock:
            inside.append(number)
            await asyncio.sleep(0.02)
            assert inside[-1] == number
        return number

    assert await asyncio.wait_for(asyncio.gather(*map(work, range(5))), 30) == list(range(5))
