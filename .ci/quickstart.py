"""Run the README's five lines as a new user does: with what pip installed, on a ZooKeeper of this machine's own."""

import re
import sys
import tempfile
from importlib import metadata
from pathlib import Path

from pyspark.sql import SparkSession

import sparkeeper

if not Path(sparkeeper.__file__).is_relative_to(sys.prefix):
    raise SystemExit(f"{sparkeeper.__file__} is not what was installed")
spark = (
    SparkSession.builder.master("local[2]")
    .config("spark.zookeeper.connect", "local")
    .config("spark.zookeeper.namespace", "quickstart")
    .config("spark.log.level", "ERROR")
    .config("spark.ui.enabled", "false")
    .config("spark.ui.showConsoleProgress", "false")
    .config("spark.sql.shuffle.partitions", "2")
    .getOrCreate()
)
df = spark.range(1000).selectExpr("id", "concat('D', id % 40) AS dest")
(lines,) = re.findall(r"^```python\n(.*?)^```$", Path(sys.argv[1]).read_text(), re.MULTILINE | re.DOTALL)
with tempfile.TemporaryDirectory() as folder:
    names = {"sparkeeper": sparkeeper, "spark": spark, "df": df}
    exec(lines.replace("/data/", f"{folder}/"), names)  # noqa: S102 - our own page
    rows = spark.read.parquet(f"{folder}/flights").count()
    names["zk"].close()
if rows != df.count():
    raise SystemExit(f"{rows} rows of {df.count()}")
sys.stdout.write(f"sparkeeper {metadata.version('sparkeeper')}, PySpark {spark.version}: {rows} rows\n")
spark.stop()
