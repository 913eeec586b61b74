"""Every mode of a write, over every format; what Spark's own settings say is heeded."""

from __future__ import annotations

import pytest
from pyspark.sql import functions as F  # noqa: N812 - as everybody writes it

from sparkeeper.exceptions import CommitConflict, ConfigError
from sparkeeper.spark.steps import Step
from tables import ids, leftovers

FORMATS = {"parquet": {}, "orc": {}, "json": {}, "csv": {"header": "true", "sep": ";"}}


def by_parity(spark, first, end, mark):
    return spark.range(first, end).select("id", (F.col("id") % 2).alias("p"), F.lit(mark).alias("mark"))


def rows(df):
    return sorted((row.id, row.p, row.mark) for row in df.collect())


@pytest.mark.parametrize("fmt", FORMATS)
def test_partitions_are_overwritten_and_others_stay(spark, zk, tmp_path, fmt):
    table, options = str(tmp_path / "t"), FORMATS[fmt]
    writer = zk.write(by_parity(spark, 0, 6, "old")).format(fmt).options(**options).partitionBy("p")
    writer.save(table)
    even = by_parity(spark, 10, 14, "new").where("p = 0")
    commit = zk.write(even).format(fmt).options(**options).partitionBy("p").mode("overwrite_partitions").save(table)
    expected = sorted([(1, 1, "old"), (3, 1, "old"), (5, 1, "old"), (10, 0, "new"), (12, 0, "new")])
    assert rows(zk.table(spark, table).read()) == expected
    plain = spark.read.format(fmt).options(**options).schema("id long, mark string, p long").load(table)
    assert rows(plain) == expected
    assert rows(zk.table(spark, table).read(1)) == [(n, n % 2, "old") for n in range(6)]
    entry = zk.table(spark, table).history().collect()[-1]
    assert (commit.version, entry.operation) == (2, "overwrite_partitions")
    assert leftovers(zk, tmp_path / "t") == []


@pytest.mark.parametrize("setting", ["option", "session"])
def test_overwrite_is_dynamic_where_spark_says_so(spark, zk, tmp_path, setting):
    table = str(tmp_path / "t")
    zk.write(by_parity(spark, 0, 4, "old")).partitionBy("p").save(table)
    odd = zk.write(by_parity(spark, 5, 6, "new")).partitionBy("p").mode("overwrite")
    key = "spark.sql.sources.partitionOverwriteMode"
    if setting == "option":
        odd.option("partitionOverwriteMode", "dynamic").save(table)
    else:
        spark.conf.set(key, "dynamic")
        try:
            odd.save(table)
        finally:
            spark.conf.unset(key)
    assert ids(spark, table) == [0, 2, 5]
    zk.write(by_parity(spark, 7, 8, "new")).partitionBy("p").mode("overwrite").save(table)
    assert ids(spark, table) == [7]


def test_without_partitions_all_is_replaced(spark, zk, tmp_path):
    table = str(tmp_path / "t")
    zk.write(spark.range(4)).save(table)
    zk.write(spark.range(7, 9)).mode("overwrite_partitions").save(table)
    assert ids(spark, table) == [7, 8]


def test_an_empty_overwrite_of_partitions_touches_none(spark, zk, tmp_path):
    table = str(tmp_path / "t")
    zk.write(by_parity(spark, 0, 4, "old")).partitionBy("p").save(table)
    zk.write(by_parity(spark, 0, 0, "new")).partitionBy("p").mode("overwrite_partitions").save(table)
    assert ids(spark, table) == [0, 1, 2, 3]


