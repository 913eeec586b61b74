"""The asyncio siblings: same arguments, same outcomes, and cancelling leaves nothing."""

import asyncio
import gc
import inspect
import random
import time

import psutil
import pytest

import sparkeeper
from cancelling import cancel_between_result_and_task
from sparkeeper import exceptions
from sparkeeper.local import words
from waiting import wait_for

_CLASSES = [thing for thing in map(sparkeeper.__dict__.get, sparkeeper.__all__) if inspect.isclass(thing)]
_SIBLINGS = [(owner, name) for owner in _CLASSES for name in dir(owner) if name.endswith("_async") and name[0] != "_"]
# What waits for nobody: it makes a handle, notes a callback, or answers from what this process knows.
_IMMEDIATE = {
    sparkeeper.Assignment: {"partitions_of", "plot", "to_arrow", "to_pandas", "verify"},
    sparkeeper.Batch: {"check", "create", "delete", "set"},
    sparkeeper.CacheSnapshot: {"children", "keys"},
    sparkeeper.Certificate: {"from_json", "to_json", "verify"},
    # What the last owner saved came with the grant.
    sparkeeper.Claim: {"restore"},
    sparkeeper.Config: {"close"},
    sparkeeper.Coordinator: {
        *("barrier", "cache", "config", "counter", "double_barrier", "election", "group", "lock", "metrics", "multi"),
        *("multi_lock", "partitions", "queue", "read_write_lock", "registry", "semaphore", "tasks"),
        # They drive Spark, which has no asyncio interface.
        *("foreach_batch", "janitor", "partition_plan", "table", "transaction", "write"),
    },
    sparkeeper.Election: {"observe", "stop", "timeline"},
    sparkeeper.GroupAssignment: {"of", "plot", "read", "to_arrow", "to_pandas"},
    sparkeeper.GroupMember: {"parse", "read"},
    sparkeeper.GroupProgress: {"read", "results", "to_arrow", "to_pandas"},
    # An iterator, for `for` and for `async for`.
    sparkeeper.PartitionMember: {"claims"},
    sparkeeper.ReadWriteLock: {"read", "write"},
    sparkeeper.Results: {"close"},
    sparkeeper.TaskStatus: {"read"},
    # They call the handler, drive Spark, or make an iterator.
    sparkeeper.Tasks: {"results", "run", "work"},
}
# What blocks as an attribute or in a loop cannot be awaited there, so it has a method for that.
_OF_ATTRIBUTES = {
    (sparkeeper.CacheEvents, "next_async"),
    (sparkeeper.Config, "value_async"),
    (sparkeeper.Counter, "value_async"),
    (sparkeeper.Semaphore, "permits_async"),
    (sparkeeper.Semaphore, "set_permits_async"),
}
_IMMEDIATE_ANYWHERE = {"check", "valid_for", "on_change", "on_lost", "on_release_requested", "on_state"}


def _plain(sibling):
    return "break_" if sibling == "break_async" else sibling.removesuffix("_async")


@pytest.mark.parametrize(("owner", "name"), _SIBLINGS)
def test_a_sibling_has_the_arguments_of_the_blocking_method(owner, name):
    if (owner, name) in _OF_ATTRIBUTES:
        assert not callable(getattr(owner, _plain(name), None))
        return
    plain, sibling = (inspect.signature(getattr(owner, method)) for method in (_plain(name), name))
    # Not their types: what `run_async` runs is awaitable.
    said = [[(p.name, p.kind, p.default) for p in side.parameters.values()] for side in (plain, sibling)]
    assert said[0] == said[1]


@pytest.mark.parametrize("owner", _CLASSES)
def test_every_method_that_waits_has_a_sibling(owner):
    methods = {name for name in dir(owner) if name[0] != "_" and inspect.isroutine(getattr(owner, name))}
    plain = {_plain(name) for name in methods if name.endswith("_async")}
    alone = {name for name in methods - plain if not name.endswith("_async")}
    assert alone - _IMMEDIATE_ANYWHERE <= _IMMEDIATE.get(owner, set())


