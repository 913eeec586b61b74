"""Sixty thousand items: no reply of the server over 1 MiB, and putting, counting and getting stay quick."""

import asyncio
import re
import time

import pytest

import link
from sparkeeper.local import words
from waiting import wait_for
from wire import Op

_ITEMS = 60_000


@pytest.fixture
def largest(monkeypatch):
    """The largest frame that any proxy passed on to a client, as a list of one."""
    seen = [0]
    note = link.Link._note_reply

    def note_size(self, frame):
        seen[0] = max(seen[0], len(frame))
        return note(self, frame)

    monkeypatch.setattr(link.Link, "_note_reply", note_size)
    return seen


def test_sixty_thousand_items(proxy, coordinator, largest):
    queue = coordinator(proxy.connect_string, session_timeout=30).queue("inbox")
    figures = {}

    def timed(what, call):
        begun = time.perf_counter()
        answer = call()
        figures[what] = round(time.perf_counter() - begun, 3)
        return answer

    ids = timed("put_many, seconds for 60,000", lambda: queue.put_many([b"%d" % n for n in range(_ITEMS)]))
    assert len(set(ids)) == _ITEMS
    assert timed("len, seconds", lambda: len(queue)) == _ITEMS
    timed("one more put, seconds", lambda: queue.put(b"last"))

    def first_hundred():
        for number in range(100):
            with queue.get(timeout=10) as item:
                assert item.data == b"%d" % number

    timed("100 x get and ack, seconds", first_hundred)
    held = [queue.get(timeout=10) for _ in range(600)]
    assert [item.data for item in held] == [b"%d" % n for n in range(100, 700)], "pages are crossed in order"
    assert queue.depth().at_work == 600
    assert len(queue) == _ITEMS + 1 - 100
    assert 10_000 < largest[0] < 2**20 / 8, "a reply near the limit of 1 MiB"
    figures["largest reply, bytes"] = largest[0]
    assert figures["len, seconds"] < 2, figures
    assert figures["one more put, seconds"] < 1, figures
    assert figures["100 x get and ack, seconds"] < 20, figures


def test_round_trips(proxy, coordinator):
    one_way = 0.1
    queue = coordinator(proxy.connect_string, session_timeout=30).queue("inbox")
    queue.put_many([b"%d" % n for n in range(50)])
    queue.get(timeout=10).ack()
    proxy.delay(one_way)
    cold = [coordinator(proxy.connect_string, session_timeout=30).queue("inbox") for _ in range(3)]
    trips = {}

    def flights(what, times, call):
        # The fastest: what a busy machine adds is no flight.
        took = []
        for _ in range(times):
            begun = time.perf_counter()
            call()
            took.append(time.perf_counter() - begun)
        trips[what] = min(took) / (2 * one_way)

    held = []
    flights("cold get", 3, lambda: held.append(cold.pop().get(timeout=10)))
    cold = coordinator(proxy.connect_string, session_timeout=30).queue("inbox")
    held.append(cold.get(timeout=10))
    flights("get", 4, lambda: held.append(cold.get(timeout=10)))
    flights("ack", 4, lambda: held.pop().ack())
    flights("put", 4, lambda: queue.put(b"x"))
    flights("len", 3, lambda: len(queue))
    assert trips["cold get"] < 3.9, trips
    assert trips["get"] < 2.9, trips
    assert trips["ack"] < 1.9, trips
    assert trips["put"] < 1.9, trips
    assert trips["len"] < 2.9, trips
    before = proxy.requests[Op.MULTI]
    queue.put(b"one")
    assert proxy.requests[Op.MULTI] - before == 1


def watches(server):
    """How many watches the server keeps, of both kinds."""
    return int(re.search(r"zk_watch_count\s+(\d+)", words.ask(server.port, "mntr", 30)).group(1))


async def test_waits_that_end_leave_no_watch_and_no_claim(zk, server):
    queue = zk.queue("inbox")
    before = watches(server)
    for nothing_there in (True, False):
        tasks = [asyncio.create_task(queue.get_async()) for _ in range(10)]
        await asyncio.to_thread(wait_for, lambda: watches(server) > before, 10, "watches")
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        await asyncio.to_thread(wait_for, lambda: watches(server) <= before, 10, "the watches to be gone")
        if nothing_there:
            await queue.put_async(b"later", delay=3600)
    assert await queue.workers_async() == []


async def test_an_item_that_was_under_way_to_a_cancelled_task_is_put_back_uncounted(zk):
    queue = zk.queue("inbox", max_attempts=2)
    await queue.put_async(b"a")
    outcomes = {"cancelled": 0, "got": 0}
    for step in range(400):
        task = asyncio.create_task(queue.get_async())
        end = time.perf_counter() + step * 0.0001
        while time.perf_counter() < end:  # noqa: ASYNC110 - any moment will do
            await asyncio.sleep(0)
        task.cancel()
        try:
            await (await task).give_back_async(delay=0)
            outcomes["got"] += 1
            break
        except asyncio.CancelledError:
            outcomes["cancelled"] += 1
    assert outcomes["cancelled"] > 3, outcomes
    async with await queue.get_async(timeout=20) as item:
        assert item.data == b"a"
        assert item.attempt == 1 + outcomes["got"], "a cancelled get used up an attempt"
    assert await queue.dead_letters_async() == []
    assert (await queue.depth_async()).queued == 0
