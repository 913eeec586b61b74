"""Write an archive of the classes that Spark loads: with it a test's JVM starts with a quarter of the work (JEP 350).

    python .ci/spark_archive.py FILE

A JVM whose classes are others goes on without it.
"""

import os
import sys
import tempfile
from pathlib import Path

from pyspark.sql import SparkSession

TESTS = Path(__file__).parents[1] / "tests" / "python"


def main() -> None:
    """Do what tests do, so that its classes are loaded, and end."""
    sys.path.insert(0, str(TESTS))
    from drivers import FAST_START  # noqa: PLC0415 - found by the line above

    os.environ["PYSPARK_PYTHON"] = sys.executable
    archive = Path(sys.argv[1]).absolute()
    archive.unlink(missing_ok=True)
    options = f"{FAST_START} -XX:ArchiveClassesAtExit={archive} -Xlog:cds=off -Xlog:cds+dynamic=off"
    builder = SparkSession.builder.master("local[2]").appName("archive").config("spark.ui.enabled", "false")
    builder = builder.config("spark.plugins", "org.apache.spark.sql.connect.SparkConnectPlugin")
    builder = builder.config("spark.ui.showConsoleProgress", "false").config("spark.connect.grpc.binding.port", "0")
    builder = builder.config("spark.sql.shuffle.partitions", "2")
    spark = builder.config("spark.log.level", "ERROR").config("spark.driver.extraJavaOptions", options).getOrCreate()
    with tempfile.TemporaryDirectory() as folder:
        work(spark, Path(folder))
    jvm = spark.sparkContext._gateway.proc  # noqa: SLF001 - nothing public says which process it is
    spark.stop()
    # The archive is written as the JVM ends, and it ends with its standard input.
    jvm.stdin.close()
    jvm.wait(120)


def work(spark: SparkSession, folder: Path) -> None:
    """Write, read, shuffle, run Python, and stream."""
    rows = spark.range(100).selectExpr("id", "id % 3 AS k")
    for name in ("parquet", "orc", "csv", "json"):
        rows.write.partitionBy("k").format(name).save(str(folder / name))
        spark.read.schema("id bigint, k bigint").format(name).load(str(folder / name)).groupBy("k").count().collect()
    rows.mapInPandas(lambda frames: frames, rows.schema).toArrow()
    stream = spark.readStream.schema("id bigint").json(str(folder / "json"))
    stream.writeStream.foreachBatch(lambda _, __: None).option("checkpointLocation", str(folder / "c")).trigger(
        availableNow=True
    ).start().awaitTermination()


main()
