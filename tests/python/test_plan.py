"""Publishing and loading partition plans: one definition for all, over a real ZooKeeper and real counts."""

from __future__ import annotations

import hashlib
import json
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pytest
from pyspark.sql.functions import col

import sparkeeper
from sparkeeper.exceptions import ConfigError, NoNode, PayloadTooLarge


def test_the_first_job_publishes_and_the_others_load(spark, zk, connect_string, namespace):
    letters = spark.createDataFrame([("a",)] * 5 + [("b",)] * 3 + [("c",)] * 2, "letter string")
    plan = zk.partition_plan("letters", letters, by=["letter"], partitions=2)
    assert plan.version == 1
    assert plan.certificate.loads == [5, 5]
    assert plan.certificate.gap == 0.0
    with sparkeeper.connect(connect_string, namespace=namespace) as other:
        assert other.partition_plan("letters") == plan
        # Other data, the same definition: what is published stands.
        assert other.partition_plan("letters", letters.limit(1), by="letter", partitions=2) == plan
        assert other.partition_plan("letters", by=["letter"]) == plan
    assert pickle.loads(pickle.dumps(plan)) == plan
    assert repr(plan) == "PartitionPlan('letters', version=1, by=['letter'], partitions=2, keys=3, max/mean=1.0000)"


def test_an_operator_can_read_the_znode(spark, zk):
    zk.partition_plan("p", spark.range(10), by=["id % 3"], partitions=2)
    head = json.loads(zk.get("plans/p")[0])
    assert head["format"] == "sparkeeper.partition_plan_head.v2"
    (version,) = head["versions"]
    (page,) = zk.children("plans/p")
    assert (version["version"], version["pages"], version["node"] + "-0") == (1, 1, page)
    document = json.loads(zk.get(f"plans/p/{page}")[0])
    assert document["format"] == "sparkeeper.partition_plan.v2"
    assert (document["unit"], document["buckets"], document["replaced"]) == ("1", None, None)
    assert sum(document["plain_loads"]) == 10
    assert document["columns"] == [{"by": "id % 3", "type": "bigint"}]
    assert document["partitions"] == 2
    assert document["keys"] == [
        {"key": [0], "partition": 0, "weight": 4},
        {"key": [1], "partition": 1, "weight": 3},
        {"key": [2], "partition": 1, "weight": 3},
    ]
    assert document["certificate"]["loads"] == [4, 6]
    assert document["certificate"]["lower_bound"] == 6
    assert spark.conf.get("spark.app.id") in document["created_by"]


def test_of_jobs_that_race_one_publishes_and_all_use_its_plan(spark, connect_string, namespace):
    jobs = 4
    start = threading.Barrier(jobs)

    def job(number):
        df = spark.range(100 + number)
        with sparkeeper.connect(connect_string, namespace=namespace) as zk:
            start.wait()
            return zk.partition_plan("raced", df, by=["id % 7"], partitions=3)

    with ThreadPoolExecutor(jobs) as pool:
        plans = list(pool.map(job, range(jobs)))
    with sparkeeper.connect(connect_string, namespace=namespace) as zk:
        published = zk.partition_plan("raced")
    assert sum(published.certificate.loads) in range(100, 100 + jobs)
    assert plans == [published] * jobs


def test_the_loser_of_the_race_loads_the_winners_plan(spark, zk, connect_string, namespace):
    with sparkeeper.connect(connect_string, namespace=namespace) as winner:

        class Late:
            """A coordinator whose first look comes just before the winner publishes."""

            def __init__(self):
                self.reads = 0

            def __getattr__(self, name):
                return getattr(zk, name)

            def get(self, path):
                self.reads += 1
                try:
                    return zk.get(path)
                finally:
                    if self.reads == 2:
                        winner.partition_plan("late", spark.range(10), by=["id % 2"], partitions=2)

        from sparkeeper.spark.plan import partition_plan  # noqa: PLC0415 - the function behind the method

        late = Late()
        plan = partition_plan(late, "late", spark.range(99), by=["id % 2"], partitions=2)
        assert plan == winner.partition_plan("late")
        assert plan.certificate.loads == [5, 5]
        assert len(zk.children("plans/late")) == 1, "the loser took its pages away"


