"""FAULTS 38: plain and library readers in a storm of appends and overwrites see versions, and never an older one."""

from __future__ import annotations

import threading
import time

import pytest

from tables import ids, leftovers
from writes_chaos_checker import Job, Verdict, check_versions, row_sets
from writes_chaos_reader import ids_in, look

JOBS, ROWS = 6, 10


@pytest.mark.timeout(900)
def test_every_read_in_a_storm_is_a_version_and_none_older_than_before(spark, zk, tmp_path, start_driver):
    table = tmp_path / "t"
    zk.write(spark.range(ROWS)).job_id("job-0").save(str(table))
    drivers = [start_driver(session_timeout=10) for _ in range(3)]
    for at, driver in enumerate(drivers[:2]):
        driver.tell("append_jobs", path=str(table), first=1 + at * JOBS, count=JOBS, rows=ROWS)
    handle = zk.table(spark, str(table))
    ways = {
        "plain Spark": lambda _: ids(spark, table),
        "the log": ids_in,
        "the library": lambda _: [row.id for row in handle.read().collect()],
        "the library's first version": lambda _: [row.id for row in handle.read(1).collect()],
    }
    seen = {name: [] for name in ways}
    over = threading.Event()

    def watch(name: str) -> None:
        while not over.is_set():
            began = time.monotonic()
            what = look(ways[name], table, ROWS)
            times = {"began": began, "until": began, "ended": time.monotonic()}
            seen[name].append({"table": "t", **times, "looks": 1, "seen": what})

    readers = [threading.Thread(target=watch, args=(name,)) for name in ways]
    for reader in readers:
        reader.start()
    made = 1 + 2 * JOBS
    for number in range(made, made + 4):
        rows = [number * ROWS, (number + 1) * ROWS]
        answer = drivers[2].ask(
            "write", path=str(table), rows=rows, mode="overwrite", blind=True, job_id=f"job-{number}"
        )
        assert "version" in answer, answer
    for driver in drivers[:2]:
        for _ in range(JOBS + 1):
            assert "error" not in driver.answer()
    over.set()
    for reader in readers:
        reader.join(60)

    jobs = {f"job-{number}": Job(number, "t", "") for number in range(made + 4)}
    history = [(entry.operation, jobs[entry.job_id]) for entry in handle.history().collect()]
    sums = row_sets(history, ROWS)
    assert len(sums) == len(jobs)
    for name, looks in seen.items():
        assert [one["seen"] for one in looks if "error" in one["seen"]] == [], name
        assert len(looks) > 1, name
        verdict = Verdict()
        # The last may have begun before the last commit; one more is the end.
        looks.append({**looks[-1], "seen": look(ways[name], table, ROWS)})
        check_versions(sums[:1] if "first" in name else sums, [], looks, verdict)
        assert verdict.faults == [], name
    assert leftovers(zk, table) == []
