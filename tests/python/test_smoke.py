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


def test_write(zk, spark, tmp_path: Path):
    path = str(tmp_path / "table")
    first = zk.write(spark.range(10)).job_id("a").save(path)
    assert zk.write(spark.range(10)).job_id("a").save(path).replayed
    zk.write(spark.range(5)).mode("append").save(path)
    assert spark.read.parquet(path).count() == 15
    second = zk.write(spark.range(3)).mode("overwrite").save(path)
    assert (first.version, second.version) == (1, 3)
    assert sorted(row["id"] for row in spark.read.parquet(path).collect()) == [0, 1, 2]
