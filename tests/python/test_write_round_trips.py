"""What a write asks of ZooKeeper, counted on the wire: little, and no more for many files or many executors."""

from __future__ import annotations

import itertools

import pytest

from sparkeeper.spark.steps import Step
from wire import Op

# Heartbeats are no part of a write; one may fall into any count, so the smallest of three is taken, and they are 13 s
# apart, which is longer than a step.
_RUNS = 3


@pytest.fixture
def far(proxy, coordinator):
    return coordinator(proxy.connect_string, session_timeout=40)


@pytest.fixture
def counted(spark, zk, proxy, tmp_path):
    """Save often to a table that is there, and return the fewest requests up to each step, each step's own."""
    tables = itertools.count()

    def count(make):
        # Each has a table of its own and the same jobs: whether the shard of an id is made depends on those before.
        table = tmp_path / f"t{next(tables)}"
        zk.write(spark.range(10)).job_id("first").save(table)
        runs = []
        for run in range(_RUNS):
            at = {}
            write = make().job_id(f"job-{run}")
            write.on_step(lambda step, at=at: at.update({step: _requests(proxy)})).save(table)
            runs.append(at)
        return {
            step: min(at[step] - at[before] for at in runs)
            for before, step in itertools.pairwise(step for step in Step if step is not Step.REGISTERED)
        }

    return count


def _requests(proxy):
    return sum(count for op, count in proxy.requests.items() if op != Op.PING)


def commit_of(requests):
    """Count from the files under their final names to what plain readers see."""
    return sum(requests[step] for step in (Step.PROPOSED, Step.COMMITTED, Step.PUBLISHED))


def test_a_commit_takes_two_requests_and_a_save_few_more(spark, far, counted):
    held = far.lock("nightly").acquire(10)
    shapes = {
        "append": lambda: far.write(spark.range(10)),
        "overwrite": lambda: far.write(spark.range(10)).mode("overwrite"),
        "guard": lambda: far.write(spark.range(10)).guard(held),
    }
    for name, make in shapes.items():
        requests = counted(make)
        assert commit_of(requests) == 2, f"{name}: {requests}"
        # One of them looks for the shard of the job id, and one makes it where it is the first there.
        assert sum(requests.values()) <= 10, f"{name}: {requests}"


def test_executors_and_files_ask_nothing(spark, far, proxy, counted):
    far.exists("nothing")
    connections = proxy.accepted
    few = counted(lambda: far.write(spark.range(0, 100, 1, 1)))
    many = counted(lambda: far.write(spark.range(0, 100, 1, 40)))
    assert many == few
    assert many[Step.STAGED] + many[Step.RELOCATED] <= 2
    assert proxy.accepted == connections
