"""Tasks in Spark's executors: results stream to the driver, and whatever is killed, each task has one result."""

import collections
import contextlib
import os
import signal
import sys
import threading
import time

import psutil
import pytest

import sparkeeper
from program import Program
from sparkeeper import exceptions
from waiting import wait_for


def square(payload):
    """In an executor."""
    return payload * payload


def where(payload):
    """Say which process does it."""
    return [payload, os.getpid()]


def slowly(payload):
    """Leave a mark, and take some time."""
    import pathlib  # noqa: PLC0415 - in the executor

    pathlib.Path(payload["marks"], f"{payload['n']}-{os.getpid()}").touch()
    threading.Event().wait(payload["seconds"])
    return payload["n"]


def python_workers():
    """The processes that Spark forked for Python tasks."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            parent = process.parent()
            if parent is not None and "pyspark.daemon" in parent.cmdline():
                found.append(process)
    return found


@pytest.fixture
def short(coordinator):
    """A coordinator whose session ends soon after its process."""
    return coordinator(session_timeout=2)


def test_results_come_from_executors(spark, zk):
    tasks = zk.tasks("t", strategy="priority")
    ids = tasks.submit(range(40))
    found = list(tasks.run(spark, where, workers=2))
    assert {one.id: one.value[0] for one in found} == dict(zip(ids, range(40), strict=True))
    assert os.getpid() not in {one.value[1] for one in found}
    assert all(one.ok and one.worker.endswith(f"/{one.value[1]}") for one in found)
    # Their sessions were closed, and did not have to expire.
    assert tasks.status().workers == []
    assert zk.children("t/runs") == []


def test_the_first_result_does_not_wait_for_the_last(spark, zk, tmp_path):
    tasks = zk.tasks("t", strategy="priority")
    gate = tmp_path / "gate"

    def handle(payload):
        import pathlib  # noqa: PLC0415 - in the executor
        import threading  # noqa: PLC0415

        while payload == "last" and not pathlib.Path(str(gate)).exists():
            threading.Event().wait(0.02)
        return payload

    tasks.submit(["last", "first"])
    results = tasks.run(spark, handle, workers=2)
    assert next(results).value == "first"
    gate.touch()
    assert [one.value for one in results] == ["last"]


def test_closed_early_the_workers_end(spark, zk, tmp_path):
    tasks = zk.tasks("t", strategy="priority")
    tasks.submit([{"marks": str(tmp_path), "n": n, "seconds": 0.05} for n in range(200)])
    with tasks.run(spark, slowly, workers=2) as results:
        first = next(results)
        assert tasks.status().workers
    wait_for(lambda: not tasks.status().workers, 30, "the workers to leave")
    left = {one.id for one in tasks.run(spark, slowly, workers=2)}
    assert len(left) == 200
    assert first.id in left


def test_an_error_has_the_executor_s_traceback(spark, zk):
    tasks = zk.tasks("t", max_attempts=1)
    tasks.submit(["text"])
    [found] = tasks.run(spark, square, workers=1)
    assert "in square" in found.error
    assert "TypeError: can't multiply" in found.error


def test_bad_input_is_refused(spark, zk, coordinator):
    tasks = zk.tasks("t")
    for workers in (0, -1, 1.5, True, "2"):
        with pytest.raises(exceptions.ConfigError, match="workers"):
            tasks.run(spark, square, workers=workers)
    with pytest.raises(exceptions.ConfigError, match="handler"):
        tasks.run(spark, None)
    secret = coordinator(auth=("digest", "me:secret")).tasks("t")
    with pytest.raises(exceptions.ConfigError, match="reference"):
        secret.run(spark, square)


def test_a_job_that_cannot_work_is_reported(spark, zk):
    def unable(_payload):
        return 1

    class Unloadable:
        def __call__(self, payload):
            return payload

        def __reduce__(self):
            return int, ("no number",)

    tasks = zk.tasks("t")
    tasks.submit([1])
    with pytest.raises(Exception, match="no number"):
        list(tasks.run(spark, Unloadable(), workers=1))
    assert [one.value for one in tasks.run(spark, unable, workers=1)] == [1]


def test_workers_killed_at_random_every_result_once(spark, short, tmp_path):
    """FAULTS 30."""
    tasks = short.tasks("t", strategy="priority", max_attempts=20, backoff=0.05)
    ids = tasks.submit([{"marks": str(tmp_path), "n": n, "seconds": 0.05} for n in range(100)])
    kills, found, next_kill = 0, [], 5
    for result in tasks.run(spark, slowly, workers=2):
        found.append(result)
        if kills < 4 and len(found) >= next_kill and (busy := python_workers()):
            busy[kills % len(busy)].send_signal(signal.SIGKILL)
            kills, next_kill = kills + 1, next_kill + 15
    assert kills == 4
    assert collections.Counter(one.id for one in found) == dict.fromkeys(ids, 1)
    assert sorted(one.value for one in found) == list(range(100))
    # Some tasks were begun by a worker that died, and done by another.
    begun = collections.Counter(mark.name.split("-")[0] for mark in tmp_path.iterdir())
    assert max(begun.values()) > 1
    assert max(one.attempts for one in found) > 1
    assert tasks.dead_letters() == []
    assert list(tasks.results()) == []


def test_a_handler_that_exits_does_not_end_the_run(spark, zk):
    def handle(payload):
        if payload == 3:
            sys.exit("not this one")
        return payload

    tasks = zk.tasks("t", strategy="priority", max_attempts=2, backoff=0.05)
    tasks.submit(range(10))
    found = list(tasks.run(spark, handle, workers=2))
    assert sorted(one.value for one in found if one.ok) == [0, 1, 2, 4, 5, 6, 7, 8, 9]
    [failed] = [one for one in found if not one.ok]
    assert (failed.attempts, failed.error.endswith("SystemExit: not this one")) == (2, True)


def test_a_run_goes_on_in_another_turn(spark, short, coordinator, tmp_path):
    """As after the end of the driver's session: its turn is lost, and with it the run's node."""
    tasks = short.tasks("t", strategy="priority")
    ids = tasks.submit([{"marks": str(tmp_path), "n": n, "seconds": 0.05} for n in range(100)])
    results, other = tasks.run(spark, slowly, workers=2), coordinator()
    found = [next(results)]
    turn = other.lock("t/driver")
    turn.break_(turn.contenders()[0].token)
    found += results
    assert collections.Counter(one.id for one in found) == dict.fromkeys(ids, 1)
    assert other.children("t/runs") == []
    wait_for(lambda: not tasks.status().workers, 30, "the workers of both runs to leave")


def test_a_run_goes_on_after_an_outage(spark, proxy, coordinator, tmp_path):
    """The driver and its workers lose their sessions, and each task has one result all the same."""
    far = coordinator(proxy.connect_string, session_timeout=2)
    tasks = far.tasks("t", strategy="priority", max_attempts=20, backoff=0.05)
    ids = tasks.submit([{"marks": str(tmp_path), "n": n, "seconds": 0.05} for n in range(100)])
    results = tasks.run(spark, slowly, workers=2)
    found = [next(results) for _ in range(5)]
    proxy.cut()
    wait_for(lambda: far.state == "EXPIRED", 60, "the driver's session to end")
    proxy.heal()
    found += results
    assert collections.Counter(one.id for one in found) == dict.fromkeys(ids, 1)
    assert all(one.ok for one in found)


def _cancel_all(context):
    context.cancelAllJobs()


def _cancel_group(context):
    context.cancelJobGroup("theirs")


def _cancel_tag(context):
    context.cancelJobsWithTag("theirs")


def _kill_stages(context):
    """As the links of Spark's UI do."""
    for stage in context.statusTracker().getActiveStageIds():
        context._jsc.sc().cancelStage(stage)


