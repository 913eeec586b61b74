"""Executors and tasks that die, and attempts that go on after the commit: no effect on any snapshot."""

from __future__ import annotations

import contextlib
import json

import psutil

from drivers import PATIENCE
from tables import ids, is_alive, leftovers, manifests, settle, transactions
from waiting import wait_for


def drivers_children(driver):
    return psutil.Process(driver.process.pid).children(recursive=True)


def command(process):
    # Python workers come and go.
    with contextlib.suppress(psutil.Error):
        return " ".join(process.cmdline())
    return ""


def test_an_executor_killed_in_the_middle_of_its_task(spark, zk, tmp_path, start_driver):
    table, marks, gate = tmp_path / "t", tmp_path / "marks", tmp_path / "gate"
    marks.mkdir()
    zk.write(spark.range(1000, 1010)).save(str(table))
    driver = start_driver(classic=True, master="local-cluster[2,1,512]", spark={"spark.executor.memory": "512m"})
    driver.tell("write_through_workers", path=str(table), rows=400, marks=str(marks), gate=str(gate))
    wait_for(lambda: len(list(marks.iterdir())) == 2, 60, "a task on each executor")
    executors = [process for process in drivers_children(driver) if "CoarseGrained" in command(process)]
    assert len(executors) == 2
    executors[0].kill()
    gate.touch()
    assert driver.answer().get("version") == 2
    assert any(mark.name.endswith("-1") for mark in marks.iterdir()), "no task was run again"
    assert ids(spark, table) == [*range(400), *range(1000, 1010)]
    settle(spark, zk, table)


def test_tasks_of_a_dead_driver_go_on_after_another_run_of_its_job_committed(spark, zk, tmp_path, start_driver):
    table, marks, gate = tmp_path / "t", tmp_path / "marks", tmp_path / "gate"
    marks.mkdir()
    zk.write(spark.range(1000, 1010)).save(str(table))
    driver = start_driver()
    driver.tell("write_through_workers", path=str(table), rows=400, marks=str(marks), gate=str(gate), job_id="j")
    wait_for(lambda: len(list(marks.iterdir())) == 2, PATIENCE, "two tasks to begin")
    (dead,) = transactions(zk, table)
    driver.kill()
    wait_for(lambda: not is_alive(zk, table, dead), 60, "its session to expire")
    again = zk.write(spark.range(400)).job_id("j").save(str(table))
    assert (again.version, again.replayed) == (2, False)
    assert leftovers(zk, table) == []
    gate.touch()
    wait_for(lambda: len(list(marks.glob("*-done"))) >= 4, PATIENCE, "the dead driver's tasks to end")
    wait_for(lambda: list((table / "_zk/tx").rglob("part-*")), PATIENCE, "files of theirs")
    assert ids(spark, table) == [*range(400), *range(1000, 1010)]
    settle(spark, zk, table)
    assert ids(spark, table) == [*range(400), *range(1000, 1010)]


def test_a_task_that_dies_half_way_is_run_again(spark, zk, tmp_path, start_driver):
    table, marks = tmp_path / "t", tmp_path / "marks"
    marks.mkdir()
    answer = start_driver().ask("write_through_workers", path=str(table), rows=400, marks=str(marks))
    assert answer.get("version") == 1, answer
    assert (marks / "0-1").exists()
    assert ids(spark, table) == list(range(400))
    settle(spark, zk, table)


def test_an_attempt_that_goes_on_writing_after_the_commit(spark, zk, tmp_path):
    table = tmp_path / "t"
    zk.write(spark.range(100)).save(str(table))
    (committed,) = manifests(table)
    # What a zombie would leave: its staging made again, with the very names that its job committed.
    late = table / "_zk/tx" / committed["tx"]
    (late / "data/_temporary/0/task_1").mkdir(parents=True)
    spark.range(5000, 5010).write.parquet(str(late / "data/late"))
    (late / "relocation.json").write_text(json.dumps([file["path"] for file in committed["added"]]))
    assert ids(spark, table) == list(range(100))
    zk.write(spark.range(100, 200)).save(str(table))
    assert ids(spark, table) == list(range(200))
    assert leftovers(zk, table) == []


def test_files_of_an_attempt_that_nobody_knows_are_swept(spark, zk, tmp_path):
    table = tmp_path / "t"
    zk.write(spark.range(100)).save(str(table))
    stray = table / "_zk/tx/0123"
    (stray / "data").mkdir(parents=True)
    (table / "0123-part-0.parquet").write_bytes(b"never committed")
    (stray / "relocation.json").write_text('["0123-part-0.parquet"]')
    assert zk.table(spark, str(table)).recover().rolled_back == ("0123",)
    assert leftovers(zk, table) == []
    assert ids(spark, table) == list(range(100))
