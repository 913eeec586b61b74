"""`sparkeeper.doctor(spark)`: sessions that are well, those that are not, and what it makes of what it finds."""

from __future__ import annotations

import contextlib
import socket

import pytest

import sparkeeper
from secured import Authority, tls_server
from sparkeeper import exceptions
from sparkeeper.local import LocalServer
from sparkeeper.local.ports import HOST, free_ports
from sparkeeper.local.settings import ServerSettings
from sparkeeper.spark.checkup import Process
from sparkeeper.spark.checkup_server import Server, look
from sparkeeper.spark.checkup_verdict import findings
from waiting import wait_for


@pytest.fixture
def connected(spark, connect_string):
    spark.conf.set("spark.zookeeper.connect", connect_string)
    yield spark
    spark.conf.unset("spark.zookeeper.connect")


def test_a_session_that_is_well(connected, connect_string):
    found = sparkeeper.doctor(connected, probes=4)
    assert found.ok
    assert found.findings == ()
    (executor,) = found.executors
    assert (executor.sparkeeper, executor.python) == (found.driver.sparkeeper, found.driver.python)
    assert (found.driver.error, executor.error) == (None, None)
    assert 5 < executor.lease <= 10
    assert 0 < executor.round_trip < 10
    assert abs(executor.ahead) <= executor.uncertain + 0.1
    (server,) = found.servers
    assert (server.address, server.limit) == (connect_string, 0)
    assert server.most >= 1
    assert str(found).endswith("All is well.")


def test_it_needs_to_know_where_the_ensemble_is(spark):
    with pytest.raises(exceptions.ConfigError, match=r"no spark\.zookeeper\.connect"):
        sparkeeper.doctor(spark)


def test_an_ensemble_that_is_not_there(spark):
    (port,) = free_ports(1)
    spark.conf.set("spark.zookeeper.connect", f"127.0.0.1:{port}")
    try:
        found = sparkeeper.doctor(spark, probes=1, timeout=0.5)
    finally:
        spark.conf.unset("spark.zookeeper.connect")
    assert not found.ok
    assert [one.kind for one in found.findings] == ["unreachable", "unreachable", "not_told"]
    assert f"127.0.0.1:{port}" in str(found)
    assert "Not well" in str(found)


@pytest.fixture
def full_server():
    """One that has as many connections of this machine as it takes."""
    # It ends connections that begin no session, usually after ten seconds.
    patient = {"zookeeper.nio.sessionlessCnxnTimeout": "600000"}
    settings = ServerSettings(extra={"maxClientCnxns": "4"}, properties=patient)
    with contextlib.ExitStack() as stack:
        running = stack.enter_context(LocalServer(settings=settings))
        address = (HOST, running.port)
        # Not yet full where the connections by which its start was awaited are still going.
        wait_for(lambda: fills(stack, address), 60, "the server to be full")
        yield running


def fills(stack, address):
    try:
        link = stack.enter_context(socket.create_connection(address, 10))
        link.settimeout(0.5)
        return not link.recv(1)
    except ConnectionError:
        return True
    except TimeoutError:
        return False


def test_a_server_that_takes_no_more_connections(spark, full_server):
    spark.conf.set("spark.zookeeper.connect", full_server.connect_string)
    try:
        found = sparkeeper.doctor(spark, probes=1, timeout=2)
    finally:
        spark.conf.unset("spark.zookeeper.connect")
    assert [one.kind for one in found.findings] == ["connections"] * 3
    assert not found.ok
    assert (found.driver.full, found.executors[0].full) == (full_server.connect_string,) * 2
    for one in found.findings:
        assert full_server.connect_string in one.what
        assert "maxClientCnxns" in one.advice


def test_a_server_that_speaks_tls_only_is_not_thought_full(tmp_path):
    authority = Authority(tmp_path)
    with tls_server(authority.issue("localhost", "127.0.0.1"), authority.ca) as running:
        (server,) = look(running.connect_string, 1)
    assert (server.version, server.full) == (None, False)


def test_over_spark_connect(start_driver):
    found = start_driver().ask("doctor", probes=2)
    assert found.get("ok"), found
    assert len(found["executors"]) == 1


def test_every_executor_of_a_cluster_and_one_kind_that_has_no_sparkeeper(start_driver, tmp_path):
    (tmp_path / "sparkeeper.py").write_text("raise ImportError('hidden from executors')")
    cluster = {"classic": True, "master": "local-cluster[2,1,512]"}
    spark = {"spark.executor.memory": "512m", "spark.executorEnv.PYTHONPATH": str(tmp_path)}
    found = start_driver(**cluster, spark=spark).ask("doctor", probes=8)
    assert not found.get("ok"), found
    assert found["kinds"] == ["missing"] * len(found["executors"])
    assert len(found["executors"]) == 2
    assert "hidden from executors" in found["says"]
    assert "spark.archives" in found["says"]


def process(name="driver", **changed):
    usual = {"workers": 1, "python": "3.11.7", "executable": "python", "pyspark": "4.3.0", "sparkeeper": "0.1.0"}
    times = {"error": None, "full": None, "lease": 10.0, "round_trip": 0.01, "ahead": 0.0, "uncertain": 0.01}
    return Process(**{"name": name, **usual, **times, **changed})


def kinds(executors, servers=(), known=None, failure=None):
    return [one.kind for one in findings(process(), executors, servers, known=known, failure=failure)]


def test_what_the_doctor_makes_of_what_it_finds():
    assert kinds([process("a / 1")]) == []
    assert kinds([process("a / 1", sparkeeper="0.2.0")]) == ["versions"]
    assert kinds([process("a / 1", pyspark="4.2.0")]) == ["versions"]
    assert kinds([process("a / 1", ahead=-3.0)]) == ["clock"]
    # A link so slow that nobody can say.
    assert kinds([process("a / 1", ahead=-3.0, uncertain=4.0)]) == []
    assert kinds([process("a / 1")], known=3) == ["unseen"]
    assert kinds([], failure="PySparkRuntimeError: [PYTHON_VERSION_MISMATCH] Python in worker has 3.9") == ["no_task"]


@pytest.mark.parametrize(
    ("server", "expected"),
    [
        (Server("z:2181", "3.9.5", 60, 5), []),
        (Server("z:2181", "3.9.5", 0, 5000), []),
        (Server("z:2181", "3.9.5", 60, 45), ["connections"]),
        (Server("z:2181", "3.9.5", None, None), ["not_told"]),
        (Server("z:2181", None, None, None), ["not_told"]),
        (Server("z:2181", None, None, None, full=True), ["connections"]),
    ],
)
def test_whether_the_servers_take_what_may_come(server, expected):
    executors = [process("a / 1", workers=4), process("a / 2", workers=4), process("b / 3", workers=2)]
    assert kinds(executors, [server]) == expected


def test_another_python_is_named_with_what_to_set():
    text = "Traceback ...\nPySparkRuntimeError: [PYTHON_VERSION_MISMATCH] Python in worker has different version: 3.9"
    (found,) = findings(process(), [], [], known=None, failure=text)
    assert "Python in worker has different version: 3.9" in found.what
    assert "PYSPARK_PYTHON" in found.advice


def test_a_sentence_of_sparks_ends_with_one_full_stop():
    (found,) = findings(process(), [], [], known=None, failure="pyspark.errors.SparkError: PyArrow was not found.")
    assert str(found).startswith("no task answered: pyspark.errors.SparkError: PyArrow was not found. Spark's own log")
