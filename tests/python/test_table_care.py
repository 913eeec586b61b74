"""A table that needs care: examined, adopted, repaired, made plain again, and looked after by an elected janitor."""

from __future__ import annotations

import shutil

import pytest
from pyspark.sql import functions as F  # noqa: N812 - as everybody writes it

from sparkeeper.exceptions import ConfigError, CorruptManifest, HistoryLost, NotATable
from tables import ids, leftovers, settle, transactions, uuid_of
from waiting import wait_for


def kinds(diagnosis):
    return [finding.kind for finding in diagnosis.findings]


def forget(zk):
    """Lose ZooKeeper's record of everything."""
    for node in ("tables", "paths"):
        zk.delete(node, recursive=True)


def test_a_table_in_order_is_healthy(spark, zk, tmp_path):
    zk.write(spark.range(3)).save(str(tmp_path / "t"))
    diagnosis = zk.table(spark, str(tmp_path / "t")).doctor()
    assert (diagnosis.healthy, diagnosis.findings, diagnosis.version) == (True, (), 1)
    assert str(diagnosis) == f"file://{tmp_path}/t, version 1: healthy"


def test_foreign_files_are_reported_and_never_merged(spark, zk, tmp_path):
    path = tmp_path / "t"
    zk.write(spark.range(3)).save(str(path))
    spark.range(100, 103).write.mode("append").parquet(str(path))
    table = zk.table(spark, str(path))
    diagnosis = table.doctor()
    assert kinds(diagnosis) == ["foreign_file"]
    assert "foreign_file" in str(diagnosis)
    assert not diagnosis.healthy
    table.vacuum(older_than=0)
    zk.write(spark.range(3, 4)).save(str(path))
    assert ids(spark, path) == [0, 1, 2, 3]
    assert kinds(table.doctor()) == ["foreign_file"]


def test_a_foreign_overwrite_is_reported(spark, zk, tmp_path):
    path = tmp_path / "t"
    zk.write(spark.range(3)).save(str(path))
    spark.range(100, 103).write.mode("overwrite").parquet(str(path))
    diagnosis = zk.table(spark, str(path)).doctor()
    assert kinds(diagnosis) == ["not_a_table"]
    with pytest.raises(NotATable, match=r"no _zk/table\.json"):
        zk.write(spark.range(3)).save(str(path))


def test_lost_and_changed_files_are_named(spark, zk, tmp_path):
    path = tmp_path / "t"
    zk.write(spark.range(30, numPartitions=3)).save(str(path))
    one, other, _ = sorted(path.glob("*.parquet"))
    one.unlink()
    other.write_bytes(b"short")
    found = {finding.kind: finding.files for finding in zk.table(spark, str(path)).doctor().findings}
    assert found == {"missing_file": (one.name,), "changed_file": (other.name,)}


def test_leftovers_orphans_and_manifests_are_named(spark, zk, tmp_path):
    path = tmp_path / "t"
    zk.write(spark.range(3)).save(str(path))
    table = zk.table(spark, str(path))
    orphan = f"{'0' * 32}-part-0.parquet"
    (path / orphan).write_bytes(b"orphan")
    (path / "_zk/tx" / ("1" * 32)).mkdir()
    assert sorted(kinds(table.doctor())) == ["left_over", "orphan"]
    table.recover()
    assert table.vacuum(older_than=0).orphans == (orphan,)
    assert table.doctor().healthy
    manifest = next((path / "_zk/manifests").iterdir())
    manifest.write_bytes(manifest.read_bytes()[:-5])
    assert kinds(table.doctor()) == ["corrupt_manifest"]


def test_a_deleted_mirror_is_noticed_and_written_again(spark, zk, tmp_path):
    path = tmp_path / "t"
    for n in range(14):
        zk.write(spark.range(n, n + 1)).mode("overwrite" if n == 5 else "append").save(str(path))
    table = zk.table(spark, str(path))
    for keep in (True, False):
        if not keep:
            table.vacuum(older_than=0)
        shutil.rmtree(path / "_spark_metadata")
        assert "mirror_missing" in kinds(table.doctor())
        table.recover()
        assert table.doctor().healthy
        assert ids(spark, path) == list(range(5, 14))
    for n in range(14, 30):
        zk.write(spark.range(n, n + 1)).save(str(path))
        assert ids(spark, path) == list(range(5, n + 1))


