"""How files appear in a table's directory: whole, and only while their writer has not been deposed."""

from __future__ import annotations

import pytest

from sparkeeper.spark.local_files import LocalFiles


@pytest.fixture
def files(tmp_path):
    (tmp_path / "_zk").mkdir()
    return LocalFiles(str(tmp_path))


def test_a_file_appears_by_way_of_a_desk(files, tmp_path):
    files.make("desk")
    files.publish("out/name", b"data", by="desk")
    assert (tmp_path / "out/name").read_bytes() == b"data"
    assert files.names("desk") == []


def test_no_file_appears_by_way_of_a_desk_that_was_taken_away(files, tmp_path):
    files.make("desk")
    files.set_aside("desk")
    with pytest.raises(FileNotFoundError):
        files.publish("out/name", b"data", by="desk")
    assert not (tmp_path / "out").exists()
