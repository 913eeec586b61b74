"""FAULTS 42: the right to write is lost: an error and the old snapshot; after the commit, no error."""

from __future__ import annotations

import contextlib
import os

import pytest

from overwriting import NEW, OLD, limit, stop_in_an_overwrite, write_again
from sparkeeper.exceptions import ConfigError
from sparkeeper.spark.steps import Step
from tables import ids, settle

# Root is bound by rights only without the capability to pass over them.
AS_ANYBODY = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"] if os.geteuid() == 0 else []


@contextlib.contextmanager
def forbidden(directory):
    """Nobody may make or delete anything in it."""
    before = directory.stat().st_mode
    directory.chmod(0o500)
    yield
    directory.chmod(before)


def test_the_right_to_write_is_lost(spark, zk, tmp_path, start_driver):
    driver = start_driver(classic=True, under=AS_ANYBODY, session_timeout=10)
    for step, where in [
        (Step.BEGUN, "_zk/tx"),
        (Step.STAGED, "_zk/tx/*"),
        (Step.NAMED, "."),
        (Step.RELOCATED, "_zk/manifests"),
    ]:
        table = tmp_path / step.name
        zk.write(spark.range(100)).save(str(table))
        stop_in_an_overwrite(driver, table, step)
        with forbidden(next(table.glob(where)) if "*" in where else table / where):
            driver.go_on()
            answer = driver.answer()
            # The latter is how Spark's own writer says it.
            said = answer.get("text", "")
            assert "Permission denied" in said or "Mkdirs failed" in said, f"{step}: {answer}"
            assert ids(spark, table) == OLD
        settle(spark, zk, table)
        assert ids(spark, table) == OLD
        write_again(spark, zk, driver, table)


def test_the_right_to_publish_is_lost(spark, zk, tmp_path, start_driver):
    table = tmp_path / "t"
    zk.write(spark.range(100)).save(str(table))
    driver = start_driver(classic=True, under=AS_ANYBODY, session_timeout=10)
    stop_in_an_overwrite(driver, table, Step.COMMITTED)
    with forbidden(table / "_spark_metadata"):
        driver.go_on()
        assert driver.answer().get("version") == 2
        assert ids(spark, table) == OLD
    settle(spark, zk, table)
    assert ids(spark, table) == NEW


def test_no_room_to_publish_is_no_error_because_the_commit_stands(spark, zk, tmp_path, start_driver):
    table = tmp_path / "t"
    zk.write(spark.range(100)).save(str(table))
    driver = start_driver(session_timeout=10)
    stop_in_an_overwrite(driver, table, Step.COMMITTED)
    limit(driver.process, 16)
    driver.go_on()
    assert driver.answer().get("version") == 2
    assert ids(spark, table) == OLD
    settle(spark, zk, table)
    assert ids(spark, table) == NEW


def test_a_path_without_rights_or_below_a_file_is_said(spark, zk, tmp_path, start_driver):
    closed, file = tmp_path / "closed", tmp_path / "file"
    closed.mkdir()
    file.touch()
    driver = start_driver(classic=True, under=AS_ANYBODY, session_timeout=10)
    with forbidden(closed):
        answer = driver.ask("write", path=str(closed / "t"), rows=[0, 1])
    assert answer["error"] == "NotAuthorized"
    assert answer["text"].startswith(f"table file://{closed / 't'}: [Errno 13] Permission denied: ")
    assert "choose a path that this user may read and write" in answer["text"]
    with pytest.raises(ConfigError, match=r"Not a directory.*; a table is a directory, choose another path"):
        zk.write(spark.range(1)).save(str(file / "t"))
    with pytest.raises(ConfigError, match=r"Not a directory.*; a table is a directory, choose another path"):
        zk.table(spark, str(file)).doctor()
