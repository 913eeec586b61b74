"""The members, the partitions or the items: unique names, and the position of each."""

from __future__ import annotations

from array import array
from collections.abc import KeysView, Mapping
from collections.abc import Set as AbstractSet
from datetime import date
from decimal import Decimal
from itertools import filterfalse, repeat
from typing import TYPE_CHECKING, Any

from sparkeeper.columns import arrow_names, by_name, first_twice, is_arrow, pyarrow, two_columns
from sparkeeper.exceptions import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable


class Names:
    """Unique names in their order."""

    def __init__(self, names: object, what: str, *, none: bool = False) -> None:
        """Take a sequence of hashable names, or any Arrow column.

        Args:
            names: The names.
            what: What each is one of, for messages.
            none: Whether None is one, as it is among a group's items.

        Raises:
            ConfigError: A name is missing or there twice, or these are no names.
        """
        self.what = what
        self._none = none
        self.column: Any = None
        self._list: list[Hashable] | None = None
        self._positions: dict[Hashable, int] | None = None
        if is_arrow(names):
            self.column = arrow_names(names, f"`{what}s`")
            if self.column.null_count:
                row = self.column.is_null().to_pylist().index(True)
                raise ConfigError(f"{what} number {row} is null: every {what} needs a name")
            if len(self.column.unique()) != len(self.column) or pyarrow(what).types.is_floating(self.column.type):
                self._index()  # names the one that is there twice, or NaN
            return
        if isinstance(names, str | bytes | Mapping) or not hasattr(names, "__iter__"):
            raise ConfigError(f"expected a sequence or an Arrow column of {what}s, found {names!r}")
        if isinstance(names, AbstractSet) and not isinstance(names, KeysView):
            raise ConfigError(
                f"the {what}s are a set, whose order is another one in every process, and ties go by position: give "
                f"sorted({names!r}), or a list"
            )
        self._list = list(names)
        self._index()

    def _index(self) -> dict[Hashable, int]:
        if self._positions is None:
            names = self.plain()
            try:
                self._positions = dict(zip(names, range(len(names)), strict=True))
            except TypeError as error:
                raise ConfigError(f"a {self.what} cannot be told from others by its name: {error}") from error
            if None in self._positions and not self._none:
                raise ConfigError(f"{self.what} number {names.index(None)} is None: every {self.what} needs a name")
            if len(self._positions) != len(names):
                raise ConfigError(f"the {self.what} {first_twice(names)!r} is there twice: give each {self.what} once")
            # A set of types is made at the speed of C, and names are mostly of these.
            if not _WRITTEN_ALIKE.issuperset(map(type, names)):
                for name in names:
                    self._require_stable(name)
        return self._positions

    def _require_stable(self, name: object) -> None:
        """Refuse a name that another process would write differently: keys and digests come of how it is written."""
        if type(name) in _WRITTEN_ALIKE:
            return
        if isinstance(name, float | Decimal | date) and name != name:  # noqa: PLR0124 - NaN, NaT
            raise ConfigError(
                f"the {self.what} {name!r} does not equal itself: give each {self.what} a name of its own"
            )
        if isinstance(name, tuple):
            for part in name:
                self._require_stable(part)
        elif isinstance(name, AbstractSet) or hex(id(name)) in repr(name):
            raise ConfigError(
                f"the {self.what} {name!r} is written differently in every process: name it by text, a number, a "
                "date or a tuple of these"
            )

    def __len__(self) -> int:
        """How many there are."""
        return len(self.column if self._list is None else self._list)

    def plain(self) -> list[Hashable]:
        """All names, as Python's own values."""
        if self._list is None:
            self._list = self.column.to_pylist()
        return self._list

    def raw(self) -> object:
        """The names as they were given: the Arrow column, or the list."""
        return self.plain() if self.column is None else self.column

    def arrow(self) -> Any:  # noqa: ANN401 - PyArrow ships no types
        """The names as an Arrow column: the very one that was given, where it was one.

        Raises:
            ConfigError: No column holds them as they are.
        """
        pa = pyarrow(f"`{self.what}s`")
        if self.column is not None:
            return self.column
        names = self.plain()
        try:
            column = self._typed(pa)
        except (pa.ArrowException, OverflowError):
            column = None
        # Arrow makes one type of some kinds: bytes of text, a date of a moment.
        if column is None or (len(set(map(type, names))) > 1 and column.to_pylist() != names):
            kinds = ", ".join(dict.fromkeys(type(name).__name__ for name in names))
            raise ConfigError(
                f"no Arrow column holds the {self.what}s, which are {kinds}: give all {self.what}s as text, or all as "
                "numbers of 64 bits, or use `owners`"
            )
        return column

    def _typed(self, pa: Any) -> Any:  # noqa: ANN401 - PyArrow ships no types
        """The names as a column of their own type; an `ArrowException` where they have several."""
        return pa.array(self.plain()) if self.column is None else self.column

    def find(self, name: object) -> int | None:
        """The position of a name; None where there is none such."""
        try:
            return self._index().get(name)
        except TypeError:
            return None

    def find_all(self, names: Any) -> Any:  # noqa: ANN401 - an Arrow column or a sequence
        """The position of every name, null or None where there is none such: an Arrow column or a list."""
        if not is_arrow(names):
            names = self._as_mine(names)
        if not is_arrow(names):
            try:
                return list(map(self._index().get, names))
            except TypeError:  # one of them has no hash, so that it is none of ours
                return [self.find(name) for name in names]
        import pyarrow as pa  # noqa: PLC0415 - there is an Arrow column
        import pyarrow.compute as pc  # noqa: PLC0415 - as above

        try:
            known = self._typed(pa)
            return pc.index_in(
                names, value_set=known if known.type == names.type else pa.array(self.plain(), names.type)
            )
        except pa.ArrowException:  # names of another kind
            return pa.array([self.find(name) for name in names.to_pylist()], pa.int32())

    def _as_mine(self, names: list[Any]) -> Any:  # noqa: ANN401 - an Arrow column or the list
        """These names as a column of my type, which Arrow looks up faster than Python does; else as they are."""
        if self.column is None:
            return names
        import pyarrow as pa  # noqa: PLC0415 - there is an Arrow column

        try:
            column = _numbers(names, pa) if pa.types.is_int64(self.column.type) else pa.array(names)
        except (pa.ArrowException, OverflowError):  # names of several kinds, or of one that Arrow does not know
            return names
        return column if column.type == self.column.type else names

    def rows(self, names: Any, what: str) -> Any:  # noqa: ANN401 - an Arrow column
        """Where each of these names stands in an Arrow column of names; None where both are the same column.

        Raises:
            ConfigError: The column has a name twice.
        """
        import pyarrow as pa  # noqa: PLC0415 - there is an Arrow column
        import pyarrow.compute as pc  # noqa: PLC0415 - as above

        mine = self.arrow()
        if mine.equals(names):
            return None
        if len(names.unique()) != len(names):
            twice = first_twice(names.to_pylist())
            raise ConfigError(f"`{what}` has {len(names)} rows, and {twice!r} is in two: give one a {self.what}")
        try:
            known = names if mine.type == names.type else pa.array(names.to_pylist(), mine.type)
            return pc.index_in(mine, value_set=known)
        except pa.ArrowException:  # names of another kind
            at = {name: row for row, name in enumerate(names.to_pylist())}
            return pa.array([at.get(name) for name in self.plain()], pa.int32())

    def aligned(self, table: Any, what: str, preferred: tuple[str, ...]) -> tuple[Any, Any]:  # noqa: ANN401 - as above
        """The values of an Arrow table in the order of the names, and the row of each; None where that is theirs.

        Raises:
            ConfigError: A name of the table is unknown or there twice, or it has not two columns.
        """
        names, column = two_columns(table, what, preferred)
        found = self.find_all(names)
        if found.null_count:
            self.require_known(names.filter(found.is_null()).to_pylist(), what)
        rows = self.rows(names, what)
        return (column if rows is None else column.take(rows)), rows

    def values(
        self, given: object, what: str, take: Callable[[object], Any], default: Callable[[Hashable], Any]
    ) -> list[Any]:
        """One value for each name, from a mapping, a sequence, a pandas Series, or an Arrow column or table.

        Raises:
            ConfigError: A value is not as `take` wants it, a name is unknown, or there are too few or too many.
        """
        found = by_name(given, what, f"a {self.what}")
        if isinstance(found, Mapping):
            self.require_known(found, what)
            rows: Iterable[object] = map(found.get, self.plain(), repeat(_MISSING))
        else:
            rows = self.in_order(found, what)
        taken = []
        for name, value in zip(self.plain(), rows, strict=True):
            if value is _MISSING:
                taken.append(default(name))
                continue
            try:
                taken.append(take(value))
            except (TypeError, ValueError, OverflowError) as error:
                raise ConfigError(f"`{what}` of the {self.what} {name!r} is {value!r}: {error}") from error
        return taken

    def in_order(self, values: list[object], what: str) -> list[object]:
        """Refuse a list that has not one value for each name."""
        if len(values) != len(self):
            raise ConfigError(f"`{what}` has {len(values)} values for {len(self)} {self.what}s: give one for each")
        return values

    def require_known(self, names: Iterable[Hashable], what: str) -> None:
        """Refuse names that are not there: a misspelled one would otherwise be without effect."""
        known = self._index().__contains__
        try:
            stranger = next(filterfalse(known, names), _MISSING)
        except TypeError:  # one of them has no hash
            stranger = next(name for name in names if self.find(name) is None)
        if stranger is not _MISSING:
            raise ConfigError(f"`{what}` names {stranger!r}, which is none of the {len(self)} {self.what}s")


def _numbers(names: list[Any], pa: Any) -> Any:  # noqa: ANN401 - PyArrow ships no types
    """A column of these names, in half the time that PyArrow needs where all are whole numbers."""
    try:
        numbers = array("q", names)
    except (TypeError, OverflowError):  # one of them is no such number
        return pa.array(names)
    return pa.Array.from_buffers(pa.int64(), len(numbers), [None, pa.py_buffer(numbers)])


_MISSING = object()
_WRITTEN_ALIKE = frozenset({str, int, bool, bytes, date, type(None)})