@pytest.mark.parametrize("cancel", [_cancel_all, _cancel_group, _cancel_tag, _kill_stages])
def test_a_job_that_is_cancelled_cancels_the_run(spark, short, tmp_path, cancel):
    tasks, context = short.tasks("t", strategy="priority", max_attempts=20, backoff=0.05), spark.sparkContext
    ids = tasks.submit([{"marks": str(tmp_path), "n": n, "seconds": 0.05} for n in range(200)])
    context.setJobGroup("theirs", "to be cancelled")
    context.addJobTag("theirs")
    try:
        results = tasks.run(spark, slowly, workers=2)
        found = [next(results)]
        cancel(context)
        with pytest.raises(exceptions.RunCancelled, match=r"tasks 't'.*was cancelled .*call run again"):
            found.extend(results)
    finally:
        context.removeJobTag("theirs")
        context.setLocalProperty("spark.jobGroup.id", None)
    assert len(found) < 200
    assert tasks.status().queued > 0
    # Those that were asked for, but for the last of them perhaps, are forgotten.
    again = list(tasks.run(spark, slowly, workers=2))
    assert {one.id for one in found + again} == set(ids)
    assert len(found) + len(again) - 200 <= 1


def test_a_frozen_worker_does_not_keep_the_loop_waiting(spark, short, tmp_path):
    tasks = short.tasks("t", strategy="priority", max_attempts=20, backoff=0.05)
    ids = tasks.submit([{"marks": str(tmp_path), "n": n, "seconds": 0.05} for n in range(60)])
    results, found, frozen = tasks.run(spark, slowly, workers=2), [], None
    for one in results:
        found.append(one)
        if len(found) == 5:
            frozen = int(one.worker.rpartition("/")[2])
            os.kill(frozen, signal.SIGSTOP)
        last = time.monotonic()
    assert {one.id for one in found} == set(ids)
    assert time.monotonic() - last < 25
    wait_for(lambda: not psutil.pid_exists(frozen), 30, "Spark to end it")


