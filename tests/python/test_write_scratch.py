"""What a writer leaves half written is swept, and a living writer whose file was swept writes it again."""

from __future__ import annotations

import os
import threading
import time

import pytest

from sparkeeper.spark import names
from sparkeeper.spark.local_files import LocalFiles
from tables import ids, leftovers


def test_what_killed_writers_left_half_written_is_swept(spark, zk, tmp_path):
    table = tmp_path / "t"
    zk.write(spark.range(10)).save(str(table))
    scratch = table / names.SCRATCH
    for name in ("old", "young"):
        (scratch / name).write_bytes(b"half")
    (scratch / "directory").mkdir()
    (scratch / "directory/19.compact").write_bytes(b"v1")
    for name in ("old", "directory"):
        os.utime(scratch / name, (time.time() - 3600,) * 2)
    zk.write(spark.range(10, 20)).save(str(table))
    assert [entry.name for entry in scratch.iterdir()] == ["young"]
    # A living writer's, for all that anybody knows.
    zk.table(spark, str(table)).recover(grace=0)
    assert [entry.name for entry in scratch.iterdir()] == ["young"]
    os.utime(scratch / "young", (time.time() - 60,) * 2)
    zk.table(spark, str(table)).recover(grace=0)
    assert leftovers(zk, table) == []
    assert ids(spark, table) == list(range(20))


def test_a_living_writer_writes_again_what_was_swept(tmp_path):
    files = LocalFiles(str(tmp_path))
    over = threading.Event()
    published, swept = [], []

    def sweep() -> None:
        # Once in a publication: who is swept without end has to give up.
        while not over.is_set():
            if files.names(names.SCRATCH) and len(published) not in swept:
                swept.append(len(published))
                files.sweep(names.SCRATCH, 0)

    sweeper = threading.Thread(target=sweep)
    sweeper.start()
    try:
        for number in range(100):
            files.publish(f"file-{number}", b"whole")
            published.append(number)
            files.publish_directory(f"directory-{number}", [("a", b"1"), ("b", b"2")])
            published.append(number)
    finally:
        over.set()
        sweeper.join()
    assert len(swept) > 20
    for number in range(100):
        assert (tmp_path / f"file-{number}").read_bytes() == b"whole"
        assert sorted(files.names(f"directory-{number}")) == ["a", "b"]
    assert files.names(names.SCRATCH) == []


def test_nothing_stays_of_what_could_not_be_published(tmp_path):
    files = LocalFiles(str(tmp_path))
    (tmp_path / "file").write_bytes(b"in the way")
    with pytest.raises(OSError, match=r"Not a directory|exists"):
        files.publish("file/below", b"whole")
    with pytest.raises(OSError, match="Not a directory"):
        files.publish_directory("file/below", [("a", b"1")])
    assert files.names(names.SCRATCH) == []
