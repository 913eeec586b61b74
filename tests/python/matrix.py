"""Everything that meets Spark, once each, under the session that is asked for: classic, or Spark Connect.

A process of its own: one with a client of Spark Connect is no place for classic sessions any more. For each row it says
`{"row": …, "error": …, "text": …}`, with null for the error where it works. `docs/connect.md` has the same rows.
"""

from __future__ import annotations

import io
import json
import os
import re
import sys
import threading
from contextlib import redirect_stderr
from pathlib import Path
from pickle import PicklingError
from typing import TYPE_CHECKING, Any

from pyspark.errors import PySparkException
from pyspark.sql import SparkSession
from pyspark.sql.functions import udf

import sparkeeper
from drivers import JVM

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sparkeeper import Coordinator
    from sparkeeper.spark.stream import ForeachBatch

    Row = Callable[[SparkSession, Coordinator, Path], bool]

ROWS: dict[str, Row] = {}


def row(name: str) -> Callable[[Row], Row]:
    """Put a function into the table; it returns whether what it found is right."""

    def put(function: Row) -> Row:
        ROWS[name] = function
        return function

    return put


@row("`sparkeeper.connect(spark)`")
def _(spark: SparkSession, zk: Coordinator, folder: Path) -> bool:  # noqa: ARG001 - as all rows
    with sparkeeper.connect(spark) as other:
        return other.namespace == zk.namespace and not other.owner.startswith("python")


@row("`sparkeeper.doctor(spark)`")
def _(spark: SparkSession, zk: Coordinator, folder: Path) -> bool:  # noqa: ARG001
    return sparkeeper.doctor(spark, probes=2).ok


@row("`connect()` and a lock in `mapInArrow`, also with `barrier=True`")
def _(spark: SparkSession, zk: Coordinator, folder: Path) -> bool:  # noqa: ARG001
    def visit(batches: Iterator[Any]) -> Iterator[Any]:
        for batch in batches:
            with sparkeeper.connect() as here, here.lock("in-arrow", timeout=60):
                yield batch

    ids = spark.range(0, 4, 1, 2)
    return all(ids.mapInArrow(visit, "id long", barrier=barrier).count() == 4 for barrier in (False, True))


@row("`connect()` and a semaphore in `mapInPandas`")
def _(spark: SparkSession, zk: Coordinator, folder: Path) -> bool:  # noqa: ARG001
    def visit(frames: Iterator[Any]) -> Iterator[Any]:
        for frame in frames:
            with sparkeeper.connect() as here, here.semaphore("in-pandas", 1).acquire(timeout=60):
                yield frame

    return spark.range(0, 4, 1, 2).mapInPandas(visit, "id long").count() == 4


@row("`connect()` and a counter in a UDF")
def _(spark: SparkSession, zk: Coordinator, folder: Path) -> bool:  # noqa: ARG001
    def add(number: int) -> int:
        with sparkeeper.connect() as here:
            return here.counter("in-udf").add(number)

    spark.range(4).select(udf(add, "long")("id").alias("n")).collect()
    return zk.counter("in-udf").value == 6


@row("`connect()` in `foreachPartition`")
def _(spark: SparkSession, zk: Coordinator, folder: Path) -> bool:  # noqa: ARG001
    def visit(rows: Iterator[Any]) -> None:
        with sparkeeper.connect() as here:
            here.counter("in-partition").add(sum(one.id for one in rows))

    spark.range(0, 4, 1, 2).foreachPartition(visit)
    return zk.counter("in-partition").value == 6


@row("a handle that is sent along, in `foreachPartition` and `applyInPandas`")
def _(spark: SparkSession, zk: Coordinator, folder: Path) -> bool:  # noqa: ARG001
    counter, lock = zk.counter("sent"), zk.lock("sent-lock", timeout=60)

    def visit(rows: Iterator[Any]) -> None:
        with lock:
            counter.add(sum(one.id for one in rows))

    def apply(frame: Any) -> Any:
        with lock:
            counter.add(int(frame["id"].sum()))
        return frame

    spark.range(0, 4, 1, 2).foreachPartition(visit)
    spark.range(4).groupBy("id").applyInPandas(apply, "id long").collect()
    return counter.value == 12


@row("`zk.tasks(…).run(spark, …)`")
def _(spark: SparkSession, zk: Coordinator, folder: Path) -> bool:  # noqa: ARG001
    work = zk.tasks("work")
    work.submit(range(4))
    return sorted(one.value for one in work.run(spark, lambda n: n + 1, workers=2)) == [1, 2, 3, 4]


