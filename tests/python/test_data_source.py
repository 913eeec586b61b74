"""The data source `zookeeper`: a subtree read as a table, beside what the server has."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import sys
import threading

import pytest
from pyspark.errors import PySparkException

import sparkeeper
from program import Program
from sparkeeper import exceptions

CHANGES = ["event", "zxid"]
COLUMNS = [
    "path",
    "parent",
    "name",
    "data",
    "text",
    "version",
    "czxid",
    "mzxid",
    "ctime",
    "mtime",
    "ephemeral_owner",
    "num_children",
]


@pytest.fixture
def read(registered):
    """Reads a path of the test's namespace."""

    def frame(path="/", **options):
        return registered.read.format("zookeeper").options(**options).load(path)

    return frame


def make(zk, tree):
    for path, data in tree.items():
        zk.create(path, data)


def paths(frame):
    return sorted(row.path for row in frame.collect())


def on_server(zk, path):
    found = [path]
    for name in zk.children(path):
        found += on_server(zk, f"{path.rstrip('/')}/{name}")
    return sorted(found)


def test_a_row_says_what_the_server_does(zk, read):
    zk.create("config/db", b'{"port": 5432}')
    zk.set("config/db", b'{"port": 5433}')
    zk.create("config/db/here", b"\xff", ephemeral=True)
    frame = read("config")
    assert frame.columns == COLUMNS + CHANGES
    rows = {row.path: row for row in frame.collect()}
    assert sorted(rows) == ["/config", "/config/db", "/config/db/here"]
    for path, row in rows.items():
        data, stat = zk.get(path)
        moment = lambda milliseconds: dt.datetime.fromtimestamp(milliseconds / 1000)  # noqa: DTZ006, E731 - Spark's
        assert (row.parent, row.name) == (path.rpartition("/")[0] or "/", path.rpartition("/")[2])
        assert (bytes(row.data), row.version, row.czxid, row.mzxid) == (data, stat.version, stat.czxid, stat.mzxid)
        assert (row.ctime, row.mtime) == (moment(stat.ctime), moment(stat.mtime))
        assert (row.ephemeral_owner, row.num_children) == (stat.ephemeral_owner, stat.num_children)
        assert (row.event, row.zxid) == (None, None)
    assert rows["/config/db"].text == '{"port": 5433}'
    assert rows["/config/db/here"].text is None
    assert rows["/config/db/here"].ephemeral_owner == zk.session_id


@pytest.mark.parametrize("partitions", [1, 3, 64])
def test_every_node_is_in_one_partition(zk, read, partitions):
    # A wide level below a narrow one, leaves beside subtrees, and a chain.
    make(zk, {f"t/a/{n:02}/{m}": b"" for n in range(12) for m in range(3)})
    make(zk, {f"t/leaf-{n}": b"" for n in range(5)})
    make(zk, {"t/" + "/".join("chain"): b""})
    frame = read("/t", partitions=partitions)
    assert paths(frame) == on_server(zk, "/t")
    assert frame.rdd.getNumPartitions() <= partitions
    if partitions == 3:
        sizes = frame.rdd.glom().map(len).collect()
        assert min(sizes) > len(on_server(zk, "/t")) / 6, sizes


def test_the_whole_namespace_and_batches_of_it(zk, read):
    # More rows than a batch has, and more bytes.
    for start in range(0, 9000, 90):
        with zk.multi() as batch:
            for n in range(start, start + 90):
                batch.create(f"/n{n:05}", b"x" * (10_000 if n < 900 else 1))
    frame = read(partitions=1)
    assert frame.count() == 9001
    root = frame.where("path = '/'").collect()[0]
    assert (root.parent, root.name, root.num_children) == (None, "", 9000)
    assert frame.selectExpr("sum(length(data)) AS bytes").collect()[0].bytes == 900 * 10_000 + 8100


def test_depth_and_glob_choose(zk, read):
    make(zk, dict.fromkeys(["s/api/v1/leader", "s/api/leader", "s/web/v1/leader", "s/web/v2", "other"], b""))
    for spelled in ("/s", "s", "s/", "/s/"):
        assert paths(read(spelled, depth=0)) == ["/s"]
    assert paths(read("/s", depth=1)) == ["/s", "/s/api", "/s/web"]
    assert paths(read("/s", glob="*/v?/leader")) == ["/s/api/v1/leader", "/s/web/v1/leader"]
    assert paths(read("/s", glob="**/leader", depth=2)) == ["/s/api/leader"]
    assert paths(read("/", glob="s/[!a]*")) == ["/s/web"]
    assert paths(read("/s", glob="nothing")) == []


def test_text_is_decoded_as_asked(zk, read):
    make(zk, {"d/json": b'{"a": [1]}', "d/words": "über".encode(), "d/bytes": b"\xff\x00"})
    texts = {
        decode: {row.name: row.text for row in read("/d", decode=decode, glob="*").collect()}
        for decode in ("text", "json", "none")
    }
    assert texts["text"] == {"json": '{"a": [1]}', "words": "über", "bytes": None}
    assert texts["json"] == {"json": '{"a": [1]}', "words": None, "bytes": None}
    assert texts["none"] == {"json": None, "words": None, "bytes": None}
    ports = read("/d", decode="json").selectExpr("from_json(text, 'a array<int>').a[0] AS a").where("a IS NOT NULL")
    assert ports.collect() == [(1,)]


def test_a_schema_of_ones_own_leaves_columns_out(zk, registered):
    zk.create("c", b"1")
    frame = registered.read.format("zookeeper").schema("name string, version int").load("/c")
    assert frame.collect() == [("c", 0)]
    wrong = registered.read.format("zookeeper").schema("name string, size int").load("/c")
    with pytest.raises(PySparkException, match=r"ConfigError.*column size int; choose among path string"):
        wrong.collect()


