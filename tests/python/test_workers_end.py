"""A server's sessions and ephemeral nodes return to zero when a job is cancelled, and however its application ends."""

import re
import sys

import pytest

from drivers import PATIENCE
from program import Program
from sparkeeper.local import LocalServer, words
from waiting import wait_for

# Of two tasks one holds the lock and the other waits for it; both have an ephemeral node besides.
_APPLICATION = """
import threading
from pyspark.sql import SparkSession

def stay(batches):
    list(batches)
    zk = sparkeeper.connect()
    zk.create("alive/task-", ephemeral=True, sequence=True)
    with zk.lock("kept"):
        threading.Event().wait()
    yield from ()

def job():
    try:
        spark.range(0, 2, 1, 2).mapInArrow(stay, "x long").collect()
    except Exception as error:
        print(error, file=sys.stderr)

settings = {"spark.ui.enabled": "false", "spark.log.level": "OFF", "spark.zookeeper.connect": sys.argv[1],
            "spark.zookeeper.session.timeout": "2s"}
spark = SparkSession.builder.master("local[2]").config(map=settings).getOrCreate()
for end in (spark.sparkContext.cancelAllJobs, spark.stop):
    thread = threading.Thread(target=job, daemon=True)
    thread.start()
    hear()
    end()
    thread.join()
    say("ended")
    hear()
"""
IN_USE, IDLE = (2, 4), (0, 0)


def in_use(server):
    """The server's sessions and ephemeral nodes."""
    said = words.ask(server.port, "mntr", 30)
    return tuple(
        int(re.search(rf"^zk_{name}\t(\d+)", said, re.MULTILINE)[1]) for name in ("global_sessions", "ephemerals_count")
    )


@pytest.mark.parametrize("end", ["stopped", "killed"])
def test_nothing_of_a_cancelled_job_nor_of_an_ended_application_is_left(end):
    with (
        LocalServer() as server,
        Program(_APPLICATION, server.connect_string, PYSPARK_PYTHON=sys.executable) as program,
    ):
        wait_for(lambda: in_use(server) == IN_USE, PATIENCE, "both tasks to be there")
        assert program.ask(timeout=PATIENCE) == "ended"
        # Spark kills a cancelled worker after two seconds, and its session has two more.
        wait_for(lambda: in_use(server) == IDLE, 30, "the cancelled job's sessions to be gone")
        program.tell()
        wait_for(lambda: in_use(server) == IN_USE, PATIENCE, "both tasks of the next job to be there")
        if end == "killed":
            program.process.kill()
        else:
            assert program.ask(timeout=PATIENCE) == "ended"
        wait_for(lambda: in_use(server) == IDLE, 30, "the application's sessions to be gone")
