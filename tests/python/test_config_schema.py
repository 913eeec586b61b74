"""What fits a schema, what does not, and what is said then."""

import dataclasses
import enum
import math
import re
from typing import Any, Literal, Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparkeeper import _schema, exceptions


class Level(enum.Enum):
    LOW = "low"
    HIGH = 2


@dataclasses.dataclass
class Inner:
    port: int
    host: str = "h"


@dataclasses.dataclass
class Outer:
    inner: Inner
    many: list[Inner]
    pair: tuple[int, str]
    all_of: tuple[float, ...]
    by_name: dict[str, Inner]
    level: Level
    mode: Literal["a", 1]
    either: int | str | None
    both: int | float
    anything: Any
    maybe: Optional[Inner] = None  # noqa: UP045 - users write both
    kept: list[int] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Tree:
    name: str
    below: "list[Tree]"


@dataclasses.dataclass
class Even:
    number: int

    def __post_init__(self):
        if self.number % 2:
            raise ValueError("it is odd")


OUTER = Outer(
    inner=Inner(1),
    many=[Inner(2, "x")],
    pair=(1, "y"),
    all_of=(1.5, 2.0),
    by_name={"k": Inner(3)},
    level=Level.HIGH,
    mode=1,
    either=None,
    both=3,
    anything={"a": [None, True]},
)


def there_and_back(schema, value):
    return _schema.from_text(schema, _schema.to_text(schema, value))


def test_everything_comes_back_as_it_went():
    assert there_and_back(Outer, OUTER) == OUTER
    changed = dataclasses.replace(OUTER, maybe=Inner(9), level=Level.LOW, mode="a", either="s", both=0.5, kept=[1])
    back = there_and_back(Outer, changed)
    assert back == changed
    assert isinstance(back.pair, tuple)
    assert isinstance(there_and_back(Outer, OUTER).both, int)
    tree = Tree("a", [Tree("b", []), Tree("c", [Tree("d", [])])])
    assert there_and_back(Tree, tree) == tree
    schema = {"name": str, "port": (int, 80), "deep": {"x": float}, "more": (list[int], [])}
    assert there_and_back(schema, {"name": "n", "deep": {"x": 1}}) == {
        "name": "n",
        "port": 80,
        "deep": {"x": 1.0},
        "more": [],
    }
    assert there_and_back(None, [1, "a", None, 2**70]) == [1, "a", None, 2**70]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(JSON)
def test_any_json_comes_back(value):
    assert there_and_back(None, value) == value
    assert there_and_back({"v": Any}, {"v": value}) == {"v": value}


SCHEMAS = (Outer, Tree, int, list[int], dict[str, int], Inner | None, Level, tuple[int, ...], {"a": int})


@given(st.sampled_from(SCHEMAS), JSON)
def test_what_does_not_fit_is_a_misfit_and_nothing_else(schema, value):
    try:
        fitted = _schema.fit(schema, value)
    except _schema.Misfit as misfit:
        fitted = misfit
    if isinstance(fitted, _schema.Misfit):
        assert str(fitted)
    else:
        assert there_and_back(schema, fitted) == fitted


@pytest.mark.parametrize("schema", SCHEMAS)
def test_these_schemas_can_be_checked(schema):
    _schema.check_schema(schema)


