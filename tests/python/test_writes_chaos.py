"""FAULTS 32, 33, 38 at random: whatever is killed or stopped, each job once, each snapshot one that was made."""

from __future__ import annotations

import pytest

from writes_chaos import run
from writes_chaos_checker import (
    Job,
    Verdict,
    check_end,
    check_history,
    check_looks,
    check_versions,
    row_sets,
)
from writes_chaos_reader import checksum

ROWS = 2


@pytest.mark.timeout(900)
def test_every_job_once_and_only_snapshots_that_were_made(connect_string, spark_connect):
    found = run(connect_string, spark_connect, kills=6, seed=32, slots=4)
    assert found["what"] == []
    assert found["commits"] == found["jobs"]
    assert (found["kills"] >= 6, found["stops"] >= 2) == (True, True), found
    assert found["snapshots"] > 10, found


@pytest.mark.timeout(900)
def test_the_harness_finds_what_plain_spark_does(connect_string, spark_connect):
    # A few kills may all fall between two writes; those of three runs do not.
    for seed in (32, 33, 34):
        found = run(connect_string, spark_connect, kills=6, seed=seed, slots=4, plain=True)
        if found["lost_rows"] + found["doubled_rows"] + found["torn"] + found["errors"] > 0:
            return
    pytest.fail(f"plain Spark was killed in the middle of writes, and nothing was found: {found}")


def look(*ids, at=10.0, until=None):
    jobs = {
        str(job): [sum(row // ROWS == job for row in ids), len({row for row in ids if row // ROWS == job})]
        for job in {row // ROWS for row in ids}
    }
    times = {"began": at, "until": at if until is None else until, "ended": at + 0.1}
    return {"table": "t", **times, "looks": 1, "seen": {"sum": checksum(ids), "jobs": jobs}}


def jobs():
    return [
        Job(0, "t", "append", began=0, acked=1, version=1),
        Job(1, "t", "append", began=2, acked=3, version=2),
        Job(2, "t", "overwrite", began=4, acked=5, version=3),
    ]


HISTORY = [("append", "job-0"), ("append", "job-1"), ("overwrite", "job-2")]


def faults_of(looks, history=HISTORY, made=None):
    verdict, made = Verdict(), made or jobs()
    named = {job.name: job for job in made}
    check_history(history, made, verdict)
    check_looks(made, looks, ROWS, verdict)
    check_versions(row_sets([(how, named[name]) for how, name in history], ROWS), made, looks, verdict)
    check_end(made, looks[-1]["seen"]["jobs"], ROWS, verdict)
    return verdict


def test_the_checker_passes_what_is_sound():
    seen = [look(0, 1, at=1.5), look(0, 1, 2, 3, at=2.5, until=4.5), look(4, 5, at=4.8)]
    assert faults_of(seen).faults == []


@pytest.mark.parametrize(
    ("seen", "count"),
    [
        ([look(4, at=9)], "torn"),
        ([look(4, 4, 5)], "doubled_rows"),
        ([look(0, 1, 4, 5)], "risen_rows"),
        ([look(0, 1)], "lost_rows"),
        ([look(0, 1, 2, 3, at=2.5), look(0, 1, at=2.9), look(4, 5)], "back"),
        ([look(0, 1, at=1.5, until=3.5), look(4, 5)], "stale"),
        ([{**look(), "seen": {"error": "FileNotFoundError"}}, look(4, 5)], "errors"),
    ],
)
def test_the_checker_finds(seen, count):
    verdict = faults_of(seen)
    assert getattr(verdict, count) > 0
    assert verdict.faults != []


@pytest.mark.parametrize(
    ("history", "why"),
    [
        (HISTORY[:2], "committed 0 times"),
        ([*HISTORY, HISTORY[0]], "committed 2 times"),
        ([HISTORY[1], HISTORY[0], HISTORY[2]], "is version"),
    ],
)
def test_the_checker_finds_a_history_that_is_not_what_was_told(history, why):
    assert any(why in fault for fault in faults_of([look(4, 5)], history).faults)


def test_the_checker_finds_an_order_that_the_clock_forbids():
    made = jobs()
    made[0].version, made[1].version = 2, 1
    verdict = faults_of([look(4, 5)], [HISTORY[1], HISTORY[0], HISTORY[2]], made)
    assert any("before an earlier version had begun" in fault for fault in verdict.faults)
