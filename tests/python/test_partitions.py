"""A group that divides items: joining, claiming, saving, finishing, and what everybody sees of it."""

from __future__ import annotations

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
        wait_for(lambda: len(one.held) == len(two.held) == 3, 10, "an even share")
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
        ({"items": range(3), "weights": [1, -1, 2]}, "-1: give a whole number"),
        ({"items": range(3), "strategy": "range", "zones": ["a", "b", "c"]}, "range.*zones"),
        ({"items": range(10_001)}, "10000 at most"),
    ],
)
def test_what_no_group_can_divide_is_refused_before_it_is_published(zk, given, why):
    with pytest.raises(exceptions.ConfigError, match=why):
        zk.partitions("p", **given).join()
    assert zk.exists("p/spec") is None