@pytest.mark.parametrize("asked", [{"by": ["id % 4"]}, {"partitions": 3}, {"by": ["id % 3", "id"], "partitions": 2}])
def test_another_definition_is_refused_and_both_are_named(spark, zk, asked):
    zk.partition_plan("p", spark.range(10), by=["id % 3"], partitions=2)
    with pytest.raises(ConfigError) as caught:
        zk.partition_plan("p", spark.range(10), **asked)
    text = str(caught.value)
    assert "by=['id % 3'], partitions=2" in text
    assert all(f"{name}={value!r}" in text for name, value in asked.items())
    assert "delete /plans/p" in text


def test_a_plan_that_nobody_published_needs_data_and_a_definition(spark, zk):
    with pytest.raises(NoNode, match="no partition plan 'p' is published at /plans/p"):
        zk.partition_plan("p")
    with pytest.raises(ConfigError, match="by and partitions is missing"):
        zk.partition_plan("p", spark.range(1))
    with pytest.raises(ConfigError, match="partitions is missing"):
        zk.partition_plan("p", spark.range(1), by="id")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"weights": 3}, "weights=3: expected 'count', 'bytes'"),
        ({"weights": "nothing"}, "weights='nothing': Spark cannot compute it"),
        ({"weights": "string(id)"}, "is of type string: weights are numbers"),
        ({"weights": "sum(id)"}, "weights='sum\\(id\\)': Spark cannot compute it for each row"),
        ({"weights": "id - 1"}, "has 1 rows that are negative"),
        ({"weights": "double('NaN')"}, "has 3 rows that are negative, NaN"),
        ({"weights": "1e16"}, "10\\^16 and more"),
        ({"split_heavy": 1}, "split_heavy=1: expected True or False"),
        ({"buckets": 0}, "buckets=0: expected a whole number from 1 to 1,048,576"),
        ({"buckets": 2**20 + 1}, "from 1 to 1,048,576"),
        ({"version": 1}, "leave out df"),
        ({"version": 0}, "version=0: expected a whole number from 1 on"),
        ({"version": True}, "version=True"),
        ({"by": ["id", "rand()"]}, "gives a row another key each time"),
        ({"by": ["id", "id"]}, "names one of them twice"),
        ({"by": ["nothing"]}, r"by=\['nothing'\]: Spark cannot compute it"),
        ({"by": ["explode(array(1, 2))"]}, "one value for each row"),
        ({"by": ["max(id)"]}, "one value for each row"),
        ({"by": ["map(id, 1)"]}, r"cannot plan by 'map\(id, 1\)' of type map<bigint,int>.*to_json"),
        ({"by": ["named_struct('m', map(id, 1))"]}, "Spark groups and hashes no such values"),
        ({"by": ["NULL"]}, "of type void"),
        ({"by": 3}, "by has 3"),
        ({"name": 3}, "one path element"),
        ({"name": ".."}, "one path element"),
        ({"partitions": 0}, "from 1 to 100,000"),
        ({"partitions": True}, "from 1 to 100,000"),
        ({"partitions": 2.0}, "from 1 to 100,000"),
        ({"by": []}, "by is empty"),
        ({"by": [""]}, "by has ''"),
        ({"by": ["id, 'k1', id"]}, "one expression in each element"),
        ({"name": "a/b"}, "one path element"),
        ({"name": ""}, "one path element"),
    ],
)
def test_what_cannot_be_planned_is_refused(spark, zk, arguments, text):
    call = {"name": "p", "df": spark.range(3), "by": ["id"], "partitions": 2} | arguments
    with pytest.raises(ConfigError, match=text):
        zk.partition_plan(**call)
    with pytest.raises(NoNode):
        zk.get("plans/p")


def test_a_column_object_is_refused_because_other_jobs_need_text(spark, zk):
    with pytest.raises(ConfigError, match="'value % 2' for col"):
        zk.partition_plan("p", spark.range(3), by=[col("id") % 2], partitions=2)


def test_keys_longer_than_a_plan_are_refused_and_nothing_is_published(spark, zk):
    long = spark.range(40).selectExpr("concat(repeat('x', 1000000), id) AS k")
    with pytest.raises(PayloadTooLarge, match=r"40 keys are too long.*buckets=4096"):
        zk.partition_plan("long", long, by=["k"], partitions=4)
    with pytest.raises(NoNode):
        zk.partition_plan("long")
    assert zk.partition_plan("long", long, by=["k"], partitions=4, buckets=64).certificate.max_load < 40


