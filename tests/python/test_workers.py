"""Coordinators in Spark's Python workers: one session each, and nothing outlives the task that it belongs to."""

import ast
import os
import re
import sys
from pathlib import Path

import pandas as pd
import pytest
from pyspark import TaskContext

import sparkeeper
import workers
from drivers import PATIENCE
from program import Program
from sparkeeper import exceptions
from waiting import wait_for

# Nothing that is gone within this went with its session.
SESSION = 60
SOON = 20


@pytest.fixture
def driver(spark, zk, connect_string, namespace):
    """Sets the driver's settings, which tasks find; returns the test's own coordinator."""
    settings = {"connect": connect_string, "namespace": namespace, "session.timeout": f"{SESSION}s"}
    for name, value in settings.items():
        spark.conf.set(f"spark.zookeeper.{name}", value)
    yield zk
    for name in settings:
        spark.conf.unset(f"spark.zookeeper.{name}")


def left(zk):
    """Return what stands of all that `workers.leak` takes."""
    lines = (zk.lock("lock"), zk.read_write_lock("pair").read(), zk.semaphore("permits", permits=100))
    standing = [one for line in lines for one in line.contenders()]
    standing += zk.double_barrier("barrier", parties=1).members()
    standing += zk.group("group").members() + zk.registry("registry").instances("service")
    return standing + (zk.children("plain") if zk.exists("plain") else [])


def nothing_left(zk, within=SOON):
    wait_for(lambda: not left(zk), within, "everything that tasks took to be given back")


def test_two_hundred_tasks_share_a_session_for_each_worker(spark, driver):
    found = spark.range(0, 200, 1, 200).mapInArrow(workers.arrow, workers.SCHEMA).collect()
    nothing_left(driver)
    assert len({row.token for row in found}) == 200
    assert len({row.owner for row in found}) == 200
    # A worker's tasks all have its session, and no two workers have one.
    assert len({(row.pid, row.session) for row in found}) == len({row.session for row in found})
    assert len({row.session for row in found}) == len({row.pid for row in found}) < 200


@pytest.mark.usefixtures("driver")
def test_an_owner_names_the_attempt(spark):
    def whole():
        task = TaskContext.get()
        place = f"{task.stageId()}.{task.partitionId()}.{task.attemptNumber()} ({task.taskAttemptId()})"
        with sparkeeper.connect() as zk, zk.lock("l"):
            return zk.lock("l").contenders()[0].owner, os.getpid(), place

    said = spark.range(0, 2, 1, 2).mapInArrow(workers.in_task(whole), "said string").collect()
    for owner, pid, place in (ast.literal_eval(row.said) for row in said):
        application = re.escape(spark.sparkContext.applicationId)
        assert re.fullmatch(rf"{application} @ \S+ / {pid} / task {re.escape(place)}", owner)


def _leak(row):
    return workers.leak(sparkeeper.connect())["token"] + 0 * row


def _each(rows):
    list(rows)
    workers.leak(sparkeeper.connect())


def _scalar(spark):
    from pyspark.sql.functions import udf  # noqa: PLC0415

    spark.range(0, 4, 1, 4).select(udf(_leak, "long")("id")).collect()


def _vectorised(spark):
    from pyspark.sql.functions import pandas_udf  # noqa: PLC0415

    def leak(ids: pd.Series) -> pd.Series:
        return ids + workers.leak(sparkeeper.connect())["token"]

    spark.range(0, 4, 1, 4).select(pandas_udf(leak, "long")("id")).collect()


