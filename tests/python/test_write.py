"""Fault-tolerant writes when nothing breaks: what `save` returns, what plain readers see, what history says."""

from __future__ import annotations

import os

import pytest
from pyspark.sql import functions as F  # noqa: N812 - as everybody writes it

from sparkeeper.exceptions import CommitConflict, ConfigError, LockLost
from sparkeeper.spark.steps import Step
from tables import ids, leftovers, manifests


def test_append_adds_and_overwrite_replaces(spark, zk, tmp_path):
    table = tmp_path / "t"
    first = zk.write(spark.range(10)).save(str(table))
    assert (first.version, first.replayed, first.rows) == (1, False, None)
    assert first.files >= 1
    assert first.bytes == sum(file.stat().st_size for file in table.glob("*.parquet"))
    assert ids(spark, table) == list(range(10))
    assert zk.write(spark.range(10, 15)).mode("append").save(str(table)).version == 2
    assert ids(spark, table) == list(range(15))
    assert zk.write(spark.range(3)).mode("overwrite").save(str(table)).version == 3
    assert ids(spark, table) == [0, 1, 2]
    assert leftovers(zk, table) == []


def test_many_versions_are_read_right_and_travelled(spark, zk, tmp_path):
    table = tmp_path / "t"
    expected: list[list[int]] = []
    for job in range(23):
        overwrite = job % 7 == 5
        zk.write(spark.range(job, job + 2)).mode("overwrite" if overwrite else "append").save(str(table))
        expected.append(sorted(([] if overwrite or not expected else expected[-1]) + [job, job + 1]))
        assert ids(spark, table) == expected[-1]
    handle = zk.table(spark, str(table))
    for version, wanted in enumerate(expected, 1):
        assert sorted(row.id for row in handle.read(version).collect()) == wanted, f"version {version}"
    assert [entry.version for entry in handle.history().collect()] == list(range(1, 24))
    with pytest.raises(ConfigError, match="no version 24"):
        handle.read(24)


def test_history_says_who_and_what(spark, zk, tmp_path):
    table = str(tmp_path / "t")
    zk.write(spark.range(4)).job_id("load").save(table)
    zk.write(spark.range(4)).mode("overwrite").job_id("again").save(table)
    load, again = zk.table(spark, table).history().collect()
    assert (load.operation, load.job_id, load.removed) == ("append", "load", 0)
    assert (again.operation, again.job_id, again.removed) == ("overwrite", "again", load.added)
    assert again.writer["pid"] == str(os.getpid())
    assert again.writer["app"] == spark.conf.get("spark.app.id")
    assert load.committed_at <= again.committed_at


def test_a_job_id_is_committed_once(spark, zk, tmp_path):
    table = tmp_path / "t"
    first = zk.write(spark.range(5)).job_id("2024-01-01").save(str(table))
    second = zk.write(spark.range(5)).job_id("2024-01-01").save(str(table))
    assert (second.version, second.files, second.bytes, second.replayed) == (1, first.files, first.bytes, True)
    assert ids(spark, table) == list(range(5))
    assert zk.write(spark.range(5)).job_id("ä/../%").save(str(table)).version == 2
    assert zk.write(spark.range(5)).job_id("ä/../%").save(str(table)).replayed


def test_the_steps_come_in_order(spark, zk, tmp_path):
    steps: list[Step] = []
    zk.write(spark.range(1)).on_step(steps.append).save(str(tmp_path / "t"))
    assert steps == list(Step)


def test_options_reach_spark(spark, zk, tmp_path):
    table = tmp_path / "t"
    zk.write(spark.range(5)).option("compression", "zstd").options(parquet_x=True).save(str(table))
    assert all(file.name.endswith(".zstd.parquet") for file in table.glob("*.parquet"))
    assert manifests(table)[0]["parameters"] == {"compression": "zstd", "parquet_x": "true"}


