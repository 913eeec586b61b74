"""What becomes of tasks when workers, drivers, links and servers fail: each task has one result (FAULTS 30)."""

import collections
import contextlib
import random
import signal
import threading

import pytest

import sparkeeper
from program import Program
from sparkeeper import exceptions
from sparkeeper.local import LocalServer
from waiting import wait_for
from wire import Op

_WORKER = """
import pathlib, threading
zk = sparkeeper.connect(sys.argv[1], namespace=sys.argv[2], session_timeout=1.5, timeout=20)
marks = pathlib.Path(sys.argv[3])

def handle(payload):
    (marks / f"{payload['n']}-{os.getpid()}").touch()
    threading.Event().wait(payload["seconds"])
    return payload["n"]

say("ready")
zk.tasks("t", strategy=sys.argv[4], max_attempts=50, backoff=0.05).work(handle)
"""

_STEERED = """
zk = sparkeeper.connect(sys.argv[1], namespace=sys.argv[2], session_timeout=1.5, timeout=20)

def handle(payload):
    say(payload)
    return hear()

try:
    say(zk.tasks("t", strategy="priority").work(handle, limit=1, idle=3))
except Exception as error:
    say(type(error).__name__)
hear()
"""


@pytest.fixture
def tasks(zk):
    return zk.tasks("t", strategy="priority", max_attempts=50, backoff=0.05)


def echo(payload):
    return payload


@pytest.mark.parametrize("strategy", ["priority", "average"])
def test_workers_killed_at_random_every_result_once(zk, connect_string, namespace, tmp_path, strategy):
    tasks, chance = zk.tasks("t", strategy=strategy, max_attempts=50, backoff=0.05), random.Random(30)
    ids = tasks.submit([{"n": n, "seconds": 0.02} for n in range(150)])

    def start():
        return Program(_WORKER, connect_string, namespace, str(tmp_path), strategy)

    workers, found, kills = [start() for _ in range(3)], [], 0
    try:
        for result in tasks.results():
            found.append(result)
            if kills < 5 and len(found) >= 20 * (kills + 1):
                victim, kills = chance.randrange(len(workers)), kills + 1
                workers[victim].send(signal.SIGKILL)
                workers[victim].__exit__()
                workers[victim] = start()
    finally:
        for worker in workers:
            worker.__exit__()
    assert kills == 5
    assert collections.Counter(one.id for one in found) == dict.fromkeys(ids, 1)
    assert sorted(one.value for one in found) == list(range(150))
    assert all(one.ok for one in found)
    assert list(tasks.results()) == []
    begun = collections.Counter(mark.name.split("-")[0] for mark in tmp_path.iterdir())
    assert sum(begun.values()) - 150 <= kills


def test_a_task_of_a_killed_worker_is_taken_within_the_session_timeout(tasks, connect_string, namespace):
    tasks.submit(["a"])
    with Program(_STEERED, connect_string, namespace) as killed, Program(_STEERED, connect_string, namespace) as other:
        programs = [killed, other]
        begun = wait_for(lambda: _who_says(programs), 30, "the first attempt")
        begun.send(signal.SIGKILL)
        begun.wait()
        [left] = [program for program in programs if program is not begun]
        # 1.5 s, and what the server takes to notice and a loaded machine to start with it.
        assert left.answer(timeout=10) == "a"
        left.tell("by the other")
        [found] = tasks.results()
        assert (found.ok, found.value, found.attempts) == (True, "by the other", 2)


def _who_says(programs):
    for program in programs:
        with contextlib.suppress(AssertionError):
            program.answer(timeout=0.05)
            return program
    return None


def test_what_a_frozen_worker_returns_late_does_not_count(tasks, connect_string, namespace):
    tasks.submit(["a"])
    with Program(_STEERED, connect_string, namespace) as frozen:
        assert frozen.answer() == "a"
        frozen.send(signal.SIGSTOP)
        assert tasks.work(lambda _: "in time", limit=1) == 1
        frozen.send(signal.SIGCONT)
        # Its attempt does not count, and there is no other task.
        frozen.tell("too late")
        assert frozen.answer() == 0
    assert [(one.value, one.attempts) for one in tasks.results()] == [("in time", 2)]


def test_a_task_that_kills_its_workers_is_given_up(zk, connect_string, namespace):
    tasks = zk.tasks("t", strategy="priority", max_attempts=2)
    [poison] = tasks.submit(["poison"])
    for _ in range(2):
        with Program(_STEERED, connect_string, namespace) as worker:
            assert worker.answer() == "poison"
            worker.send(signal.SIGKILL)
            worker.wait()
        wait_for(lambda: tasks.status().at_work == 0, 60, "its session to end")
    assert tasks.work(echo, idle=0) == 0
    [found] = tasks.results()
    assert (found.id, found.ok, found.attempts, found.worker) == (poison, False, 2, None)
    assert "its consumer ended" in found.error
    assert [dead.id for dead in tasks.dead_letters()] == [poison]