KINDS = {
    "mapInArrow": lambda spark: spark.range(0, 4, 1, 4).mapInArrow(workers.arrow, workers.SCHEMA).collect(),
    "mapInPandas": lambda spark: spark.range(0, 4, 1, 4).mapInPandas(workers.pandas, workers.SCHEMA).collect(),
    "udf": _scalar,
    "pandas_udf": _vectorised,
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_task_leaks_goes_with_it(spark, driver, kind):
    # Each of the four waits for the lock of the one before it.
    KINDS[kind](spark)
    nothing_left(driver)


@pytest.mark.parametrize("kind", ["foreachPartition", "mapPartitions"])
def test_what_a_task_leaks_of_a_handle_that_travelled_goes_with_it(spark, coordinator, kind):
    zk = coordinator(session_timeout=SESSION)

    def leak(rows):
        list(rows)
        yield workers.leak(zk)

    rdd = spark.sparkContext.parallelize(range(8), 4)
    if kind == "foreachPartition":
        rdd.foreachPartition(lambda rows: list(leak(rows)))
    else:
        found = rdd.mapPartitions(leak).collect()
        assert len({one["token"] for one in found}) == 4
        assert len({(one["pid"], one["session"]) for one in found}) == len({one["pid"] for one in found})
        assert all(re.search(r" / task \d+\.\d+\.0 \(\d+\)$", one["owner"]) for one in found)
    nothing_left(zk)


def test_a_failed_task_gives_back_what_it_leaked(spark, driver):
    def fail(batches):
        for _ in batches:
            workers.leak(sparkeeper.connect())
            raise ValueError("enough")
        yield from ()

    with pytest.raises(Exception, match="enough"):
        spark.range(0, 1, 1, 1).mapInArrow(fail, "x long").collect()
    nothing_left(driver)


@pytest.mark.usefixtures("driver")
def test_a_coordinator_closes_alone(spark):
    def two():
        with sparkeeper.connect() as first:
            held = first.lock("first").acquire(60)
            with sparkeeper.connect() as second:
                gone = second.lock("second").acquire(60)
                second.create("plain", ephemeral=True)
                one_session = second.session_id == first.session_id
            held.check()
            states = (first.state, second.state, gone.state, held.state, len(first.lock("second").contenders()))
        with sparkeeper.connect() as third:
            again = third.session_id
            found = (third.exists("plain") is None, third.lock("first").contenders(), third.lock("second").contenders())
        return one_session, states, again != 0, found

    (said,) = spark.range(0, 1, 1, 1).mapInArrow(workers.in_task(two), "said string").collect()
    states = ("CONNECTED", "CLOSED", "LOST", "HELD", 0)
    assert ast.literal_eval(said.said) == (True, states, True, (True, [], []))


@pytest.mark.usefixtures("driver")
def test_a_handle_that_outlives_its_task_says_so(spark):
    def use():
        lock = workers.FIRST.setdefault("lock", sparkeeper.connect().lock("first"))
        try:
            with lock:
                return "held"
        except exceptions.Closed as error:
            return str(error)

    found = spark.range(0, 16, 1, 16).mapInArrow(workers.in_task(use), "said string").collect()
    said = {ast.literal_eval(row.said) for row in found}
    assert any("has ended; connect again" in text for text in said), said


_NO_REUSE = """
from pyspark.sql import SparkSession
import workers

where, namespace = sys.argv[1:]
settings = {"spark.ui.enabled": "false", "spark.python.worker.reuse": "false", "spark.log.level": "ERROR"}
spark = SparkSession.builder.master("local[2]").config(map=settings).getOrCreate()
with sparkeeper.connect(where, namespace=namespace, session_timeout=60) as zk:
    tasks = spark.sparkContext.parallelize(range(200), 200)
    found = tasks.mapPartitions(lambda _: [workers.leak(zk)]).collect()
say([len({one[name] for one in found}) for name in ("pid", "session", "token", "owner")])
hear()
spark.stop()
"""


# Two hundred processes are started, and each imports us.
@pytest.mark.timeout(900)
def test_two_hundred_tasks_in_workers_that_are_not_reused(zk, connect_string, namespace):
    environment = {"PYSPARK_PYTHON": sys.executable, "PYTHONPATH": str(Path(__file__).parent)}
    with Program(_NO_REUSE, connect_string, namespace, **environment) as program:
        assert program.answer(3 * PATIENCE) == [200, 200, 200, 200]
        nothing_left(zk)
        program.tell()
        assert program.wait(60) == 0