def test_a_guard_that_stands_lets_pass_and_one_that_fell_does_not(spark, zk, tmp_path):
    table = tmp_path / "t"
    held = zk.lock("nightly").acquire(10)
    zk.write(spark.range(3)).guard(held).save(str(table))
    assert zk.table(spark, str(table)).history().collect()[0].token == held.token
    held.release()
    with pytest.raises(LockLost):
        zk.write(spark.range(3, 6)).guard(held).save(str(table))
    assert ids(spark, table) == [0, 1, 2]
    assert leftovers(zk, table) == []


def test_a_guard_lost_while_spark_writes_refuses_the_commit(spark, zk, tmp_path):
    table = tmp_path / "t"
    zk.write(spark.range(3)).save(str(table))
    held = zk.lock("nightly").acquire(10)

    def lose(step: Step) -> None:
        if step is Step.PROPOSED:
            held.release()

    with pytest.raises(LockLost):
        zk.write(spark.range(3, 6)).guard(held).on_step(lose).save(str(table))
    assert ids(spark, table) == [0, 1, 2]
    assert leftovers(zk, table) == []


def test_a_table_overwritten_from_a_query_that_reads_it(spark, zk, tmp_path):
    table = tmp_path / "t"
    zk.write(spark.range(10)).save(str(table))
    doubled = spark.read.parquet(str(table)).select((F.col("id") * 2).alias("id"))
    zk.write(doubled).mode("overwrite").save(str(table))
    assert ids(spark, table) == list(range(0, 20, 2))


def test_a_dataframe_keeps_its_snapshot(spark, zk, tmp_path):
    table = tmp_path / "t"
    zk.write(spark.range(10)).save(str(table))
    before = spark.read.parquet(str(table))
    zk.write(spark.range(99, 100)).mode("overwrite").save(str(table))
    assert sorted(row.id for row in before.collect()) == list(range(10))


def test_an_overwrite_that_met_an_unseen_commit_says_so(spark, zk, tmp_path):
    table = tmp_path / "t"
    zk.write(spark.range(3)).save(str(table))

    def intrude(step: Step) -> None:
        if step is Step.RELOCATED:
            zk.write(spark.range(3, 6)).job_id("intruder").save(str(table))

    with pytest.raises(CommitConflict, match="intruder"):
        zk.write(spark.range(9)).mode("overwrite").on_step(intrude).save(str(table))
    assert ids(spark, table) == list(range(6))
    assert leftovers(zk, table) == []


def test_a_blind_overwrite_replaces_it_and_an_append_rebases(spark, zk, tmp_path):
    table = tmp_path / "t"
    zk.write(spark.range(3)).save(str(table))

    def intrude(step: Step) -> None:
        if step is Step.RELOCATED:
            zk.write(spark.range(3, 6)).save(str(table))

    commit = zk.write(spark.range(6, 8)).on_step(intrude).save(str(table))
    assert commit.version == 3
    assert ids(spark, table) == list(range(8))
    commit = zk.write(spark.range(100, 101)).mode("overwrite").blind().on_step(intrude).save(str(table))
    assert commit.version == 5
    assert ids(spark, table) == [100]
    assert leftovers(zk, table) == []


def test_a_callback_that_raises_rolls_back(spark, zk, tmp_path):
    table = tmp_path / "t"
    zk.write(spark.range(3)).save(str(table))

    def fail(step: Step) -> None:
        if step is Step.PROPOSED:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        zk.write(spark.range(9)).on_step(fail).save(str(table))
    assert ids(spark, table) == [0, 1, 2]
    assert leftovers(zk, table) == []


def test_a_job_that_fails_in_spark_leaves_nothing(spark, zk, tmp_path):
    table = tmp_path / "t"
    zk.write(spark.range(3)).save(str(table))
    broken = spark.range(100).select(F.raise_error(F.lit("broken on purpose")).cast("bigint").alias("id"))
    with pytest.raises(Exception, match="broken on purpose"):
        zk.write(broken).save(str(table))
    assert ids(spark, table) == [0, 1, 2]
    assert leftovers(zk, table) == []


def test_says_which_modes_there_are(spark, zk):
    with pytest.raises(ConfigError, match="append, overwrite"):
        zk.write(spark.range(1)).mode("upsert")