@pytest.mark.parametrize(
    ("schema", "data", "said"),
    [
        (Inner, {"port": "1"}, "field 'port': found str '1', expected int"),
        (Inner, {"port": True}, "field 'port': found bool True, expected int"),
        (Inner, {"port": None}, "field 'port': found null, expected int"),
        (Inner, {"host": "x"}, "field 'port': it is missing, and has no default"),
        (Inner, {"port": 1, "prot": 2}, "field 'prot': there is no such field; there are port, host"),
        (Inner, [1], "found list [1], expected Inner"),
        ({"a": {"b": int}}, {"a": {"b": 1.5}}, "field 'a.b': found float 1.5, expected int"),
        ({"a": int}, {"b": 1}, "field 'b': there is no such field; there are a"),
        ({"a": list[Inner]}, {"a": [{"port": 1}, {}]}, "field 'a[1].port': it is missing, and has no default"),
        ({"a": dict[str, int]}, {"a": {"k": "v"}}, "field 'a.k': found str 'v', expected int"),
        ({"a": int | None}, {"a": "x"}, "field 'a': found str 'x', expected int or null"),
        ({"a": Inner | None}, {"a": {"port": "x"}}, "field 'a.port': found str 'x', expected int"),
        ({"a": Literal["x", "y"]}, {"a": "z"}, "field 'a': found str 'z', expected one of 'x', 'y'"),
        ({"a": Level}, {"a": "mid"}, "field 'a': found str 'mid', expected one of 'low', 2"),
        ({"a": tuple[int, str]}, {"a": [1]}, "field 'a': found 1 items, expected 2"),
        ({"a": tuple[int, str]}, {"a": [1, 2]}, "field 'a[1]': found int 2, expected str"),
        ({"a": type(None)}, {"a": 1}, "field 'a': found int 1, expected null"),
        (Even, {"number": 3}, "Even refused it: it is odd"),
        (list[int], {"a": 1}, "found dict {'a': 1}, expected list[int]"),
        ({"a": str}, {"a": [0] * 100}, "field 'a': found list [0, 0,"),
    ],
)
def test_a_misfit_says_where_and_why(schema, data, said):
    with pytest.raises(_schema.Misfit) as misfit:
        _schema.fit(schema, data)
    assert str(misfit.value).startswith(said)
    assert len(str(misfit.value)) < 300


@pytest.mark.parametrize(
    ("schema", "value", "said"),
    [
        (Inner, Even(2), "found Even Even(number=2), expected Inner"),
        (None, {"a": {1: 2}}, "field 'a': the key 1 is no string"),
        (None, {"a": [b"x"]}, "field 'a[0]': bytes b'x' is a bytes, which JSON does not have"),
        (None, math.nan, "is no JSON"),
    ],
)
def test_what_cannot_be_written(schema, value, said):
    with pytest.raises(_schema.Misfit) as misfit:
        _schema.to_text(schema, value)
    assert said in str(misfit.value)


def test_what_contains_itself_is_no_json(zk):
    endless = []
    endless.append({"a": endless})
    with pytest.raises(exceptions.ConfigError, match="a list that contains itself"):
        zk.config("app").set(endless)
    with pytest.raises(exceptions.ConfigError, match="a list that contains itself"):
        zk.config("app", default=endless)


@pytest.mark.parametrize("schema", [bytes, {"a": set[int]}, {"a": dict[int, str]}, {1: int}, object(), {"a": [int]}])
def test_a_schema_that_cannot_be_checked_is_refused_at_once(zk, schema):
    with pytest.raises(exceptions.ConfigError, match="schema"):
        zk.config("app", schema)


@dataclasses.dataclass
class Misfitting:
    a: int = "x"


@dataclasses.dataclass
class Made:
    a: list[int] = dataclasses.field(default_factory=lambda: ["x"])


@dataclasses.dataclass
class Around:
    inner: Misfitting


@pytest.mark.parametrize(
    ("schema", "field"),
    [
        ({"a": (int, "x"), "b": int}, "a"),
        ({"a": {"b": (float, True)}}, "a.b"),
        ({"a": (list[int], [1, "x"])}, "a[1]"),
        ({"a": (int, object())}, "a"),
        (Misfitting, "a"),
        (Made, "a[0]"),
        ({"in": Made}, "in.a[0]"),
        (Around, "inner.a"),
        (list[Misfitting], "a"),
    ],
)
def test_a_default_must_fit_its_own_type(schema, field):
    with pytest.raises(exceptions.ConfigError, match=rf"default of field '{re.escape(field)}'"):
        _schema.check_schema(schema)


def test_defaults_that_fit_are_fine():
    _schema.check_schema({"a": (Level, Level.LOW), "b": (Inner, Inner(1)), "c": (int | None, None), "d": (float, 1)})
    _schema.check_schema(Outer)