@pytest.mark.parametrize("partitioned", [False, True])
def test_a_plain_directory_is_adopted_as_it_lies(spark, zk, tmp_path, partitioned):
    path = tmp_path / "t"
    writer = spark.range(10).withColumn("p", F.col("id") % 3).write
    (writer.partitionBy("p") if partitioned else writer).parquet(str(path))
    files = {file: file.stat().st_mtime_ns for file in path.rglob("*.parquet")}
    with pytest.raises(NotATable, match="adopt"):
        zk.write(spark.range(1)).save(str(path))
    table = zk.table(spark, str(path))
    commit = table.adopt()
    assert (commit.version, commit.files) == (1, len(files))
    assert {file: file.stat().st_mtime_ns for file in path.rglob("*.parquet")} == files
    assert ids(spark, path) == list(range(10))
    assert table.history().collect()[0].operation == "adopt"
    more = zk.write(spark.range(10, 13).withColumn("p", (F.col("id") % 3).cast("int" if partitioned else "long")))
    (more.partitionBy("p") if partitioned else more).save(str(path))
    assert ids(spark, path) == list(range(13))
    over = zk.write(spark.range(5).withColumn("p", F.lit(0))).mode("overwrite")
    (over.partitionBy("p") if partitioned else over).save(str(path))
    assert len(table.vacuum(older_than=0).files) >= len(files)
    assert not any(file.exists() for file in files)
    assert ids(spark, path) == list(range(5))
    with pytest.raises(ConfigError, match="already"):
        table.adopt()


def test_other_formats_are_adopted_with_their_options(spark, zk, tmp_path):
    path = str(tmp_path / "t")
    spark.range(3).selectExpr("id", "'x;y' AS text").write.csv(path, header=True, sep="|")
    zk.table(spark, path).adopt("csv", header="true", sep="|", inferSchema="true")
    assert sorted(tuple(row) for row in zk.table(spark, path).read().collect()) == [(n, "x;y") for n in range(3)]


def test_what_cannot_be_adopted_says_why(spark, zk, tmp_path):
    with pytest.raises(ConfigError, match="no files"):
        zk.table(spark, str(tmp_path / "empty")).adopt()
    spark.range(3).write.parquet(str(tmp_path / "t/sub"))
    with pytest.raises(ConfigError, match="no partitions"):
        zk.table(spark, str(tmp_path / "t")).adopt()
    spark.range(3).write.parquet(str(tmp_path / "u"))
    spark.range(3).write.parquet(str(tmp_path / "u/p=1"))
    with pytest.raises(ConfigError, match=r"disagree|Conflicting"):
        zk.table(spark, str(tmp_path / "u")).adopt()


def test_a_copy_becomes_a_table_of_its_own(spark, zk, tmp_path):
    path, copy = tmp_path / "t", tmp_path / "copy"
    zk.write(spark.range(3)).save(str(path))
    zk.write(spark.range(5, 7)).mode("overwrite").save(str(path))
    zk.write(spark.range(7, 8)).save(str(path))
    shutil.copytree(path, copy)
    with pytest.raises(NotATable, match="copied or moved"):
        zk.write(spark.range(1)).save(str(copy))
    assert zk.table(spark, str(copy)).adopt().version == 1
    assert ids(spark, copy) == [5, 6, 7]
    zk.write(spark.range(8, 9)).save(str(copy))
    zk.write(spark.range(9, 10)).save(str(path))
    assert (ids(spark, copy), ids(spark, path)) == ([5, 6, 7, 8], [5, 6, 7, 9])
    assert uuid_of(copy) != uuid_of(path)


def test_a_lost_history_is_rebuilt_from_the_mirror(spark, zk, tmp_path):
    path = tmp_path / "t"
    for n in range(13):
        zk.write(spark.range(n, n + 1)).job_id(f"job {n}").save(str(path))
    zk.foreach_batch(str(path), "q")(spark.range(13, 14), 7)
    table = zk.table(spark, str(path))
    assert table.repair() == 14
    forget(zk)
    assert ids(spark, path) == list(range(14))
    assert sorted(row.id for row in table.read().collect()) == list(range(14))
    with pytest.raises(HistoryLost, match="Reads go on"):
        zk.write(spark.range(1)).save(str(path))
    assert kinds(table.doctor()) == ["history_lost"]
    assert table.repair() == 14
    assert table.doctor().healthy
    assert zk.write(spark.range(3, 4)).job_id("job 3").save(str(path)).replayed
    zk.foreach_batch(str(path), "q")(spark.range(99, 100), 7)
    assert zk.write(spark.range(14, 15)).save(str(path)).version == 15
    assert ids(spark, path) == list(range(15))
    assert leftovers(zk, path) == []


def test_an_old_copy_of_zookeeper_is_rolled_forward(spark, zk, tmp_path):
    path = tmp_path / "t"
    zk.write(spark.range(1)).save(str(path))
    head = f"tables/{uuid_of(path)}/head"
    old, _ = zk.get(head)
    zk.write(spark.range(1, 2)).job_id("later").save(str(path))
    zk.set(head, old)
    table = zk.table(spark, str(path))
    with pytest.raises(HistoryLost):
        zk.write(spark.range(2, 3)).save(str(path))
    assert table.repair() == 2
    assert zk.write(spark.range(1, 2)).job_id("later").save(str(path)).replayed
    assert ids(spark, path) == [0, 1]