async def test_plain_access(coordinator):
    async with coordinator() as zk:
        assert await zk.create_async("a/b", b"one") == "/a/b"
        assert (await zk.get_async("a/b"))[0] == b"one"
        assert (await zk.set_async("a/b", b"two", version=0)).version == 1
        assert (await zk.exists_async("a/b")).version == 1
        assert await zk.children_async("a") == ["b"]
        await zk.sync_async()
        await zk.delete_async("a", recursive=True)
        assert await zk.exists_async("a") is None
        with pytest.raises(exceptions.NoNode, match="a/b"):
            await zk.get_async("a/b")
    assert zk.state == "CLOSED"
    with pytest.raises(exceptions.Closed):
        await zk.get_async("a")


async def test_a_lock(zk, coordinator):
    lock = zk.lock("l", timeout=5)
    async with lock as held:
        assert held.state == "HELD"
        assert (await lock.contenders_async())[0].token == held.token
        assert await coordinator().lock("l").try_acquire_async() is None
        await zk.create_async("made", guard=held)
        begun = time.monotonic()
        with pytest.raises(exceptions.AcquireTimeout):
            await zk.lock("l").acquire_async(timeout=0.5)
        assert 0.4 < time.monotonic() - begun < 0.6
    held = await lock.acquire_async()
    await held.release_async(wait=True)
    assert await lock.contenders_async() == []
    with pytest.raises(exceptions.NotOwner):
        await held.release_async()


async def test_calls_can_be_tasks_and_run_side_by_side(zk):
    await asyncio.gather(*(zk.create_async(f"n/{number}") for number in range(50)))
    task = asyncio.create_task(zk.children_async("n"))
    assert len(await asyncio.wait_for(task, 5)) == 50


async def test_one_task_enters_again_and_another_does_not(zk):
    lock = zk.lock("l")
    async with lock as outer:
        async with lock as inner:
            assert inner.token == outer.token
        assert (await lock.acquire_async()).token == outer.token

        async def other():
            return await lock.try_acquire_async()

        assert await asyncio.create_task(other()) is None
        # Whoever calls is the holder, be it from within a task that asyncio makes for a time limit.
        again = await asyncio.wait_for(lock.acquire_async(), 5)
        assert again.token == outer.token
        again.release()
    # Entered four times, left three.
    assert await zk.lock("l").try_acquire_async() is None


async def test_a_new_task_does_not_own_what_a_dead_one_left(zk):
    lock = zk.lock("l")

    async def take():
        return await lock.try_acquire_async()

    held = await asyncio.create_task(take())
    assert held.state == "HELD"
    assert [await asyncio.create_task(take()) for _ in range(200)] == [None] * 200


async def test_tasks_exclude_each_other(zk):
    inside = most = 0

    async def work(lock):
        nonlocal inside, most
        for _ in range(5):
            async with lock:
                inside += 1
                most = max(most, inside)
                await asyncio.sleep(0)
                inside -= 1

    shared = zk.lock("l")
    await asyncio.gather(*(work(shared if number % 2 else zk.lock("l")) for number in range(20)))
    assert most == 1


def below(port, namespace):
    """How many watches the server keeps below a namespace."""
    return sum(line.startswith(f"/{namespace}/") for line in words.ask(port, "wchp", 30).splitlines())


async def test_a_cancelled_wait_ends_at_once_and_leaves_nothing(zk, coordinator, server, namespace):
    held = coordinator().lock("l").acquire()
    await asyncio.to_thread(wait_for, lambda: below(server.port, namespace) == 1, 5, "the holder's own watch")
    tasks = [asyncio.create_task(zk.lock("l").acquire_async()) for _ in range(20)]
    await asyncio.to_thread(wait_for, lambda: len(zk.lock("l").contenders()) == 21, 10, "all to stand in line")
    begun = time.monotonic()
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    assert time.monotonic() - begun < 0.2
    assert all(task.cancelled() for task in tasks)
    await asyncio.to_thread(wait_for, lambda: len(zk.lock("l").contenders()) == 1, 5, "the nodes to be gone")
    await asyncio.to_thread(wait_for, lambda: below(server.port, namespace) == 1, 5, "the watches to be gone")
    assert held.state == "HELD"


