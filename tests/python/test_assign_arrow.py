"""Arrow in, Arrow out: any object with the PyCapsule interface, and no copy where the types allow it."""

import pickle
from datetime import date, datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from sparkeeper import assign, verify
from sparkeeper.exceptions import ConfigError

KEYS = ["x", "y", "z", "w"]
WEIGHTS = [5, 3, 2, 4]


def address(column):
    """Where the last buffer of a column (its values) is."""
    array = column.chunk(0) if isinstance(column, pa.ChunkedArray) else column
    return array.buffers()[-1].address


@pytest.mark.parametrize(
    "wrap",
    [
        pa.array,
        lambda v: pa.chunked_array([v[:1], v[1:]]),
        pl.Series,
        lambda v: pa.array(v).dictionary_encode(),
        lambda v: pa.chunked_array([pa.array(part).dictionary_encode() for part in (v[:1], v[1:])]),
        lambda v: pl.Series(v, dtype=pl.Categorical),
        lambda v: pl.Series(v, dtype=pl.Enum(sorted(v))),
        lambda v: pa.table({"name": v}),
        lambda v: pl.DataFrame({"name": v}),
        lambda v: pd.Series(v, dtype="category"),
    ],
    ids=["array", "chunked", "polars", "dictionary", "dictionaries", "categorical", "enum", "table", "frame", "pandas"],
)
def test_every_arrow_column_gives_what_a_list_gives(wrap):
    expected = assign(["a", "b"], KEYS, weights=WEIGHTS, current={"x": "b", "y": "b"})
    weights = pa.array(WEIGHTS) if wrap is not pl.Series else pl.Series(WEIGHTS)
    a = assign(wrap(["a", "b"]), wrap(KEYS), weights=weights, current={"x": "b", "y": "b"})
    assert a.owners == expected.owners
    assert a.certificate == expected.certificate
    assert pickle.loads(pickle.dumps(a)) == a
    a.verify()


@pytest.mark.parametrize(
    "table", [pa.table, pl.DataFrame, pa.RecordBatch.from_pydict], ids=["pyarrow", "polars", "batch"]
)
@pytest.mark.parametrize("partitions", [KEYS, pa.array(KEYS)], ids=["list", "arrow"])
def test_tables_of_weights_and_owners_are_looked_up_by_key(table, partitions):
    counts = table({"k": KEYS[::-1], "count": WEIGHTS[::-1]})
    owners = table({"partition": ["y", "x", "other"], "member": ["b", "gone", "a"]})
    a = assign(["a", "b"], partitions, weights=counts, current=owners)
    expected = assign(["a", "b"], KEYS, weights=dict(zip(KEYS, WEIGHTS, strict=True)), current={"y": "b"})
    assert a.owners == expected.owners
    assert a.certificate.loads == expected.certificate.loads
    verify(a.certificate, a.to_arrow(), ["a", "b"], partitions, weights=counts, current=owners)


@pytest.mark.parametrize("partitions", [KEYS, pa.array(KEYS)], ids=["list", "arrow"])
@pytest.mark.parametrize("keys", [pl.Categorical, pl.String])
def test_categories_and_decimals_are_keys_and_weights(partitions, keys):
    names = pl.Series(KEYS, dtype=keys)
    counts = pl.DataFrame({"k": names, "count": pl.Series(WEIGHTS, dtype=pl.Decimal(20, 2))})
    owners = pl.DataFrame({"partition": names, "member": pl.Series(["b", "b", "a", "a"], dtype=keys)})
    expected = assign(["a", "b"], KEYS, weights=WEIGHTS, current=dict(zip(KEYS, "bbaa", strict=True)))
    a = assign(["a", "b"], partitions, weights=counts, current=owners)
    assert (a.owners, a.certificate) == (expected.owners, expected.certificate)
    assert (
        assign(["a", "b"], partitions, weights=counts["count"]).loads == assign(["a", "b"], KEYS, weights=WEIGHTS).loads
    )


@pytest.mark.parametrize(
    "names",
    [
        pa.array([Decimal("1.5"), Decimal(2)]),
        pa.array([date(2024, 1, 1), date(2024, 1, 2)]),
        pa.array([b"x", b"y"], pa.binary_view()),
        pa.array([1.0, 2.0], pa.float16()),
        pa.array([True, False]),
    ],
    ids=lambda names: str(names.type),
)
def test_whatever_can_be_told_apart_is_a_name(names):
    table = pa.table({"k": names, "count": [1, 2]})
    owners = pa.table({"partition": names, "member": ["b", "a"]})
    a = assign(["a", "b"], names, weights=table, current=owners)
    assert list(a.owners) == names.to_pylist()
    assert a.certificate.moves == 0
    assert assign(names, names).owners == dict(zip(names.to_pylist(), names.to_pylist(), strict=True))


