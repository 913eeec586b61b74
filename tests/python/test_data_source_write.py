"""Publishing rows with the data source `zookeeper`: whole batches or nothing, under a guard, and what is refused."""

from __future__ import annotations

import threading

import pyarrow as pa
import pytest
from pyspark.errors import PySparkException
from pyspark.sql.types import StringType, StructField, StructType

from sparkeeper import exceptions
from sparkeeper.spark.data_source_options import WRITING, Options, WriteOptions
from sparkeeper.spark.data_source_write import TreeWriter
from trees import on_server


@pytest.fixture
def write(registered):
    """Writes rows of (path, text) below a path of the test's namespace."""

    def publish(rows, path="/config", mode="append", schema="path string, text string", **options):
        frame = registered.createDataFrame(rows, schema) if isinstance(rows, list) else rows
        frame.write.format("zookeeper").options(**options).mode(mode).save(path)

    return publish


def values(zk, path="/config"):
    return {below: data for below, (data, _, _) in on_server(zk, path).items()}


def test_append_creates_and_sets_and_leaves_the_rest(zk, write):
    zk.create("config/kept", b"as it was")
    zk.create("config/db/port", b"old")
    write([("db/port", "5432"), ("db/host/name", "h"), ("/config/web", "1"), ("", "root")])
    assert values(zk) == {
        "": b"root",
        "kept": b"as it was",
        "db": b"",
        "db/port": b"5432",
        "db/host": b"",
        "db/host/name": b"h",
        "web": b"1",
    }


def test_overwrite_leaves_nothing_else_below_and_lands_in_one_step(zk, write):
    for n in range(20):
        zk.create(f"config/old/{n}/leaf", b"")
    zk.create("elsewhere", b"stays")
    write([("new/a", "1"), ("old/3", "2")], mode="overwrite")
    assert values(zk) == {"": b"", "new": b"", "new/a": b"1", "old": b"", "old/3": b"2"}
    assert zk.get("elsewhere")[0] == b"stays"
    found = on_server(zk, "/config")
    # What is new was made, what is old set, and what is gone deleted, at one zxid.
    assert found["new/a"][1] == found["old/3"][2] == zk.exists("config/old").pzxid
    write([], mode="overwrite")
    assert values(zk) == {"": b""}


def test_a_table_that_was_read_is_written_elsewhere(zk, write, registered):
    zk.create("from/a", b"\xff\x00")
    zk.create("from/b/c", "ü".encode())
    read = registered.read.format("zookeeper").load("/from")
    write(read.withColumn("path", read.path.substr(7, 100)), "/to", "overwrite")
    assert values(zk, "/to") == values(zk, "/from")


def test_many_rows_land_batch_by_batch(zk, write, registered):
    # Twelve rows of 300 KiB, three to a batch, and 20,000 small ones.
    large = registered.range(12).selectExpr("concat('large/', id) AS path", "repeat('x', 300 * 1024) AS text")
    small = registered.range(20_000).selectExpr("concat('small/', id) AS path", "string(id) AS text")
    write(large.union(small))
    found = values(zk)
    assert {path: len(data) for path, data in found.items() if path.startswith("large/")} == {
        f"large/{n}": 300 * 1024 for n in range(12)
    }
    assert {path: data for path, data in found.items() if path.startswith("small/")} == {
        f"small/{n}": str(n).encode() for n in range(20_000)
    }
    zxids = {zk.exists(f"config/large/{n}").czxid for n in range(12)}
    assert len(zxids) == 4


def test_others_may_write_there_meanwhile(zk, write):
    stop = threading.Event()

    def churn():
        n = 0
        while not stop.is_set():
            n += 1
            zk.create(f"config/{n % 5}/x", b"theirs")
            zk.delete(f"config/{n % 5}", recursive=True)

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        for round_ in range(3):
            write([(f"{n}/ours", str(round_)) for n in range(50)])
    finally:
        stop.set()
        thread.join()
    found = values(zk)
    assert {found[f"{n}/ours"] for n in range(5, 50)} == {b"2"}


def test_a_guard_that_stands(zk, write):
    with zk.lock("locks/publish") as held:
        write([("a", "1")], guard=held.path, guard_token=held.token)
    assert values(zk)["a"] == b"1"
    zk.create("switch", b"on")
    write([("a", "2")], guard="/switch", guard_version=0)
    assert values(zk)["a"] == b"2"