@row("`zk.partition_plan`: publish, `repartition`, `verify`, `replan`, `compare`, weights, `split_heavy`")
def _(spark: SparkSession, zk: Coordinator, folder: Path) -> bool:  # noqa: ARG001
    ids = spark.range(100)
    plan = zk.partition_plan("by-id", ids, by=["id DIV 80"], partitions=2, split_heavy=True)
    heavy = spark.createDataFrame([(0, 5), (1, 1)], "k long, w long")
    zk.partition_plan("weighed", heavy, by=["k"], partitions=2, weights=heavy)
    again = zk.partition_plan("by-id", ids.where("id > 50"), replan=True)
    placed = plan.repartition(ids).selectExpr("spark_partition_id() AS p").groupBy("p").count().collect()
    even = plan.certificate.loads == [50, 50] and len(placed) == 2
    return even and plan.verify(ids).passes and again.version == 2 and plan.compare(again) is not None


@row("`zk.write`: every mode and format, `partitionBy`, `job_id`, `guard`, `merge_schema`, `count_rows`")
def _(spark: SparkSession, zk: Coordinator, folder: Path) -> bool:
    ids = spark.range(4)
    for name in ("parquet", "orc", "csv", "json", "text"):
        rows = ids.selectExpr("string(id) AS id") if name == "text" else ids
        zk.write(rows).format(name).save(folder / name)
    path = folder / "modes"
    with zk.lock("writer") as held:
        first = zk.write(ids).count_rows().job_id("one").guard(held).mode("error").save(path)
        again = zk.write(ids).job_id("one").guard(held).save(path)
    zk.write(ids).mode("ignore").save(path)
    zk.write(ids).mode("overwrite").save(path)
    zk.write(ids.selectExpr("id", "id AS more")).merge_schema().save(path)
    parts = folder / "parts"
    for mode in ("append", "overwrite_partitions"):
        zk.write(ids.selectExpr("id", "id % 2 AS p")).partitionBy("p").mode(mode).save(parts)
    counts = [spark.read.parquet(str(one)).count() for one in (path, parts)]
    return first.rows == 4 and again.replayed and counts == [8, 4]


@row("the progress of a write, in a terminal")
def _(spark: SparkSession, zk: Coordinator, folder: Path) -> bool:
    screen, drawn = io.StringIO(), threading.Event()
    screen.isatty, screen.flush = lambda: True, drawn.set
    with redirect_stderr(screen):
        # Nothing shows in the first second; the write waits until something does.
        zk.write(spark.range(1)).on_step(lambda _: drawn.wait(30)).save(folder / "shown")
    return "commit" in screen.getvalue()


@row("`zk.transaction()`")
def _(spark: SparkSession, zk: Coordinator, folder: Path) -> bool:
    with zk.transaction() as tx:
        for name in ("left", "right"):
            tx.write(spark.range(3)).save(folder / name)
    return all(spark.read.parquet(str(folder / name)).count() == 3 for name in ("left", "right"))


@row("`zk.table`: `read`, `history`, `changes`, `restore`, `pin`, `vacuum`, `recover`, `doctor`")
def _(spark: SparkSession, zk: Coordinator, folder: Path) -> bool:
    path = str(folder / "t")
    for mode in ("append", "append", "overwrite"):
        zk.write(spark.range(3)).mode(mode).save(path)
    table = zk.table(spark, path)
    restored = table.restore(2).version == 4 and table.read().count() == 6 == table.read(version=2).count()
    told = table.history().count() == 4 and table.changes(1).count() > 0
    table.pin(1, "kept")
    table.unpin("kept")
    table.recover(grace=0)
    return restored and told and table.vacuum(older_than=0) is not None and table.doctor().healthy


@row("`zk.table`: `adopt`, `mirror_delta`, `repair`, `export_plain`")
def _(spark: SparkSession, zk: Coordinator, folder: Path) -> bool:
    path = str(folder / "plain")
    spark.range(3).write.parquet(path)
    table = zk.table(spark, path)
    adopted = table.adopt().version == 1
    table.mirror_delta()
    table.repair()
    table.export_plain()
    return adopted and spark.read.parquet(path).count() == 3


@row("`zk.janitor(spark, …)`")
def _(spark: SparkSession, zk: Coordinator, folder: Path) -> bool:
    zk.write(spark.range(3)).save(folder / "kept")
    janitor = zk.janitor(spark, [folder / "kept"], grace=0)
    janitor.once()
    return janitor.rounds == 1


@row("a table on a path that only Hadoop reaches, such as `hdfs:` or `viewfs:`")
def _(spark: SparkSession, zk: Coordinator, folder: Path) -> bool:
    path = f"viewfs://disk{folder}/far"
    zk.write(spark.range(3)).save(path)
    return zk.table(spark, path).read().count() == 3


