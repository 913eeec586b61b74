"""A table's past: versions read, followed, restored, pinned and forgotten."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from pyspark.sql import functions as F  # noqa: N812 - as everybody writes it

from sparkeeper.exceptions import CommitConflict, ConfigError, CorruptManifest
from tables import ids, transactions, uuid_of


def versions(zk, spark, path, count, first=1):
    """Append one row a version."""
    for n in range(first, first + count):
        zk.write(spark.range(n, n + 1, numPartitions=1)).save(str(path))


def read(table, **which):
    return sorted(row.id for row in table.read(**which).collect())


def data(path):
    return {file.name for file in path.glob("*.parquet")}


def test_a_time_is_a_version(spark, zk, tmp_path):
    versions(zk, spark, tmp_path / "t", 3)
    table = zk.table(spark, str(tmp_path / "t"))
    times = [row.committed_at.astimezone(timezone.utc) for row in table.history().collect()]
    assert read(table, as_of=times[1]) == [1, 2]
    assert read(table, as_of=times[1].isoformat()) == [1, 2]
    assert read(table, as_of=times[1].astimezone().replace(tzinfo=None)) == [1, 2]
    assert read(table, as_of=datetime.now(timezone.utc)) == [1, 2, 3]
    with pytest.raises(ConfigError, match="no version is as old"):
        table.read(as_of=times[0] - timedelta(seconds=1))
    with pytest.raises(ConfigError, match="give a datetime"):
        table.read(as_of="yesterday")
    with pytest.raises(ConfigError, match="one of them"):
        table.read(version=1, as_of=times[1])


def test_history_is_a_dataframe(spark, zk, tmp_path):
    versions(zk, spark, tmp_path / "t", 3)
    history = zk.table(spark, str(tmp_path / "t")).history()
    assert history.where(F.col("added") == 1).count() == 3
    assert history.select("version", "files").orderBy("version").collect() == [(1, 1), (2, 2), (3, 3)]
    assert history.schema["writer"].dataType.simpleString() == "map<string,string>"


def test_changes_tell_a_follower_what_to_read(spark, zk, tmp_path):
    path = str(tmp_path / "t")
    zk.write(spark.range(4).withColumn("p", F.col("id") % 2)).partitionBy("p").save(path)
    only = spark.range(9, 10).withColumn("p", F.lit(1).cast("long"))
    zk.write(only).partitionBy("p").mode("overwrite_partitions").save(path)
    table = zk.table(spark, path)
    new = table.changes(1).collect()
    assert {(row.version, row.change) for row in new} == {(2, "added"), (2, "removed")}
    assert {row.partition["p"] for row in new if row.change == "added"} == {"1"}
    first = table.changes(0, 1).collect()
    assert {row.change for row in first} == {"added"}
    removed = {row.path for row in new if row.change == "removed"}
    assert removed < {row.path for row in first}
    assert table.changes(2).count() == 0
    for wrong in ((-1, None), (0, 3), (2, 1)):
        with pytest.raises(ConfigError, match="versions from 0 to 2"):
            table.changes(*wrong)


def test_a_version_is_restored_as_a_new_one(spark, zk, tmp_path):
    path = tmp_path / "t"
    versions(zk, spark, path, 3)
    zk.write(spark.range(100, 101)).mode("overwrite").save(str(path))
    files = data(path)
    table = zk.table(spark, str(path))
    commit = table.restore(2)
    assert (commit.version, ids(spark, path)) == (5, [1, 2])
    assert data(path) == files
    assert read(table, version=4) == [100]
    assert table.restore(4).version == 6
    assert table.restore(5, job_id="undo").version == 7
    assert table.restore(5, job_id="undo").replayed
    assert ids(spark, path) == [1, 2]
    last = table.history().collect()[-1]
    assert (last.operation, last.parameters, last.files) == ("restore", {"restored": "5"}, 2)
    with pytest.raises(ConfigError, match="there is no version 99"):
        table.restore(99)
    assert transactions(zk, path) == []


def test_a_restore_that_lost_a_file_or_met_a_commit_says_so(spark, zk, tmp_path, monkeypatch):
    path = tmp_path / "t"
    versions(zk, spark, path, 2)
    table = zk.table(spark, str(path))
    monkeypatch.setattr("sparkeeper.spark.restoring.write", lambda request: _after_another(zk, spark, path, request))
    with pytest.raises(CommitConflict, match="undone unseen"):
        table.restore(1)
    monkeypatch.undo()
    assert ids(spark, path) == [1, 2, 50]
    (path / table.changes(0, 1).collect()[0].path).unlink()
    with pytest.raises(CorruptManifest, match="missing"):
        table.restore(2)


def _after_another(zk, spark, path, request):
    from sparkeeper.spark import attempt  # noqa: PLC0415 - the real one

    begun = attempt.begin(request)
    zk.write(spark.range(50, 51)).save(str(path))
    return attempt.commit(begun)


def test_vacuum_forgets_what_was_replaced(spark, zk, tmp_path):
    path = tmp_path / "t"
    versions(zk, spark, path, 2)
    zk.write(spark.range(7, 8, numPartitions=1)).mode("overwrite").save(str(path))
    versions(zk, spark, path, 12, first=8)
    table = zk.table(spark, str(path))
    before = data(path)
    assert table.vacuum().files == ()
    planned = table.vacuum(older_than=0, dry_run=True)
    assert (planned.floor, len(planned.files), data(path)) == (15, 2, before)
    done = table.vacuum(older_than=0)
    assert (done.files, done.orphans, done.dry_run) == (planned.files, (), False)
    assert data(path) == before - set(done.files)
    assert ids(spark, path) == [7, *range(8, 20)]
    assert [row.version for row in table.history().collect()] == [15]
    with pytest.raises(ConfigError, match="was vacuumed"):
        table.read(14)
    with pytest.raises(ConfigError, match="vacuumed"):
        table.restore(3)
    with pytest.raises(ConfigError, match="were vacuumed"):
        table.changes(3)
    again = table.vacuum(older_than=timedelta(0))
    assert (again.files, again.manifests) == ((), 0)
    versions(zk, spark, path, 12, first=20)
    assert read(table, version=20) == [7, *range(8, 25)]
    assert table.doctor().findings == ()


def test_a_vacuum_that_died_is_finished_by_the_next(spark, zk, tmp_path, monkeypatch):
    path = tmp_path / "t"
    versions(zk, spark, path, 2)
    zk.write(spark.range(7, 8)).mode("overwrite").save(str(path))
    zk.write(spark.range(8, 9)).mode("overwrite").save(str(path))
    table = zk.table(spark, str(path))
    live = {row.path for row in table.changes(3).collect() if row.change == "added"}

    def die(_files, _paths):
        raise KeyboardInterrupt

    monkeypatch.setattr("sparkeeper.spark.local_files.LocalFiles.delete", die)
    with pytest.raises(KeyboardInterrupt):
        table.vacuum(older_than=0)
    monkeypatch.undo()
    assert data(path) > live
    table.vacuum(older_than=0)
    assert data(path) == live
    assert ids(spark, path) == [8]


def test_a_restored_file_outlives_the_versions_that_had_it_before(spark, zk, tmp_path):
    path = tmp_path / "t"
    versions(zk, spark, path, 1)
    zk.write(spark.range(7, 8)).mode("overwrite").save(str(path))
    table = zk.table(spark, str(path))
    table.restore(1)
    table.vacuum(older_than=0)
    assert ids(spark, path) == [1]
    assert table.doctor().healthy


def test_pins_hold_vacuum_back(spark, zk, tmp_path, coordinator):
    path = tmp_path / "t"
    versions(zk, spark, path, 1)
    table = zk.table(spark, str(path))
    for n in range(3):
        zk.write(spark.range(10 * n, 10 * n + 1)).mode("overwrite").save(str(path))
    with table.pin(2) as pin:
        assert table.vacuum(older_than=0).floor == 2
        assert read(table, version=pin.version) == [0]
        with pytest.raises(ConfigError, match="vacuumed"):
            table.pin(1)
    named = table.pin(3, name="audit")
    assert table.pin(3, name="audit").version == named.version
    with pytest.raises(ConfigError, match="is on version 3"):
        table.pin(4, name="audit")
    with pytest.raises(ConfigError, match="no such version"):
        table.pin(9)
    other = coordinator()
    sparkeeper_table = other.table(spark, str(path))
    sparkeeper_table.pin(4)
    other.close()
    assert table.vacuum(older_than=0).floor == 3
    table.unpin("audit")
    table.unpin("audit")
    assert table.vacuum(older_than=0).floor == 4
    assert zk.children(f"tables/{uuid_of(path)}/pins") == []


def test_writes_under_way_survive_a_vacuum(spark, zk, tmp_path):
    from sparkeeper.spark.steps import Step  # noqa: PLC0415 - beside its use

    path = tmp_path / "t"
    versions(zk, spark, path, 2)
    table = zk.table(spark, str(path))
    seen = []

    def sweep(step: Step) -> None:
        if step is Step.RELOCATED:
            seen.append(table.vacuum(older_than=0))

    zk.write(spark.range(5, 6)).on_step(sweep).save(str(path))
    assert (seen[0].files, seen[0].orphans) == ((), ())
    assert ids(spark, path) == [1, 2, 5]


def test_old_job_ids_are_forgotten_when_told(spark, zk, tmp_path):
    path = str(tmp_path / "t")
    zk.write(spark.range(1)).job_id("once").save(path)
    table = zk.table(spark, path)
    assert table.vacuum().jobs == 0
    assert zk.write(spark.range(1)).job_id("once").save(path).replayed
    assert table.vacuum(jobs_older_than=0).jobs == 1
    assert not zk.write(spark.range(1)).job_id("once").save(path).replayed


def test_the_mirror_is_swept_but_for_what_readers_need(spark, zk, tmp_path):
    import os  # noqa: PLC0415 - beside its use

    path = tmp_path / "t"
    versions(zk, spark, path, 45)
    mirror = path / "_spark_metadata"
    for file in mirror.iterdir():
        os.utime(file, (0, 0))
    zk.table(spark, str(path)).vacuum(older_than=0)
    left = {file.name for file in mirror.iterdir() if not file.name.startswith(".")}
    assert left == {"39.compact", "49.compact", "59.compact"} | {str(n) for n in range(40, 65) if n not in {49, 59}}
    assert ids(spark, path) == list(range(1, 46))
    versions(zk, spark, path, 10, first=46)
    assert ids(spark, path) == list(range(1, 56))


def test_says_what_is_no_age(spark, zk, tmp_path):
    versions(zk, spark, tmp_path / "t", 1)
    with pytest.raises(ConfigError, match="older_than=-1"):
        zk.table(spark, str(tmp_path / "t")).vacuum(older_than=-1)


def test_a_version_is_read_as_it_is_though_another_is_committed_meanwhile(spark, zk, tmp_path, monkeypatch):
    path = tmp_path / "t"
    versions(zk, spark, path, 1)
    table = zk.table(spark, str(path))
    look = table._open

    def look_and_wait():
        ledger = look()
        versions(zk, spark, path, 1, first=2)
        return ledger

    monkeypatch.setattr(table, "_open", look_and_wait)
    assert read(table, version=1) == [1]
    assert read(table) == [1, 2, 2]
