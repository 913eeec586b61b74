"""Tasks: each has one result, higher priorities go first, and what cannot be done is refused in words."""

import asyncio
import contextlib
import pickle
import threading

import pytest

import sparkeeper
from sparkeeper import exceptions
from waiting import wait_for


@pytest.fixture
def tasks(zk):
    return zk.tasks("t", strategy="priority", backoff=0.01)


@contextlib.contextmanager
def working(tasks, handler, count=1, **how):
    """Workers in threads, each with a session of its own; they end with the `with`."""
    threads = [threading.Thread(target=_until_closed, args=(one, handler, how)) for one in tasks[:count]]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for one in tasks[:count]:
            one._coordinator.close()
        for thread in threads:
            thread.join(30)
            assert not thread.is_alive()


def _until_closed(tasks, handler, how):
    with contextlib.suppress(exceptions.Closed):
        tasks.work(handler, **how)


def double(payload):
    return payload * 2


def test_every_task_has_one_result(tasks):
    ids = tasks.submit(range(250))
    assert len(set(ids)) == 250
    assert tasks.status().queued == 250
    assert tasks.work(double, name="w", idle=0) == 250
    status = tasks.status()
    assert (status.queued, status.at_work, status.dead, status.results, status.workers) == (0, 0, 0, 250, [])
    found = list(tasks.results())
    assert {result.id: result.value for result in found} == {task: 2 * n for n, task in enumerate(ids)}
    assert {(one.ok, one.error, one.attempts, one.worker) for one in found} == {(True, None, 1, "w")}
    assert list(tasks.results()) == []
    assert tasks.status().results == 0


def test_results_come_while_tasks_run(tasks, coordinator):
    go_on = threading.Event()

    def handle(payload):
        if payload == "second":
            assert go_on.wait(30)
        return payload

    tasks.submit(["first", "second"])
    with working([coordinator().tasks("t", strategy="priority")], handle):
        results = tasks.results()
        assert next(results).value == "first"
        status = tasks.status()
        assert (status.queued, status.at_work, len(status.workers)) == (1, 1, 1)
        go_on.set()
        assert [one.value for one in results] == ["second"]


@pytest.mark.parametrize(
    "value", [None, True, 0, -1.5, "", "ünï\ncode", [], [1, [2, None]], {}, {"a": {"b": [1, "x"]}}, "x" * 60_000]
)
def test_json_arrives_as_it_was(tasks, value):
    tasks.submit([value])
    tasks.work(lambda payload: payload, idle=0)
    assert [one.value for one in tasks.results()] == [value]


def test_tuples_arrive_as_lists(tasks):
    tasks.submit([(1, (2,))])
    tasks.work(lambda payload: payload, idle=0)
    assert next(tasks.results()).value == [1, [2]]


@pytest.mark.parametrize("payload", [float("nan"), {1: 2}, b"bytes", {1, 2}, object(), "\ud800", [float("inf")]])
def test_what_is_no_json_is_refused(tasks, payload):
    with pytest.raises(exceptions.ConfigError, match=r"payload 1.*give JSON"):
        tasks.submit(["fine", payload])
    assert tasks.status().queued == 0


def test_a_large_payload_is_refused(tasks):
    with pytest.raises(exceptions.PayloadTooLarge, match="65538 bytes"):
        tasks.submit(["x" * 65_536])


@pytest.mark.parametrize("payloads", [{"file": "a"}, "text", b"bytes", 7, None])
def test_payloads_are_a_list(tasks, payloads):
    with pytest.raises(exceptions.ConfigError, match="a list with a payload for each task"):
        tasks.submit(payloads)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"strategy": "fair"}, "average"),
        ({"max_attempts": 0}, "^tasks: max_attempts"),
        ({"max_attempts": -1}, "max_attempts"),
        ({"lease": 0}, "lease"),
        ({"lease": -1}, "lease"),
        ({"ageing": 0.5}, "ageing"),
        ({"time_limit": 0}, "time_limit"),
        ({"backoff": float("nan")}, "backoff"),
    ],
)
def test_settings_that_make_no_sense_are_refused(zk, settings, said):
    with pytest.raises(exceptions.ConfigError, match=said):
        zk.tasks("t", **settings)


@pytest.mark.parametrize("path", ["a//b", "a/../b", "a\0b"])
def test_a_path_that_is_none_is_refused(zk, path):
    with pytest.raises(exceptions.InvalidPath):
        zk.tasks(path).status()


