"""History that was lost, files that were damaged: writes are refused with a reason, and no wrong rows are read."""

from __future__ import annotations

import shutil

import pytest

from sparkeeper.exceptions import CorruptManifest, HistoryLost
from tables import ids, leftovers, uuid_of


def test_a_wiped_zookeeper_is_noticed(spark, zk, tmp_path):
    table = tmp_path / "t"
    zk.write(spark.range(10)).save(str(table))
    zk.delete("tables", recursive=True)
    zk.delete("paths", recursive=True)
    for mode in ("append", "overwrite"):
        with pytest.raises(HistoryLost, match="wiped or restored"):
            zk.write(spark.range(10)).mode(mode).save(str(table))
    assert ids(spark, table) == list(range(10))
    assert sorted(row.id for row in zk.table(spark, str(table)).read().collect()) == list(range(10))


def test_a_zookeeper_restored_from_an_old_copy_is_noticed(spark, zk, tmp_path):
    table = tmp_path / "t"
    zk.write(spark.range(10)).save(str(table))
    head = f"tables/{uuid_of(table)}/head"
    old, _ = zk.get(head)
    zk.write(spark.range(10, 20)).save(str(table))
    zk.set(head, old)
    with pytest.raises(HistoryLost, match="readers see mirror id 21"):
        zk.write(spark.range(10)).save(str(table))
    assert ids(spark, table) == list(range(20))


@pytest.mark.parametrize("damage", ["flip", "truncate", "empty", "remove"])
def test_a_damaged_manifest_is_never_believed(spark, zk, tmp_path, damage):
    table = tmp_path / "t"
    zk.write(spark.range(10)).save(str(table))
    zk.write(spark.range(10, 20)).save(str(table))
    (newest,) = (table / "_zk/manifests").glob("2-*")
    data = newest.read_bytes()
    if damage == "remove":
        newest.unlink()
    else:
        flipped = data[:60] + bytes([data[60] ^ 1]) + data[61:]
        newest.write_bytes({"flip": flipped, "truncate": data[:-9], "empty": b""}[damage])
    handle = zk.table(spark, str(table))
    for refused in (
        lambda: zk.write(spark.range(20, 30)).save(str(table)),
        lambda: zk.write(spark.range(20, 30)).mode("overwrite").save(str(table)),
        lambda: handle.read(2),
        handle.history,
    ):
        with pytest.raises(CorruptManifest):
            refused()
    assert ids(spark, table) == list(range(20))
    newest.write_bytes(data)
    assert zk.write(spark.range(20, 30)).save(str(table)).version == 3
    assert ids(spark, table) == list(range(30))
    assert leftovers(zk, table) == []


def test_a_full_or_forbidden_disk_is_an_error_and_the_old_snapshot(spark, zk, tmp_path):
    table = tmp_path / "t"
    zk.write(spark.range(10)).save(str(table))
    # A file where the directory was: nobody, root included, can create anything below it.
    shutil.move(table / "_zk/manifests", tmp_path / "aside")
    (table / "_zk/manifests").touch()
    with pytest.raises((OSError, CorruptManifest)):
        zk.write(spark.range(10, 20)).mode("overwrite").save(str(table))
    (table / "_zk/manifests").unlink()
    shutil.move(tmp_path / "aside", table / "_zk/manifests")
    assert ids(spark, table) == list(range(10))
    assert leftovers(zk, table) == []
