"""A driver stopped past its session timeout while another takes over, then continued: `Fenced`, and nothing of it."""

from __future__ import annotations

import pytest

from sparkeeper.spark.steps import Step
from tables import ids, is_alive, leftovers, settle, transactions
from waiting import wait_for

BEFORE_THE_COMMIT = ["BEGUN", "STAGED", "NAMED", "RELOCATED", "PROPOSED"]


@pytest.fixture
def driver(start_driver):
    return start_driver(session_timeout=1)


def stop_at(driver, zk, table, step, **command):
    """Let the driver stop itself after a step, and wait until the ensemble takes it for dead."""
    driver.tell("write", path=str(table), rows=[1000, 1300], at=[step, "SIGSTOP"], **command)
    driver.wait_stopped()
    (tx,) = transactions(zk, table)
    wait_for(lambda: not is_alive(zk, table, tx), 60, "the session of the stopped driver to expire")


def test_the_same_job_takes_over(spark, zk, tmp_path, driver):
    for step in BEFORE_THE_COMMIT:
        table = tmp_path / step
        zk.write(spark.range(100)).save(str(table))
        stop_at(driver, zk, table, step, mode="overwrite", job_id="nightly")
        commit = zk.write(spark.range(500, 510)).mode("overwrite").job_id("nightly").save(str(table))
        assert (commit.version, commit.replayed) == (2, False)
        driver.go_on()
        answer = driver.answer()
        assert answer.get("error") == "Fenced", f"{step}: {answer}"
        assert ids(spark, table) == list(range(500, 510)), step
        settle(spark, zk, table)
        assert zk.table(spark, str(table)).version == 2


def test_recovery_takes_over(spark, zk, tmp_path, driver):
    for step in BEFORE_THE_COMMIT:
        table = tmp_path / step
        zk.write(spark.range(100)).save(str(table))
        stop_at(driver, zk, table, step)
        assert len(zk.table(spark, str(table)).recover(grace=0).rolled_back) == 1
        assert leftovers(zk, table) == [], step
        driver.go_on()
        answer = driver.answer()
        assert answer.get("error") == "Fenced", f"{step}: {answer}"
        assert ids(spark, table) == list(range(100)), step
        settle(spark, zk, table)


def test_an_expiry_ends_a_job_that_asks_for_that(spark, zk, tmp_path, driver):
    for step in ("STAGED", "PROPOSED"):
        table = tmp_path / step
        zk.write(spark.range(100)).save(str(table))
        stop_at(driver, zk, table, step, fence="session")
        driver.go_on()
        answer = driver.answer()
        assert answer.get("error") == "Fenced", f"{step}: {answer}"
        assert "session that it began in" in answer["text"]
        settle(spark, zk, table)
        assert ids(spark, table) == list(range(100)), step


def test_an_expiry_alone_ends_no_job(spark, zk, tmp_path, driver):
    for step in BEFORE_THE_COMMIT:
        table = tmp_path / step
        zk.write(spark.range(100)).save(str(table))
        stop_at(driver, zk, table, step)
        zk.write(spark.range(100, 200)).save(str(table))
        driver.go_on()
        answer = driver.answer()
        assert answer.get("version") == 3, f"{step}: {answer}"
        assert ids(spark, table) == [*range(200), *range(1000, 1300)]
        settle(spark, zk, table)


def test_stopped_after_the_commit_it_is_finished_by_others(spark, zk, tmp_path, driver):
    for step in (Step.COMMITTED, Step.PUBLISHED):
        table = tmp_path / step.name
        zk.write(spark.range(100)).save(str(table))
        stop_at(driver, zk, table, step.name)
        zk.write(spark.range(100, 200)).save(str(table))
        assert ids(spark, table) == [*range(200), *range(1000, 1300)]
        assert leftovers(zk, table) == []
        driver.go_on()
        answer = driver.answer()
        assert answer.get("version") == 2, f"{step}: {answer}"
        assert ids(spark, table) == [*range(200), *range(1000, 1300)]
        settle(spark, zk, table)
