"""`sparkeeper.assign`: every strategy, every form of input, and a refusal that says what to do for every wrong one."""

import enum
import itertools
import json
import pickle
import uuid
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import PurePosixPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparkeeper import Assignment, Certificate, assign, verify
from sparkeeper.exceptions import ConfigError

STRATEGIES = ["average", "sticky", "range", "round_robin", "priority", "weighted", "rendezvous"]
names = st.lists(st.one_of(st.integers(-5, 60), st.text(max_size=4)), max_size=40, unique=True)


@settings(max_examples=60, deadline=None)
@given(members=names.filter(bool), partitions=names, strategy=st.sampled_from(STRATEGIES), data=st.data())
def test_every_partition_has_one_owner_and_the_certificate_verifies(members, partitions, strategy, data):
    current = data.draw(st.dictionaries(st.sampled_from(partitions), st.sampled_from(members))) if partitions else {}
    a = assign(members, partitions, strategy, current=current)
    assert list(a.owners) == partitions
    assert set(a.owners.values()) <= set(members)
    assert sum(a.loads.values()) == len(partitions)
    assert a.certificate.moves == sum(current.get(p) != m or p not in current for p, m in a.owners.items())
    assert a.certificate.moves >= a.certificate.moves_lower_bound
    assert a == assign(members, partitions, strategy, current=current)
    a.verify()
    verify(a.certificate, a.owners, members, partitions, current=current)


def test_a_leave_moves_a_hundred_and_a_join_ninety():
    ten = assign(range(10), range(1000))
    assert set(ten.certificate.loads) == {100}
    assert assign(range(9), range(1000), current=ten).certificate.moves == 100
    eleven = assign(range(11), range(1000), current=ten)
    assert (eleven.certificate.moves, eleven.certificate.moves_lower_bound) == (90, 90)
    assert all(owner in {ten.owners[p], 10} for p, owner in eleven.owners.items())
    assert assign(range(10), range(1000), current=ten).certificate.moves == 0


@pytest.mark.parametrize("skew", [0.5, 0.8, 1.0, 1.2])
@pytest.mark.parametrize("strategy", ["sticky", "weighted", "average"])
def test_zipf_weights_come_within_a_hundredth_of_the_bound(skew, strategy):  # FAULTS 29
    weights = [round(1e6 / rank**skew) for rank in range(1, 201)]
    certificate = assign(range(8), range(200), strategy, weights=weights).certificate
    assert certificate.lower_bound >= sum(weights) / 8
    assert certificate.max_load <= 1.01 * certificate.lower_bound


def test_capacity_is_relative_and_limit_is_a_hard_most():
    a = assign(["s", "l"], range(90), capacity={"l": 2.0})
    assert a.loads == {"s": 30, "l": 60}
    assert (a.certificate.max_load, a.certificate.lower_bound, a.certificate.gap) == (30.0, 30.0, 0.0)
    assert assign(["s", "l"], range(90), capacity=[1, 2], limit={"l": 50}).loads == {"s": 40, "l": 50}
    weighted = assign(["s", "l"], range(9), weights=[10] * 9, capacity=[1, 2], limit=[None, 50])
    assert weighted.loads == {"s": 40, "l": 50}


def test_eligible_and_zones_are_met_exactly_where_that_can_be_had():
    a = assign(["a", "b", "c"], range(9), eligible={0: ["c"], 1: ["c"], 2: ["b", "c"]})
    assert (a.owners[0], a.owners[1]) == ("c", "c")
    assert set(a.loads.values()) == {3}
    z = assign(["a", "b"], range(6), zones=dict.fromkeys(range(4), "x"), member_zones={"a": "x", "b": "y"})
    assert set(z.loads.values()) == {3}
    assert z.certificate.out_of_zone == 1


def test_priority_fills_the_highest_members_first():
    a = assign(
        ["low", "high"], ["u", "v", "p", "q"], "priority", limit={"high": 2}, priority={"q": 9, "p": 8},
        member_priority={"high": 1},
    )  # fmt: skip
    assert {p for p, m in a.owners.items() if m == "high"} == {"p", "q"}


