"""Keys in pieces, keys in buckets, reports and pictures."""

from __future__ import annotations

import sys
from collections import Counter

import altair as alt
import pytest

from sparkeeper.exceptions import ConfigError
from test_plan_flights import sizes, uneven
from test_plan_placement import where


@pytest.fixture(scope="module")
def skewed(spark):
    """Nine rows of ten have one key."""
    return spark.range(20_000).selectExpr("IF(id % 10 = 0, id % 7, NULL) AS k", "id AS v").persist()


@pytest.mark.parametrize("spread", ["content", "position"])
@pytest.mark.parametrize("buckets", [None, 40])
def test_a_heavy_key_is_spread_and_null_is_one(zk, skewed, spread, buckets):
    plan = zk.partition_plan("p", skewed, by=["k"], partitions=4, split_heavy=True, buckets=buckets)
    (places,) = plan.split.values()
    assert len(places) == 4
    assert plan.split.keys() == ({(None,)} if buckets is None else set(plan.split))
    assert plan.certificate.loads == [5000] * 4
    placed = plan.repartition(skewed, spread)
    assert uneven(sizes(placed, 4)) < 1.05
    counts, stands = where(placed)
    assert counts == where(skewed)[0]
    assert all(len(partitions) == 1 for partitions in stands.values())
    assert ("split=[None over 4]" in repr(plan)) == (buckets is None)
    table = plan.to_arrow()
    assert table.num_rows == (8 if buckets is None else 40) + 3
    assert table.column_names[0] == ("k" if buckets is None else "bucket")
    assert zk.partition_plan("p", split_heavy=True) == plan


def test_a_task_that_runs_again_sends_the_same_rows_to_the_same_places(spark, zk):
    # Rows that come in another order each time, as after a shuffle; some equal, some with types without an order.
    rows = spark.sql(
        "SELECT 1 AS k, id % 50 AS v, map('m', id % 3) AS m, IF(id % 2 = 0, 0.0D, 1.0D) AS d FROM range(3000)"
    )
    plan = zk.partition_plan("p", rows, by=["k"], partitions=3, split_heavy=True)
    found = []
    for _ in range(2):
        shuffled = rows.coalesce(1).sortWithinPartitions("v") if not found else rows.coalesce(1)
        placed = plan.repartition(shuffled, "position").selectExpr(
            "v", "to_json(m) AS m", "d", "spark_partition_id() AS p"
        )
        found.append(Counter(map(tuple, placed.collect())))
    assert found[0] == found[1]
    assert uneven(list(Counter(place for *_, place in found[0].elements()).values())) < 1.1


def test_the_sort_stands_below_the_shuffle(zk, skewed):
    plan = zk.partition_plan("p", skewed, by=["k"], partitions=4, split_heavy=True)
    told = plan.repartition(skewed, "position")._jdf.queryExecution().optimizedPlan().toString()
    assert told.index("Repartition") < told.index("monotonically_increasing_id") < told.index("Sort [")
    assert "Sort [" not in plan.repartition(skewed)._jdf.queryExecution().optimizedPlan().toString()


def test_buckets_as_told_place_every_row_by_its_hash(spark, zk):
    rows = spark.range(5000)
    plan = zk.partition_plan("p", rows, by=["id", "id % 3"], partitions=4, buckets=30)
    assert (plan.buckets, plan.plain_loads) == (30, None), "30 buckets do not divide into 4 partitions"
    placed = plan.repartition(rows)
    assert sizes(placed, 4) == plan.certificate.loads
    assert placed.selectExpr("pmod(hash(id, id % 3), 30) AS b", "spark_partition_id()").distinct().count() == 30
    assert "buckets=30" in repr(plan)
    with pytest.raises(ConfigError, match="buckets=31"):
        zk.partition_plan("p", buckets=31)
    more = plan.verify(spark.range(-5000, 0))
    assert (sum(more.rows), more.unknown_keys) == (5000, 0)
    again = zk.partition_plan("p", spark.range(5100), replan=True)
    assert (again.buckets, plan.compare(again).keys_moved) == (30, again.certificate.moves)