def test_overwrites_of_disjoint_partitions_overlap_in_time(spark, zk, tmp_path):
    table = str(tmp_path / "t")
    zk.write(by_parity(spark, 0, 4, "old")).partitionBy("p").save(table)

    def others(step: Step) -> None:
        if step is Step.RELOCATED:
            odd = by_parity(spark, 20, 24, "odd").where("p = 1")
            zk.write(odd).partitionBy("p").mode("overwrite_partitions").save(table)

    even = by_parity(spark, 10, 14, "even").where("p = 0")
    zk.write(even).partitionBy("p").mode("overwrite_partitions").on_step(others).save(table)
    assert ids(spark, table) == [10, 12, 21, 23]


def test_overlapping_ones_are_a_conflict_unless_blind(spark, zk, tmp_path):
    table = tmp_path / "t"
    zk.write(by_parity(spark, 0, 4, "old")).partitionBy("p").save(str(table))

    def intrude(step: Step) -> None:
        if step is Step.RELOCATED:
            zk.write(by_parity(spark, 30, 31, "intruder")).partitionBy("p").job_id("intruder").save(str(table))

    even = by_parity(spark, 10, 14, "even").where("p = 0")
    write = zk.write(even).partitionBy("p").mode("overwrite_partitions").on_step(intrude)
    with pytest.raises(CommitConflict, match=r"intruder.*p=0"):
        write.save(str(table))
    assert ids(spark, table) == [0, 1, 2, 3, 30]
    write.blind().on_step(lambda _: None).save(str(table))
    assert ids(spark, table) == [1, 3, 10, 12]
    assert leftovers(zk, table) == []


def test_error_refuses_what_is_there_before_anything_is_written(spark, zk, tmp_path):
    table = tmp_path / "t"
    zk.write(spark.range(3)).mode("error").save(str(table))
    steps: list[Step] = []
    with pytest.raises(ConfigError, match="was to be the first"):
        zk.write(spark.range(9)).mode("errorifexists").on_step(steps.append).save(str(table))
    assert Step.STAGED not in steps
    assert ids(spark, table) == [0, 1, 2]
    assert leftovers(zk, table) == []


def test_of_two_first_ones_one_is_the_first(spark, zk, tmp_path):
    table = tmp_path / "t"

    def intrude(step: Step) -> None:
        if step is Step.RELOCATED:
            zk.write(spark.range(3)).mode("error").save(str(table))

    with pytest.raises(CommitConflict, match="was to be the first"):
        zk.write(spark.range(9)).mode("error").on_step(intrude).save(str(table))
    commit = zk.write(spark.range(9)).mode("ignore").on_step(intrude).save(str(table))
    assert (commit.ignored, commit.version) == (True, 1)
    assert ids(spark, table) == [0, 1, 2]


def test_ignore_does_nothing_where_something_is_there(spark, zk, tmp_path):
    table = str(tmp_path / "t")
    assert not zk.write(spark.range(3)).mode("ignore").save(table).ignored
    commit = zk.write(spark.range(9)).mode("ignore").save(table)
    assert (commit.version, commit.files, commit.ignored, commit.replayed) == (1, 0, True, False)
    assert ids(spark, table) == [0, 1, 2]


def test_text_is_written_and_read(spark, zk, tmp_path):
    table = str(tmp_path / "t")
    lines = spark.createDataFrame([("a b",), ("ü;",)], "value string")
    zk.write(lines).format("text").save(table)
    zk.write(spark.createDataFrame([("c",)], "value string")).format("text").save(table)
    assert sorted(row.value for row in zk.table(spark, table).read().collect()) == ["a b", "c", "ü;"]
    assert sorted(row.value for row in spark.read.text(table).collect()) == ["a b", "c", "ü;"]


