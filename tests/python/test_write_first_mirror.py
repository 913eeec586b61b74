"""What a plain reader finds of a table that has no commit yet, and of one whose mirror is half made.

A file system without renames makes the first mirror file by file.
"""

from __future__ import annotations

import pytest

from sparkeeper.spark.steps import Step
from tables import ids

INTERVALS = (2, 3, 5, 10, 25)


def reader(spark, interval):
    """Return a session that compacts its own logs so often."""
    session = spark.newSession()
    session.conf.set("spark.sql.streaming.fileSink.log.compactInterval", interval)
    return session


def names(table):
    """Return what is in the mirror."""
    return sorted(file.name for file in (table / "_spark_metadata").iterdir())


@pytest.mark.parametrize("mode", ["append", "overwrite"])
def test_nothing_shows_before_the_first_commit(spark, zk, tmp_path, mode):
    table, seen = tmp_path / "t", []
    schema = "id bigint"

    def look(step):
        if step in {Step.RELOCATED, Step.COMMITTED}:
            assert list(table.glob("*.parquet")), "its files are in place"
            readers = [reader(spark, interval) for interval in INTERVALS]
            seen.extend(session.read.schema(schema).parquet(str(table)).count() for session in readers)

    zk.write(spark.range(10)).mode(mode).on_step(look).save(str(table))
    assert seen == [0] * 2 * len(INTERVALS)
    for interval in INTERVALS:
        assert ids(reader(spark, interval), table) == list(range(10))
    assert names(table) == ["19.compact", {"append": "20", "overwrite": "29.compact"}[mode], "9.compact"]


@pytest.mark.parametrize("interval", INTERVALS)
def test_the_half_of_an_adopted_directory_reads_as_the_whole(spark, zk, tmp_path, interval):
    table = tmp_path / "t"
    spark.range(10).write.parquet(str(table))
    zk.table(spark, str(table)).adopt()
    assert names(table) == ["19.compact", "29.compact"]
    # A writer that died between the two left the lower one.
    (table / "_spark_metadata/29.compact").unlink()
    assert ids(reader(spark, interval), table) == list(range(10))


def test_a_mirror_that_is_gone_begins_again(spark, zk, tmp_path):
    table = tmp_path / "t"
    zk.write(spark.range(10)).save(str(table))
    for file in (table / "_spark_metadata").iterdir():
        file.unlink()
    (table / "_spark_metadata").rmdir()
    assert zk.table(spark, str(table)).recover() is not None
    assert names(table) == ["19.compact", "20", "9.compact"]
    assert ids(spark, table) == list(range(10))
