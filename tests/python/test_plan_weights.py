"""What makes a key heavy, and how often the data is read to know."""

from __future__ import annotations

from decimal import Decimal

import pytest

from sparkeeper.exceptions import ConfigError
from test_plan_flights import sizes

DATA = (
    "SELECT * FROM VALUES ('a', 1, 0.25D, 1.5BD, 'x'), ('a', 2, 0.5D, NULL, 'xyz'), ('b', NULL, 0.125D, 2.25BD, NULL), "
    "('c', 5, 0D, 0BD, ''), (NULL, 1, 10D, 0.01BD, 'äö') AS t(k, whole, fraction, decimal, text)"
)


def weights_of(plan):
    weights = {}
    for row in plan.to_arrow().to_pylist():
        weights[row["k"]] = weights.get(row["k"], 0) + row["weight"] * plan.unit
    return weights


@pytest.fixture(scope="module")
def data(spark):
    return spark.sql(DATA).coalesce(1).persist()


@pytest.mark.parametrize(
    ("weights", "unit", "found"),
    [
        (None, "1", {"a": 2, "b": 1, "c": 1, None: 1}),
        ("whole", "1", {"a": 3, "b": 0, "c": 5, None: 1}),
        ("fraction", "0.001", {"a": Decimal("0.75"), "b": Decimal("0.125"), "c": 0, None: 10}),
        ("decimal", "0.01", {"a": Decimal("1.5"), "b": Decimal("2.25"), "c": 0, None: Decimal("0.01")}),
        ("whole * 2 -- twice", "1", {"a": 6, "b": 0, "c": 10, None: 2}),
        # Five columns of 8 bytes, and the text: k and text.
        ("bytes", "1", {"a": 2 * 40 + 2 + 4, "b": 41, "c": 41, None: 44}),
    ],
)
def test_weights(zk, data, weights, unit, found):
    plan = zk.partition_plan("p", data, by=["k"], partitions=2, weights=weights)
    assert plan.unit == Decimal(unit)
    assert weights_of(plan) == found
    assert plan.weights == (weights or "count")
    assert zk.partition_plan("p", weights=weights) == plan
    with pytest.raises(ConfigError, match="was asked for with weights='other'"):
        zk.partition_plan("p", weights="other")


def test_equal_sums_in_any_order(spark, zk):
    rows = spark.range(1000).selectExpr("id % 3 AS k", "pow(10, id % 17 - 8) AS w")
    plans = [
        zk.partition_plan(
            f"p{number}",
            rows.repartition(number).orderBy("w", ascending=number > 1),
            by=["k"],
            partitions=2,
            weights="w",
        )
        for number in (1, 3)
    ]
    assert plans[0].document.keys == plans[1].document.keys


def test_bytes_of_every_type_are_counted(spark, zk):
    rows = spark.sql(
        "SELECT 1 AS k, X'0011' AS b, array(1, 2) AS a, map('x', 1) AS m, named_struct('n', 1) AS s, "
        "date'2013-01-01' AS d, cast(1 AS decimal(38,0)) AS big, true AS t, 1 AS k"
    )
    plan = zk.partition_plan("p", rows.toDF(*rows.columns[:-1], "d"), by=["k"], partitions=2, weights="bytes")
    # 9 columns of 8, 2 of the binary, 16 of the long decimal, and the JSON of the nested ones.
    assert plan.certificate.max_load == 72 + 2 + 16 + len('{"c":[1,2]}{"c":{"x":1}}{"c":{"n":1}}')


def test_a_dataframe_of_weights_stands_for_the_data(spark, zk, data):
    counted = data.groupBy("k").count()
    plan = zk.partition_plan("p", by=["k"], partitions=2, weights=counted)
    assert weights_of(plan) == {"a": 2, "b": 1, "c": 1, None: 1}
    assert plan.weights == "dataframe"
    assert zk.partition_plan("p", data, weights=counted) == plan
    # Any order of columns by name, else by position; one key twice adds up; one that is missing goes by its hash.
    shuffled = spark.sql("VALUES (1.5D, 'a'), (2D, 'a'), (7D, 'b') AS t(w, k)")
    by_name = zk.partition_plan("q", data, by=["k"], partitions=2, weights=shuffled)
    assert weights_of(by_name) == {"a": Decimal("3.5"), "b": 7}
    by_position = zk.partition_plan("r", data, by=["upper(k)"], partitions=2, weights=shuffled.select("k", "w"))
    assert by_position.to_arrow().column_names[0] == "upper(k)"
    report = by_name.verify(data)
    assert (report.unknown_keys, report.unknown_rows, report.missing_keys) == (2, 2, 0)
    assert sum(report.rows) == sum(sizes(by_name.repartition(data), 2)) == 5


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("SELECT 'a' AS k", "expected the 1 key columns"),
        ("SELECT 'a' AS k, 1 AS w, 2 AS v", "expected the 1 key columns"),
        ("SELECT 1 AS k, 1 AS w", "has keys of type int, and by=.* gives string: cast"),
        ("SELECT 'a' AS k, 'b' AS w", "of type string: weights are numbers"),
        ("SELECT 'a' AS k, -1 AS w", "has 1 rows that are negative"),
        ("SELECT map(1, 1) AS k, 1 AS w", "Spark groups and hashes no such values"),
    ],
)
def test_a_dataframe_that_holds_no_weights_is_refused(spark, zk, data, query, text):
    with pytest.raises(ConfigError, match=text):
        zk.partition_plan("p", data, by=["k"], partitions=2, weights=spark.sql(query))


@pytest.mark.parametrize(
    ("rows", "settings"),
    [(500, {}), (10_050, {}), (10_050, {"buckets": 64}), (500, {"weights": "bytes"})],
    ids=["exact", "too many keys", "buckets", "bytes"],
)
def test_the_data_is_read_once(spark, zk, rows, settings):
    read = spark.sparkContext.accumulator(0)

    def seen(row):
        read.add(1)
        return row

    df = spark.range(rows).rdd.map(seen).toDF("id bigint")
    kept = len(spark.sparkContext._jsc.getPersistentRDDs())
    read.value = 0
    plan = zk.partition_plan("p", df, by=["id"], partitions=4, **settings)
    assert read.value == rows
    assert sum(plan.certificate.loads) >= rows
    assert len(spark.sparkContext._jsc.getPersistentRDDs()) == kept, "what was kept for the second look is gone"
