"""Writes to S3 through S3A, on a local server: no renames, no directories, but a file appears whole."""

from __future__ import annotations

import pytest

from drivers import Driver
from s3 import BUCKET, S3, committer_jars, s3a_jars
from sparkeeper.local.ports import HOST, free_ports

BODIES = [
    "test_write:test_append_adds_and_overwrite_replaces",
    "test_write:test_a_blind_overwrite_replaces_it_and_an_append_rebases",
    "test_write:test_a_callback_that_raises_rolls_back",
    "test_write:test_a_job_that_fails_in_spark_leaves_nothing",
    "test_write_shapes:test_partition_values_survive",
    "test_write_shapes:test_two_levels_of_partitions",
]


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    with S3() as server:
        yield server, server.spark_settings(s3a_jars(tmp_path_factory.mktemp("jars")))


@pytest.fixture(scope="module")
def s3(settings):
    return settings[0]


@pytest.fixture(scope="module")
def driver(connect_string, settings, tmp_path_factory):
    """One Spark for what ends well; its jars cannot be given to the one that runs already."""
    log = tmp_path_factory.mktemp("s3") / "driver.log"
    with Driver(connect_string, log, namespace="test", master="local[2]", spark=settings[1]) as running:
        yield running


@pytest.fixture
def name(namespace):
    return namespace.rpartition("/")[2]


@pytest.mark.parametrize("body", BODIES, ids=lambda body: body.partition(":")[2])
def test_it_does_what_a_disk_does(driver, name, body):
    assert driver.ask("call", function=body, path=f"s3a://{BUCKET}/{name}") == {"done": 1}


def test_spellings_are_one_table_and_a_copy_is_refused(driver, s3, name):
    for version, spelling in enumerate(
        [f"s3://{BUCKET}/{name}", f"s3a://{BUCKET}//{name}/", f"S3N://{BUCKET}/{name}"], 1
    ):
        assert driver.ask("write", path=spelling, rows=[0, 10]).get("version") == version
    assert driver.ask("count", path=f"s3a://{BUCKET}/{name}") == {"rows": 30}
    for key in s3.keys(name):
        source = {"Bucket": BUCKET, "Key": f"{name}/{key}"}
        s3.client.copy_object(Bucket=BUCKET, Key=f"{name}-copy/{key}", CopySource=source)
    answer = driver.ask("write", path=f"s3a://{BUCKET}/{name}-copy", rows=[0, 10])
    assert answer["error"] == "NotATable"
    assert "copied or moved" in answer["text"]


def test_a_first_mirror_that_was_begun_is_completed(driver, s3, name):
    table = f"s3a://{BUCKET}/{name}"
    assert driver.ask("write", path=table, rows=[0, 100]).get("version") == 1
    # A writer that died between its puts left the first.
    for later in ("19.compact", "20"):
        s3.client.delete_object(Bucket=BUCKET, Key=f"{name}/_spark_metadata/{later}")
    assert driver.ask("write", path=table, rows=[100, 200]).get("version") == 2
    assert {f"_spark_metadata/{one}" for one in ("9.compact", "19.compact", "20", "21")} <= set(s3.keys(name))
    assert driver.ask("count", path=table) == {"rows": 200}


@pytest.fixture(scope="module")
def magic_driver(connect_string, s3, tmp_path_factory):
    """One whose tasks commit by S3A's magic committer."""
    jars = tmp_path_factory.mktemp("jars")
    settings = s3.magic_settings([*s3a_jars(jars), *committer_jars(jars)])
    log = tmp_path_factory.mktemp("magic") / "driver.log"
    with Driver(connect_string, log, namespace="test", master="local[2]", spark=settings) as running:
        yield running


@pytest.mark.parametrize("body", BODIES, ids=lambda body: body.partition(":")[2])
def test_it_does_what_a_disk_does_with_the_magic_committer(magic_driver, name, body):
    assert magic_driver.ask("call", function=body, path=f"s3a://{BUCKET}/{name}") == {"done": 1}


def test_the_magic_committer_saves_two_copies_of_three(driver, magic_driver, s3, name):
    copies = {}
    for committer, writer in (("default", driver), ("magic", magic_driver)):
        with s3.copies() as copied:
            answer = writer.ask("write", path=f"s3a://{BUCKET}/{name}-{committer}", rows=[0, 100])
        assert answer.get("files") == 2, answer
        copies[committer] = len(copied)
        assert writer.ask("count", path=f"s3a://{BUCKET}/{name}-{committer}") == {"rows": 100}
        assert not [key for key in s3.keys(f"{name}-{committer}") if "magic" in key or "_temporary" in key]
    assert copies == {"default": 6, "magic": 2}


@pytest.mark.parametrize("step", ["STAGED", "RELOCATED", "COMMITTED"])
def test_killed_and_run_again(driver, start_driver, settings, name, step):
    table = f"s3a://{BUCKET}/{name}"
    assert driver.ask("write", path=table, rows=[0, 100]).get("version") == 1
    dying = start_driver(classic=True, namespace="test", spark=settings[1])
    dying.tell("write", path=table, rows=[1000, 1300], mode="overwrite", job_id=name, at=[step, "SIGKILL"])
    dying.wait_killed()
    assert driver.ask("count", path=table) == {"rows": 100}
    again = driver.ask("write", path=table, rows=[1000, 1300], mode="overwrite", job_id=name)
    assert (again["version"], again["replayed"]) == (2, step == "COMMITTED")
    assert driver.ask("count", path=table) == {"rows": 300}
    assert driver.ask("call", function="tables:settle", path=table) == {"done": 1}


@pytest.fixture
def client(start_driver, settings, monkeypatch):
    """A Spark Connect client, and the environment by which pyarrow reaches the server."""
    s3, spark = settings
    (port,) = free_ports(1)
    plugin = "org.apache.spark.sql.connect.SparkConnectPlugin"
    connect = {"spark.plugins": plugin, "spark.connect.grpc.binding.port": str(port)}
    start_driver(classic=True, spark={**spark, **connect}).ready()
    for key, value in s3.environment().items():
        monkeypatch.setenv(key, value)
    # As if it were classic: the server that others share has no S3.
    return start_driver(classic=True, namespace="test", remote=f"sc://{HOST}:{port}")


def test_a_spark_connect_client_reaches_it_by_pyarrow(client, driver, name):
    table = f"s3a://{BUCKET}/{name}"
    assert client.ask("write", path=table, rows=[0, 100]).get("version") == 1
    assert client.ask("write", path=f"s3://{BUCKET}/{name}/", rows=[100, 200]).get("version") == 2
    # What one kind of session wrote the other goes on with.
    assert driver.ask("write", path=table, rows=[200, 300]).get("version") == 3
    assert client.ask("write", path=table, rows=[0, 50], mode="overwrite").get("version") == 4
    assert driver.ask("count", path=table) == {"rows": 50}
    assert driver.ask("call", function="tables:settle", path=table) == {"done": 1}
    refused = client.ask("write", path="hdfs://nowhere/t", rows=[0, 1])
    assert refused["error"] == "ConfigError"
    assert "file: and s3: paths only" in refused["text"]