async def test_a_call_that_was_never_awaited_does_nothing(zk):
    task = asyncio.create_task(zk.lock("l").acquire_async())
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    coroutine = zk.lock("l").acquire_async()
    coroutine.close()
    assert zk.lock("l").contenders() == []


async def test_a_grant_that_was_under_way_when_its_task_was_cancelled_is_given_back(zk):
    # Whenever the cancel comes - before, while or after the grant arrives - the lock is free afterwards.
    chance = random.Random(7)
    outcomes = {"cancelled": 0, "granted": 0}
    span = 0.01
    for _ in range(400):
        lock = zk.lock("l")
        task = asyncio.create_task(lock.acquire_async())
        end = time.perf_counter() + chance.uniform(0, span)
        while time.perf_counter() < end:  # noqa: ASYNC110 - any moment will do
            await asyncio.sleep(0)
        task.cancel()
        try:
            (await task).release()
            outcomes["granted"] += 1
            span /= 1.1
        except asyncio.CancelledError:
            outcomes["cancelled"] += 1
            # About as long as an acquire takes here and now, so that both happen.
            span *= 1.1
    assert min(outcomes.values()) > 20, outcomes
    await asyncio.to_thread(wait_for, lambda: zk.lock("l").contenders() == [], 5, "the lock to be free")


async def test_a_cancel_between_the_result_and_its_task_gives_the_grant_back(zk, coordinator):
    held = coordinator().lock("l").acquire()
    task = asyncio.create_task(zk.lock("l").acquire_async())
    cancelling = asyncio.create_task(cancel_between_result_and_task(task))
    await asyncio.to_thread(wait_for, lambda: len(zk.lock("l").contenders()) == 2, 5, "the task to stand in line")
    held.release()
    await cancelling
    await asyncio.to_thread(wait_for, lambda: zk.lock("l").contenders() == [], 5, "the lock to be free")


def test_a_loop_that_was_closed_takes_its_calls_and_descriptors_with_it(zk, coordinator):
    held = coordinator().lock("l").acquire()
    asyncio.run(zk.exists_async("a"))
    gc.collect()
    descriptors = psutil.Process().num_fds
    before = descriptors()
    for _ in range(20):
        assert asyncio.run(zk.exists_async("a")) is None
    gc.collect()
    assert descriptors() <= before
    # A task that nobody cancelled and whose loop goes no further: its grant comes to nobody.
    loop = asyncio.new_event_loop()
    task = loop.create_task(zk.lock("l").acquire_async())
    loop.run_until_complete(
        asyncio.to_thread(wait_for, lambda: len(zk.lock("l").contenders()) == 2, 5, "the task in line")
    )
    held.release()
    wait_for(lambda: [found.position for found in zk.lock("l").contenders()] == [0], 60, "the task's node to be first")
    task._log_destroy_pending = False
    loop.close()
    del task, loop
    gc.collect()
    wait_for(lambda: zk.lock("l").contenders() == [], 60, "the lock to be free")
    assert descriptors() <= before


async def test_a_loop_that_is_busy_costs_no_session(coordinator):
    zk = coordinator(session_timeout=1)
    async with zk.lock("l") as held:
        session, end = zk.session_id, time.monotonic() + 2.5
        while time.monotonic() < end:
            pass
        held.check()
        assert (held.state, zk.session_id) == ("HELD", session)


def test_without_a_loop_it_says_so(zk):
    coroutine = zk.get_async("a")
    with pytest.raises(RuntimeError, match="no running event loop"):
        coroutine.send(None)


async def test_what_was_acquired_is_given_back_at_the_end_of_async_with(zk):
    for handle in (zk.lock("a"), zk.multi_lock(["a", "b"]), zk.read_write_lock("c").read(), zk.semaphore("d", 1)):
        async with await handle.acquire_async() as held:
            assert held.state == "HELD"
        assert (held.state, held.valid_for()) == ("LOST", 0.0)
        async with await handle.acquire_async() as held:
            await held.release_async(wait=True)
