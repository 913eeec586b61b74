"""Applications that the tests submit to a cluster; each says one JSON object a line."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from pyspark.sql import SparkSession

import sparkeeper

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd


def say(**line: Any) -> None:
    """Tell the test."""
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def visit(spark: SparkSession) -> None:
    """Count under a lock in tasks, which find the ensemble by the session's settings, and say where they ran."""

    def count(frames: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        import sys  # noqa: PLC0415 - in the executor

        import pandas as pd  # noqa: PLC0415

        import sparkeeper  # noqa: PLC0415

        for frame in frames:
            with sparkeeper.connect() as zk, zk.lock("visits", timeout=60) as held:
                zk.set("count", str(int(zk.get("count")[0]) + len(frame)).encode(), guard=held)
                yield pd.DataFrame([{"python": sys.executable, "package": sparkeeper.__file__, "token": held.token}])

    with sparkeeper.connect(spark) as zk:
        zk.create("count", b"0")
        rows = spark.range(0, 40, 1, 4).mapInPandas(count, "python string, package string, token long").collect()
        say(rows=[row.asDict() for row in rows], count=int(zk.get("count")[0]))
    found = sparkeeper.doctor(spark, probes=8)
    say(ok=found.ok, executors=len(found.executors), says=str(found))


def work(spark: SparkSession, tasks: str) -> None:
    """Have tasks done in the executors, and say each result as it comes."""

    def slowly(number: int) -> int:
        import threading  # noqa: PLC0415 - in the executor

        threading.Event().wait(0.1)
        return number * number

    with sparkeeper.connect(spark) as zk:
        work = zk.tasks("work", strategy="priority", max_attempts=20, backoff=0.05)
        say(ids=work.submit(range(int(tasks))))
        for result in work.run(spark, slowly, workers=2):
            say(id=result.id, value=result.value, attempts=result.attempts, error=result.error)
        say(dead=len(work.dead_letters()))


if __name__ == "__main__":
    session = SparkSession.builder.appName("submitted").getOrCreate()
    {"visit": visit, "work": work}[sys.argv[1]](session, *sys.argv[2:])
    session.stop()
