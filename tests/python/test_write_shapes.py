"""Tables of every shape: spellings of a path, partition values, no rows, another schema, not a table at all."""

from __future__ import annotations

import os
import shutil

import pytest

from sparkeeper.exceptions import CommitConflict, ConfigError, NotATable
from sparkeeper.spark.steps import Step
from tables import ids, leftovers

VALUES = ["a b", "50%", "x=y", "é ü", "日本\u3000", None, "q\"#?[]{}|\\^`<>:*'", "a/b", "a;b&c@d", "\u00a0n", "1"]


def test_five_spellings_are_one_table(spark, zk, tmp_path):
    # Relative to where Spark's JVM was started, as it is for spark.read.
    relative = os.path.relpath(tmp_path / "t", spark._jvm.java.lang.System.getProperty("user.dir"))
    (tmp_path / "link").symlink_to(tmp_path)
    for path in [
        f"{tmp_path}/t",
        f"{tmp_path}//t/",
        f"file:{tmp_path}/t",
        f"file://{tmp_path}/t",
        relative,
        f"{tmp_path}/link/t",
    ]:
        zk.write(spark.range(1)).save(path)
    assert zk.table(spark, relative).version == 6
    for path in [f"{tmp_path}/t", f"file:{tmp_path}/t", relative]:
        assert ids(spark, path) == [0] * 6


def test_a_table_made_through_a_link_is_read_through_it(spark, zk, tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    zk.write(spark.range(3)).save(f"{tmp_path}/link/t")
    zk.write(spark.range(3, 6)).save(f"{tmp_path}/real/t")
    assert ids(spark, f"{tmp_path}/link/t") == list(range(6))
    assert sorted(row.id for row in zk.table(spark, f"{tmp_path}/real/t").read(2).collect()) == list(range(6))


@pytest.mark.parametrize("name", ["with space", "per%20cent", "tablé", "a=b"])
def test_a_table_may_have_any_name(spark, zk, tmp_path, name):
    table = tmp_path / name
    df = spark.createDataFrame([(1, "a b"), (2, None)], "id int, p string")
    zk.write(df).partitionBy("p").save(str(table))
    zk.write(df).partitionBy("p").save(str(table))
    assert ids(spark, table) == [1, 1, 2, 2]
    assert sorted(row.id for row in zk.table(spark, str(table)).read(1).collect()) == [1, 2]


def test_partition_values_survive(spark, zk, tmp_path):
    table = str(tmp_path / "t")
    df = spark.createDataFrame(list(enumerate(VALUES)), "id int, p string")
    zk.write(df).partitionBy("p").save(table)
    zk.write(df).partitionBy("p").save(table)
    wanted = sorted(list(enumerate(VALUES)) * 2, key=str)
    assert sorted(((row.id, row.p) for row in spark.read.parquet(table).collect()), key=str) == wanted
    read = zk.table(spark, table).read(1)
    assert sorted(((row.id, row.p) for row in read.collect()), key=str) == sorted(enumerate(VALUES), key=str)
    assert [row.id for row in spark.read.parquet(table).where("p = '50%'").collect()] == [1, 1]


def test_two_levels_of_partitions(spark, zk, tmp_path):
    table = tmp_path / "t"
    df = spark.range(12).selectExpr("id", "id % 2 as p", "id % 3 as q")
    zk.write(df).partitionBy("p", "q").save(str(table))
    zk.write(df).mode("overwrite").partitionBy("p", "q").save(str(table))
    assert ids(spark, table) == list(range(12))
    assert spark.read.parquet(str(table)).where("p = 1 and q = 2").count() == 2


@pytest.mark.parametrize("columns", [(), ("p",)])
def test_no_rows_are_a_table_that_can_be_read(spark, zk, tmp_path, columns):
    table = tmp_path / "t"
    some = spark.createDataFrame([(1, "x")], "id int, p string")
    zk.write(some.limit(0)).partitionBy(*columns).save(str(table))
    assert ids(spark, table) == []
    zk.write(some).partitionBy(*columns).save(str(table))
    assert ids(spark, table) == [1]
    zk.write(some.limit(0)).partitionBy(*columns).save(str(table))
    assert ids(spark, table) == [1]
    zk.write(some.limit(0)).partitionBy(*columns).mode("overwrite").save(str(table))
    assert ids(spark, table) == []
    assert zk.table(spark, str(table)).read().schema.simpleString() == "struct<id:int,p:string>"
    assert leftovers(zk, table) == []


def test_an_append_has_the_tables_columns(spark, zk, tmp_path):
    table = tmp_path / "t"
    zk.write(spark.range(1)).save(str(table))
    for df, why in [
        (spark.range(1).selectExpr("cast(id as string) as id"), "bigint|long"),
        (spark.range(1).selectExpr("id", "1 as more"), "'more'"),
        (spark.range(1).selectExpr("id as other"), "'id' is missing"),
    ]:
        with pytest.raises(ConfigError, match=why):
            zk.write(df).save(str(table))
    with pytest.raises(ConfigError, match="partitioned by"):
        zk.write(spark.range(1)).partitionBy("id").save(str(table))
    zk.write(spark.range(1).selectExpr("id as other")).mode("overwrite").save(str(table))
    assert spark.read.parquet(str(table)).columns == ["other"]
    assert leftovers(zk, table) == []


def test_an_append_does_not_land_on_another_form(spark, zk, tmp_path):
    table = str(tmp_path / "t")
    zk.write(spark.range(1)).save(table)

    def reshape(step: Step) -> None:
        if step is Step.STAGED:
            zk.write(spark.range(1).selectExpr("id", "1 as p")).mode("overwrite").partitionBy("p").save(table)

    with pytest.raises(CommitConflict, match="partitioned by"):
        zk.write(spark.range(1)).on_step(reshape).save(table)


def test_a_directory_of_somebody_else_is_refused(spark, zk, tmp_path):
    plain = tmp_path / "plain"
    spark.range(3).write.parquet(str(plain))
    for mode in ("append", "overwrite"):
        with pytest.raises(NotATable, match="no commit names"):
            zk.write(spark.range(3)).mode(mode).save(str(plain))
    assert ids(spark, plain) == [0, 1, 2]
    with pytest.raises(NotATable, match="nothing was written"):
        zk.table(spark, str(tmp_path / "nowhere")).history()


def test_a_copied_directory_is_noticed(spark, zk, tmp_path):
    zk.write(spark.range(3)).save(str(tmp_path / "t"))
    shutil.copytree(tmp_path / "t", tmp_path / "copy")
    with pytest.raises(NotATable, match="copied or moved"):
        zk.write(spark.range(3)).save(str(tmp_path / "copy"))


def test_a_deleted_directory_is_not_an_empty_table(spark, zk, tmp_path):
    zk.write(spark.range(3)).save(str(tmp_path / "t"))
    shutil.rmtree(tmp_path / "t")
    with pytest.raises(NotATable, match=r"deleted.*or is not mounted"):
        zk.write(spark.range(3)).save(str(tmp_path / "t"))


def test_another_file_system_is_refused_by_name(spark, zk):
    with pytest.raises(ConfigError, match="s3a"):
        zk.write(spark.range(3)).save("s3://bucket/t")