def test_nodes_that_go_and_come_during_the_walk_are_no_error(zk, read):
    make(zk, {f"w/stays-{n}/x": b"" for n in range(30)})
    stop = threading.Event()

    def churn():
        n = 0
        while not stop.is_set():
            n += 1
            zk.create(f"w/moves-{n % 7}/x/y", b"")
            zk.delete(f"w/moves-{n % 7}", recursive=True)

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        for _ in range(3):
            found = paths(read("/w", glob="stays-*/**"))
            assert len(found) == 60
            assert set(paths(read("/w"))) >= set(found)
    finally:
        stop.set()
        thread.join()


def test_what_is_wrong_is_said(read):
    for options, message in [
        ({"depth": "-1"}, "option depth='-1': give a whole number from 0"),
        ({"depth": "two"}, "option depth='two'"),
        ({"partitions": 0}, "option partitions='0': give a whole number from 1"),
        ({"decode": "xml"}, "option decode='xml': give text, json or none"),
        ({"glob": "a/[b"}, r"glob 'a/\[b': a '\[' is not closed"),
        ({"dept": "1"}, "there is no option 'dept' here; give some of path, depth"),
        ({"push_filters": "perhaps"}, "option push_filters='perhaps': give false or true"),
        ({"session.timeout": "soon"}, r"session\.timeout='soon'"),
    ]:
        with pytest.raises(PySparkException, match=rf"ConfigError.*{message}"):
            read("/", **options).collect()
    for path in ("/a//b", "/a//"):
        with pytest.raises(PySparkException, match=r"InvalidPath.*doubled or trailing slash"):
            read(path).collect()
    with pytest.raises(PySparkException, match=r"NoNode: read '/nowhere': no such node; check the path"):
        read("/nowhere").collect()


def test_a_node_that_may_not_be_read_is_an_error(zk, read):
    bob = base64.b64encode(hashlib.sha1(b"bob:pw", usedforsecurity=False).digest()).decode()
    zk.create("p/open", b"")
    zk.create("p/closed", b"", acl=[("digest", f"bob:{bob}", "r")])
    with pytest.raises(PySparkException, match=r"NotAuthorized.*/p/closed"):
        read("/p").collect()
    assert paths(read("/p", glob="open")) == ["/p/open"]


def test_options_go_before_the_session_and_the_session_is_asked_when_registered(
    registered, zk, connect_string, namespace
):
    zk.create("inner/x", b"")
    frame = registered.read.format("zookeeper").option("namespace", f"{namespace}/inner").load("/")
    assert paths(frame) == ["/", "/x"]
    frame = registered.read.format("zookeeper").option("spark.zookeeper.namespace", f"{namespace}/inner").load("/x")
    assert paths(frame) == ["/x"]
    for name in ("connect", "namespace"):
        registered.conf.unset(f"spark.zookeeper.{name}")
    sparkeeper.register(registered)
    with pytest.raises(PySparkException, match=r"ConfigError.*no ensemble is named; set spark\.zookeeper\.connect"):
        registered.read.format("zookeeper").load("/").collect()
    frame = registered.read.format("zookeeper").options(connect=connect_string, namespace=namespace).load("/inner")
    assert paths(frame) == ["/inner", "/inner/x"]


def test_a_table_by_sql(zk, registered):
    make(zk, {"sql/a": b"1", "sql/b": b"2"})
    registered.sql("CREATE TABLE znodes USING zookeeper OPTIONS (path '/sql', depth 1)")
    try:
        found = registered.sql("SELECT name, int(text) AS n FROM znodes WHERE parent = '/sql' ORDER BY name")
        assert found.collect() == [("a", 1), ("b", 2)]
    finally:
        registered.sql("DROP TABLE znodes")


def test_pyspark_without_data_sources_is_told_so(monkeypatch, spark):
    monkeypatch.setattr("pyspark.__version__", "3.5.1")
    with pytest.raises(exceptions.Unsupported, match=r"3\.5\.1 has no data sources in Python; they came with 4\.0"):
        sparkeeper.register(spark)


_CONNECT = """
from pyspark.sql import SparkSession

url, where, namespace, folder = sys.argv[1:]
spark = SparkSession.builder.remote(url).getOrCreate()
spark.conf.set("spark.zookeeper.connect", where)
spark.conf.set("spark.zookeeper.namespace", namespace)
sparkeeper.register(spark)
rows = spark.createDataFrame([("x", "1"), ("", "root")], "path string, text string")
rows.write.format("zookeeper").mode("append").save("/c")
say([list(row) for row in spark.read.format("zookeeper").load("/c").select("path", "text").orderBy("path").collect()])
changes = spark.readStream.format("zookeeper").load("/c").select("event", "path", "text")
writer = changes.writeStream.format("parquet").option("checkpointLocation", folder + "/c").trigger(availableNow=True)
writer.start(folder + "/out").awaitTermination()
say([list(row) for row in spark.read.parquet(folder + "/out").orderBy("path").collect()])
"""


def test_over_spark_connect(spark_connect, zk, connect_string, namespace, tmp_path):
    arguments = (spark_connect, connect_string, namespace, str(tmp_path))
    with Program(_CONNECT, *arguments, PYSPARK_PYTHON=sys.executable) as program:
        assert program.answer(240) == [["/c", "root"], ["/c/x", "1"]]
        assert program.answer(240) == [["CREATED", "/c", "root"], ["CREATED", "/c/x", "1"]]
        assert program.wait(60) == 0
    assert zk.get("c/x")[0] == b"1"
