"""The members that each partition may go to, as `assign` is given them, by position."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from typing import TYPE_CHECKING, Any

from sparkeeper.columns import arrow_column, arrow_names, arrow_table, is_arrow, pyarrow

if TYPE_CHECKING:
    from sparkeeper.names import Names


def choices(eligible: object, who: Names, what: Names) -> tuple[Any, Any]:
    """How many members each partition names, where None is all there are; then those members, one after the other.

    Both are Arrow columns or lists.

    Raises:
        ConfigError: It names a partition or a member that is not there, or no members at all.
    """
    lengths: Any
    named: Any
    lengths, named = _list_column(eligible, what) or _lists(eligible, what)
    found = who.find_all(named)
    if found.null_count if is_arrow(found) else None in found:
        who.require_known(named.to_pylist() if is_arrow(named) else named, "eligible")
    return lengths, found


def _list_column(eligible: object, what: Names) -> tuple[Any, Any] | None:
    """The lengths and the members of an Arrow column of lists, as they are in memory; None where this is none."""
    if not is_arrow(eligible):
        return None
    pa = pyarrow("`eligible`")
    import pyarrow.compute as pc  # noqa: PLC0415 - there is an Arrow column

    table = arrow_table(eligible, "`eligible`")
    if table is None:
        lists = arrow_column(eligible, "`eligible`")
        what.in_order(lists, "eligible")
    elif what.column is not None:
        lists, _ = what.aligned(table, "eligible", ("eligible",))
    else:
        return None
    types = pa.types
    if not (types.is_list(lists.type) or types.is_large_list(lists.type) or types.is_fixed_size_list(lists.type)):
        return None
    return pc.list_value_length(lists).cast(pa.int32()), arrow_names(pc.list_flatten(lists), "`eligible`")


def _lists(eligible: object, what: Names) -> tuple[list[int | None], list[object]]:
    """The lengths and the members of lists, and of whatever else can be gone through."""
    each: list[list[object] | None] = what.values(eligible, "eligible", _several, lambda _: None)
    named = list(chain.from_iterable(choice for choice in each if choice is not None))
    return [None if choice is None else len(choice) for choice in each], named


def _several(value: object) -> list[object] | None:
    if value is None or isinstance(value, list):
        return value
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        raise TypeError("expected several members")
    return list(value)
