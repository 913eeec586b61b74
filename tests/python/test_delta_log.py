"""The optional Delta log: other engines read the same snapshots."""

from __future__ import annotations

from datetime import date

import duckdb
import polars as pl
import pytest
from deltalake import DeltaTable
from pyspark.sql import functions as F  # noqa: N812 - as everybody writes it

from sparkeeper.exceptions import ConfigError


def delta_ids(path, version=None):
    return sorted(DeltaTable(str(path), version=version).to_pyarrow_table()["id"].to_pylist())


def test_three_engines_see_every_snapshot(spark, zk, tmp_path):
    path = tmp_path / "t"
    zk.write(spark.range(3)).save(str(path))
    table = zk.table(spark, str(path))
    table.mirror_delta()
    expected = [[0, 1, 2]]
    for n in range(3, 25):
        overwrite = n % 7 == 0
        zk.write(spark.range(n, n + 1)).mode("overwrite" if overwrite else "append").save(str(path))
        expected.append([n] if overwrite else [*expected[-1], n])
    table.restore(3)
    expected.append(expected[2])
    for version, wanted in enumerate(expected):
        assert delta_ids(path, version) == wanted
    now = DeltaTable(str(path))
    assert pl.read_delta(str(path))["id"].sort().to_list() == expected[-1]
    dataset = now.to_pyarrow_dataset()  # noqa: F841 - DuckDB finds it by its name
    assert duckdb.sql("SELECT id FROM dataset ORDER BY id").fetchall() == [(n,) for n in expected[-1]]
    assert now.version() == len(expected) - 1
    assert sorted(row.id for row in spark.read.parquet(str(path)).collect()) == expected[-1]


def test_partitions_and_types_come_through(spark, zk, tmp_path):
    path = tmp_path / "t"
    odd = "a b%/=ü"
    frame = spark.range(4).select(
        "id",
        F.when(F.col("id") == 3, None).otherwise(F.lit(odd)).alias("p"),
        F.lit(date(2024, 1, 31)).alias("day"),
        F.lit("2024-01-31 12:00:00").cast("timestamp_ntz").alias("at"),
        F.lit("1.50").cast("decimal(10,2)").alias("price"),
        F.array(F.lit(1), F.lit(2)).alias("list"),
    )
    zk.write(frame).partitionBy("p").save(str(path))
    zk.table(spark, str(path)).mirror_delta()
    zk.write(frame.where("id = 0")).partitionBy("p").mode("overwrite_partitions").save(str(path))
    rows = DeltaTable(str(path)).to_pyarrow_table().to_pylist()
    assert sorted((row["id"], row["p"]) for row in rows) == [(0, odd), (3, None)]
    assert {row["day"] for row in rows} == {date(2024, 1, 31)}
    assert [row["list"] for row in rows] == [[1, 2], [1, 2]]


def test_columns_that_come_later_are_seen(spark, zk, tmp_path):
    path = tmp_path / "t"
    zk.write(spark.range(2)).save(str(path))
    zk.table(spark, str(path)).mirror_delta()
    zk.write(spark.range(2, 3).withColumn("new", F.lit("x"))).merge_schema().save(str(path))
    rows = DeltaTable(str(path)).to_pyarrow_table().to_pylist()
    assert sorted((row["id"], row["new"]) for row in rows) == [(0, None), (1, None), (2, "x")]


def test_a_batch_is_a_transaction_of_its_query(spark, zk, tmp_path):
    path = tmp_path / "t"
    zk.write(spark.range(2)).save(str(path))
    zk.table(spark, str(path)).mirror_delta()
    zk.foreach_batch(str(path), "q")(spark.range(2, 3), 5)
    assert DeltaTable(str(path)).transaction_version("q") == 5


def test_a_killed_writer_is_published_by_the_next(spark, zk, tmp_path, start_driver):
    path = tmp_path / "t"
    zk.write(spark.range(2)).save(str(path))
    zk.table(spark, str(path)).mirror_delta()
    driver = start_driver()
    driver.tell("write", path=str(path), rows=(2, 4), at=("COMMITTED", "SIGKILL"))
    driver.wait_killed()
    assert delta_ids(path) == [0, 1]
    zk.table(spark, str(path)).recover()
    assert delta_ids(path) == [0, 1, 2, 3]


def test_says_what_it_cannot_mirror(spark, zk, tmp_path):
    path = tmp_path / "t"
    zk.write(spark.range(2)).format("json").save(str(path))
    with pytest.raises(ConfigError, match="parquet files, these are json"):
        zk.table(spark, str(path)).mirror_delta()
    zk.write(spark.range(2)).mode("overwrite").save(str(path))
    zk.table(spark, str(path)).mirror_delta()
    zk.table(spark, str(path)).mirror_delta()
    other = tmp_path / "u"
    zk.write(spark.range(2)).save(str(other))
    (other / "_delta_log").mkdir()
    (other / "_delta_log/00000000000000000000.json").write_text("{}")
    with pytest.raises(ConfigError, match="another writer's"):
        zk.table(spark, str(other)).mirror_delta()


def test_what_the_log_cannot_name_is_refused_before_it_is_written(spark, zk, tmp_path):
    path = tmp_path / "t"
    zk.write(spark.range(3)).save(str(path))
    zk.table(spark, str(path)).mirror_delta()
    with pytest.raises(ConfigError, match="cannot name files of csv"):
        zk.write(spark.range(3)).format("csv").mode("overwrite").save(str(path))
    assert delta_ids(path) == [0, 1, 2]
