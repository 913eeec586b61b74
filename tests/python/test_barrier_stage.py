"""A double barrier inside Spark's barrier stages: they begin together, and end together or not at all."""

import json
import sys
from pathlib import Path

from drivers import PATIENCE
from program import Program

# A busy machine must not end the sessions of those who live.
SESSION = 6

# Spark gives the tasks of a failed stage longer than the session has: they are to hear of it from the barrier. A
# shuffle follows each stage: Spark runs no barrier stage again whose rows went to the driver.
_STAGES = """
from pyspark.sql import SparkSession
import workers

where, namespace, marks, session = sys.argv[1:]
settings = {"spark.ui.enabled": "false", "spark.log.level": "OFF", "spark.python.task.killTimeout": "60s",
            "spark.zookeeper.connect": where, "spark.zookeeper.namespace": namespace,
            "spark.zookeeper.session.timeout": session}
spark = SparkSession.builder.master("local[4]").config(map=settings).getOrCreate()
with sparkeeper.connect(spark) as zk:
    four = spark.sparkContext.parallelize(range(4), 4).barrier()
    rounds = four.mapPartitions(lambda _: [(workers.together(zk, marks, "rdd"), 1)])
    say(rounds.reduceByKey(lambda one, other: one + other).collect())
    body = workers.in_task(lambda: workers.together(sparkeeper.connect(), marks, "arrow"))
    rounds = spark.range(0, 4, 1, 4).mapInArrow(body, "said string", barrier=True)
    say([(int(row.said), row["count"]) for row in rounds.groupBy("said").count().collect()])
hear()
spark.stop()
"""


def test_a_member_that_is_killed_ends_the_stage_for_the_others_and_the_next_attempt_passes(
    zk, connect_string, namespace, tmp_path
):
    environment = {"PYSPARK_PYTHON": sys.executable, "PYTHONPATH": str(Path(__file__).parent)}
    with Program(_STAGES, connect_string, namespace, str(tmp_path), str(SESSION), **environment) as program:
        for kind in ("rdd", "arrow"):
            ((_, passed),) = program.answer(PATIENCE)
            assert passed == 4, "all in one generation"
            killed = (tmp_path / f"{kind}-killed").stat().st_mtime
            lost = sorted(tmp_path.glob(f"{kind}-lost-*"))
            assert [file.name for file in lost] == [f"{kind}-lost-{other}" for other in (1, 2, 3)]
            for file in lost:
                assert "1 of 4 members are gone" in json.loads(file.read_text())["text"]
                # The server's tick, and a busy machine, come on top of the session timeout.
                assert file.stat().st_mtime - killed < SESSION + 10
            assert zk.double_barrier(kind, parties=4).members() == []
        program.tell()
        assert program.wait(60) == 0