def test_many_buckets_need_no_row_of_python_each(spark, zk):
    rows = spark.range(3000)
    plan = zk.partition_plan("p", rows, by=["id"], partitions=2, buckets=100_000)
    assert sizes(plan.repartition(rows), 2) == plan.certificate.loads == [1500, 1500]
    assert zk.partition_plan("p") == plan


def test_what_verify_says_of_other_data(spark, zk):
    plan = zk.partition_plan("p", spark.range(100), by=["id % 4"], partitions=2)
    same = plan.verify(spark.range(200))
    assert (same.rows, same.max_over_mean, same.drift, same.passes) == ((100, 100), 1.0, 0.0, True)
    other = plan.verify(spark.sql("SELECT IF(id < 60, 0, id) AS id FROM range(100)"))
    assert not other
    assert (other.max_over_mean, other.limit) == (1.6, 1.1)
    assert other.drift == pytest.approx(0.45)
    assert plan.verify(spark.range(0)).drift == 1.0
    unknown = plan.verify(spark.range(100).selectExpr("-id AS id"))
    assert (unknown.unknown_keys, unknown.unknown_rows, unknown.missing_keys) == (3, 75, 3)
    for tolerance in (-1, True, "x", float("nan")):
        with pytest.raises(ConfigError, match="expected a number from 0 on"):
            plan.verify(spark.range(1), tolerance=tolerance)
    with pytest.raises(ConfigError, match="spread='rand': expected 'content' or 'position'"):
        plan.repartition(spark.range(1), "rand")


def test_what_compare_says(spark, zk):
    before = zk.partition_plan(
        "p", spark.sql("VALUES ('a', 4), ('b', 3), ('c', 3) AS t(k, w)"), by=["k"], partitions=2, weights="w"
    )
    after = zk.partition_plan("p", spark.sql("VALUES ('a', 4), ('b', 3), ('d', 9) AS t(k, w)"), replan=True)
    change = before.compare(after)
    rows = {row["k"]: (row["before"], row["after"], row["weight"]) for row in change.to_arrow().to_pylist()}
    assert rows["d"][0] is None
    assert rows["c"][1] is None
    assert change.loads_after == after.certificate.loads
    assert sorted(rows) == sorted({"c", "d"} | {new.values[0] for _, new in change.moved})
    assert change.weight_moved == sum(new.weight for _, new in change.moved)
    assert list(change.to_pandas().columns) == ["k", "before", "after", "weight"]
    assert repr(change).startswith("Comparison('p' 1 → 'p' 2, keys_moved=")
    assert before.compare(before).keys_moved == 0
    with pytest.raises(ConfigError, match=r"by=\['id'\] of bigint"):
        before.compare(zk.partition_plan("q", spark.range(3), by=["id"], partitions=2))
    with pytest.raises(ConfigError, match="expected a PartitionPlan"):
        before.compare("q")


def test_the_picture_has_both_sides(spark, zk, monkeypatch):
    plan = zk.partition_plan("p", spark.range(100), by=["id % 4"], partitions=2)
    chart = plan.plot()
    assert isinstance(chart, alt.LayerChart)
    bars = next(layer for layer in chart.to_dict()["layer"] if layer["mark"]["type"] == "bar")
    loads = {(row["placement"], row["partition"]): row["load"] for row in bars["data"]["values"]}
    assert [loads["planned", place] for place in (0, 1)] == [50, 50]
    assert [loads["plain hash", place] for place in (0, 1)] == list(plan.plain_loads)
    monkeypatch.setitem(sys.modules, "altair", None)
    with pytest.raises(ConfigError, match=r"pip install 'sparkeeper\[viz\]'"):
        plan.plot()
