"""What callers give for members and partitions, by position: sequences, mappings, Arrow columns and tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sparkeeper.exceptions import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable


def is_arrow(value: object) -> bool:
    """Whether it speaks the Arrow PyCapsule interface."""
    return hasattr(value, "__arrow_c_array__") or hasattr(value, "__arrow_c_stream__")


def arrow_table(value: object, what: str) -> Any:  # noqa: ANN401 - PyArrow ships no types
    """Give a `pyarrow.Table` where the object is one by the PyCapsule interface, else None.

    Raises:
        ConfigError: It is Arrow's, and PyArrow is not installed.
    """
    if not is_arrow(value):
        return None
    pa = _pyarrow(what)
    schema = getattr(value, "schema", None)
    if isinstance(value, pa.Array | pa.ChunkedArray) or (schema is None and not hasattr(value, "columns")):
        return None
    return pa.table(value)


def arrow_column(value: object, what: str) -> Any:  # noqa: ANN401 - PyArrow ships no types
    """Give one `pyarrow.Array`: without a copy, unless the column is a dictionary or came in several chunks."""
    pa = _pyarrow(what)
    if isinstance(value, pa.Array):
        return _plain(value, pa)
    column = value if isinstance(value, pa.ChunkedArray) else None
    if column is None:
        column = pa.chunked_array(value) if hasattr(value, "__arrow_c_stream__") else pa.array(value)
    if isinstance(column, pa.ChunkedArray):
        column = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
    return _plain(column, pa)


def _plain(column: Any, pa: Any) -> Any:  # noqa: ANN401 - PyArrow ships no types
    """Dictionaries and string views as plain values: Arrow's look-ups do not know them all."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    return column.cast(pa.large_string()) if str(column.type) == "string_view" else column


def _pyarrow(what: str) -> Any:  # noqa: ANN401 - as above
    try:
        import pyarrow as pa  # noqa: PLC0415 - only Arrow input needs it
    except ImportError as error:
        raise ConfigError(f"{what} is an Arrow object: install pyarrow to use it, or give a list") from error
    return pa


