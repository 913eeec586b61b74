"""A semaphore across all tasks of all jobs keeps a real database within the connections that it takes."""

import contextlib
import json
import sys
from pathlib import Path

import pg8000.dbapi
import pytest

import postgres
from drivers import PATIENCE
from program import Program

CONNECTIONS = 8
_TASKS = 20

# Two jobs at once in each of two applications of five cores: ten tasks want one of eight connections.
_JOBS = """
import threading
from pyspark.sql import SparkSession
import workers

where, namespace, port, tasks = sys.argv[1:]
settings = {"spark.ui.enabled": "false", "spark.log.level": "ERROR", "spark.scheduler.mode": "FAIR",
            "spark.zookeeper.connect": where, "spark.zookeeper.namespace": namespace}
spark = SparkSession.builder.master("local[5]").config(map=settings).getOrCreate()
say("ready")
hear()

def job():
    body = workers.in_task(lambda: workers.count_connections(int(port)))
    rows = spark.range(0, int(tasks), 1, int(tasks)).mapInArrow(body, "said string").collect()
    found.append([int(row.said) for row in rows])

found = []
jobs = [threading.Thread(target=job) for _ in range(2)]
for thread in jobs:
    thread.start()
for thread in jobs:
    thread.join()
say(found)
hear()
spark.stop()
"""


def test_no_task_of_any_job_is_refused_a_connection(zk, connect_string, namespace):
    environment = {"PYSPARK_PYTHON": sys.executable, "PYTHONPATH": str(Path(__file__).parent)}
    arguments = (connect_string, namespace)
    with contextlib.ExitStack() as stack:
        database = stack.enter_context(postgres.Postgres(CONNECTIONS))
        arguments = (*arguments, str(database.port), str(_TASKS))
        with contextlib.ExitStack() as eight:
            for _ in range(CONNECTIONS):
                eight.enter_context(postgres.connection(database.port))
            with pytest.raises(pg8000.dbapi.DatabaseError) as ninth, postgres.connection(database.port):
                pass
            assert postgres.refused(ninth.value)
        programs = [stack.enter_context(Program(_JOBS, *arguments, **environment)) for _ in range(2)]
        for program in programs:
            assert program.answer(PATIENCE) == "ready"
        for program in programs:
            program.tell()
        # A task that is refused fails its job, which then finds nothing.
        found = [job for program in programs for job in program.answer(PATIENCE)]
        assert [len(job) for job in found] == [_TASKS] * 4
        seen = [count for job in found for count in job]
        assert max(seen) <= CONNECTIONS, json.dumps(seen)
        assert max(seen) > 2, "the jobs never met"
        assert zk.semaphore("jdbc", CONNECTIONS).holders() == []
        for program in programs:
            program.tell()
            assert program.wait(60) == 0