def test_rendezvous_depends_on_the_names_alone():
    partitions = [f"p{i}" for i in range(300)]
    a = assign(["x", "y", "z"], partitions, "rendezvous")
    b = assign(["z", "x"], partitions[::-1], "rendezvous")
    assert all(b.owners[p] == m for p, m in a.owners.items() if m != "y")
    assert a.certificate.gap > 0
    assert (a.owners["p0"], a.owners["p1"], a.owners["p2"]) == ("z", "z", "x")  # in every process and version


def test_an_assignment_is_a_value():
    a = assign(["a", "b"], ["x", "y", "z"], weights={"x": 3, "y": 2, "z": 1}, current={"x": "b"})
    copy = pickle.loads(pickle.dumps(a))
    assert isinstance(copy, Assignment)
    assert copy == a
    copy.verify()
    assert a != assign(["a", "b"], ["x", "y", "z"])
    assert repr(a) == (
        "Assignment(strategy='sticky', partitions=3, members=2, max_load=3, lower_bound=3, gap=0.00%, moves=2)"
    )
    assert a.partitions_of("b") == ["x"]
    assert len(a) == 3


def test_a_certificate_that_was_tampered_with_is_found_out():
    a = assign(["a", "b"], range(7), current=dict.fromkeys(range(7), "a"))
    fields = json.loads(a.certificate.to_json())
    for field, value in {
        "loads": [3, 4], "max_load": 3, "lower_bound": 5, "gap": 0.5, "moves": 1, "moves_lower_bound": 2,
        "out_of_zone": 1, "digest": "0" * 64,
    }.items():  # fmt: skip
        forged = Certificate.from_json(json.dumps(fields | {field: value}))
        with pytest.raises(ConfigError, match=f"its {field} differs|its digest differs"):
            a.verify(forged)
    with pytest.raises(ConfigError, match="digest differs"):
        verify(a.certificate, a.owners, ["a", "b"], range(7))
    with pytest.raises(ConfigError, match="differs"):
        verify(a.certificate, a.owners | {0: "b"}, ["a", "b"], range(7), current=dict.fromkeys(range(7), "a"))