class Names:
    """The members or the partitions: unique names, and the position of each."""

    def __init__(self, names: object, what: str) -> None:
        """Take a sequence of hashable names, or any Arrow column.

        Raises:
            ConfigError: A name is missing or there twice, or these are no names.
        """
        self.what = what
        self.column: Any = None
        self._list: list[Hashable] | None = None
        self._positions: dict[Hashable, int] | None = None
        if is_arrow(names):
            self.column = arrow_column(names, f"`{what}s`")
            if self.column.null_count:
                row = self.column.is_null().to_pylist().index(True)
                raise ConfigError(f"{what} number {row} is null: every {what} needs a name")
            if len(self.column.unique()) != len(self.column):
                self._index()  # names the one that is there twice
            return
        if isinstance(names, str | bytes | Mapping) or not hasattr(names, "__iter__"):
            raise ConfigError(f"expected a sequence or an Arrow column of {what}s, found {names!r}")
        self._list = list(names)
        self._index()

    def _index(self) -> dict[Hashable, int]:
        if self._positions is None:
            names = self.plain()
            try:
                self._positions = dict(zip(names, range(len(names)), strict=True))
            except TypeError as error:
                raise ConfigError(f"a {self.what} cannot be told from others by its name: {error}") from error
            if None in self._positions:
                raise ConfigError(f"{self.what} number {names.index(None)} is None: every {self.what} needs a name")
            if len(self._positions) != len(names):
                twice = next(name for position, name in enumerate(names) if self._positions[name] != position)
                raise ConfigError(f"the {self.what} {twice!r} is there twice: give each {self.what} once")
        return self._positions

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
        """The names as an Arrow column: the very one that was given, where it was one."""
        if self.column is None:
            pa = _pyarrow(f"`{self.what}s`")
            try:
                return pa.array(self.plain())
            except pa.ArrowException:
                return pa.array([name if isinstance(name, str) else repr(name) for name in self.plain()])
        return self.column

    def find(self, name: object) -> int | None:
        """The position of a name; None where there is none such."""
        try:
            return self._index().get(name)
        except TypeError:
            return None

    def find_some(self, names: Iterable[object]) -> list[int]:
        """The positions of those names that are there, each once, in order."""
        names = list(names)
        known: Callable[[Any], int | None] = self._index().get
        try:
            found = set(map(known, names))
        except TypeError:  # one of them has no hash, so that it is none of ours
            found = set(map(self.find, names))
        return sorted(position for position in found if position is not None)

    def find_all(self, names: Any) -> Any:  # noqa: ANN401 - an Arrow column or a sequence
        """The position of every name, null or None where there is none such: Arrow for an Arrow column, else a list."""
        if not is_arrow(names):
            return [self.find(name) for name in names]
        import pyarrow as pa  # noqa: PLC0415 - there is an Arrow column
        import pyarrow.compute as pc  # noqa: PLC0415 - as above

        try:
            known = self.arrow()
            return pc.index_in(
                names, value_set=known if known.type == names.type else pa.array(self.plain(), names.type)
            )
        except pa.ArrowException:  # names of another kind
            return pa.array([self.find(name) for name in names.to_pylist()], pa.int32())

    def rows(self, names: Any) -> Any:  # noqa: ANN401 - an Arrow column
        """Where each of these names stands in an Arrow column of names; None where both are the same column.

        Raises:
            ConfigError: The column has a name twice.
        """
        import pyarrow.compute as pc  # noqa: PLC0415 - there is an Arrow column

        mine = self.arrow()
        if mine.equals(names):
            return None
        if len(names.unique()) != len(names):
            raise ConfigError(f"a table names a {self.what} twice: give one row for each")
        return pc.index_in(mine, value_set=names.cast(mine.type))

    def values(
        self, given: object, what: str, take: Callable[[object], Any], default: Callable[[Hashable], Any]
    ) -> list[Any]:
        """One value for each name, from a mapping, a sequence, or an Arrow column or table.

        Raises:
            ConfigError: A value is not as `take` wants it, a name is unknown, or there are too few or too many.
        """
        if (table := arrow_table(given, f"`{what}`")) is not None:
            names, column = two_columns(table, what, (what, "weight", "count"))
            given = dict(zip(names.to_pylist(), column.to_pylist(), strict=True))
            if len(given) != len(names):
                raise ConfigError(f"`{what}` names a {self.what} twice: give one row for each")
        elif is_arrow(given):
            given = arrow_column(given, f"`{what}`").to_pylist()
        if isinstance(given, Mapping):
            self.require_known(given, what)
            rows: Iterable[tuple[Hashable, object]] = ((name, given.get(name, _MISSING)) for name in self.plain())
        else:
            rows = zip(self.plain(), self._sequence(given, what), strict=True)
        return [default(name) if value is _MISSING else self._taken(name, value, what, take) for name, value in rows]

    def _taken(self, name: Hashable, value: object, what: str, take: Callable[[object], Any]) -> Any:  # noqa: ANN401
        try:
            return take(value)
        except (TypeError, ValueError, OverflowError) as error:
            raise ConfigError(f"`{what}` of the {self.what} {name!r} is {value!r}: {error}") from error

    def _sequence(self, given: object, what: str) -> Sequence[object]:
        if isinstance(given, str | bytes) or not hasattr(given, "__iter__"):
            raise ConfigError(f"expected `{what}` as a mapping, a sequence or an Arrow table, found {given!r}")
        values = list(given)
        if len(values) != len(self):
            raise ConfigError(f"`{what}` has {len(values)} values for {len(self)} {self.what}s: give one for each")
        return values

    def require_known(self, names: Iterable[Hashable], what: str) -> None:
        """Refuse names that are not there: a misspelled one would otherwise be without effect."""
        for name in names:
            if self.find(name) is None:
                raise ConfigError(f"`{what}` names {name!r}, which is none of the {len(self)} {self.what}s")


def two_columns(table: Any, what: str, preferred: tuple[str, ...]) -> tuple[Any, Any]:  # noqa: ANN401 - PyArrow
    """The names and the values of a table of two columns; the values are called as preferred, or come last.

    Raises:
        ConfigError: It has not exactly two columns.
    """
    if table.num_columns != 2:  # noqa: PLR2004 - two
        raise ConfigError(
            f"`{what}` is a table with the columns {table.column_names}: expected two, the names and the values"
        )
    last = next((at for at in (0, 1) if table.column_names[at] in preferred), 1)
    return arrow_column(table.column(1 - last), what), arrow_column(table.column(last), what)


_MISSING = object()
