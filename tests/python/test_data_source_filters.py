"""Filters that a read with the data source `zookeeper` does itself: the same rows, for less walking."""

from __future__ import annotations

import pytest
from pyspark.errors import PySparkException
from pyspark.sql.datasource import EqualNullSafe, EqualTo, GreaterThan, In, StringContains, StringStartsWith

from sparkeeper.spark.data_source_filters import understood

ENABLED = "spark.sql.python.filterPushdown.enabled"
FILTERS = [
    "path = '/s/api/v1'",
    "path IN ('/s/api', '/s/web/v1', '/nowhere')",
    "path LIKE '/s/a%'",
    "path LIKE '/s/api/v1%' AND name = 'v1'",
    "parent = '/s'",
    "parent IN ('/', '/s/api')",
    "name = 'v1'",
    "name LIKE 'v%' AND num_children = 0",
    "path <=> '/'",
    "parent <=> NULL",
    "name = 'v1' OR path = '/s'",
    "path = '/s' AND path = '/s/api'",
]


@pytest.fixture
def tree(zk):
    for path in ("s/api/v1", "s/api/v2", "s/api-2/v1", "s/web/v1/x", "other/v1"):
        zk.create(path, b"")


@pytest.fixture
def pushing(registered):
    registered.conf.set(ENABLED, "true")
    yield registered
    registered.conf.unset(ENABLED)


def read(spark, **options):
    return spark.read.format("zookeeper").options(**options).load("/")


@pytest.mark.usefixtures("tree")
def test_the_rows_are_those_of_a_plain_read(pushing):
    for condition in FILTERS:
        pushed = sorted(row.path for row in read(pushing, push_filters=True).where(condition).collect())
        plain = sorted(row.path for row in read(pushing).where(condition).collect())
        assert pushed == plain, condition


@pytest.mark.usefixtures("tree")
def test_it_does_not_walk_where_nothing_is_wanted(zk, pushing):
    # Who may not list a node does not notice it.
    zk.create("closed", b"", acl=[("ip", "192.0.2.1", "r")])
    assert read(pushing, push_filters=True).where("path LIKE '/s/%'").count() == 8
    with pytest.raises(PySparkException, match="NotAuthorized"):
        read(pushing).where("path LIKE '/s/%'").count()


@pytest.mark.usefixtures("tree")
def test_spark_must_be_told_to_push(registered):
    assert read(registered).where("name = 'v1'").count() == 4
    with pytest.raises(PySparkException, match=r"filterPushdown\.enabled"):
        read(registered, push_filters=True).where("name = 'v1'").count()


def test_only_what_is_exact_is_taken():
    assert understood(EqualTo(("path",), "/a")) == ("path", ["/a"])
    assert understood(In(("parent",), ("/a", None))) == ("parent", ["/a"])
    assert understood(StringStartsWith(("name",), "a")) == ("name_prefix", ["a"])
    for left in (
        EqualNullSafe(("parent",), None),
        EqualTo(("text",), "a"),
        EqualTo(("path", "x"), "a"),
        StringStartsWith(("parent",), "/a"),
        StringContains(("path",), "a"),
        GreaterThan(("path",), "/a"),
    ):
        assert understood(left) is None
