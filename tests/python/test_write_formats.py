"""FAULTS 43 for every format: partition values of every kind, no rows, another schema; and very many small files."""

from __future__ import annotations

import pytest

from sparkeeper.exceptions import ConfigError
from tables import ids, leftovers
from test_write_shapes import VALUES

FORMATS = ["parquet", "orc", "csv", "json", "text"]


def frame(spark, values, start=0):
    """Return one row a value: one column of strings, which is all that text can hold, and the partition's."""
    rows = [(str(start + at), value) for at, value in enumerate(values)]
    return spark.createDataFrame(rows, "value string, p string")


def plainly(spark, form, table):
    """Read as anybody does; what has no schema in its files is given one."""
    reader = spark.read.format(form)
    # Spark's ORC reader fails on a partition column that has no value but NULL, unless it is told its type.
    if form in ("csv", "json", "orc"):
        reader = reader.schema("value string, p string")
    return sorted(((row.value, row.p) for row in reader.load(str(table)).collect()), key=str)


def library(handle, version=None):
    return sorted(((row.value, row.p) for row in handle.read(version).collect()), key=str)


@pytest.mark.parametrize("form", FORMATS)
def test_partition_values_survive(spark, zk, tmp_path, form):
    table = tmp_path / "t"
    first, second = frame(spark, VALUES), frame(spark, VALUES[:3], start=100)
    wanted = [sorted(((row.value, row.p) for row in df.collect()), key=str) for df in (first, second)]
    zk.write(first).format(form).partitionBy("p").save(str(table))
    assert plainly(spark, form, table) == wanted[0]
    zk.write(second).format(form).partitionBy("p").save(str(table))
    assert plainly(spark, form, table) == sorted([*wanted[0], *wanted[1]], key=str)
    zk.write(second).format(form).partitionBy("p").mode("overwrite").save(str(table))
    assert plainly(spark, form, table) == wanted[1]
    handle = zk.table(spark, str(table))
    assert library(handle) == wanted[1]
    assert library(handle, 1) == wanted[0]
    assert leftovers(zk, table) == []


@pytest.mark.parametrize("form", FORMATS)
def test_no_rows(spark, zk, tmp_path, form):
    table = tmp_path / "t"
    some = frame(spark, ["x", "y"])
    for mode, df, wanted in [
        ("append", some.limit(0), []),
        ("append", some, [("0", "x"), ("1", "y")]),
        ("append", some.limit(0), [("0", "x"), ("1", "y")]),
        ("overwrite", some.limit(0), []),
    ]:
        zk.write(df).format(form).partitionBy("p").mode(mode).save(str(table))
        assert plainly(spark, form, table) == wanted
        assert library(zk.table(spark, str(table))) == wanted
    assert leftovers(zk, table) == []


@pytest.mark.parametrize("form", [form for form in FORMATS if form != "text"])
def test_a_changed_schema(spark, zk, tmp_path, form):
    table = tmp_path / "t"
    zk.write(spark.range(1)).format(form).save(str(table))
    wider = spark.range(1).selectExpr("id", "cast(id as string) as more")
    with pytest.raises(ConfigError, match="'more'"):
        zk.write(wider).format(form).save(str(table))
    zk.write(wider).format(form).mode("overwrite").save(str(table))
    assert [tuple(row) for row in zk.table(spark, str(table)).read().collect()] == [(0, "0")]
    assert [tuple(row) for row in zk.table(spark, str(table)).read(1).collect()] == [(0,)]
    assert leftovers(zk, table) == []


def test_an_append_in_another_format_is_refused(spark, zk, tmp_path):
    table = tmp_path / "t"
    zk.write(spark.range(1)).save(str(table))
    with pytest.raises(ConfigError, match="the table's files are parquet, these are orc"):
        zk.write(spark.range(1)).format("orc").save(str(table))
    assert ids(spark, table) == [0]


def test_five_thousand_small_files(spark, zk, tmp_path):
    table = tmp_path / "t"
    df = spark.range(0, 5000, numPartitions=50).selectExpr("id", "id % 100 as p")
    commit = zk.write(df).partitionBy("p").save(str(table))
    assert commit.files == 5000
    assert ids(spark, table) == list(range(5000))
    zk.write(spark.range(5000, 5001).selectExpr("id", "id % 100 as p")).partitionBy("p").save(str(table))
    assert spark.read.parquet(str(table)).where("p = 7").count() == 50
    assert ids(spark, table) == list(range(5001))
    zk.write(df.limit(1)).partitionBy("p").mode("overwrite").save(str(table))
    assert ids(spark, table) == [0]
    assert sorted(row.id for row in zk.table(spark, str(table)).read(1).collect()) == list(range(5000))
    assert leftovers(zk, table) == []