def test_other_bad_input_is_refused(tasks):
    for priority in (1000, -1000, 2**40):
        with pytest.raises(exceptions.ConfigError, match="priority"):
            tasks.submit([1], priority=priority)
    with pytest.raises(exceptions.ConfigError, match="1 dedupe ids for 2 tasks"):
        tasks.submit([1, 2], dedupe=["a"])
    for dedupe in ("ab", 7):
        with pytest.raises(exceptions.ConfigError, match="dedupe"):
            tasks.submit([1, 2], dedupe=dedupe)
    with pytest.raises(exceptions.ConfigError, match="give text"):
        tasks.submit([1], dedupe=lambda payload: payload)
    with pytest.raises(exceptions.ConfigError, match="handler"):
        tasks.work("not a function")
    for capacity in (0.0, -1.0, float("nan")):
        with pytest.raises(exceptions.ConfigError, match="capacity"):
            tasks.work(double, capacity=capacity)
    for limit in (-1, 1.5, True, "2"):
        with pytest.raises(exceptions.ConfigError, match="limit="):
            tasks.work(double, limit=limit)
    with pytest.raises(exceptions.ConfigError, match="list of ids"):
        tasks.cancel("an-id")
    assert tasks.status().queued == 0


def test_nothing_submitted_is_nothing_to_do(tasks):
    assert tasks.submit([]) == []
    assert list(tasks.results()) == []
    assert tasks.work(double, idle=0) == 0
    assert tasks.dead_letters() == []
    assert (tasks.retry_dead(), tasks.cancel()) == (0, 0)


