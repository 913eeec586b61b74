"""`connect` from a SparkSession, classic and Connect, and from inside a task."""

import pytest

import sparkeeper
from program import Program
from sparkeeper import exceptions


@pytest.fixture
def settings(spark):
    """Sets `spark.zookeeper.*` for a test."""
    made = []

    def put(**values):
        for key, value in values.items():
            name = f"spark.zookeeper.{key.replace('_', '.')}"
            spark.conf.set(name, value)
            made.append(name)

    yield put
    for name in made:
        spark.conf.unset(name)


def test_a_session_brings_its_settings(spark, settings, connect_string, namespace):
    settings(connect=connect_string, namespace=namespace, session_timeout="2500ms", auth="digest:bob:pw", acl="creator")
    with sparkeeper.connect(spark) as zk:
        assert zk.connect_string == connect_string
        assert zk.namespace == namespace
        assert zk.owner.startswith(spark.sparkContext.applicationId)
        with zk.lock("l") as held:
            assert 2 < held.valid_for() <= 2.5
        with (
            sparkeeper.connect(connect_string, namespace=namespace) as stranger,
            pytest.raises(exceptions.NotAuthorized),
        ):
            stranger.children("l")
    # An argument goes before the session's setting.
    with sparkeeper.connect(spark, namespace="other", session_timeout=5, owner="me") as zk:
        assert (zk.namespace, zk.owner) == ("other", "me")


@pytest.mark.parametrize(("text", "seconds"), [("3", 3), ("3s", 3), ("3000ms", 3), ("0.05min", 3), (" 3 S ", 3)])
def test_durations_as_spark_writes_them(spark, settings, connect_string, text, seconds):
    settings(connect=connect_string, session_timeout=text)
    with sparkeeper.connect(spark) as zk:
        assert zk._settings()["session_timeout"] == pytest.approx(seconds)


def test_settings_that_are_missing_or_wrong_are_refused(spark, settings, connect_string):
    with pytest.raises(exceptions.ConfigError, match=r"no spark\.zookeeper\.connect"):
        sparkeeper.connect(spark)
    settings(connect=connect_string, session_timeout="soon")
    with pytest.raises(exceptions.ConfigError, match=r"session\.timeout='soon'.*10s"):
        sparkeeper.connect(spark)
    settings(session_timeout="3s", acl="everybody")
    with pytest.raises(exceptions.ConfigError, match="everybody"):
        sparkeeper.connect(spark)
    settings(acl="open", tls_cert="/no/such.pem")
    with pytest.raises(exceptions.ConfigError, match="cert and key"):
        sparkeeper.connect(spark)


def visit(batches):
    """In a task: connect with nothing given, take a lock, and say what was found."""
    import pyarrow as pa  # noqa: PLC0415 - in the executor

    import sparkeeper  # noqa: PLC0415

    for batch in batches:
        with sparkeeper.connect() as zk, zk.lock("visits", timeout=60) as held:
            count = int(zk.get("count")[0]) + batch.num_rows
            zk.set("count", str(count).encode(), guard=held)
            rows = [{"namespace": zk.namespace, "owner": zk.owner, "token": held.token}]
        yield pa.RecordBatch.from_pylist(rows)


_SCHEMA = "namespace string, owner string, token long"


def test_a_task_gets_what_the_driver_set_after_the_start(spark, settings, connect_string, namespace):
    settings(connect=connect_string, namespace=namespace)
    with sparkeeper.connect(spark) as zk:
        zk.create("count", b"0")
        rows = spark.range(0, 60, 1, 6).mapInArrow(visit, _SCHEMA).collect()
        assert zk.get("count")[0] == b"60"
        assert zk.lock("visits").contenders() == []
    assert {row.namespace for row in rows} == {namespace}
    assert len({row.token for row in rows}) == 6
    assert all(row.owner.startswith(f"{spark.sparkContext.applicationId} @ ") for row in rows)


def test_a_task_without_settings_is_told_what_to_set(spark):
    def lost(batches):
        list(batches)
        import sparkeeper  # noqa: PLC0415

        sparkeeper.connect()
        yield from ()

    with pytest.raises(Exception, match=r"ConfigError.*spark\.zookeeper\.connect"):
        spark.range(1).mapInArrow(lost, "x long").collect()


def test_handles_travel_into_tasks_of_every_kind(spark, zk):
    lock = zk.lock("rdd", timeout=60)
    zk.create("sum", b"0")

    def add(numbers):
        with lock as held:
            total = int(zk.get("sum")[0]) + sum(numbers)
            zk.set("sum", str(total).encode(), guard=held)
            yield held.token

    tokens = spark.sparkContext.parallelize(range(100), 4).mapPartitions(add).collect()
    assert len(set(tokens)) == 4
    assert zk.get("sum")[0] == str(sum(range(100))).encode()


_CONNECT = """
import pyarrow as pa
from pyspark.sql import SparkSession

where, namespace = sys.argv[1:]
spark = SparkSession.builder.remote("local[2]").config("spark.ui.enabled", "false").getOrCreate()

def visit(batches):
    import sparkeeper  # noqa: PLC0415
    for batch in batches:
        with sparkeeper.connect() as zk, zk.lock("visits", timeout=60) as held:
            yield pa.RecordBatch.from_pylist([{"namespace": zk.namespace, "token": held.token}])

try:
    sparkeeper.connect(spark)
except exceptions.ConfigError as error:
    say(str(error))
spark.conf.set("spark.zookeeper.connect", where)
spark.conf.set("spark.zookeeper.namespace", namespace)
with sparkeeper.connect(spark) as zk:
    rows = spark.range(0, 40, 1, 4).mapInArrow(visit, "namespace string, token long").collect()
    say({"kind": type(spark).__module__, "where": zk.connect_string, "state": zk.state, "owner": zk.owner,
         "namespaces": sorted({row.namespace for row in rows}), "tokens": len({row.token for row in rows})})
spark.stop()
"""


def test_a_spark_connect_session_and_its_tasks(connect_string, namespace):
    with Program(_CONNECT, connect_string, namespace, PYSPARK_PYTHON=__import__("sys").executable) as program:
        assert "no spark.zookeeper.connect" in program.answer(120)
        found = program.answer(120)
        assert program.wait(60) == 0
    assert "connect" in found.pop("kind")
    owner = found.pop("owner")
    assert " @ " in owner
    assert not owner.startswith("python"), "the application's id is known under Connect, too"
    assert found == {"where": connect_string, "state": "CONNECTED", "namespaces": [namespace], "tokens": 4}
