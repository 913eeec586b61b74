"""A job under Spark Connect that plans the article's repartition and says what came of it."""

from __future__ import annotations

import os
import sys

from pyspark.sql import SparkSession

import sparkeeper


def main(connect_string, namespace):
    os.environ["PYSPARK_PYTHON"] = sys.executable
    spark = SparkSession.builder.remote("local[2]").getOrCreate()
    data = spark.range(100).withColumnRenamed("id", "value")
    with sparkeeper.connect(connect_string, namespace=namespace) as zk:
        plan = zk.partition_plan("article", data, by=["value % 2"], partitions=2)
    places = data.transform(plan.repartition).selectExpr("spark_partition_id() AS p").groupBy("p").count()
    sizes = [row["count"] for row in places.orderBy("p").collect()]
    kind = "connect" if "connect" in type(data).__module__ else "classic"
    sys.stdout.write(f"{kind} {' '.join(map(str, sizes))}\n")
    spark.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