def test_higher_priorities_go_first(tasks):
    for priority in (0, 5, -3, 999, -999):
        tasks.submit([priority], priority=priority)
    tasks.work(double, idle=0)
    assert [one.value // 2 for one in tasks.results()] == [999, 5, 0, -3, -999]


def test_what_waits_long_enough_goes_before_what_is_more_urgent(zk):
    tasks = zk.tasks("t", ageing=1)
    tasks.submit(["low"])
    wait_for(lambda: _level(zk, tasks) >= 2, 30, "two levels of waiting")
    tasks.submit(["high", "high"], priority=1)
    tasks.work(lambda payload: payload, idle=0)
    assert [one.value for one in tasks.results()] == ["low", "high", "high"]


def _level(zk, tasks):
    """How many seconds the oldest task has waited, by the server's clock."""
    [page] = zk.children(f"{tasks.path}/items")
    probe = zk.create("probe", ephemeral=True)
    now = zk.exists(probe).ctime
    zk.delete(probe)
    return (now - 1000) // 1000 - int(page.split(".")[1]) // 1000


def test_a_handler_that_fails_is_tried_again_and_then_given_up(zk):
    tasks = zk.tasks("t", strategy="priority", max_attempts=3, backoff=0.01)
    tries = []

    def handle(payload):
        tries.append(payload)
        if payload == "bad" or tries.count(payload) < 2:
            raise ValueError(f"cannot do {payload}")
        return "done"

    good, bad = tasks.submit(["good", "bad"], priority=7)
    tasks.work(handle, name="w", idle=1)
    found = {one.id: one for one in tasks.results()}
    assert (found[good].ok, found[good].attempts, found[good].error) == (True, 2, None)
    assert (found[bad].ok, found[bad].attempts, found[bad].value, found[bad].worker) == (False, 3, None, "w")
    # The traceback has the handler's own line, and ends with what was raised.
    assert "in handle" in found[bad].error
    assert found[bad].error.endswith("ValueError: cannot do bad")
    [dead] = tasks.dead_letters()
    assert (dead.id, dead.payload, dead.attempts, dead.priority) == (bad, "bad", 3, 7)
    assert dead.error == found[bad].error
    assert tasks.status().dead == 1


def test_dead_tasks_can_be_tried_again(zk):
    tasks = zk.tasks("t", strategy="priority", max_attempts=1)
    ids = tasks.submit([0, 1], priority=2)
    tasks.work(lambda n: 1 // n, idle=0)
    assert [(one.id, one.ok) for one in tasks.results()] == [(ids[0], False), (ids[1], True)]
    assert tasks.retry_dead(ids[1]) == 0
    assert tasks.retry_dead(ids[0]) == 1
    tasks.work(double, idle=0)
    assert [(one.id, one.ok, one.attempts) for one in tasks.results()] == [(ids[0], True, 1)]
    assert tasks.dead_letters() == []


def test_a_result_that_is_no_json_is_a_failed_attempt(zk):
    tasks = zk.tasks("t", strategy="priority", max_attempts=1)
    tasks.submit(["object", "large"])
    tasks.work(lambda what: object() if what == "object" else "x" * 70_000, idle=0)
    found = list(tasks.results())
    assert ["give JSON" in found[0].error, "70002 bytes" in found[1].error] == [True, True]


def test_repeats_are_one_task(tasks):
    first = tasks.submit(["a", "b", "a"], dedupe=lambda payload: payload)
    assert (first[0] == first[2], len(set(first))) == (True, 2)
    assert tasks.submit(["a", "c"], dedupe=["a", "c"])[0] == first[0]
    tasks.work(double, idle=0)
    # It was done within the window.
    assert tasks.submit(["b"], dedupe=["b"]) == [first[1]]
    assert sorted(one.value for one in tasks.results()) == ["aa", "bb", "cc"]


def test_a_cancelled_task_has_a_result_that_says_so(tasks, coordinator):
    begun, go_on = threading.Event(), threading.Event()

    def handle(payload):
        begun.set()
        assert go_on.wait(30)
        return payload

    ids = tasks.submit(["at work", "waiting", "left"])
    with working([coordinator().tasks("t", strategy="priority")], handle):
        assert begun.wait(30)
        assert tasks.cancel([ids[0], ids[1], "no-such-task"]) == 2
        assert tasks.cancel(ids[:2]) == 0
        go_on.set()
        found = {one.id: one for one in tasks.results()}
    assert len(found) == 3
    assert [(found[task].ok, found[task].error) for task in ids] == [
        (False, "cancelled"),
        (False, "cancelled"),
        (True, None),
    ]
    assert tasks.dead_letters() == []


def test_all_tasks_can_be_cancelled(tasks):
    tasks.submit(range(700))
    assert tasks.cancel() == 700
    assert {one.error for one in tasks.results()} == {"cancelled"}


def test_an_attempt_past_its_time_limit_has_failed(zk, coordinator):
    tasks = zk.tasks("t", strategy="priority", max_attempts=2, time_limit=0.3, backoff=0.01)
    release = threading.Event()
    calls = []

    def handle(payload):
        calls.append(payload)
        assert len(calls) > 1 or release.wait(30)
        return "in time"

    tasks.submit(["slow"])
    others = [coordinator().tasks("t", strategy="priority", max_attempts=2, time_limit=0.3, backoff=0.01) for _ in "ab"]
    with working(others, handle, 2):
        [found] = tasks.results()
        release.set()
    assert (found.ok, found.value, found.attempts) == (True, "in time", 2)


def test_the_time_limit_is_the_error_of_the_last_attempt(zk, coordinator):
    settings = {"strategy": "priority", "max_attempts": 1, "time_limit": 0.2}
    tasks, release = zk.tasks("t", **settings), threading.Event()
    tasks.submit(["slow"])
    with working([coordinator().tasks("t", **settings)], lambda _: release.wait(30)):
        [found] = tasks.results()
        release.set()
    assert not found.ok
    assert "time limit of 200ms" in found.error


def test_a_claim_is_kept_for_longer_than_its_lease(zk, coordinator):
    tasks, seen = zk.tasks("t", strategy="priority", lease=0.3), []

    def handle(payload):
        seen.append(payload)
        held = tasks.status
        until = {entry.until for entry in zk.queue("t").workers()}
        wait_for(lambda: until.isdisjoint(entry.until for entry in zk.queue("t").workers()), 30, "a heartbeat")
        until = {entry.until for entry in zk.queue("t").workers()}
        wait_for(lambda: until.isdisjoint(entry.until for entry in zk.queue("t").workers()), 30, "another")
        return held().at_work

    tasks.submit(["long"])
    others = [coordinator().tasks("t", strategy="priority", lease=0.3) for _ in "ab"]
    with working(others, handle, 2):
        [found] = tasks.results()
    assert (found.ok, found.value, found.attempts, seen) == (True, 1, 1, ["long"])


def test_a_limit_ends_the_work(tasks):
    tasks.submit(range(5))
    assert tasks.work(double, limit=0) == 0
    assert tasks.work(double, limit=2) == 2
    assert tasks.status().queued == 3


def test_a_closed_coordinator_ends_the_work(tasks, coordinator):
    other = coordinator()
    ended = threading.Thread(target=_until_closed, args=(other.tasks("t"), double, {}))
    ended.start()
    wait_for(lambda: tasks.status().workers, 30, "a worker")
    other.close()
    ended.join(30)
    assert not ended.is_alive()


def test_a_handle_pickles_and_says_what_it_is(zk):
    tasks = zk.tasks("t", strategy="priority", max_attempts=7, lease=5, backoff=2, ageing=30, time_limit=9)
    again = pickle.loads(pickle.dumps(tasks))
    assert isinstance(again, sparkeeper.Tasks)
    assert pickle.loads(pickle.dumps(again)).__reduce__()[1][3] == tasks.__reduce__()[1][3]
    assert again.submit([1]) == [one.id for one in (tasks.work(double, idle=0), *tasks.results())[1:]]
    assert repr(tasks) == "<Tasks 't' 0 at work here, 1 taken so far, strategy='priority', max_attempts=7>"


def test_the_siblings_do_the_same(zk):
    tasks = zk.tasks("t", strategy="priority", max_attempts=1)

    async def use():
        ids = await tasks.submit_async([0, 1], priority=1)
        assert (await tasks.status_async()).queued == 2
        await asyncio.to_thread(tasks.work, lambda n: 1 // n, idle=0)
        assert [dead.id for dead in await tasks.dead_letters_async(5)] == ids[:1]
        assert await tasks.retry_dead_async() == 1
        assert await tasks.cancel_async(ids) == 1

    asyncio.run(use())
    assert [one.error for one in tasks.results() if one.error == "cancelled"] == ["cancelled"]
