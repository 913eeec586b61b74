"""Run the README's five lines as a new user does: with what pip installed, on a ZooKeeper of this machine's own."""

import re
import shutil
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

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
(lines,) = re.findall(r"^```python\n(.*?)^```$", Path(sys.argv[1]).read_text(), re.MULTILINE | re.DOTALL)
names: dict[str, Any] = {}
exec(lines, names)  # noqa: S102 - our own page
rows, expected = spark.read.parquet(names["path"]).count(), names["df"].count()
names["zk"].close()
shutil.rmtree(names["path"])
if rows != expected:
    raise SystemExit(f"{rows} rows of {expected}")
sys.stdout.write(f"sparkeeper {metadata.version('sparkeeper')}, PySpark {spark.version}: {rows} rows\n")
spark.stop()
