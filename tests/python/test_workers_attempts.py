"""Attempts of one Spark task that take the same lock fence each other: retried ones, and speculative ones."""

import contextlib
import json
import os
import re
import signal
import sys
from pathlib import Path

import pytest

from cluster import two_machines
from drivers import PATIENCE
from program import Program
from waiting import wait_for

_PRELUDE = """
from pyspark.sql import SparkSession
import workers

where, namespace, marks, master, given = sys.argv[1:]
settings = {"spark.ui.enabled": "false", "spark.log.level": "OFF", "spark.driver.host": "127.0.0.1",
            "spark.sql.shuffle.partitions": "1", "spark.zookeeper.connect": where,
            "spark.zookeeper.namespace": namespace, **json.loads(given)}
spark = SparkSession.builder.master(master).config(map=settings).getOrCreate()
"""

_FAILING = """
body = workers.failing_once(marks)
say([row.token for row in spark.range(0, 1, 1, 1).mapInArrow(body, "token long").collect()])
hear()
spark.stop()
"""

# A row that says that it failed ends an attempt that is still at work.
_RETRIED = """
attempts = spark.range(0, 1, 1, 1).mapInArrow(workers.write_twice(marks), workers.ATTEMPT)
say(len(attempts.selectExpr("assert_true(attempt > 0)").collect()))
hear()
spark.stop()
"""

_SPECULATIVE = """
attempts = spark.range(0, 4, 1, 4).mapInArrow(workers.write_twice(marks), workers.ATTEMPT)
say(sorted({row.attempt for row in attempts.collect()}))
hear()
spark.stop()
"""
# Spark looks for stragglers often, and compares them with the first that ended.
_SPECULATION = {
    "spark.speculation": "true",
    "spark.speculation.interval": "100ms",
    "spark.speculation.multiplier": "1.1",
    "spark.speculation.quantile": "0.25",
    # The frozen attempt is to go on after the other one has won.
    "spark.python.task.killTimeout": "200s",
    "spark.executor.memory": "512m",
}


@pytest.fixture
def application(connect_string, namespace, tmp_path):
    """Run a program with a Spark of its own, whose tasks leave marks in `tmp_path`."""

    @contextlib.contextmanager
    def run(code, master="local[2,2]", **settings):
        tests = str(Path(__file__).parent)
        given = {"spark.executorEnv.PYTHONPATH": tests, **settings}
        arguments = (connect_string, namespace, str(tmp_path), master, json.dumps(given))
        with Program(_PRELUDE + code, *arguments, PYSPARK_PYTHON=sys.executable, PYTHONPATH=tests) as program:
            yield program
            program.tell()
            assert program.wait(60) == 0

    return run


def marked(marks, name):
    """What a task left for us under this name."""
    file = wait_for(lambda: next(iter(marks.glob(name)), None), PATIENCE, f"the mark {name}")
    return json.loads(file.read_text())


def attempt_of(owner):
    """The partition, the attempt, and the attempt's id in the application."""
    return [int(number) for number in re.search(r" / task \d+\.(\d+)\.(\d+) \((\d+)\)$", owner).groups()]


def second_wins(zk, marks, after):
    """The first attempt freezes; it goes on when the second has done its work, `after` which nothing of it lands."""
    first = marked(marks, "held-0")
    after()
    second = marked(marks, "held-1")
    assert first["token"] < second["token"]
    assert [attempt_of(one["owner"])[:2] for one in (first, second)] == [[0, 0], [0, 1]]
    assert attempt_of(first["owner"])[2] < attempt_of(second["owner"])[2]
    os.kill(first["pid"], signal.SIGCONT)
    late = marked(marks, "late")
    assert (late["error"], late["state"]) == ("LockLost", "LOST")
    assert zk.get("value")[0] == b"attempt 1"
    wait_for(lambda: zk.lock("once").contenders() == [], 60, "nobody to be in line")


def test_a_retried_attempt_has_the_lock_that_the_failed_one_kept(application, tmp_path):
    # The first attempt's session has a minute to go: only its task's end can have freed the lock.
    with application(_FAILING, **{"spark.zookeeper.session.timeout": "60s"}) as program:
        (token,) = program.answer(PATIENCE)
        first, second = (marked(tmp_path, f"failing-{attempt}") for attempt in (0, 1))
        assert first["token"] < second["token"] == token
        assert [attempt_of(one["owner"])[:2] for one in (first, second)] == [[0, 0], [0, 1]]
        times = [(tmp_path / f"failing-{attempt}").stat().st_mtime for attempt in (0, 1)]
        assert times[1] - times[0] < 30


def test_what_a_frozen_attempt_writes_after_its_retry_is_refused(application, zk, tmp_path):
    zk.create("value")
    with application(_RETRIED, **{"spark.zookeeper.session.timeout": "2s"}) as program:
        second_wins(zk, tmp_path, lambda: program.answer(PATIENCE))


def test_what_a_frozen_attempt_writes_after_a_speculative_one_is_refused(application, zk, tmp_path):
    zk.create("value")
    settings = {**_SPECULATION, "spark.zookeeper.session.timeout": "2s"}
    with two_machines(tmp_path) as url, application(_SPECULATIVE, url, **settings) as program:

        def won():
            assert program.answer(PATIENCE) == [1], "only rows of the speculative attempt count"

        second_wins(zk, tmp_path, won)
