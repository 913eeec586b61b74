"""A driver killed after every step, and at random: readers see old or new, and running again converges."""

from __future__ import annotations

import random
import time

import pytest

from sparkeeper.spark.steps import Step
from tables import ids, leftovers, settle
from waiting import wait_for

OLD = list(range(100))
NEW = list(range(1000, 1300))


@pytest.mark.parametrize("step", [step for step in Step if step is not Step.REGISTERED], ids=lambda step: step.name)
def test_killed_in_an_overwrite(spark, zk, tmp_path, start_driver, step):
    table = tmp_path / "t"
    driver = start_driver()
    zk.write(spark.range(100)).job_id("old").save(str(table))
    driver.tell("write", path=str(table), rows=[1000, 1300], mode="overwrite", job_id="new", at=[step.name, "SIGKILL"])
    driver.wait_killed()

    steps = list(Step)
    visible = steps.index(step) >= steps.index(Step.PUBLISHED)
    assert ids(spark, table) == (NEW if visible else OLD)

    committed = steps.index(step) >= steps.index(Step.COMMITTED)
    again = zk.write(spark.range(1000, 1300)).mode("overwrite").job_id("new").save(str(table))
    assert (again.version, again.replayed) == (2, committed)
    assert ids(spark, table) == NEW
    settle(spark, zk, table)
    assert ids(spark, table) == NEW


@pytest.mark.parametrize(
    "step", [Step.REGISTERED, Step.OPENED, Step.RELOCATED, Step.COMMITTED], ids=lambda step: step.name
)
def test_killed_in_the_first_write(spark, zk, tmp_path, start_driver, step):
    table = tmp_path / "t"
    driver = start_driver(classic=step is Step.RELOCATED)
    driver.tell("write", path=str(table), rows=[0, 100], job_id="first", at=[step.name, "SIGKILL"])
    driver.wait_killed()
    again = zk.write(spark.range(100)).job_id("first").save(str(table))
    assert (again.version, again.replayed) == (1, step is Step.COMMITTED)
    assert ids(spark, table) == OLD
    settle(spark, zk, table)


def test_a_committed_version_is_published_by_whoever_looks(spark, zk, tmp_path, start_driver):
    table = tmp_path / "t"
    driver = start_driver()
    zk.write(spark.range(100)).save(str(table))
    driver.tell("write", path=str(table), rows=[1000, 1300], mode="overwrite", at=["COMMITTED", "SIGKILL"])
    driver.wait_killed()
    assert ids(spark, table) == OLD
    assert sorted(row.id for row in zk.table(spark, str(table)).read().collect()) == NEW
    assert ids(spark, table) == NEW


def test_a_job_that_another_committed_meanwhile_is_visible_when_it_returns(spark, zk, tmp_path, start_driver):
    table = tmp_path / "t"
    driver = start_driver()
    zk.write(spark.range(100)).save(str(table))

    def elsewhere(step: Step) -> None:
        if step is Step.RECOVERED:
            driver.tell("write", path=str(table), rows=[1000, 1300], job_id="j", at=["COMMITTED", "SIGKILL"])
            driver.wait_killed()

    commit = zk.write(spark.range(1000, 1300)).job_id("j").on_step(elsewhere).save(str(table))
    assert (commit.version, commit.replayed) == (2, True)
    assert ids(spark, table) == OLD + NEW
    settle(spark, zk, table)


def test_a_dead_writer_is_given_up_only_after_its_grace(spark, zk, tmp_path, start_driver):
    table = tmp_path / "t"
    driver = start_driver()
    zk.write(spark.range(100)).save(str(table))
    driver.tell("write", path=str(table), rows=[1000, 1300], at=["RELOCATED", "SIGKILL"])
    driver.wait_killed()
    handle = zk.table(spark, str(table))
    for _ in range(2):
        zk.write(spark.range(0)).save(str(table))
    assert [entry for entry in leftovers(zk, table) if entry.startswith("transaction")]
    wait_for(lambda: handle.recover(grace=1).rolled_back, 60, "the grace to pass")
    assert leftovers(zk, table) == []
    assert ids(spark, table) == OLD


def test_killed_at_random_moments(spark, zk, tmp_path, start_driver):
    table = tmp_path / "t"
    moments = random.Random(20240101)
    jobs, rows = 12, 50
    zk.write(spark.range(0)).save(str(table))
    following = start_driver()
    for _ in range(4):
        driver, following = following, start_driver()
        driver.tell("append_jobs", path=str(table), first=0, count=jobs, rows=rows)
        # Replayed jobs pass quickly, so each driver dies in work that its predecessors had not done.
        for _ in range(moments.randrange(1, jobs // 2)):
            driver.answer()
        moment = time.monotonic() + moments.random() / 2
        wait_for(lambda until=moment: time.monotonic() > until, 60, "a random moment", interval=0.005)
        driver.kill()
        seen = ids(spark, table)
        assert len(seen) % rows == 0
        assert seen == sorted(set(seen))
        assert all(seen.count(job * rows) == seen.count(job * rows + rows - 1) for job in range(jobs))
    following.tell("append_jobs", path=str(table), first=0, count=jobs, rows=rows)
    for job in range(jobs):
        assert following.answer() == {"did": job}
    assert following.answer() == {"done": jobs}
    assert ids(spark, table) == list(range(jobs * rows))
    settle(spark, zk, table)
    assert ids(spark, table) == list(range(jobs * rows))