@pytest.mark.parametrize("keys", [pa.array([7, 8, 9]), pa.array(["x", "y", "z"])], ids=["int64", "string"])
def test_partitions_and_weights_are_not_copied(keys):
    weights = pa.array([5, 3, 2])
    table = assign(["a", "b"], keys, weights=weights).to_arrow()
    assert table.column_names == ["partition", "member", "weight"]
    assert address(table["partition"]) == address(keys)
    assert address(table["weight"]) == address(weights)


def test_the_answer_goes_to_pyarrow_polars_and_pandas():
    a = assign(["a", "b"], [1, 2, 3], weights=[5, 3, 2])
    rows = [{"partition": 1, "member": "a", "weight": 5}, {"partition": 2, "member": "b", "weight": 3},
            {"partition": 3, "member": "b", "weight": 2}]  # fmt: skip
    assert pa.table(a).to_pylist() == rows
    assert pl.DataFrame(a).to_dicts() == rows
    assert a.to_pandas().equals(pd.DataFrame(rows).astype({"weight": "uint64"}))
    assert assign(["a"], [1, 2]).to_arrow()["weight"].to_pylist() == [1, 1]


def test_an_earlier_assignment_over_arrow_is_current():
    partitions = pa.array(np.arange(5000))
    ten = assign(pa.array([f"m{i}" for i in range(10)]), partitions)
    nine = assign([f"m{i}" for i in range(9)], partitions, current=ten)
    assert nine.certificate.moves == 500
    fewer = assign([f"m{i}" for i in range(9)], partitions.slice(100), current=nine)
    assert fewer.certificate.moves == fewer.certificate.moves_lower_bound < 100
    assert assign([f"m{i}" for i in range(9)], list(range(5000)), current=nine).certificate.moves == 0


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"members": pa.array(["a", None])}, "member number 1 is null"),
        ({"partitions": pa.array([1, 2, 1])}, "partition 1 is there twice"),
        ({"partitions": pa.array([1.0, float("nan")])}, "partition nan does not equal itself"),
        ({"weights": pa.array([1, None, 3])}, "row 1 of `weights` is null: every row needs a number"),
        ({"weights": pa.array([1, -2, 3])}, "row 1 of `weights` is -2: expected 0 or more"),
        ({"weights": pa.array([1.0, 2.0, 3.0])}, "`weights` is an Arrow column of double: give whole numbers"),
        ({"weights": pa.array([1, 2])}, "2 values for 3 partitions"),
        ({"weights": pa.table({"k": [1, 2], "count": [1, 1]})}, "the partition 3 has no weight"),
        ({"weights": pa.table({"k": [1, 2, 3, 4], "count": [1, 1, 1, 1]})}, "names 4"),
        ({"weights": pa.table({"k": [1, 2, 2], "count": [1, 1, 1]})}, "`weights` has 3 rows, and 2 is in two"),
        ({"weights": pa.array(["1", "2", "3"])}, "`weights` is an Arrow column of string: give whole numbers"),
        ({"weights": pa.array([{"a": 1}] * 3)}, "`weights` is an Arrow column of struct<a: int64>: give whole"),
        ({"weights": pa.array([Decimal("1.0"), Decimal("2.5"), Decimal("3.0")])}, "partition 2 is Decimal.'2.5'.*frac"),
        ({"weights": pa.array([Decimal(1), Decimal(-2), Decimal(3)])}, "`weights` of the partition 2 is Decimal.'-2'"),
        ({"weights": pa.table({"k": [{"a": 1}] * 3, "count": [1, 1, 1]})}, "`weights` is an .*struct.* are no names"),
        ({"current": pa.table({"partition": [1, 2, 2], "member": ["a", "a", "b"]})}, "`current` has 3 rows, and 2 is"),
        ({"current": pa.table({"partition": [[1]], "member": ["a"]})}, "`partition` of `current` is an .*list<"),
        ({"current": pa.table({"partition": [1], "member": [{"a": 1}]})}, "`member` of `current` is an .*struct<"),
        ({"members": pa.array([{"a": 1}, {"a": 2}])}, "`members` is an Arrow column of struct<a: int64>, whose values"),
        ({"members": pa.table({"a": [1], "b": [2]})}, r"`members` is a table with the columns \['a', 'b'\]: give one"),
        ({"partitions": pa.array([[1], [2]])}, "`partitions` is an Arrow column of list<.*>, whose"),
        ({"partitions": pa.nulls(2)}, "`partitions` is an Arrow column of null"),
        ({"weights": pa.table({"k": [1]})}, "expected two"),
        ({"current": pa.table({"k": [1], "m": ["a"]})}, "expected `partition` and `member`"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("arrow", [False, True], ids=["list", "arrow"])
def test_what_is_wrong_with_a_column_is_named(change, text, arrow):
    partitions = pa.array([1, 2, 3]) if arrow else [1, 2, 3]
    with pytest.raises(ConfigError, match=text):
        assign(**{"members": ["a", "b"], "partitions": partitions} | change)


@pytest.mark.parametrize(
    "choice", [["c"], ("a", "c"), {"c"}, np.array(["c", "a"]), pa.array(["a"]).to_pylist()], ids=repr
)
def test_eligible_members_are_found_in_a_column_as_in_a_list(choice):
    eligible = [choice, None, ["b"], ["a", "b"], choice]
    expected = assign(["a", "b", "c"], range(5), eligible=eligible)
    a = assign(pa.array(["a", "b", "c"]), range(5), eligible=eligible)
    assert a.certificate == expected.certificate
    assert a.owners == expected.owners
    assert {a.owners[0], a.owners[4]} <= set(choice)
    a.verify()


LISTS = [["c"], None, ["b", "a", "b"], ["a", "b"]]


@pytest.mark.parametrize(
    "column",
    [
        pa.array(LISTS),
        pa.array([["a"], *LISTS])[1:],
        pa.chunked_array([LISTS[:1], LISTS[1:]]),
        pa.array(LISTS, pa.large_list(pa.large_string())),
        pl.Series(LISTS),
        pl.Series(LISTS, dtype=pl.List(pl.Categorical)),
        pa.array([["c", "c", "c"], None, ["a", "b", "b"], ["a", "a", "b"]], pa.list_(pa.string(), 3)),
    ],
    ids=["array", "slice", "chunked", "large", "polars", "categorical", "fixed"],
)
@pytest.mark.parametrize("arrow", [False, True], ids=["list", "arrow"])
def test_eligible_is_a_column_of_lists_or_a_table_with_one(column, arrow):
    members, partitions = (pa.array(["a", "b", "c"]), pa.array(KEYS)) if arrow else (["a", "b", "c"], KEYS)
    expected = assign(["a", "b", "c"], KEYS, eligible=LISTS)
    order = [3, 0, 2]
    some = [column.to_list()[i] if isinstance(column, pl.Series) else column[i].as_py() for i in order]
    for eligible in (
        column,
        pa.table({"k": KEYS, "eligible": pa.chunked_array(column) if isinstance(column, pl.Series) else column}),
        pa.table({"eligible": pa.array(some), "k": pa.array([KEYS[i] for i in order])}),
    ):
        a = assign(members, partitions, eligible=eligible)
        assert (a.owners, a.certificate) == (expected.owners, expected.certificate)
        assert pickle.loads(pickle.dumps(a)) == a
        a.verify()


@pytest.mark.parametrize(
    ("eligible", "text"),
    [
        (pa.array([["a"], ["d"], None]), "`eligible` names 'd', which is none of the 2 members"),
        (pa.array([["a"], [None], None]), "`eligible` names None, which is none of the 2 members"),
        (pa.array([[1], [2], None]), "`eligible` names 1, which is none of the 2 members"),
        (pa.array([["a"], [], None]), "partition 2 may go to no member"),
        (pa.array([["a"]]), "`eligible` has 1 values for 3 partitions"),
        (pa.array([1, 2, 3]), "`eligible` of the partition 1 is 1: expected several members"),
        (pa.array(["a", "b", "a"]), "`eligible` of the partition 1 is 'a': expected several members"),
        (pa.table({"k": [1, 4], "eligible": [["a"], ["b"]]}), "`eligible` names 4, which is none of the 3 partitions"),
        (pa.table({"k": [1, 1], "eligible": [["a"], ["b"]]}), "`eligible` has 2 rows, and 1 is in two"),
    ],
)
@pytest.mark.parametrize("arrow", [False, True], ids=["list", "arrow"])
def test_what_is_wrong_with_a_column_of_lists_is_named(eligible, text, arrow):
    members, partitions = (pa.array(["a", "b"]), pa.array([1, 2, 3])) if arrow else (["a", "b"], [1, 2, 3])
    with pytest.raises(ConfigError, match=text):
        assign(members, partitions, eligible=eligible)


@pytest.mark.parametrize(
    "choice",
    [[1, 3], [True, 3], [1.0, 3], [np.int64(1), 3], (n for n in (1, 3)), [3, 1, 1]],
    ids=["numbers", "bool", "float", "numpy", "generator", "twice"],
)
def test_eligible_numbers_are_found_by_their_value(choice):
    a = assign(pa.array([1, 2, 3]), pa.array(KEYS), eligible={"z": choice})
    assert a.certificate == assign([1, 2, 3], KEYS, eligible={"z": [1, 3]}).certificate


@pytest.mark.parametrize("stranger", [1.5, 2**70, "1", None, [1]], ids=repr)
def test_a_number_that_is_no_member_is_not_rounded_to_one(stranger):
    with pytest.raises(ConfigError, match=r"`eligible` names .*, which is none of the 2 members"):
        assign(pa.array([1, 2]), range(2), eligible=[[1, stranger], None])


@pytest.mark.parametrize("members", [["a", "c"], pa.array(["a", "c"])], ids=["list", "arrow"])
@pytest.mark.parametrize("stranger", ["gone", 7, b"a", ["a"], None, 2**70], ids=repr)
def test_eligible_names_no_strangers(members, stranger):
    with pytest.raises(ConfigError, match=r"`eligible` names .*, which is none of the 2 members"):
        assign(members, range(2), eligible=[["c", stranger], None])


@pytest.mark.parametrize(
    ("partitions", "kinds"),
    [
        ([1, "x"], "int, str"),
        ([1, "1"], "int, str"),
        (["a", b"b"], "str, bytes"),
        ([date(2024, 1, 1), datetime(2024, 1, 1, 5)], "date, datetime"),  # noqa: DTZ001 - Arrow makes one date of both
        ([("a", 1)], "tuple"),
        ([2**70], "int"),
    ],
    ids=repr,
)
def test_names_that_no_column_holds_are_refused_and_not_rewritten(partitions, kinds):
    a = assign(["a"], partitions)
    assert list(a.owners) == partitions
    for table in (a.to_arrow, a.to_pandas, a.__arrow_c_stream__):
        with pytest.raises(ConfigError, match=f"no Arrow column holds the partitions, which are {kinds}: give all"):
            table()
    with pytest.raises(ConfigError, match=f"no Arrow column holds the members, which are {kinds}: give all members"):
        assign(partitions, ["x"]).to_arrow()


def test_numbers_of_several_kinds_are_one_column():
    assert assign(["a"], [1, 2.5, np.int64(3)]).to_arrow()["partition"].to_pylist() == [1, 2.5, 3]


def test_members_of_several_kinds_are_current_over_arrow():
    partitions = pa.array([7, 8, 9, 10])
    before = assign([1, "x", b"x"], partitions)
    assert assign([1, "x", b"x"], partitions, current=before).certificate.moves == 0
    assert assign([b"x", "y", 1], partitions, current=before).certificate.moves == 1


def test_names_of_several_kinds_are_looked_up_by_kind():
    with pytest.raises(ConfigError, match="`weights` names '1', which is none"):
        assign(["a"], [1, "x"], weights=pa.table({"k": ["1", "x"], "count": [1, 2]}))


@pytest.mark.parametrize(
    "partitions", [range(6), pa.array(range(6)), pl.Series(range(6))], ids=["range", "arrow", "polars"]
)
def test_tables_of_polars_text_are_found_in_any_order(partitions):
    eligible = pl.DataFrame({"p": [1, 0], "e": [["b"], ["b", "a"]]})
    assert assign(["a", "b"], partitions, eligible=eligible).owners[1] == "b"
    zones = pl.DataFrame({"p": [1, 0, 2, 3, 4, 5], "z": list("xyxyxy")})
    owners = assign(["a", "b"], partitions, zones=zones, member_zones=["x", "y"]).owners
    assert owners == {0: "b", 1: "a", 2: "a", 3: "b", 4: "a", 5: "b"}


def test_a_set_has_no_order_that_lasts():
    with pytest.raises(ConfigError, match=r"sorted\("):
        assign({"a", "b"}, range(3))
    with pytest.raises(ConfigError, match="are a set"):
        assign(["a"], frozenset({1, 2}))
    assert assign({"a": 1, "b": 2}.keys(), range(2)).owners == {0: "a", 1: "b"}
