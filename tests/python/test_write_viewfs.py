"""The tests of writes again, through the JVM's Hadoop: a ViewFs whose files lie on this machine's disk."""

from __future__ import annotations

import shutil

import pytest

from sparkeeper.exceptions import NotATable
from tables import ids
from test_write import *  # noqa: F403 - each is a test of this module too
from test_write_damage import *  # noqa: F403 - as above
from test_write_executors import (  # noqa: F401 - as above
    test_an_attempt_that_goes_on_writing_after_the_commit,
    test_an_executor_killed_in_the_middle_of_its_task,
    test_files_of_an_attempt_that_nobody_knows_are_swept,
)
from test_write_killed import (  # noqa: F401 - as above
    test_killed_at_random_moments,
    test_killed_in_the_first_write,
)
from test_write_shapes import (  # noqa: F401 - as above
    test_a_table_may_have_any_name,
    test_no_rows_are_a_table_that_can_be_read,
    test_partition_values_survive,
    test_two_levels_of_partitions,
)


@pytest.fixture(scope="session")
def settings(tmp_path_factory):
    """Put every path without a scheme on ViewFs, whose files lie on the disk without checksums beside them."""
    disk = tmp_path_factory.getbasetemp()
    return {
        "fs.defaultFS": "viewfs://disk/",
        f"fs.viewfs.mounttable.disk.link.{disk}": f"file://{disk}",
        "fs.file.impl": "org.apache.hadoop.fs.RawLocalFileSystem",
        "fs.AbstractFileSystem.file.impl": "org.apache.hadoop.fs.local.RawLocalFs",
    }


@pytest.fixture
def spark(spark, settings):
    session = spark.newSession()
    for key, value in settings.items():
        session.conf.set(key, value)
    return session


@pytest.fixture
def start_driver(start_driver, settings):
    # A Spark Connect client has no JVM.
    hadoop = {f"spark.hadoop.{key}": value for key, value in settings.items()}

    def start(**asked):
        return start_driver(**{**asked, "classic": True, "spark": {**hadoop, **asked.get("spark", {})}})

    return start


def test_five_spellings_are_one_table(spark, zk, tmp_path):
    home = tmp_path / "t"
    for path in [f"{home}", f"{tmp_path}//t/", f"viewfs://disk{home}", f"VIEWFS://disk{home}/", f"viewfs:{home}"]:
        zk.write(spark.range(1)).save(path)
    assert zk.table(spark, str(home)).version == 5
    assert ids(spark, home) == ids(spark, f"viewfs://disk{home}") == [0] * 5


def test_a_copied_or_moved_directory_is_refused(spark, zk, tmp_path):
    zk.write(spark.range(3)).save(str(tmp_path / "t"))
    shutil.copytree(tmp_path / "t", tmp_path / "copy")
    with pytest.raises(NotATable, match="copied or moved"):
        zk.write(spark.range(3)).save(str(tmp_path / "copy"))
    shutil.move(tmp_path / "t", tmp_path / "moved")
    with pytest.raises(NotATable, match="copied or moved"):
        zk.write(spark.range(3)).save(str(tmp_path / "moved"))
    with pytest.raises(NotATable, match=r"deleted.*or is not mounted"):
        zk.write(spark.range(3)).save(str(tmp_path / "t"))