def test_a_guard_that_does_not_stand_lets_nothing_land(zk, write):
    zk.create("switch", b"on")
    zk.create("config/a", b"0")
    with zk.lock("locks/publish") as held:
        token = held.token
    with zk.lock("locks/publish"):
        for guard in (
            {"guard": "locks/publish", "guard_token": token},
            {"guard": "/switch", "guard_version": 7},
            {"guard": "/nowhere"},
            {"guard": "/nowhere", "guard_token": 5},
        ):
            with pytest.raises(PySparkException, match=r"Fenced: publish below '/config': 0 batches landed"):
                write([("a", "1"), ("b", "1")], "/config", "overwrite", **guard)
    assert values(zk) == {"": b"", "a": b"0"}


def test_bad_rows_are_refused_before_any_lands(zk, write):
    zk.create("config/a", b"0")
    large = [("a", "1"), ("b", "x" * (1 << 20))]
    for rows, error in [
        ([("a", "1"), (None, "2")], "ConfigError.*a row has the path NULL, and the value '2'"),
        ([("a", "1"), ("b", None)], "ConfigError.*cannot write 'b': its value is NULL"),
        ([("a", "1"), ("/config/a", "2")], "ConfigError.*publish '/config/a': two rows name it"),
        ([("a", "1"), ("/other/a", "2")], "ConfigError.*'/other/a': the row is not below '/config'"),
        ([("a", "1"), ("b//c", "2")], "InvalidPath.*doubled or trailing slash"),
        ([("a", "1"), ("b😀", "2")], r"InvalidPath.*'b😀': ZooKeeper does not allow the character U\+1F600"),
        (large, r"PayloadTooLarge.*publish '/.*/config/b': the value has 1048576 bytes.*nothing was sent"),
    ]:
        with pytest.raises(PySparkException, match=error):
            write(rows)
    assert values(zk) == {"": b"", "a": b"0"}


def test_paths_are_checked_in_tasks_before_any_commit(connect_string):
    options = WriteOptions.of(Options({"connect": connect_string, "path": "/config"}, {}, WRITING), overwrite=False)
    schema = StructType([StructField("path", StringType()), StructField("text", StringType())])
    rows = pa.RecordBatch.from_pydict({"path": ["a", "b😀"], "text": ["1", "2"]})
    with pytest.raises(exceptions.InvalidPath, match="U\\+1F600"):
        TreeWriter(options, schema, overwrite=False).write(iter([rows]))


def test_what_is_zookeepers_own_is_left_alone(write):
    for path, row in [("/zookeeper", "quota"), ("/zookeeper/quota", "a"), ("/", "zookeeper/a")]:
        with pytest.raises(PySparkException, match=r"ConfigError.*publish '/zoo.*: what is at and below /zookeeper is"):
            write([(row, "1")], path, namespace="")
    with pytest.raises(PySparkException, match=r"ConfigError.*publish '/zookeeper'"):
        write([], "/zookeeper", "overwrite", namespace="")


def test_a_namespace_may_have_a_node_of_that_name_and_a_path_a_slash_at_its_end(zk, write):
    write([("a", "1")], "zookeeper/")
    assert values(zk, "/zookeeper") == {"": b"", "a": b"1"}


def test_bad_columns_and_options_are_refused(zk, write, registered):
    for rows, schema, error in [
        ([("a",)], "path string", "neither a column data nor a column text"),
        ([("a",)], "text string", "there is no column path"),
        ([(1, "a")], "path int, text string", "column path is int, not string"),
        ([("a", "1")], "path string, data string", "column data is string, not binary"),
        ([("a", "1", 1)], "path string, text string, size int", "column size has no meaning here"),
    ]:
        with pytest.raises(PySparkException, match=f"ConfigError.*{error}"):
            write(rows, schema=schema)
    for path, mode, options, error in [
        ("/", "overwrite", {}, "overwriting '/' would delete everything"),
        ("/config", "append", {"guard_version": 1}, "guard_version and guard_token say more of a guard"),
        ("/config", "append", {"guard": "g", "guard_token": "x"}, "option guard_token='x': give a whole number"),
        ("/config", "append", {"glob": "*"}, "no option 'glob' here; give some of path, guard"),
    ]:
        with pytest.raises(PySparkException, match=f"ConfigError.*{error}"):
            write([("a", "1")], path, mode, **options)
    with pytest.raises(PySparkException, match=r"ConfigError.*no path is given"):
        registered.createDataFrame([("a", "1")], "path string, text string").write.format("zookeeper").mode(
            "append"
        ).save()
    assert zk.exists("/") is None


def test_a_task_that_fails_writes_nothing(zk, write, registered):
    rows = registered.range(0, 4, 1, 2).selectExpr(
        "string(id) AS path", "IF(id = 3, raise_error('no value'), string(id)) AS text"
    )
    with pytest.raises(PySparkException, match="no value"):
        write(rows)
    assert zk.exists("/") is None
