"""A group that divides items: joining, claiming, saving, finishing, and what everybody sees of it."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from sparkeeper import exceptions
from waiting import wait_for


def test_one_member_works_through_all(zk):
    group = zk.partitions("work", items=range(8), quiet=0.05)
    with group.join(id="a") as member:
        seen = []
        for claim in member.claims():
            assert (claim.state, claim.restore()) == ("HELD", None)
            claim.checkpoint({"half": claim.partition})
            assert claim.restore() == {"half": claim.partition}
            seen.append((claim.partition, claim.token))
            claim.done(result=claim.partition * 10)
            assert claim.state == "DONE"
    assert [partition for partition, _ in seen] == list(range(8)), "in the order of the items"
    progress = zk.partitions("work").progress()
    assert progress.finished
    assert progress.results() == {item: item * 10 for item in range(8)}
    assert {entry.token for entry in progress} == {token for _, token in seen}


def test_two_share_and_none_is_done_twice(zk, coordinator):
    items = [("2024-01", day) for day in range(6)]
    group = zk.partitions("days", items=items, quiet=0.05)
    other = coordinator().partitions("days")
    with group.join(id="a") as one, other.join(id="b") as two:
        wait_for(lambda: len(one.held) == len(two.held) == 3, 60, "an even share")
        assert group.assignment().generation >= 1
        done = {"a": 0, "b": 0}
        for claim in one.claims():
            assert claim.partition in items
            claim.done(result="a")
            done["a"] += 1
            if done["a"] == 3:
                break
        done["b"] = two.run(lambda _: "b")
        assert done["a"] + done["b"] == 6
        assert list(one.claims()) == []
    assert sorted(group.progress().results().values()) == ["a"] * done["a"] + ["b"] * done["b"]


ITEMS, HEAVY = ["x", "y", "z"], {"y": 5}


@pytest.mark.parametrize(
    ("items", "weights"),
    [
        (pa.array(ITEMS), pa.array([1, 5, 1])),
        (pl.Series(ITEMS, dtype=pl.Categorical), pl.DataFrame({"k": ["y"], "count": [5]})),
        (pa.table({"k": ITEMS}), pa.table({"k": ["y", "x"], "sum": [Decimal("5.00"), Decimal("1.00")]})),
        (pd.Series(ITEMS), pd.Series([5], ["y"])),
        (ITEMS, pd.Series([1, 5, 1])),
    ],
    ids=["arrow", "polars", "table", "pandas", "series"],
)
def test_arrow_and_pandas_say_what_lists_say(zk, items, weights):
    with zk.partitions("p", items=ITEMS, weights=HEAVY, quiet=0.05).join("a"):
        group = zk.partitions("p", items=items, weights=weights)
        group.join("b").leave()  # other settings would be refused
        group.update(weights=pl.DataFrame({"k": ["x"], "weight": [9]}))
        zk.partitions("p", items=ITEMS, weights=[9, 1, 1]).join("c").leave()
        group.update(items=pa.array([*ITEMS, "w"]))
        zk.partitions("p", items=[*ITEMS, "w"], weights=[9, 1, 1, 1]).join("d").leave()


def test_numpys_numbers_are_items_as_pythons_are(zk):
    keys = np.array([7, 8], np.int32)
    zk.partitions("p", items=[*keys, (np.int64(9), "x")]).join()
    assert list(zk.partitions("p").progress().partitions) == [7, 8, (9, "x")]


def test_what_differs_is_said(zk):
    group = zk.partitions("g", items=range(3))
    with group.join(id="a"):
        with pytest.raises(exceptions.ConfigError, match="3 published, 4 given"):
            zk.partitions("g", items=range(4)).join(id="b")
        with pytest.raises(exceptions.ConfigError, match="strategy: sticky published, range given"):
            zk.partitions("g", strategy="range").join(id="b")
    with pytest.raises(exceptions.NoNode, match="give items"):
        zk.partitions("nothing").join()


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"items": [1, True]}, "True.*equals"),
        ({"items": [0, (1, 2), [1, 2]]}, "equals"),
        ({"items": [float("nan")]}, "nan.*finite"),
        ({"items": range(3), "weights": [1, -1, 2]}, "`weights` of the item 1 is -1: expected a whole number"),
        ({"items": range(3), "zones": [1, None, "a"]}, "`zones` of the item 0 is 1: expected the name of a zone"),
        ({"items": range(3), "weights": {7: 1}}, "`weights` names 7, which is none of the 3 items"),
        ({"items": range(3), "weights": [1, 2]}, "`weights` has 2 values for 3 items"),
        ({"weights": {7: 1}}, "weights: give items too"),
        ({"items": range(3), "weights": pa.table({"k": [1, 1], "count": [1, 2]})}, "`weights` has 2 rows, and 1 is in"),
        ({"items": pa.array([{"a": 1}])}, "`items` is an Arrow column of struct<a: int64>, whose values are no names"),
        ({"items": pa.array(["a", "b", "a"])}, "the item 'a' is there twice"),
        ({"items": pa.array([Decimal("1.5")])}, "item Decimal.'1.5'.: give numbers of 64 bits"),
        ({"items": range(3), "strategy": "range", "zones": ["a", "b", "c"]}, "range.*zones"),
        ({"items": range(10_001)}, "10000 at most"),
    ],
)
def test_what_no_group_can_divide_is_refused_before_it_is_published(zk, given, why):
    with pytest.raises(exceptions.ConfigError, match=why):
        zk.partitions("p", **given).join()
    assert zk.exists("p/spec") is None
