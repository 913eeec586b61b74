"""Writes to a real HDFS, whose NameNode and DataNode run here, from Spark's own Hadoop client."""

from __future__ import annotations

import uuid

import pytest

from hadoop_path import HadoopPath
from hdfs import Hdfs
from sparkeeper.exceptions import ConfigError, NotATable
from tables import ids
from test_write import (  # noqa: F401 - each is a test of this module too
    test_a_blind_overwrite_replaces_it_and_an_append_rebases,
    test_a_callback_that_raises_rolls_back,
    test_a_job_that_fails_in_spark_leaves_nothing,
    test_append_adds_and_overwrite_replaces,
    test_many_versions_are_read_right_and_travelled,
    test_the_steps_come_in_order,
)
from test_write_killed import test_killed_in_an_overwrite  # noqa: F401 - as above
from test_write_shapes import (  # noqa: F401 - as above
    test_no_rows_are_a_table_that_can_be_read,
    test_partition_values_survive,
    test_two_levels_of_partitions,
)


@pytest.fixture(scope="module")
def hdfs(tmp_path_factory):
    with Hdfs(tmp_path_factory.mktemp("hdfs")) as running:
        yield running


@pytest.fixture
def tmp_path(spark, hdfs):
    return HadoopPath(spark, f"{hdfs.uri}/{uuid.uuid4().hex}")


@pytest.fixture
def start_driver(start_driver):
    # A Spark Connect client has no JVM.
    return lambda **asked: start_driver(**{**asked, "classic": True})


def test_five_spellings_are_one_table(spark, zk, hdfs):
    session = spark.newSession()
    session.conf.set("fs.defaultFS", hdfs.uri)
    name = uuid.uuid4().hex
    spellings = [f"/{name}", f"hdfs:///{name}/", f"{hdfs.uri}//{name}", f"HDFS:/{name}", f"{hdfs.uri}/x/../{name}"]
    for spelling in spellings:
        zk.write(session.range(1)).save(spelling)
    assert zk.table(session, f"/{name}").version == 5
    # Spark's reader of its log does not resolve a scheme without an authority.
    assert ids(session, f"/{name}") == ids(session, f"{hdfs.uri}/{name}") == [0] * 5
    zk.write(session.range(1)).save(f"{name}-relative")
    assert ids(session, f"{name}-relative") == [0]


def test_a_moved_directory_is_refused(spark, zk, tmp_path):
    zk.write(spark.range(3)).save(str(tmp_path / "t"))
    assert (tmp_path / "t")._fs.rename((tmp_path / "t")._path, (tmp_path / "moved")._path)
    with pytest.raises(NotATable, match="copied or moved"):
        zk.write(spark.range(3)).save(str(tmp_path / "moved"))
    with pytest.raises(NotATable, match=r"deleted.*or is not mounted"):
        zk.write(spark.range(3)).save(str(tmp_path / "t"))


def test_a_file_system_that_spark_does_not_know_is_named(spark, zk):
    with pytest.raises(ConfigError, match=r"nofs://there/t.*cannot open nofs"):
        zk.write(spark.range(3)).save("nofs://there/t")