def test_a_plan_above_a_mebibyte_stands_on_several_pages(spark, zk):
    long = spark.range(10_000).selectExpr("concat(repeat('x', 100), id) AS k")
    plan = zk.partition_plan("long", long, by=["k"], partitions=4)
    pages = zk.children("plans/long")
    assert len(pages) == 3
    assert zk.partition_plan("long") == plan
    zk.delete(f"plans/long/{sorted(pages)[2]}")
    with pytest.raises(ConfigError, match="/plans/long names pages that are not there"):
        zk.partition_plan("long")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"weight":4', b'"weight":5'),
        (b'{"key":[0],"partition":0', b'{"key":[0],"partition":1'),
        (b'{"key":[0],"partition":0', b'{"key":[0],"partition":-1'),
        (b'{"key":[0],"partition":0,"weight":4}', b'{"key":[0],"partition":[],"weight":[]}'),
        (b'"partitions": 2', b'"partitions": 3'),
        (b'"key":[2]', b'"key":[1]'),
        (b"partition_plan.v2", b"partition_plan.v3"),
        (b'"keys": [', b'"kegs": ['),
        (b"\n]\n}\n", b""),
    ],
)
@pytest.mark.parametrize("careful", [False, True], ids=["page", "page-and-head"])
def test_a_plan_changed_by_hand_is_refused(small, zk, old, new, careful):
    head, page, data = small
    assert old in data
    changed = data.replace(old, new)
    zk.create("plans/p", head)
    zk.create(f"plans/p/{page}", changed)
    if careful:
        fields = json.loads(head)
        fields["versions"][0] |= {"bytes": len(changed), "sha256": hashlib.sha256(changed).hexdigest()}
        zk.set("plans/p", json.dumps(fields).encode())
    with pytest.raises(ConfigError, match=r"/plans/p/1-[0-9a-f]+ holds no partition plan"):
        zk.partition_plan("p")


@pytest.fixture(scope="module")
def small(spark, connect_string):
    """The head, the name and the text of the page of a small plan."""
    with sparkeeper.connect(connect_string, namespace="test/small-plan") as zk:
        zk.partition_plan("p", spark.range(10), by=["id % 3"], partitions=2)
        (page,) = zk.children("plans/p")
        return zk.get("plans/p")[0], page, zk.get(f"plans/p/{page}")[0]


@pytest.mark.parametrize("head", [b"{}", b"[]", b"text", b'{"format": "other"}', b'{"format": ', b"\xff"])
def test_what_is_no_plan_is_refused(zk, head):
    zk.create("plans/p", head)
    with pytest.raises(ConfigError, match="/plans/p holds no partition plan"):
        zk.partition_plan("p")


def test_keys_come_out_as_arrow_in_their_own_types(spark, zk):
    rows = spark.sql(
        "SELECT * FROM VALUES (1, date'2013-01-01', 1.50BD, X'00FF', timestamp'2013-01-01 05:00:00.000001Z', 'x'), "
        "(NULL, NULL, NULL, NULL, NULL, NULL) AS t(i, d, n, b, t, s)"
    )
    plan = zk.partition_plan("typed", rows.union(rows.limit(1)), by=["i", "d", "n", "b", "t", "s"], partitions=2)
    table = plan.to_arrow()
    assert table.schema.types == [
        pa.int32(),
        pa.date32(),
        pa.decimal128(3, 2),
        pa.binary(),
        pa.timestamp("us", "UTC"),
        pa.string(),
        pa.int32(),
        pa.int64(),
    ]
    assert table.column_names == ["i", "d", "n", "b", "t", "s", "partition", "weight"]
    first, second = table.to_pylist()
    assert (first["n"].as_tuple().digits, first["b"], first["t"].microsecond) == ((1, 5, 0), b"\x00\xff", 1)
    assert (first["partition"], first["weight"], second["partition"], second["weight"]) == (0, 2, 1, 1)
    assert [second[name] for name in "idnbts"] == [None] * 6
