"""`foreach_batch`: a batch is committed once, whatever the checkpoint knows, and by the driver that came last."""

from __future__ import annotations

import json

import pytest
from pyspark.errors import StreamingQueryException

from sparkeeper.exceptions import ConfigError, Fenced
from tables import ids, leftovers, settle


@pytest.fixture
def source(tmp_path):
    """Three files, one a batch."""
    directory = tmp_path / "in"
    directory.mkdir()
    for n in range(3):
        lines = [json.dumps({"id": n * 10 + i}) for i in range(4)]
        (directory / f"{n}.json").write_text("\n".join(lines))
    return directory


EXPECTED = [n * 10 + i for n in range(3) for i in range(4)]


def run(spark, zk, source, table, checkpoint, configure=None):  # noqa: PLR0917 - in the order of a query
    files = spark.readStream.schema("id long").option("maxFilesPerTrigger", 1).json(str(source))
    writer = files.writeStream.foreachBatch(zk.foreach_batch(str(table), "q", configure))
    writer.option("checkpointLocation", str(checkpoint)).trigger(availableNow=True).start().awaitTermination()


def test_every_batch_is_committed_once(spark, zk, source, tmp_path):
    table = tmp_path / "t"
    run(spark, zk, source, table, tmp_path / "c")
    assert ids(spark, table) == EXPECTED
    history = zk.table(spark, str(table)).history().collect()
    assert [entry.job_id for entry in history] == ["q/0", "q/1", "q/2"]
    assert leftovers(zk, table) == []


def test_another_checkpoint_is_refused_as_its_batches_are_others(spark, zk, source, tmp_path):
    table = tmp_path / "t"
    run(spark, zk, source, table, tmp_path / "c")
    with pytest.raises(Exception, match="begins with batch 0, and batch 2 is committed"):
        run(spark, zk, source, table, tmp_path / "another")
    with pytest.raises(ConfigError, match="new app_id"):
        zk.foreach_batch(str(table), "q")(spark.range(100, 102), 1)
    # The last one may come again: Spark repeats it after a crash.
    zk.foreach_batch(str(table), "q")(spark.range(100, 102), 2)
    assert ids(spark, table) == EXPECTED
    assert zk.table(spark, str(table)).version == 3
    # Who was refused took nothing over.
    run(spark, zk, source, table, tmp_path / "c")


def test_the_write_is_configured(spark, zk, source, tmp_path):
    table = tmp_path / "t"
    run(spark, zk, source, table, tmp_path / "c", lambda write: write.format("json"))
    assert sorted(row.id for row in zk.table(spark, str(table)).read().collect()) == EXPECTED


def test_the_driver_that_came_last_is_the_only_one(spark, zk, tmp_path):
    table = tmp_path / "t"
    old, new = zk.foreach_batch(str(table), "q"), zk.foreach_batch(str(table), "q")
    old(spark.range(0, 2), 0)
    new(spark.range(2, 4), 1)
    with pytest.raises(Fenced, match="took it over"):
        old(spark.range(2, 4), 1)
    with pytest.raises(Fenced, match="two on one checkpoint"):
        old(spark.range(4, 6), 2)
    new(spark.range(4, 6), 2)
    new(spark.range(4, 6), 2)
    assert ids(spark, table) == [0, 1, 2, 3, 4, 5]
    other = zk.foreach_batch(str(table), "another query")
    other(spark.range(10, 11), 0)
    assert ids(spark, table) == [0, 1, 2, 3, 4, 5, 10]
    assert leftovers(zk, table) == []


def test_a_driver_deposed_while_it_writes_is_fenced(spark, zk, tmp_path):
    from sparkeeper.spark.steps import Step  # noqa: PLC0415 - beside its use

    table = tmp_path / "t"
    new = zk.foreach_batch(str(table), "q")

    def depose(step: Step) -> None:
        if step is Step.PROPOSED:
            new(spark.range(5, 6), 0)

    old = zk.foreach_batch(str(table), "q", lambda write: write.on_step(depose))
    with pytest.raises(Fenced):
        old(spark.range(0, 2), 0)
    assert ids(spark, table) == [5]
    assert leftovers(zk, table) == []


@pytest.mark.parametrize("step", ["STAGED", "PROPOSED", "COMMITTED", "CLEANED"])
def test_killed_between_commit_and_checkpoint_the_replay_is_a_no_op(  # noqa: PLR0917 - fixtures
    spark, zk, source, tmp_path, start_driver, step
):
    table, checkpoint = tmp_path / "t", tmp_path / "c"
    driver = start_driver(classic=True)
    driver.tell("stream", source=str(source), path=str(table), checkpoint=str(checkpoint), at=(step, "SIGKILL"))
    driver.wait_killed()
    committed = zk.table(spark, str(table)).version
    assert committed == (step in {"COMMITTED", "CLEANED"})
    run(spark, zk, source, table, checkpoint)
    assert ids(spark, table) == EXPECTED
    settle(spark, zk, table)


def test_a_query_needs_a_name(zk, tmp_path):
    with pytest.raises(ConfigError, match="name"):
        zk.foreach_batch(str(tmp_path / "t"), "")


def test_a_fenced_query_says_why(spark, zk, source, tmp_path):
    table = tmp_path / "t"
    handle = zk.foreach_batch(str(table), "q")
    handle(spark.range(1), -1)
    zk.foreach_batch(str(table), "q")(spark.range(1, 2), 0)
    files = spark.readStream.schema("id long").json(str(source))
    query = files.writeStream.foreachBatch(handle).option("checkpointLocation", str(tmp_path / "c"))
    with pytest.raises(StreamingQueryException, match="took it over"):
        query.trigger(availableNow=True).start().awaitTermination()
