"""What `assign` is given, as the columns of the core: numbers by position."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sparkeeper.columns import Names, arrow_column, arrow_table, is_arrow, two_columns
from sparkeeper.exceptions import ConfigError

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

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
                column(who, self.limit, "limit", lambda value: None if value is None else _whole(value), None),
                column(who, self.member_zones, "member_zones", zone, None),
                column(who, self.member_priority, "member_priority", _rank, 0),
            ),
            "names": what.raw(),
            "weights": None if self.weights is None else _weights(self.weights, what),
            "current": None if self.current is None else positions(self.current, who, what),
            "eligible": None if self.eligible is None else _eligible(self.eligible, who, what),
            "zones": None if self.zones is None else column(what, self.zones, "zones", zone, None),
            "priorities": None if self.priority is None else column(what, self.priority, "priority", _rank, 0),
        }


def _weights(weights: object, what: Names) -> Any:  # noqa: ANN401 - an Arrow column or a list
    def missing(name: Hashable) -> int:
        raise ConfigError(f"the partition {name!r} has no weight: give one for each, 0 where it weighs nothing")

    table = arrow_table(weights, "`weights`")
    if table is not None and what.column is not None:
        names, column = two_columns(table, "weights", ("weight", "count"))
        found = what.find_all(names)
        if found.null_count:
            what.require_known(names.filter(found.is_null()).to_pylist(), "weights")
        rows = what.rows(names)
        if rows is not None:
            if rows.null_count:
                missing(what.plain()[rows.is_null().to_pylist().index(True)])
            column = column.take(rows)
        return column
    if table is None and is_arrow(weights):
        column = arrow_column(weights, "`weights`")
        if len(column) != len(what):
            raise ConfigError(f"`weights` has {len(column)} values for {len(what)} partitions: give one for each")
        return column
    return what.values(weights, "weights", _whole, missing)


def positions(current: object, who: Names, what: Names) -> Any:  # noqa: ANN401 - an Arrow column or a list
    """The position of each partition's owner among the members; null or None where that is nobody.

    Raises:
        ConfigError: These are no owners.
    """
    if isinstance(current, Placed) and (what.column is None or not is_arrow(current.positions)):
        current = current.owners()
    if isinstance(current, Mapping):
        return [who.find(current[name]) if name in current else None for name in what.plain()]
    if isinstance(current, Placed):
        names, owners = current.partitions.arrow(), who.find_all(current.members.arrow()).take(current.positions)
    elif (table := arrow_table(current, "`current`")) is not None:
        if not {"partition", "member"} <= set(table.column_names):
            raise ConfigError(
                f"`current` is a table with the columns {table.column_names}: expected `partition` and `member`"
            )
        names = arrow_column(table.column("partition"), "`current`")
        owners = arrow_column(table.column("member"), "`current`")
        if what.column is None:
            return positions(dict(zip(names.to_pylist(), owners.to_pylist(), strict=True)), who, what)
        owners = who.find_all(owners)
    else:
        raise ConfigError(
            "expected `current` as a mapping from partitions to members, an earlier assignment or an Arrow table, "
            f"found {current!r}"
        )
    rows = what.rows(names)
    return owners if rows is None else owners.take(rows)


def _eligible(eligible: object, who: Names, what: Names) -> tuple[list[list[int]], list[int | None]]:
    """The different choices of members, and which of them each partition has; None is all."""
    classes: dict[tuple[int, ...], int] = {}

    def choice(value: object) -> int | None:
        if value is None:
            return None
        if isinstance(value, str | bytes) or not isinstance(value, Iterable):
            raise TypeError("expected several members")
        return classes.setdefault(tuple(who.find_some(value)), len(classes))

    of = what.values(eligible, "eligible", choice, lambda _: None)
    return [list(members) for members in classes], of


def _whole(value: Any) -> int:  # noqa: ANN401 - whatever the caller gave
    if isinstance(value, bool):
        raise TypeError("expected a whole number")
    if not 0 <= (number := operator.index(value)) <= _LARGEST:
        raise ValueError("expected a whole number from 0 to 2^64 - 1")
    return number


def _rank(value: Any) -> int:  # noqa: ANN401 - whatever the caller gave
    number = operator.index(value)
    if not -(2**63) <= number < 2**63:
        raise ValueError("expected a whole number of 64 bits")
    return number


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
