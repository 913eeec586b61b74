"""A file system without renames makes the first mirror file by file: what a reader finds in between."""

from __future__ import annotations

import pytest

from tables import ids


@pytest.mark.parametrize("interval", [2, 3, 5, 10, 25])
def test_its_beginning_reads_as_the_whole(spark, zk, tmp_path, interval):
    table = tmp_path / "t"
    zk.write(spark.range(10)).save(str(table))
    names = sorted(file.name for file in (table / "_spark_metadata").iterdir())
    assert names == ["19.compact", "9.compact"]
    # A writer that died between the two left the lower one.
    (table / "_spark_metadata/19.compact").unlink()
    reader = spark.newSession()
    reader.conf.set("spark.sql.streaming.fileSink.log.compactInterval", interval)
    assert ids(reader, table) == list(range(10))
