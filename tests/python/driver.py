"""A Spark driver as a process of its own, told by its standard input what to write and where to die.

Commands and answers are one JSON object a line. `drivers.Driver` is the other end.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import os
import pathlib
import signal
import sys
from typing import TYPE_CHECKING, Any

from pyspark.sql import SparkSession

import sparkeeper
from hadoop_path import HadoopPath
from sparkeeper.exceptions import SparkeeperError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pyspark.sql import DataFrame

    from sparkeeper.spark.steps import Step


def main() -> None:
    """Serve commands until the input ends."""
    settings = json.loads(sys.argv[1])
    spark = session(settings.pop("remote", None), settings.pop("master", "local[1]"), settings.pop("spark", {}))
    # A short session is short of tries on a busy machine, unless it is told to go on.
    zk = sparkeeper.connect(settings.pop("connect"), **{"timeout": 30, **settings})
    say({"ready": True, "spark": spark.version})
    for line in sys.stdin:
        command = json.loads(line)
        try:
            say(COMMANDS[command.pop("do")](spark, zk, **command))
        except Exception as error:  # noqa: BLE001 - the other end wants to know whatever it is
            say({"error": type(error).__name__, "ours": isinstance(error, SparkeeperError), "text": str(error)})
    zk.close()
    spark.stop()


def session(remote: str | None, master: str, settings: dict[str, str]) -> SparkSession:
    """Return a client of a Spark Connect server, or a Spark of our own."""
    if remote is not None:
        return SparkSession.builder.remote(remote).getOrCreate()
    builder = SparkSession.builder.master(master).config("spark.sql.shuffle.partitions", "2")
    quiet = {"spark.ui.enabled": "false", "spark.ui.showConsoleProgress": "false", "spark.log.level": "ERROR"}
    return builder.config(map={**quiet, **settings}).getOrCreate()


def write(
    spark: SparkSession,
    zk: sparkeeper.Coordinator,
    *,
    path: str,
    rows: tuple[int, int],
    mode: str = "append",
    job_id: str | None = None,
    at: tuple[str, str] | None = None,
    blind: bool = False,
    fence: str = "takeover",
) -> dict[str, Any]:
    """Write `id` from rows[0] to rows[1]; `at` is a step and the signal to send ourselves then."""
    builder = zk.write(spark.range(*rows, numPartitions=2)).mode(mode).blind(blind).fence(fence)
    if job_id is not None:
        builder = builder.job_id(job_id)
    steps: list[str] = []

    def on_step(step: Step) -> None:
        steps.append(step.name)
        # Once: a lost race proposes again.
        if at is not None and step.name == at[0] and steps.count(step.name) == 1:
            os.kill(os.getpid(), signal.Signals[at[1]])

    commit = builder.on_step(on_step).save(path)
    return {"version": commit.version, "files": commit.files, "replayed": commit.replayed, "steps": steps}


def transaction(
    spark: SparkSession,
    zk: sparkeeper.Coordinator,
    *,
    tables: list[str],
    rows: tuple[int, int],
    job_id: str,
    at: tuple[str, int, str],
) -> dict[str, Any]:
    """Append to all tables in one commit; `at` is a step, which of them, and the signal to send ourselves then."""
    steps: list[str] = []

    def on_step(step: Step) -> None:
        steps.append(step.name)
        if step.name == at[0] and steps.count(step.name) == at[1]:
            os.kill(os.getpid(), signal.Signals[at[2]])

    with zk.transaction(job_id=job_id) as tx:
        for table in tables:
            tx.write(spark.range(*rows, numPartitions=2)).on_step(on_step).save(table)
    return {"versions": [commit.version for commit in tx.commits.values()]}


def stream(
    spark: SparkSession,
    zk: sparkeeper.Coordinator,
    *,
    source: str,
    path: str,
    checkpoint: str,
    at: tuple[str, str] | None = None,
) -> dict[str, Any]:
    """Stream the JSON files of `source` into a table, one a batch, until none is left; `at` as for `write`."""

    def on_step(step: Step) -> None:
        if at is not None and step.name == at[0]:
            os.kill(os.getpid(), signal.Signals[at[1]])

    files = spark.readStream.schema("id long").option("maxFilesPerTrigger", 1).json(source)
    each = zk.foreach_batch(path, "q", lambda write: write.on_step(on_step))
    query = files.writeStream.foreachBatch(each).option("checkpointLocation", checkpoint).trigger(availableNow=True)
    query.start().awaitTermination()
    return {"rows": spark.read.parquet(path).count()}


def changes(
    spark: SparkSession,
    zk: sparkeeper.Coordinator,
    *,
    path: str,
    checkpoint: str,
    output: str,
    die_in: int | None = None,
    every: str | None = None,
) -> dict[str, Any]:
    """Stream the changes below a path, each batch into a JSON file of `output`; die in one, after its file is there.

    With `every`, go on until killed; else end once what there is was told.
    """
    for name in ("connect", "namespace"):
        spark.conf.set(f"spark.zookeeper.{name}", zk.connect_string if name == "connect" else zk.namespace)
    sparkeeper.register(spark)

    def note(batch: DataFrame, number: int) -> None:
        rows = [[row.event, row.path, row.zxid, row.text, row.mzxid] for row in batch.collect()]
        part = pathlib.Path(output, f"{number}-{os.getpid()}.part")
        part.write_text(json.dumps(rows))
        part.rename(part.with_suffix(".json"))
        if number == die_in:
            os.kill(os.getpid(), signal.SIGKILL)

    frame = spark.readStream.format("zookeeper").option("path", path).load()
    writer = frame.writeStream.foreachBatch(note).option("checkpointLocation", checkpoint)
    query = (writer.trigger(processingTime=every) if every else writer.trigger(availableNow=True)).start()
    if every:
        say({"started": True})
    query.awaitTermination()
    return {"done": True}


def write_through_workers(
    spark: SparkSession,
    zk: sparkeeper.Coordinator,
    *,
    path: str,
    rows: int,
    marks: str,
    gate: str | None = None,
    job_id: str = "workers",
) -> dict[str, Any]:
    """Write rows that Python workers make in four tasks, each of which leaves a mark when it begins and when it ends.

    With a gate they wait until that file is there; without, the first attempt of the first task dies half way.
    """
    df = spark.range(0, rows, numPartitions=4).mapInPandas(work(marks, gate), "id bigint")
    commit = zk.write(df).job_id(job_id).save(path)
    return {"version": commit.version, "files": commit.files}


def work(marks: str, gate: str | None) -> Callable[[Iterator[Any]], Iterator[Any]]:
    """Return what the workers run; it names nothing of this module, which they do not have."""

    def pass_on(batches: Iterator[Any]) -> Iterator[Any]:
        import os  # noqa: PLC0415
        import pathlib  # noqa: PLC0415
        import threading  # noqa: PLC0415

        from pyspark import TaskContext  # noqa: PLC0415

        task = TaskContext.get()
        pathlib.Path(marks, f"{task.partitionId()}-{task.attemptNumber()}").touch()
        for batch in batches:
            while gate is not None and not pathlib.Path(gate).exists():
                threading.Event().wait(0.05)
            yield batch.head(len(batch) // 2)
            if gate is None and task.partitionId() == 0 and task.attemptNumber() == 0:
                os._exit(1)
            yield batch.tail(len(batch) - len(batch) // 2)
        pathlib.Path(marks, f"{task.partitionId()}-{task.attemptNumber()}-done").touch()

    return pass_on


def append_jobs(
    spark: SparkSession, zk: sparkeeper.Coordinator, *, path: str, first: int, count: int, rows: int
) -> dict[str, Any]:
    """Append `count` jobs, each of so many rows that say which job they are of."""
    for job in range(first, first + count):
        zk.write(spark.range(job * rows, (job + 1) * rows)).job_id(f"job-{job}").save(path)
        say({"did": job})
    return {"done": count}


def plain_write(
    spark: SparkSession, _zk: sparkeeper.Coordinator, *, path: str, rows: tuple[int, int], mode: str = "append"
) -> dict[str, Any]:
    """Write as plain Spark does."""
    spark.range(*rows, numPartitions=2).write.mode(mode).parquet(path)
    return {"done": 1}


def recover(spark: SparkSession, zk: sparkeeper.Coordinator, *, path: str) -> dict[str, Any]:
    """Settle at once what dead writers left."""
    done = zk.table(spark, path).recover(grace=0)
    return {"rolled_back": done.rolled_back, "finished": done.finished}


def history(spark: SparkSession, zk: sparkeeper.Coordinator, *, path: str) -> dict[str, Any]:
    """Tell which job made which version."""
    return {"versions": [[entry.operation, entry.job_id] for entry in zk.table(spark, path).history().collect()]}


def count(spark: SparkSession, _zk: sparkeeper.Coordinator, path: str) -> dict[str, Any]:
    """Count as plain Spark does."""
    return {"rows": spark.read.parquet(path).count()}


def doctor(spark: SparkSession, zk: sparkeeper.Coordinator, *, probes: int, timeout: float = 10) -> dict[str, Any]:
    """Have the session looked at."""
    spark.conf.set("spark.zookeeper.connect", zk.connect_string)
    found = sparkeeper.doctor(spark, probes=probes, timeout=timeout)
    executors = [dataclasses.asdict(one) for one in found.executors]
    return {"ok": found.ok, "executors": executors, "kinds": [one.kind for one in found.findings], "says": str(found)}


def call(spark: SparkSession, zk: sparkeeper.Coordinator, *, function: str, path: str) -> dict[str, Any]:
    """Call `module:function` of the tests on a path of Hadoop's: this Spark has jars that theirs lacks."""
    module, _, name = function.partition(":")
    getattr(importlib.import_module(module), name)(spark, zk, HadoopPath(spark, path))
    return {"done": 1}


def plan(spark: SparkSession, zk: sparkeeper.Coordinator, *, rows: int, again: bool = False) -> dict[str, Any]:
    """Ask for the plan `raced`, or plan it again, and place rows by it."""
    data = spark.range(rows)
    found = zk.partition_plan("raced", data, by=["id % 7"], partitions=3, replan=again)
    placed = found.repartition(data).selectExpr("id % 7 AS k", "spark_partition_id() AS p").distinct().collect()
    return {"plan": json.loads(found.document.to_json()), "placed": sorted((row["k"], row["p"]) for row in placed)}


def say(answer: dict[str, Any]) -> None:
    """Answer one line."""
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


COMMANDS: dict[str, Callable[..., dict[str, Any]]] = {
    "call": call,
    "doctor": doctor,
    "changes": changes,
    "plan": plan,
    "stream": stream,
    "transaction": transaction,
    "write": write,
    "write_through_workers": write_through_workers,
    "append_jobs": append_jobs,
    "plain_write": plain_write,
    "recover": recover,
    "history": history,
    "count": count,
}

if __name__ == "__main__":
    main()
