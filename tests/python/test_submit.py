"""Applications submitted to a standalone cluster, with the packed environment that `docs/submit.md` describes."""

from __future__ import annotations

import collections
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from pathlib import Path

import psutil
import pytest

import sparkeeper
from standalone import REPOSITORY, Standalone
from waiting import wait_for

EXAMPLES = REPOSITORY / "examples"
SUBMITTED = Path(__file__).with_name("submitted.py")

# The environment is packed, and each executor unpacks it.
pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with Standalone(tmp_path_factory.mktemp("standalone")) as running:
        yield running


@pytest.fixture
def root(connect_string, namespace):
    """Where the examples connect, which have namespaces of their own."""
    return f"{connect_string}/{namespace.replace('/', '-')}"


@pytest.fixture
def settings(connect_string, namespace):
    return {"spark.zookeeper.connect": connect_string, "spark.zookeeper.namespace": namespace}


def test_tasks_run_in_the_environment_that_was_shipped(cluster, settings):
    with cluster.submit(SUBMITTED, "visit", **settings) as application:
        seen = application.hear("rows")
        found = application.hear("ok")
        application.rest()
    assert seen["count"] == 40
    assert len({row["token"] for row in seen["rows"]}) == 4
    for row in seen["rows"]:
        assert Path(row["python"]).is_relative_to(cluster.work)
        assert Path(row["package"]).is_relative_to(cluster.work)
        assert row["python"].endswith("/environment/bin/python")
    assert found["ok"], found["says"]
    assert found["executors"] == 2


def test_workers_and_executors_killed_every_result_once(cluster, settings):
    settings["spark.zookeeper.session.timeout"] = "4s"
    with cluster.submit(SUBMITTED, "work", 120, **settings) as application:
        ids = application.hear("ids")["ids"]
        found = []
        for kind in (cluster.python_workers, cluster.executors, cluster.python_workers, cluster.executors):
            found += [application.hear("id") for _ in range(15)]
            kind()[-1].kill()
        rest = application.rest()
    found += [line for line in rest if "id" in line]
    assert collections.Counter(line["id"] for line in found) == dict.fromkeys(ids, 1)
    assert sorted(line["value"] for line in found) == [number * number for number in range(120)]
    assert max(line["attempts"] for line in found) > 1, "none of the killed had a task"
    assert rest[-1] == {"dead": 0}


def test_a_killed_driver_is_taken_over_by_the_standby(cluster, root, spark, tmp_path):
    inbox, table = tmp_path / "inbox", tmp_path / "table"
    inbox.mkdir()
    arguments = (EXAMPLES / "stream_standby.py", "drive", inbox, table, tmp_path / "checkpoint", root)
    with cluster.submit(*arguments, cores=1) as first, cluster.submit(*arguments, cores=1) as second:
        with ThreadPoolExecutor() as pool:
            leads = {pool.submit(one.hear, "leads"): one for one in (first, second)}
            (sooner,) = wait(leads, return_when=FIRST_COMPLETED).done
            leader = leads.pop(sooner)
            ((later, standby),) = leads.items()
            put(inbox, range(6))
            while leader.hear("batch")["batch"] < 3:
                pass
            leader.kill()
            put(inbox, range(6, 12))
            assert later.result()["leads"] != sooner.result()["leads"]
        wait_for(lambda: spark.read.parquet(str(table)).count() >= 1200, 120, "every row")
        standby.hear("batch")
    ids = [row.id for row in spark.read.parquet(str(table)).collect()]
    assert sorted(ids) == list(range(1200))


def put(inbox, numbers):
    """Let files of rows appear, each whole."""
    for number in numbers:
        rows = "".join(f'{{"id": {row}}}\n' for row in range(number * 100, (number + 1) * 100))
        (inbox / f".{number}").write_text(rows)
        (inbox / f".{number}").rename(inbox / f"{number:03}.json")


def test_a_backfill_goes_on_without_the_driver_whose_jvm_was_killed(cluster, root, spark, tmp_path):
    rows = spark.range(1200).selectExpr("id", "int(id % 12 + 1) as month", "int(id / 12 % 28 + 1) as day")
    rows.write.parquet(str(tmp_path / "source"))
    arguments = (EXAMPLES / "backfill.py", tmp_path / "out", root, tmp_path / "source", "0.3")
    with cluster.submit(*arguments, cores=1) as first, cluster.submit(*arguments, cores=1) as second:
        name = first.hear("joined")["joined"]
        while (said := first.hear("half"))["half"] != 1:
            pass
        # Python is left without its Spark, and with its share of the work; it must not sit on it.
        children = psutil.Process(first.process.pid).children()
        # A JVM also starts small programs of the system's now and then.
        (python,) = [child for child in children if child.name().startswith("python")]
        first.process.kill()
        python.wait(60)
        assert second.rest()[-1].keys() == {"finished"}
    with sparkeeper.connect(root, namespace="backfill") as zk:
        progress = zk.partitions("flights-2013").progress()
    assert progress.finished
    assert progress[said["month"]].owner != name
    assert sum(result["rows"] for result in progress.results().values()) == 1200
    out = spark.read.parquet(str(tmp_path / "out"))
    assert (out.count(), out.select("id").distinct().count()) == (1200, 1200)


def test_the_jobs_of_the_demo(cluster, root, spark, tmp_path):
    ledger, source, table = tmp_path / "ledger", str(tmp_path / "source"), str(tmp_path / "table")
    ledger.write_text("0")
    jobs = EXAMPLES / "jobs.py"
    with (
        cluster.submit(jobs, "book", ledger, 50, root) as first,
        cluster.submit(jobs, "book", ledger, 50, root) as second,
    ):
        first.rest()
        second.rest()
    assert ledger.read_text() == "100"
    spark.range(60).selectExpr("id", "double(id) as dep_delay").write.parquet(source)
    for _ in range(2):
        with cluster.submit(jobs, "overwrite", table, source, root, cores=1) as job:
            job.rest()
    found = spark.read.parquet(table).collect()
    assert sorted((row.id, row.dep_delay) for row in found) == [(number, number + 10.0) for number in range(60)]
    with sparkeeper.connect(root, namespace="demo") as zk:
        assert [entry.job_id for entry in zk.table(spark, table).history().collect()] == ["ten-minutes-later"]