WRONG = [
    ({"members": []}, "0 members: give at least 1"),
    ({"members": ["a", "a"]}, "member 'a' is there twice"),
    ({"members": ["a", None]}, "member number 1 is None"),
    ({"members": "ab"}, "expected a sequence or an Arrow column of members"),
    ({"members": 7}, "expected a sequence"),
    ({"members": [["a"]]}, "cannot be told from others"),
    ({"partitions": ["x", "y", "x"]}, "partition 'x' is there twice"),
    ({"strategy": "stick"}, 'no strategy "stick": choose one of average, sticky'),
    ({"strategy": None}, "expected the name of a strategy"),
    ({"weights": [1, 2]}, "2 values for 3 partitions"),
    ({"weights": {"x": 1, "y": 2}}, "the partition 'z' has no weight"),
    ({"weights": {"x": 1, "y": 2, "z": 3, "w": 4}}, "names 'w', which is none of the 3 partitions"),
    ({"weights": [1, -2, 3]}, "`weights` of the partition 'y' is -2: expected a whole number"),
    ({"weights": [1, 2.5, 3]}, "`weights` of the partition 'y' is 2.5: expected a whole number: scale fractions up"),
    ({"weights": [1, None, 3]}, "`weights` of the partition 'y' is None"),
    ({"weights": [1, 2**64, 3]}, "from 0 to 2\\^64 - 1"),
    ({"weights": [2**64 - 1, 1, 0]}, "add up to more than 2\\^64 - 1: scale them down"),
    ({"weights": 5}, "expected `weights` as a mapping"),
    ({"current": ["a"]}, "expected `current` as a mapping"),
    ({"capacity": {"a": 0}}, "`capacity` of the member 'a' is 0: expected a number above 0"),
    ({"capacity": {"a": float("nan")}}, "`capacity` of the member 'a' is nan"),
    ({"capacity": {"c": 1}}, "names 'c', which is none of the 2 members"),
    ({"capacity": {"a": "big"}}, "`capacity` of the member 'a' is 'big'"),
    ({"limit": [1, 1]}, "the limits of the 2 members hold 2 in all; raise a limit or add members"),
    ({"limit": [-1, 1]}, "`limit` of the member 'a' is -1"),
    ({"limit": [0, 5], "eligible": {"y": ["a"]}}, "partition 'y': they may only go to member 'a', whose limits hold 0"),
    ({"limit": [1, 1], "weights": [1, 1, 1]}, "found no room for partition 'z' of weight 1"),
    ({"eligible": {"y": []}}, "partition 'y' may go to no member"),
    ({"eligible": {"y": ["b", "A"]}}, "`eligible` names 'A', which is none of the 2 members"),
    ({"partitions": ["x", float("nan")]}, "the partition nan does not equal itself"),
    ({"partitions": [("x", Decimal("nan"))]}, "the partition Decimal.'NaN'. does not equal itself"),
    ({"partitions": [object()]}, "the partition <object .*> is written differently in every process: name it by text"),
    ({"members": [("a", frozenset("xy"))]}, "the member frozenset.* is written differently in every process"),
    ({"eligible": {"y": "ab"}}, "`eligible` of the partition 'y' is 'ab': expected several members"),
    ({"eligible": {"w": ["a"]}}, "names 'w'"),
    ({"strategy": "range", "eligible": {"y": ["a"]}}, "cannot honour eligible"),
    ({"strategy": "rendezvous", "zones": {"y": "e"}}, "cannot honour zones"),
    ({"strategy": "priority", "priority": {"x": "high"}}, "`priority` of the partition 'x' is 'high'"),
    ({"strategy": "priority", "priority": {"x": 2**63}}, "64 bits"),
    ({"weights": [1, Decimal("2.5"), 3]}, "`weights` of the partition 'y' is Decimal.*scale fractions up"),
    ({"priority": {"x": 1}}, '`priority` has no effect under the strategy "sticky": leave it out, or use "priority"'),
    ({"strategy": "range", "member_priority": {"a": 1}}, '`member_priority` has no effect under the strategy "range"'),
    ({"strategy": "round_robin", "capacity": [1, 2]}, '`capacity` has no effect under the strategy "round_robin"'),
    ({"member_zones": ["u", "v"]}, "`member_zones` has no effect without `zones`"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "text"), WRONG, ids=[text for _, text in WRONG])
def test_what_is_wrong_is_named(change, text):
    with pytest.raises(ConfigError, match=text):
        assign(**{"members": ["a", "b"], "partitions": ["x", "y", "z"]} | change)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"owners": {"x": "a", "y": "b", "z": "a", "w": "b"}}, "`owners` names 'w', which is none of the 3 partitions"),
        ({"owners": {"x": "a", "y": "gone", "z": "a"}}, "`owners` names 'gone', which is none of the 2 members"),
        ({"owners": {"x": "a", "y": None, "z": "a"}}, "`owners` names None, which is none of the 2 members"),
        ({"owners": {"x": "a", "y": "b"}}, "`owners` names no owner for the partition 'z'"),
        ({"owners": ["a", "b", "a"]}, "expected `owners` as a mapping"),
        ({"current": ["a", "b", "a"]}, "expected `current` as a mapping"),
        ({"strategy": "range"}, "the certificate is of the strategy \"sticky\", and strategy='range' is given"),
    ],
)
def test_verify_names_what_is_wrong_with_the_owners(change, text):
    a = assign(["a", "b"], ["x", "y", "z"])
    verify(a.certificate, a, ["a", "b"], ["x", "y", "z"], strategy="sticky")
    with pytest.raises(ConfigError, match=text):
        verify(
            **{"certificate": a.certificate, "owners": a, "members": ["a", "b"], "partitions": ["x", "y", "z"]} | change
        )