def test_files_of_another_form_are_refused(spark, zk, tmp_path):
    table = str(tmp_path / "t")
    frame = spark.range(3).select("id", F.lit("x").alias("x"))
    zk.write(frame).format("csv").option("header", "true").save(table)
    for write, word in (
        (zk.write(frame).format("json"), "files are csv, these are json"),
        (zk.write(frame).format("csv").option("delimiter", "|").option("header", "true"), "read with"),
        (
            zk.write(frame.select("x", "id")).format("csv").option("header", "true"),
            "in the table's order, which is id, x",
        ),
        (zk.write(frame.select("id")).format("csv").option("header", "true").merge_schema(), "cannot be merged"),
        (zk.write(frame).format("csv").option("header", "true").partitionBy("x"), r"partitioned by \[\]"),
    ):
        with pytest.raises(ConfigError, match=word):
            write.save(table)
    with pytest.raises(ConfigError, match="parquet, orc, csv, json, text"):
        zk.write(frame).format("delta")
    assert zk.table(spark, table).version == 1


@pytest.mark.parametrize("fmt", ["parquet", "orc", "json"])
def test_schemas_are_merged_when_told(spark, zk, tmp_path, fmt):
    table = str(tmp_path / "t")
    zk.write(spark.range(2).select("id", F.lit("a").alias("old"))).format(fmt).save(table)
    wider = spark.range(2, 4).select("id", F.lit(1.5).alias("new"))
    with pytest.raises(ConfigError, match="merge_schema"):
        zk.write(wider).format(fmt).save(table)
    zk.write(wider).format(fmt).merge_schema().save(table)
    found = zk.table(spark, table).read()
    assert found.columns == ["id", "old", "new"]
    assert sorted(tuple(row) for row in found.collect()) == [
        (0, "a", None),
        (1, "a", None),
        (2, None, 1.5),
        (3, None, 1.5),
    ]
    assert zk.table(spark, table).read(1).columns == ["id", "old"]
    with pytest.raises(ConfigError, match="'new' is double in the table and string here"):
        zk.write(spark.range(1).select("id", F.lit("x").alias("new"))).format(fmt).merge_schema().save(table)


def test_rows_are_counted_when_told(spark, zk, tmp_path):
    table = str(tmp_path / "t")
    assert zk.write(spark.range(7)).save(table).rows is None
    assert zk.write(spark.range(7)).count_rows().job_id("counted").save(table).rows == 7
    assert zk.write(spark.range(7)).count_rows().job_id("counted").save(table).rows is None


def test_files_have_as_many_rows_as_told(spark, zk, tmp_path):
    commit = zk.write(spark.range(10, numPartitions=1)).option("maxRecordsPerFile", 3).save(str(tmp_path / "t"))
    assert commit.files == 4


@pytest.mark.parametrize("fmt", ["parquet", "csv"])
def test_partition_columns_are_found_whatever_their_case(spark, zk, tmp_path, fmt):
    path = str(tmp_path / "t")
    rows = spark.range(4).selectExpr("id % 2 AS P", "id")
    for _ in range(2):
        zk.write(rows).format(fmt).partitionBy("p").save(path)
    zk.write(rows).format(fmt).partitionBy("P").save(path)
    expected = sorted((n % 2, n) for n in range(4) for _ in range(3))
    assert sorted((row.P, row.id) for row in zk.table(spark, path).read().collect()) == expected
    assert sorted(
        (row.P, row.id) for row in spark.read.schema("id bigint, P bigint").format(fmt).load(path).collect()
    ) == (expected)


def test_what_is_no_name_and_no_rows_is_refused_in_our_words(spark, zk, tmp_path):
    with pytest.raises(ConfigError, match=r"job_id\(20240101\): give text.*'20240101'"):
        zk.write(spark.range(1)).job_id(20240101)
    with pytest.raises(ConfigError, match="createDataFrame"):
        zk.write(spark.range(1).toPandas())
    with pytest.raises(ConfigError, match="names of columns"):
        zk.write(spark.range(1)).partitionBy(1)
    zk.write(spark.range(1)).save(str(tmp_path / "t"))
    table = zk.table(spark, str(tmp_path / "t"))
    with pytest.raises(ConfigError, match="'1' is no whole number"):
        table.read("1")
    with pytest.raises(ConfigError, match="in seconds or as a timedelta"):
        table.vacuum("7 days")
