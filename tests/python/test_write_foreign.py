"""FAULTS 44 and 45: writes of somebody who does not know us are merged by nobody; a table can be made from itself."""

from __future__ import annotations

import pytest

from sparkeeper.exceptions import ConfigError, NotATable
from tables import ids, leftovers


def test_a_foreign_append_is_not_merged(spark, zk, tmp_path):
    table = tmp_path / "t"
    zk.write(spark.range(100)).save(str(table))
    spark.range(5000, 5010).write.mode("append").parquet(str(table))
    assert ids(spark, table) == list(range(100))
    zk.write(spark.range(100, 200)).save(str(table))
    zk.table(spark, str(table)).recover(grace=0)
    assert ids(spark, table) == list(range(200))
    assert sorted(row.id for row in zk.table(spark, str(table)).read(2).collect()) == list(range(200))
    # What is not ours is not ours to delete either.
    assert len([name for name in leftovers(zk, table) if name.startswith("data part-")]) > 0


@pytest.mark.parametrize("again", ["append", "overwrite"])
def test_a_foreign_overwrite_is_noticed(spark, zk, tmp_path, again):
    table = tmp_path / "t"
    zk.write(spark.range(100)).save(str(table))
    spark.range(5000, 5010).write.mode("overwrite").parquet(str(table))
    with pytest.raises(NotATable):
        zk.write(spark.range(100, 200)).mode(again).save(str(table))
    with pytest.raises(NotATable):
        zk.table(spark, str(table)).read()
    assert ids(spark, table) == list(range(5000, 5010))


def test_a_table_is_overwritten_from_a_query_that_reads_it(spark, zk, tmp_path):
    table = tmp_path / "t"
    zk.write(spark.range(100)).save(str(table))
    for at, read in enumerate([lambda: spark.read.parquet(str(table)), lambda: zk.table(spark, str(table)).read()]):
        df = read().selectExpr("id + 100 as id")
        zk.write(df).mode("overwrite").save(str(table))
        assert ids(spark, table) == list(range(100 * at + 100, 100 * at + 200))
        zk.write(read().where("id % 2 = 0").selectExpr("id + 100000 as id")).save(str(table))
        assert len(ids(spark, table)) == 150
        zk.write(read().where("id < 100000")).mode("overwrite").save(str(table))
    assert leftovers(zk, table) == []


def test_a_query_made_before_an_overwrite_keeps_its_snapshot(spark, zk, tmp_path):
    table = tmp_path / "t"
    zk.write(spark.range(100)).save(str(table))
    before = spark.read.parquet(str(table))
    zk.write(before.selectExpr("id + 100 as id")).mode("overwrite").save(str(table))
    assert sorted(row.id for row in before.collect()) == list(range(100))


def test_a_table_in_the_directory_of_another_is_nobody_elses(spark, zk, tmp_path):
    outer, inner = tmp_path / "t", tmp_path / "t/below/inner"
    for path in (outer, inner):
        zk.write(spark.range(5)).save(str(path))
        zk.write(spark.range(5, 7)).mode("overwrite").save(str(path))
    table = zk.table(spark, str(outer))
    assert table.doctor().findings == ()
    gone = table.vacuum(older_than=0)
    assert gone.orphans == ()
    assert not any(name.startswith("below") for name in gone.files)
    assert ids(spark, outer) == ids(spark, inner) == [5, 6]
    assert sorted(row.id for row in zk.table(spark, str(inner)).read(1).collect()) == list(range(5))


def test_a_directory_that_holds_a_table_is_not_made_one(spark, zk, tmp_path):
    zk.write(spark.range(5)).save(str(tmp_path / "t/below/inner"))
    with pytest.raises(NotATable, match="files that no commit names"):
        zk.write(spark.range(5)).save(str(tmp_path / "t"))


@pytest.mark.parametrize("private", ["_zk", "_zk/tx/0", "_spark_metadata", "_delta_log/t"])
def test_the_private_directories_of_a_table_are_no_place_for_another(spark, zk, tmp_path, private):
    with pytest.raises(ConfigError, match="belongs to another table"):
        zk.write(spark.range(5)).save(f"{tmp_path}/t/{private}")
