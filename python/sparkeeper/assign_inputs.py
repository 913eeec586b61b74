"""What `assign` is given, as the columns of the core: numbers by position."""

from __future__ import annotations

import contextlib
import math
import operator
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sparkeeper.assign_choices import choices
from sparkeeper.columns import (
    arrow_column,
    arrow_names,
    arrow_table,
    by_name,
    is_arrow,
    is_series,
    paired,
    pyarrow,
)
from sparkeeper.exceptions import ConfigError

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from sparkeeper.names import Names

_LARGEST = 2**64 - 1


@dataclass(frozen=True)
class Placed:
    """Partitions, members, and the position of each partition's member: an Arrow column or a list."""

    members: Names
    partitions: Names
    positions: Any

    def owners(self) -> dict[Hashable, Hashable]:
        """The member of every partition."""
        members = self.members.plain()
        positions = self.positions.to_pylist() if is_arrow(self.positions) else self.positions
        return dict(zip(self.partitions.plain(), (members[position] for position in positions), strict=True))


@dataclass(frozen=True)
class Given:
    """The arguments of `assign` after the names, as the caller wrote them."""

    strategy: object = "sticky"
    weights: object = None
    current: object = None
    capacity: object = None
    eligible: object = None
    priority: object = None
    limit: object = None
    zones: object = None
    member_zones: object = None
    member_priority: object = None

    def columns(self, who: Names, what: Names) -> dict[str, Any]:
        """The arguments of the core's problem.

        Raises:
            ConfigError: Something is not as `assign` wants it.
        """
        if not isinstance(self.strategy, str):
            raise ConfigError(f"expected the name of a strategy, found {self.strategy!r}")
        self._require_used()
        numbers: dict[object, int] = {}

        def column(names: Names, given: object, called: str, take: Any, default: Any) -> list[Any]:  # noqa: ANN401
            return [default] * len(names) if given is None else names.values(given, called, take, lambda _: default)

        def zone(value: object) -> int | None:
            return None if value is None else numbers.setdefault(value, len(numbers))

        return {
            "strategy": self.strategy,
            "members": (
                who.raw(),
                column(who, self.capacity, "capacity", _size, 1.0),
                column(who, self.limit, "limit", lambda value: None if value is None else whole(value), None),
                column(who, self.member_zones, "member_zones", zone, None),
                column(who, self.member_priority, "member_priority", rank, 0),
            ),
            "names": what.raw(),
            "weights": None if self.weights is None else _weights(self.weights, what),
            "current": None if self.current is None else positions(self.current, who, what),
            "eligible": None if self.eligible is None else choices(self.eligible, who, what),
            "zones": None if self.zones is None else column(what, self.zones, "zones", zone, None),
            "priorities": None if self.priority is None else column(what, self.priority, "priority", rank, 0),
        }

    def _require_used(self) -> None:
        """Refuse what would be without effect: whoever gave it expects one."""
        for name, given in (("priority", self.priority), ("member_priority", self.member_priority)):
            if given is not None and self.strategy != "priority":
                raise ConfigError(
                    f'`{name}` has no effect under the strategy "{self.strategy}": leave it out, or use "priority"'
                )
        if self.capacity is not None and self.strategy == "round_robin":
            raise ConfigError(
                '`capacity` has no effect under the strategy "round_robin": leave it out, or use "average"'
            )
        if self.member_zones is not None and self.zones is None:
            raise ConfigError("`member_zones` has no effect without `zones`, where the partitions would like to be")


def _weights(weights: object, what: Names) -> Any:  # noqa: ANN401 - an Arrow column or a list
    def missing(name: Hashable) -> int:
        raise ConfigError(f"the partition {name!r} has no weight: give one for each, 0 where it weighs nothing")

    table = arrow_table(weights, "`weights`")
    if table is not None and what.column is not None:
        column, rows = what.aligned(table, "weights", ("weight", "count"))
        if rows is not None and rows.null_count:
            missing(what.plain()[rows.is_null().to_pylist().index(True)])
        return _whole_column(column, what)
    if table is None and is_arrow(weights):
        column = arrow_column(weights, "`weights`")
        if len(column) != len(what):
            raise ConfigError(f"`weights` has {len(column)} values for {len(what)} partitions: give one for each")
        return _whole_column(column, what)
    return what.values(weights, "weights", whole, missing)


def _whole_column(column: Any, what: Names) -> Any:  # noqa: ANN401 - PyArrow ships no types
    """A column of integers as it is, and one of decimals without a fraction as integers."""
    pa = pyarrow("`weights`")
    if pa.types.is_integer(column.type):
        return column
    if not pa.types.is_decimal(column.type):
        raise ConfigError(
            f"`weights` is an Arrow column of {column.type}: give whole numbers, as integers or as decimals without a "
            "fraction"
        )
    if not column.null_count:
        with contextlib.suppress(pa.ArrowInvalid):  # one of them is no such number, and is named below
            return column.cast(pa.uint64())
    return what.values(column, "weights", whole, lambda _: 0)


