"""FAULTS 42: a disk without room is an error, the old snapshot, and nothing left over."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess

import psutil
import pytest
from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException

from overwriting import OLD, limit, stop_in_an_overwrite, write_again
from sparkeeper.spark.steps import Step
from tables import ids, leftovers


@pytest.mark.parametrize("step", [Step.STAGED, Step.RELOCATED], ids=lambda step: step.name)
def test_no_room_for_what_the_protocol_writes(spark, zk, tmp_path, start_driver, step):
    table = tmp_path / "t"
    zk.write(spark.range(100)).save(str(table))
    driver = start_driver(session_timeout=10)
    stop_in_an_overwrite(driver, table, step)
    limit(driver.process, 16)
    driver.go_on()
    answer = driver.answer()
    assert (answer.get("error"), answer.get("ours")) == ("OSError", False), answer
    assert "File too large" in answer["text"]
    assert ids(spark, table) == OLD
    assert leftovers(zk, table) == []
    limit(driver.process, resource.RLIM_INFINITY)
    write_again(spark, zk, driver, table)


def test_no_room_for_what_spark_writes(spark, zk, tmp_path, start_driver):
    table = tmp_path / "t"
    zk.write(spark.range(100)).save(str(table))
    driver = start_driver(classic=True, session_timeout=10)
    # What Spark unpacks for its first file is longer.
    driver.ask("plain_write", path=str(tmp_path / "first"), rows=[0, 1])
    (java,) = [child for child in psutil.Process(driver.process.pid).children() if child.name() == "java"]
    limit(java, 1000)
    answer = driver.ask("write", path=str(table), rows=[1000, 9000], mode="overwrite")
    assert (answer.get("ours"), "File too large" in answer.get("text", "")) == (False, True), answer
    assert ids(spark, table) == OLD
    assert leftovers(zk, table) == []
    limit(java, resource.RLIM_INFINITY)
    write_again(spark, zk, driver, table)


@pytest.fixture
def small_disk(tmp_path):
    """A disk of one megabyte."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount, umount = shutil.which("mount"), shutil.which("umount")
    if os.geteuid() != 0 or mount is None or umount is None:
        pytest.skip("only root may mount a small disk; the other tests here need no root")
    subprocess.run([mount, "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], check=True)
    yield disk
    # Spark does not close the files that it could not write.
    subprocess.run([umount, "--lazy", disk], check=True)


def test_a_full_disk(spark, zk, small_disk):
    table = small_disk / "t"
    zk.write(spark.range(100)).save(str(table))
    for mode in ("append", "overwrite"):
        with pytest.raises((PySparkException, Py4JJavaError), match="No space left on device"):
            zk.write(spark.range(2_000_000)).mode(mode).save(str(table))
        assert ids(spark, table) == OLD
        assert leftovers(zk, table) == []