def test_what_proves_nothing_is_not_repaired(spark, zk, tmp_path):
    path = tmp_path / "t"
    zk.write(spark.range(3)).save(str(path))
    forget(zk)
    for manifest in (path / "_zk/manifests").iterdir():
        manifest.unlink()
    with pytest.raises(CorruptManifest, match="none of its 0 manifests"):
        zk.table(spark, str(path)).repair()


def test_a_table_is_made_a_plain_directory_again(spark, zk, tmp_path):
    path = tmp_path / "t"
    zk.write(spark.range(3)).save(str(path))
    zk.write(spark.range(5, 7)).mode("overwrite").save(str(path))
    zk.write(spark.range(7, 8)).save(str(path))
    table = zk.table(spark, str(path))
    pin = table.pin(1, name="held")
    with pytest.raises(ConfigError, match="held"):
        table.export_plain()
    pin.release()
    assert table.export_plain() == len(list(path.iterdir()))
    assert ids(spark, path) == [5, 6, 7]
    assert {file.suffix for file in path.iterdir()} == {".parquet"}
    assert (zk.children("tables"), zk.children("paths")) == ([], [])
    spark.range(8, 9).write.mode("append").parquet(str(path))
    assert ids(spark, path) == [5, 6, 7, 8]
    with pytest.raises(NotATable, match="adopt"):
        zk.write(spark.range(1)).save(str(path))


def test_an_export_that_died_is_finished_and_lets_nobody_write(spark, zk, tmp_path, monkeypatch):
    path = tmp_path / "t"
    zk.write(spark.range(3)).save(str(path))
    zk.write(spark.range(5, 7)).mode("overwrite").save(str(path))
    table = zk.table(spark, str(path))

    def die(_files, _name):
        raise KeyboardInterrupt

    monkeypatch.setattr("sparkeeper.spark.local_files.LocalFiles.set_aside", die)
    with pytest.raises(KeyboardInterrupt):
        table.export_plain()
    monkeypatch.undo()
    assert ids(spark, path) == [5, 6]
    with pytest.raises(NotATable, match="export_plain"):
        zk.write(spark.range(1)).save(str(path))
    table.export_plain()
    assert ids(spark, path) == [5, 6]


def test_an_elected_janitor_settles_what_the_dead_left(spark, zk, tmp_path, start_driver, coordinator):
    path = tmp_path / "t"
    zk.write(spark.range(3)).save(str(path))
    driver = start_driver()
    driver.tell("write", path=str(path), rows=(3, 6), at=("RELOCATED", "SIGKILL"))
    driver.wait_killed()
    other = coordinator()
    with (
        zk.janitor(spark, [str(path)], every=0.2, grace=0) as one,
        other.janitor(spark, [str(path)], every=0.2, grace=0, older_than=0) as two,
    ):
        wait_for(
            lambda: not transactions(zk, path) and not list((path / "_zk/tx").iterdir()), 30, "the janitor to be done"
        )
        wait_for(lambda: one.rounds + two.rounds > 3, 60, "a few rounds")
        assert 0 in {one.rounds, two.rounds}
    settle(spark, zk, path)
    assert ids(spark, path) == [0, 1, 2]


def test_a_janitor_needs_tables(spark, zk):
    with pytest.raises(ConfigError, match="list of the paths"):
        zk.janitor(spark, "/one")
    with pytest.raises(ConfigError, match="above 0"):
        zk.janitor(spark, ["/one"], every=0)


def damage(mirror, how):
    newest = max(mirror.iterdir(), key=lambda file: int(file.name.removesuffix(".compact")))
    compact = max(mirror.glob("*.compact"), key=lambda file: int(file.name.removesuffix(".compact")))
    match how:
        case "emptied":
            newest.write_text("v1\n")
        case "cut":
            newest.write_bytes(newest.read_bytes()[:-20])
        case "compact emptied":
            compact.write_text("v1\n")
        case "compact gone":
            compact.unlink()


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("how", ["emptied", "cut", "compact emptied", "compact gone"])
def test_a_damaged_mirror_is_found_and_mended(spark, zk, tmp_path, how, full):
    path = tmp_path / "t"
    zk.write(spark.range(3)).save(str(path))
    if full:
        zk.write(spark.range(4)).mode("overwrite").save(str(path))
    zk.write(spark.range(10, 12)).save(str(path))
    expected, table = ids(spark, path), zk.table(spark, str(path))
    damage(path / "_spark_metadata", how)
    wrong = full or not how.startswith("compact e")
    assert kinds(table.doctor()) == (["mirror_damaged"] if wrong else [])
    assert table.recover().published == (1 if wrong else 0)
    assert table.doctor().healthy
    assert ids(spark, path) == expected
