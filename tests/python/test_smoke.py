"""Connect, lock, plan and write, once each: what `make test-matrix` runs on every PySpark that is supported."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest
from pyspark.sql.functions import col, spark_partition_id

import sparkeeper

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pyspark.sql import SparkSession


@pytest.fixture
def zk(spark: SparkSession, connect_string: str, namespace: str) -> Iterator[sparkeeper.Coordinator]:
    """A coordinator that found everything in the SparkSession."""
    spark.conf.set("spark.zookeeper.connect", connect_string)
    spark.conf.set("spark.zookeeper.namespace", namespace)
    with sparkeeper.connect(spark) as connected:
        yield connected
    spark.conf.unset("spark.zookeeper.connect")
    spark.conf.unset("spark.zookeeper.namespace")


def test_connect(zk, namespace):
    assert zk.state == "CONNECTED"
    assert zk.namespace == namespace


def test_lock(zk):
    with zk.lock("one", timeout=5) as held:
        held.check()
        assert zk.lock("one").try_acquire() is None
    assert zk.lock("one").contenders() == []


def test_plan(zk, spark):
    numbers = spark.range(100).withColumnRenamed("id", "value")

    def sizes(df):
        return Counter(row["p"] for row in df.select(spark_partition_id().alias("p")).collect())

    plan = zk.partition_plan("parity", numbers, by=["value % 2"], partitions=2)
    assert sizes(numbers.repartition(2, col("value") % 2)) == {1: 100}
    assert sizes(plan.repartition(numbers)) == {0: 50, 1: 50}
    assert zk.partition_plan("parity").partitions == 2


def test_plan_of_many_keys_and_of_heavy_ones(zk, spark):
    rows = spark.range(12_000).selectExpr("IF(id % 4 > 0, -1L, id) AS k", "id AS v")
    for name, settings in {"whole": {}, "buckets": {"buckets": 64}}.items():
        plan = zk.partition_plan(name, rows, by=["k"], partitions=3, split_heavy=True, **settings)
        assert plan.certificate.loads == [4000] * 3
        for spread in ("content", "position"):
            placed = plan.repartition(rows, spread)
            sizes = [row["count"] for row in placed.groupBy(spark_partition_id()).count().collect()]
            assert len(sizes) == 3
            assert max(sizes) < 4_300
            assert placed.exceptAll(rows).count() == 0
            assert plan.verify(rows, spread=spread)
    many = zk.partition_plan("many", rows.where("k >= 0 OR v > 0").selectExpr("v AS k"), by=["k"], partitions=3)
    assert many.buckets == 4098
    again = zk.partition_plan("whole", rows.where("v < 6000"), weights="bytes", replan=True)
    assert again.version == 2
    assert zk.partition_plan("whole", version=1).compare(again).after is again.document


def test_write(zk, spark, tmp_path: Path):
    path = str(tmp_path / "table")
    first = zk.write(spark.range(10)).job_id("a").save(path)
    assert zk.write(spark.range(10)).job_id("a").save(path).replayed
    zk.write(spark.range(5)).mode("append").save(path)
    assert spark.read.parquet(path).count() == 15
    second = zk.write(spark.range(3)).mode("overwrite").save(path)
    assert (first.version, second.version) == (1, 3)
    assert sorted(row["id"] for row in spark.read.parquet(path).collect()) == [0, 1, 2]
