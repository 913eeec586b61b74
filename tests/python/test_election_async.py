"""Elections under asyncio: observers, terms and campaigns, and what cancelling any of them leaves."""

import asyncio
import inspect
import time

import pytest

import sparkeeper
from cancelling import cancel_between_result_and_task
from sparkeeper import exceptions
from waiting import wait_for

_BLOCKING = {
    sparkeeper.Election: ["campaign", "run", "leader", "candidates", "tally"],
    sparkeeper.Term: ["checkpoint", "restore", "step_down"],
}


@pytest.mark.parametrize(("owner", "name"), [(owner, name) for owner, names in _BLOCKING.items() for name in names])
def test_every_blocking_method_has_a_sibling_with_its_arguments(owner, name):
    plain, sibling = (inspect.signature(getattr(owner, method)) for method in (name, f"{name}_async"))
    assert list(plain.parameters) == list(sibling.parameters)


async def test_observing_with_asyncio(zk, coordinator):
    leaders = coordinator().election("e").observe()
    seen = []

    async def follow():
        async for leader in leaders:
            seen.append(leader and leader.id)  # noqa: PERF401 - each is looked at as it comes

    task = asyncio.create_task(follow())
    await asyncio.to_thread(wait_for, lambda: seen == [None], 10, "nobody to lead")
    async with await zk.election("e", id="one").campaign_async():
        await asyncio.to_thread(wait_for, lambda: seen == [None, "one"], 10, "one to lead")
    await asyncio.to_thread(wait_for, lambda: seen == [None, "one", None], 10, "nobody to lead")
    leaders.close()
    await asyncio.wait_for(task, 5)
    # A wait that is cancelled takes nothing with it.
    leaders = coordinator().election("e").observe()
    assert await anext(leaders) is None
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(anext(leaders), 0.2)
    term = await zk.election("e", id="two").campaign_async()
    assert (await asyncio.wait_for(anext(leaders), 5)).token == term.token
    # Not even one that has its answer already.
    looking = asyncio.create_task(anext(leaders))
    cancelling = asyncio.create_task(cancel_between_result_and_task(looking))
    await term.step_down_async(wait=True)
    await cancelling
    assert await asyncio.wait_for(anext(leaders), 5) is None


async def test_a_term_with_asyncio(zk, coordinator):
    election = zk.election("e", id="one")
    async with await election.campaign_async(timeout=5) as term:
        assert (await election.leader_async()).token == term.token
        assert [found.id for found in await election.candidates_async()] == ["one"]
        await term.checkpoint_async({"offset": 42})
        begun = time.monotonic()
        with pytest.raises(exceptions.AcquireTimeout, match="one leads"):
            await coordinator().election("e").campaign_async(timeout=2)
        assert 1.9 < time.monotonic() - begun < 3
        assert not await term.lost.wait_async(timeout=0.01)
    assert await term.lost.wait_async()
    assert await election.tally_async() is None
    term = await election.campaign_async()
    assert await term.restore_async() == {"offset": 42}
    await term.step_down_async(wait=True)
    assert await election.leader_async() is None


@pytest.mark.parametrize("strategy", ["fair", "vote"])
async def test_cancelling_a_campaign_leaves_nothing(zk, coordinator, strategy):
    async with await zk.election("e", strategy=strategy).campaign_async() as term:
        other = coordinator().election("e", strategy=strategy)
        tasks = [asyncio.create_task(other.campaign_async()) for _ in range(10)]
        await asyncio.to_thread(wait_for, lambda: len(other.candidates()) == 11, 10, "all to stand")
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        assert all(task.cancelled() for task in tasks)
        await asyncio.to_thread(wait_for, lambda: len(other.candidates()) == 1, 5, "all to be gone")
        term.check()


async def test_cancelling_a_run_stops_the_callable_and_steps_down(zk, coordinator):
    events = []

    async def work(term):
        events.append("leads")
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.05)
            events.append(term.state)

    task = asyncio.create_task(zk.election("e").run_async(work))
    await asyncio.to_thread(wait_for, lambda: events, 10, "it to lead")
    waiting = asyncio.create_task(coordinator().election("e").run_async(work))
    await asyncio.to_thread(wait_for, lambda: len(zk.election("e").candidates()) == 2, 10, "the other to wait")
    waiting.cancel()
    task.cancel()
    await asyncio.wait([task, waiting])
    assert task.cancelled()
    assert waiting.cancelled()
    # It ended in its own time, and led until then.
    assert events == ["leads", "HELD"]
    await asyncio.to_thread(wait_for, lambda: zk.election("e").candidates() == [], 5, "nobody to stand any more")


async def test_stop_and_errors_with_asyncio(zk):
    election, led = zk.election("e"), []

    async def work(term):
        led.append(term)
        await asyncio.sleep(60)

    async def fail(_term):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await zk.election("e").run_async(fail)
    task = asyncio.create_task(election.run_async(work))
    await asyncio.to_thread(wait_for, lambda: led, 10, "it to lead")
    election.stop()
    await asyncio.wait_for(task, 5)
    await election.run_async(work)
    assert len(led) == 1
