"""Spark's Python workers when things break: a cancelled job, a fork, Python held for long."""

import ast
import ctypes
import os
import threading

import pytest

import sparkeeper
import workers
from sparkeeper import exceptions
from waiting import wait_for


@pytest.fixture
def driver(spark, zk, connect_string, namespace):
    """Sets the driver's settings, with a session timeout of two seconds; returns the test's own coordinator."""
    settings = {"connect": connect_string, "namespace": namespace, "session.timeout": "2s"}
    for name, value in settings.items():
        spark.conf.set(f"spark.zookeeper.{name}", value)
    yield zk
    for name in settings:
        spark.conf.unset(f"spark.zookeeper.{name}")


def said(spark, body):
    (row,) = spark.range(0, 1, 1, 1).mapInArrow(workers.in_task(body), "said string").collect()
    return ast.literal_eval(row.said)


def test_a_cancelled_job_gives_back_what_it_held_within_the_session_timeout(spark, driver):
    def stay(batches):
        list(batches)
        zk = sparkeeper.connect()
        with zk.lock("kept"):
            zk.create("alive", ephemeral=True)
            threading.Event().wait()
        yield from ()

    def job():
        spark.sparkContext.setJobGroup("cancelled", "to be cancelled", interruptOnCancel=True)
        with pytest.raises(Exception, match=r"[Cc]ancel"):
            spark.range(0, 1, 1, 1).mapInArrow(stay, "x long").collect()

    thread = threading.Thread(target=job)
    thread.start()
    wait_for(lambda: driver.exists("alive"), 120, "the task to hold its lock")
    spark.sparkContext.cancelJobGroup("cancelled")
    # Two seconds until Spark kills the worker, two for the session and one more for the server's tick; the rest is for
    # a busy machine.
    with driver.lock("kept").acquire(timeout=30) as held:
        assert held.token
    wait_for(lambda: driver.exists("alive") is None, 10, "the ephemeral node to go with the session")
    thread.join(60)
    assert not thread.is_alive()


@pytest.mark.usefixtures("driver")
def test_python_held_for_longer_than_the_session_timeout_costs_a_task_nothing(spark):
    def hold():
        with sparkeeper.connect() as zk, zk.lock("l") as held:
            session = zk.session_id
            # PyDLL, unlike CDLL, keeps the interpreter's lock during the call.
            ctypes.PyDLL(None).usleep(4_000_000)
            held.check()
            return held.state, zk.session_id == session

    assert said(spark, hold) == ("HELD", True)


@pytest.mark.usefixtures("driver")
def test_a_child_that_a_task_forks_is_refused_and_the_task_goes_on(spark):
    def fork():
        with sparkeeper.connect() as zk, zk.lock("l") as held:
            reading, writing = os.pipe()
            child = os.fork()
            if child == 0:
                try:
                    zk.exists("l")
                    answer = b"no error"
                except exceptions.ForkedProcessError:
                    answer = b"refused"
                os.write(writing, answer)
                os._exit(0)
            os.waitpid(child, 0)
            held.check()
            return os.read(reading, 100), zk.state, len(zk.lock("l").contenders())

    assert said(spark, fork) == (b"refused", "CONNECTED", 1)