def test_names_of_many_kinds_are_written_alike_everywhere():
    color = enum.Enum("color", ["RED"])
    kinds = [
        1.5, True, b"b", date(2024, 1, 1), datetime(2024, 1, 1, tzinfo=timezone.utc), timedelta(1), Decimal("2.5"),
        ("a", 1, None), uuid.UUID(int=1), color.RED, PurePosixPath("/a"), 2**70,
    ]  # fmt: skip
    a = assign(kinds, kinds, "rendezvous")
    assert set(a.owners) == set(kinds)
    assert a.certificate.digest == assign(list(kinds), kinds, "rendezvous").certificate.digest


@pytest.mark.parametrize("certificate", [None, {}, "x"], ids=repr)
def test_what_is_no_certificate_is_refused(certificate):
    a = assign(["a", "b"], [1, 2])
    with pytest.raises(ConfigError, match=r"expected a Certificate, found .*Certificate.from_json"):
        verify(certificate, a.owners, ["a", "b"], [1, 2])
    if certificate is not None:
        with pytest.raises(ConfigError, match="expected a Certificate, found"):
            a.verify(certificate)


def test_tight_limits_hold_what_fits():
    assert assign(["a", "b"], range(5), weights=[3, 3, 2, 2, 2], limit=[6, 6]).certificate.loads == [6, 6]
    with pytest.raises(ConfigError, match="no other arrangement fits either"):
        assign(["a", "b"], range(5), weights=[3, 3, 3, 2, 1], limit=[6, 5])
    assert assign(["a", "b"], range(5), weights=[3, 3, 3, 2, 1], limit=[6, 6]).certificate.loads == [6, 6]


def test_fewer_moves_than_the_bound_cost_items_outside_their_zone():
    asked = {"current": {1: "a"}, "zones": {1: "x"}, "member_zones": {"a": "y", "b": "x", "c": "y"}}
    inside = assign(["a", "b", "c"], [1], **asked).certificate
    assert (inside.moves, inside.moves_lower_bound, inside.out_of_zone) == (1, 1, 0)
    assert "outside their zone" in Certificate.moves_lower_bound.__doc__
    stays = assign(["a", "b", "c"], [1], "weighted", weights=[1], **asked | {"zones": {1: "y"}}).certificate
    assert (stays.moves, stays.moves_lower_bound, stays.out_of_zone) == (0, 0, 0)


def fills(loads, capacities):
    """How full each partition in its turn makes its member, the fullest first: what the docstring compares."""
    each = ((k / capacity for k in range(1, load + 1)) for load, capacity in zip(loads, capacities, strict=True))
    return sorted(itertools.chain.from_iterable(each), reverse=True)


@settings(max_examples=100, deadline=None)
@given(capacities=st.lists(st.sampled_from([0.5, 1.0, 2.0, 4.0, 8.0]), min_size=1, max_size=4), count=st.integers(0, 9))
def test_the_best_balance_is_the_least_of_all_fills(capacities, count):
    every = (loads for loads in itertools.product(range(count + 1), repeat=len(capacities)) if sum(loads) == count)
    best = min(fills(loads, capacities) for loads in every)
    for strategy in ("sticky", "average"):
        found = assign(range(len(capacities)), range(count), strategy, capacity=capacities)
        assert fills(found.certificate.loads, capacities) == best


def test_decimals_without_a_fraction_are_weights():
    weights = {"x": Decimal("3.00"), "y": Decimal(2), "z": 1}
    assert sorted(assign(["a", "b"], ["x", "y", "z"], weights=weights).loads.values()) == [3, 3]


def test_an_unknown_current_owner_is_nobody():
    a = assign(["a", "b"], ["x", "y"], current={"x": "gone", "y": "b", "old": "a"})
    assert a.owners == {"x": "a", "y": "b"}
    assert a.certificate.moves == 1


def test_nothing_to_assign_is_an_empty_assignment():
    a = assign(["a"], [])
    assert (a.owners, a.loads, a.certificate.gap) == ({}, {"a": 0}, 0.0)