def run(spark: SparkSession, source: str, path: str, each: ForeachBatch) -> None:
    """Stream all that is there into a table."""
    stream = spark.readStream.schema("id long").json(source).writeStream
    stream = stream.foreachBatch(each).option("checkpointLocation", f"{path}-checkpoint")
    stream.trigger(availableNow=True).start().awaitTermination()


@row("`writeStream.foreachBatch(zk.foreach_batch(…))`")
def _(spark: SparkSession, zk: Coordinator, folder: Path) -> bool:
    source, path = str(folder / "numbers"), str(folder / "streamed")
    spark.range(3).coalesce(1).write.json(source)
    for _ in range(2):
        run(spark, source, path, zk.foreach_batch(path, "q"))
    return spark.read.parquet(path).count() == 3


@row("`zk.foreach_batch` with a lock or a term as its `guard`")
def _(spark: SparkSession, zk: Coordinator, folder: Path) -> bool:
    source, path = str(folder / "more-numbers"), str(folder / "guarded")
    spark.range(3).coalesce(1).write.json(source)
    with zk.lock("stream") as held:
        run(spark, source, path, zk.foreach_batch(path, "q", configure=lambda write: write.guard(held)))
    return spark.read.parquet(path).count() == 3


@row("the data source `zookeeper`: read, SQL, write")
def _(spark: SparkSession, zk: Coordinator, folder: Path) -> bool:  # noqa: ARG001
    sparkeeper.register(spark)
    rows = spark.createDataFrame([("x", "1"), ("y", "2")], "path string, text string")
    for mode in ("append", "overwrite"):
        rows.write.format("zookeeper").mode(mode).save("/source")
    spark.sql("CREATE TABLE source USING zookeeper OPTIONS (path '/source', depth 1)")
    by_sql = spark.sql("SELECT text FROM source WHERE name = 'x'").collect()
    spark.sql("DROP TABLE source")
    return spark.read.format("zookeeper").load("/source").count() == 3 and by_sql[0].text == "1"


@row("the data source `zookeeper`: a stream of changes")
def _(spark: SparkSession, zk: Coordinator, folder: Path) -> bool:
    zk.create("changing/a", b"1")
    sparkeeper.register(spark)
    changes = spark.readStream.format("zookeeper").load("/changing").select("event", "path").writeStream
    changes = changes.format("parquet").option("checkpointLocation", str(folder / "changes-checkpoint"))
    changes.trigger(availableNow=True).start(str(folder / "changes")).awaitTermination()
    return spark.read.parquet(str(folder / "changes")).count() == 2


def ours(error: Exception) -> dict[str, str]:
    """Name an error; of one that Spark wrapped, or brought from a Python worker, what was raised first."""
    there = re.search(r"sparkeeper\.exceptions\.(\w+): (.*)", str(error))
    if there:
        return {"error": there[1], "text": there[2]}
    first: BaseException = error
    while isinstance(first, PySparkException | PicklingError) and first.__context__ is not None:
        first = first.__context__
    return {"error": type(first).__name__, "text": str(first)}


def main(connect_string: str, namespace: str, folder: str, remote: str = "") -> None:
    """Try every row."""
    os.environ["PYSPARK_PYTHON"] = sys.executable
    builder = SparkSession.builder.remote(remote) if remote else SparkSession.builder.master("local[2]")
    disk = {
        f"spark.hadoop.fs.viewfs.mounttable.disk.link.{folder}": f"file://{folder}",
        "spark.hadoop.fs.file.impl": "org.apache.hadoop.fs.RawLocalFileSystem",
        "spark.hadoop.fs.AbstractFileSystem.file.impl": "org.apache.hadoop.fs.local.RawLocalFs",
    }
    few = {"spark.ui.enabled": "false", "spark.sql.shuffle.partitions": "2"}
    spark = builder.config(map={} if remote else {**JVM, **disk, **few}).getOrCreate()
    spark.conf.set("spark.zookeeper.connect", connect_string)
    spark.conf.set("spark.zookeeper.namespace", namespace)
    with sparkeeper.connect(spark, timeout=30) as zk:
        for name, function in ROWS.items():
            said = {"error": None, "text": ""}
            try:
                assert function(spark, zk, Path(folder)), "what was found is wrong"
            except Exception as error:  # noqa: BLE001 - the table says which it has to be
                said = ours(error)
            sys.stdout.write(json.dumps({"row": name, **said}) + "\n")
            sys.stdout.flush()
    spark.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