def positions(current: object, who: Names, what: Names) -> Any:  # noqa: ANN401 - see below
    """The position of each partition's owner among the members, an Arrow column or a list; null or None for nobody.

    Raises:
        ConfigError: These are no owners.
    """
    arrow = what.column is not None
    if arrow and isinstance(current, Placed) and is_arrow(current.positions):
        names, members = current.partitions.arrow(), who.find_all(current.members.raw())
        if not is_arrow(members):
            members = pyarrow("`current`").array(members, "int32")
        owners = members.take(current.positions)
    elif arrow and (table := arrow_table(current, "`current`")) is not None:
        names, members = _two_named(table, "current")
        owners = who.find_all(members)
    else:
        known = _mapping(current, what, "current")
        return who.find_all([known.get(name) for name in what.plain()])
    rows = what.rows(names, "current")
    return owners if rows is None else owners.take(rows)


def every_owner(given: object, who: Names, what: Names) -> list[int | None]:
    """The position of every partition's owner, in any form that `positions` takes.

    Raises:
        ConfigError: A partition or a member is unknown, or a partition has no owner.
    """
    known = _mapping(given, what, "owners")
    what.require_known(known, "owners")
    who.require_known(known.values(), "owners")
    if (missing := next((name for name in what.plain() if name not in known), None)) is not None:
        raise ConfigError(f"`owners` names no owner for the partition {missing!r}: give one for each")
    return [who.find(known[name]) for name in what.plain()]


def _mapping(given: object, what: Names, called: str) -> Mapping[Any, Any]:
    """Owners as a mapping from partitions to members."""
    if isinstance(given, Placed):
        return given.owners()
    if isinstance(given, Mapping):
        return given
    if is_series(given):
        found = by_name(given, called, "a partition")
        return (
            found if isinstance(found, Mapping) else dict(zip(what.plain(), what.in_order(found, called), strict=True))
        )
    if (table := arrow_table(given, f"`{called}`")) is not None:
        names, members = _two_named(table, called)
        return paired(names.to_pylist(), members.to_pylist(), called, "a partition")
    raise ConfigError(
        f"expected `{called}` as a mapping from partitions to members, an earlier assignment, a pandas Series or an "
        f"Arrow table, found {given!r}"
    )


def _two_named(table: Any, called: str) -> tuple[Any, Any]:  # noqa: ANN401 - PyArrow ships no types
    if not {"partition", "member"} <= set(table.column_names):
        raise ConfigError(
            f"`{called}` is a table with the columns {table.column_names}: expected `partition` and `member`"
        )
    return (
        arrow_names(table.column("partition"), f"the column `partition` of `{called}`"),
        arrow_names(table.column("member"), f"the column `member` of `{called}`"),
    )


def whole(value: object) -> int:
    """A whole number of 64 bits, from 0."""
    if isinstance(value, bool):
        raise TypeError("expected a whole number")
    if not 0 <= (number := _integer(value)) <= _LARGEST:
        raise ValueError("expected a whole number from 0 to 2^64 - 1")
    return number


def rank(value: object) -> int:
    """A whole number of 64 bits, with a sign."""
    number = _integer(value)
    if not -(2**63) <= number < 2**63:
        raise ValueError("expected a whole number of 64 bits")
    return number


def _integer(value: Any) -> int:  # noqa: ANN401 - whatever the caller gave
    """Spark's sums of whole numbers may be decimals; those without a fraction are exact."""
    if isinstance(value, Decimal):
        if not value.is_finite() or value != value.to_integral_value():
            raise ValueError("expected a whole number: scale fractions up, or round them")
        return int(value)
    try:
        return operator.index(value)
    except TypeError:
        raise TypeError("expected a whole number: scale fractions up, or round them") from None


def _size(value: Any) -> float:  # noqa: ANN401 - whatever the caller gave
    if isinstance(value, str | bytes | bool):
        raise TypeError("expected a number")
    size = float(value)
    if not (math.isfinite(size) and size > 0):
        raise ValueError("expected a number above 0 (a limit of 0 keeps a member empty)")
    return size


def named(text: str, who: Names, what: Names) -> str:
    """The core speaks of positions, a caller of names."""

    def name(match: re.Match[str]) -> str:
        names: Sequence[Hashable] = (what if match[1] == "item" else who).plain()
        position = int(match[2])
        return (
            f"{'partition' if match[1] == 'item' else 'member'} {names[position]!r}"
            if position < len(names)
            else match[0]
        )

    return re.sub(r"\b(item|member) (\d+)\b", name, text)