def test_replies_that_are_lost_neither_lose_nor_double_a_result(proxy, coordinator, tasks):
    far = coordinator(proxy.connect_string, session_timeout=20).tasks("t", strategy="priority")
    ids = far.submit(["a", "b", "c"])
    drops = []

    def handle(payload):
        # The next multi of this link ends this task.
        drops.append(proxy.drop_reply(Op.MULTI))
        return payload

    for _ in ids:
        assert far.work(handle, limit=1) == 1
    assert [drop.is_set() for drop in drops] == [True] * 3
    dropped = proxy.drop_reply(Op.DELETE)
    found = list(far.results())
    assert dropped.is_set()
    assert [(one.id, one.value, one.attempts) for one in found] == list(zip(ids, "abc", [1, 1, 1], strict=True))
    assert list(tasks.results()) == []


def test_the_reply_to_a_last_failure_is_lost(proxy, coordinator):
    far = coordinator(proxy.connect_string, session_timeout=20).tasks("t", max_attempts=1, strategy="priority")
    far.submit(["a"])

    def handle(_):
        proxy.drop_reply(Op.MULTI)
        raise ValueError("no")

    assert far.work(handle, idle=0) == 0
    assert [(one.ok, one.attempts) for one in far.results()] == [(False, 1)]
    assert len(far.dead_letters()) == 1


def test_a_driver_s_results_go_on_through_a_cut(proxy, coordinator, tasks):
    far = coordinator(proxy.connect_string, session_timeout=20).tasks("t", strategy="priority")
    tasks.submit(range(50))
    results = far.results()
    worker = threading.Thread(target=tasks.work, args=(echo,), kwargs={"limit": 50})
    worker.start()
    found = [next(results)]
    proxy.cut()
    proxy.heal()
    found += results
    worker.join(30)
    assert sorted(one.value for one in found) == list(range(50))


def test_a_driver_whose_session_ended_goes_on_with_the_next(proxy, coordinator, tasks):
    far = coordinator(proxy.connect_string, session_timeout=1.5)
    tasks.submit(["a", "b"])
    tasks.work(echo, limit=1)
    # It may wait for no other loop, and for the server as long as that takes.
    results = far.tasks("t", strategy="priority").results(timeout=0)
    assert next(results).value == "a"
    proxy.cut()
    found = []
    driver = threading.Thread(target=lambda: found.extend(one.value for one in results))
    driver.start()
    wait_for(lambda: far.state == "EXPIRED", 60, "the driver's session to end")
    tasks.work(echo, limit=1)
    assert driver.is_alive()
    proxy.heal()
    driver.join(60)
    assert found == ["b"]
    assert list(tasks.results()) == []


def test_what_another_driver_fetched_in_an_outage_is_not_fetched_again(proxy, coordinator, tasks):
    far = coordinator(proxy.connect_string, session_timeout=1.5)
    tasks.submit(["a", "b", "c"])
    tasks.work(echo, limit=1)
    results = far.tasks("t", strategy="priority").results()
    assert next(results).value == "a"
    proxy.cut()
    wait_for(lambda: far.state == "EXPIRED", 60, "the driver's session to end")
    tasks.work(echo, limit=1)
    with tasks.results() as others:
        # The first was not known to be made use of; of the second it is not known yet.
        assert [next(others).value, next(others).value] == ["a", "b"]
    proxy.heal()
    tasks.work(echo, limit=1)
    assert [one.value for one in results] == ["b", "c"]


def test_how_things_stand_is_told_by_the_next_session(proxy, coordinator, tasks):
    far = coordinator(proxy.connect_string, session_timeout=1.5)
    tasks.submit(["a"])
    seen = far.tasks("t")
    assert seen.status().queued == 1
    proxy.cut()
    found = []
    asking = threading.Thread(target=lambda: found.append(seen.status().queued))
    asking.start()
    wait_for(lambda: far.state == "EXPIRED", 60, "the session to end")
    assert asking.is_alive()
    proxy.heal()
    asking.join(60)
    assert found == [1]


def test_a_server_that_restarts_loses_nothing():
    with LocalServer() as server, contextlib.ExitStack() as stack:
        driver, *others = [
            stack.enter_context(sparkeeper.connect(server.connect_string, timeout=20, session_timeout=20))
            for _ in "abc"
        ]
        tasks = driver.tasks("t", strategy="priority")
        ids = tasks.submit(range(200))

        def slowly(payload):
            threading.Event().wait(0.01)
            return payload

        threads = [
            threading.Thread(target=_until_closed, args=(other.tasks("t", strategy="priority"), slowly))
            for other in others
        ]
        for thread in threads:
            thread.start()
        found = []
        for result in tasks.results():
            found.append(result)
            if len(found) == 40:
                server.restart()
        for other in others:
            other.close()
        for thread in threads:
            thread.join(30)
        assert collections.Counter(one.id for one in found) == dict.fromkeys(ids, 1)


def _until_closed(tasks, handler):
    with contextlib.suppress(exceptions.Closed):
        tasks.work(handler)


def test_a_worker_goes_on_after_its_session_expired(proxy, coordinator, tasks):
    far = coordinator(proxy.connect_string, session_timeout=1.5)
    worker = threading.Thread(target=_until_closed, args=(far.tasks("t", strategy="average"), echo))
    worker.start()
    wait_for(lambda: tasks.status().workers, 30, "the worker")
    proxy.cut()
    wait_for(lambda: far.state == "EXPIRED", 60, "its session to end")
    proxy.heal()
    tasks.submit(["a"])
    assert [one.value for one in tasks.results()] == ["a"]
    far.close()
    worker.join(30)
    assert not worker.is_alive()