def test_the_workers_of_a_driver_that_dies_end(spark, coordinator, tmp_path):
    """Its session ends, and with it the run; another driver goes on."""
    driver, watcher = coordinator(session_timeout=2), coordinator()
    tasks = driver.tasks("t", strategy="priority")
    tasks.submit([{"marks": str(tmp_path), "n": n, "seconds": 0.05} for n in range(300)])
    results = tasks.run(spark, slowly, workers=2)
    first = next(results)
    seen = watcher.tasks("t")
    wait_for(lambda: seen.status().workers, 30, "workers")
    # As a process that is killed: nothing is put away, but its session is over.
    driver.close()
    wait_for(lambda: not seen.status().workers, 30, "the workers to leave")
    with pytest.raises(exceptions.SparkeeperError):
        list(results)
    assert first.id in {one.id for one in watcher.tasks("t", strategy="priority").run(spark, slowly, workers=2)}


_CONNECT = """
from pyspark.sql import SparkSession

url, where, namespace = sys.argv[1:]
spark = SparkSession.builder.remote(url).getOrCreate()
with sparkeeper.connect(where, namespace=namespace) as zk:
    tasks = zk.tasks("t")
    tasks.submit(range(10))
    say(sorted(one.value for one in tasks.run(spark, lambda n: n + 1, workers=2)))

    def slowly(n):
        __import__("threading").Event().wait(0.05)
        return n

    ids = tasks.submit(range(200))
    results = tasks.run(spark, slowly, workers=2)
    found = [next(results)]
    spark.interruptAll()
    try:
        found.extend(results)
    except exceptions.RunCancelled as error:
        say(str(error))
    found += tasks.run(spark, slowly, workers=2)
    say(sorted({one.id for one in found}) == sorted(ids))
"""


def test_from_spark_connect(spark_connect, connect_string, namespace):
    # A process with a client of Spark Connect is no place for classic sessions any more.
    with Program(_CONNECT, spark_connect, connect_string, namespace, PYSPARK_PYTHON=sys.executable) as program:
        assert program.answer(240) == list(range(1, 11))
        assert "call run again" in program.answer(240)
        assert program.answer(240)
        assert program.wait(60) == 0


def test_average_in_executors(spark, zk):
    tasks = zk.tasks("t", strategy="average")
    tasks.submit(range(31))
    began = time.monotonic()
    found = collections.Counter(one.worker for one in tasks.run(spark, where, workers=2))
    assert sorted(found.values()) == [15, 16]
    assert time.monotonic() - began < 60
    assert isinstance(tasks, sparkeeper.Tasks)
