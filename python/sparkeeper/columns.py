"""What callers give for members and partitions: sequences, mappings, pandas Series, Arrow columns and tables."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sparkeeper.exceptions import ConfigError

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable


def is_arrow(value: object) -> bool:
    """Whether it speaks the Arrow PyCapsule interface; not a pandas Series, which would leave its index out."""
    return not is_series(value) and (hasattr(value, "__arrow_c_array__") or hasattr(value, "__arrow_c_stream__"))


def is_series(value: object) -> bool:
    """Whether it is a pandas Series; pandas is not imported where nobody else did."""
    # While another thread imports pandas, it is there and has no Series yet; then nobody else has one either.
    series = getattr(sys.modules.get("pandas"), "Series", None)
    return series is not None and isinstance(value, series)


def arrow_table(value: object, what: str) -> Any:  # noqa: ANN401 - PyArrow ships no types
    """Give a `pyarrow.Table` where the object is one by the PyCapsule interface, else None.

    Raises:
        ConfigError: It is Arrow's, and PyArrow is not installed.
    """
    if not is_arrow(value):
        return None
    pa = pyarrow(what)
    schema = getattr(value, "schema", None)
    if isinstance(value, pa.Array | pa.ChunkedArray) or (schema is None and not hasattr(value, "columns")):
        return None
    return pa.table(value)


def arrow_column(value: object, what: str) -> Any:  # noqa: ANN401 - PyArrow ships no types
    """Give one `pyarrow.Array`: without a copy, unless the column is a dictionary or came in several chunks."""
    pa = pyarrow(what)
    if isinstance(value, pa.Array):
        return _plain(value, pa)
    column = value if isinstance(value, pa.ChunkedArray) else None
    if column is None:
        column = pa.chunked_array(value) if hasattr(value, "__arrow_c_stream__") else pa.array(value)
    if isinstance(column, pa.ChunkedArray):
        if pa.types.is_dictionary(column.type):
            column = pa.chunked_array([_plain(chunk, pa) for chunk in column.chunks], _plain_type(column.type, pa))
        column = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
    return _plain(column, pa)


def arrow_names(value: object, what: str) -> Any:  # noqa: ANN401 - PyArrow ships no types
    """Give an Arrow column, or the only one of a table, whose values can be names.

    Raises:
        ConfigError: They cannot.
    """
    table = arrow_table(value, what)
    if table is not None and (table := _without_index(table, 1)).num_columns != 1:
        raise ConfigError(f"{what} is a table with the columns {table.column_names}: give one column")
    column = arrow_column(value if table is None else table.column(0), what)
    types = pyarrow(what).types
    if types.is_nested(column.type) or (types.is_null(column.type) and len(column)):
        raise ConfigError(
            f"{what} is an Arrow column of {column.type}, whose values are no names: give text, numbers or dates, or a "
            "list of tuples where several columns make a name"
        )
    return column


def _plain(column: Any, pa: Any) -> Any:  # noqa: ANN401 - PyArrow ships no types
    """Dictionaries and string views as plain values: Arrow's look-ups do not know them all."""
    if pa.types.is_dictionary(column.type):
        return _plain(column.dictionary, pa).take(column.indices)
    return column if (plain := _plain_type(column.type, pa)) == column.type else column.cast(plain)


def _plain_type(of: Any, pa: Any) -> Any:  # noqa: ANN401 - PyArrow ships no types
    if pa.types.is_dictionary(of):
        return _plain_type(of.value_type, pa)
    if (pa.types.is_list(of) or pa.types.is_large_list(of)) and str(of.value_type) == "string_view":
        return pa.large_list(pa.large_string())
    return pa.large_string() if str(of) == "string_view" else of


def pyarrow(what: str) -> Any:  # noqa: ANN401 - as above
    """PyArrow, which only Arrow's own input needs.

    Raises:
        ConfigError: It is not installed.
    """
    try:
        import pyarrow as pa  # noqa: PLC0415 - it is an extra
    except ImportError as error:
        raise ConfigError(f"{what} is an Arrow object: install pyarrow to use it, or give a list") from error
    return pa


def two_columns(table: Any, what: str, preferred: tuple[str, ...]) -> tuple[Any, Any]:  # noqa: ANN401 - PyArrow
    """The names and the values of a table of two columns; the values are called as preferred, or come last.

    Raises:
        ConfigError: It has not exactly two columns, or the first holds no names.
    """
    table = _without_index(table, 2)
    if table.num_columns != 2:  # noqa: PLR2004 - two
        raise ConfigError(
            f"`{what}` is a table with the columns {table.column_names}: expected two, the names and the values"
        )
    last = next((at for at in (0, 1) if table.column_names[at] in preferred), 1)
    return arrow_names(table.column(1 - last), f"`{what}`"), arrow_column(table.column(last), f"`{what}`")


def _without_index(table: Any, columns: int) -> Any:  # noqa: ANN401 - PyArrow ships no types
    """A table without pandas' unnamed index where it has columns enough: it only says which rows of another it has."""
    if table.num_columns <= columns:
        return table
    return table.select([name for name in table.column_names if not re.fullmatch(r"__index_level_\d+__", name)])


def by_name(given: object, what: str, each: str) -> Mapping[Any, object] | list[object]:
    """What was given for each name: a mapping where it says for which, else a list in the order of the names.

    Raises:
        ConfigError: It is neither, or has a name twice.
    """
    if is_series(given):
        return _series(given, what, each)
    if isinstance(given, Mapping):
        return given
    if (table := arrow_table(given, f"`{what}`")) is not None:
        names, column = two_columns(table, what, (what, "weight", "count"))
        return paired(names.to_pylist(), column.to_pylist(), what, each)
    if is_arrow(given):
        return list(arrow_column(given, f"`{what}`").to_pylist())
    if isinstance(given, str | bytes) or not hasattr(given, "__iter__"):
        raise ConfigError(f"expected `{what}` as a mapping, a sequence or an Arrow table, found {given!r}")
    return list(given)


def _series(given: Any, what: str, each: str) -> Mapping[Any, object] | list[object]:  # noqa: ANN401 - pandas
    """As pandas aligns: by the index, unless that only counts the rows."""
    index = given.index
    if isinstance(index, sys.modules["pandas"].RangeIndex) and (index.start, index.step) == (0, 1):
        return list(given.tolist())
    return paired(index.tolist(), given.tolist(), what, each)


def paired(names: Sequence[Any], values: Sequence[object], what: str, each: str) -> Mapping[Any, object]:
    """A mapping of the rows of a table.

    Raises:
        ConfigError: A name is there twice: which row holds, is not for us to say.
    """
    rows = dict(zip(names, values, strict=True))
    if len(rows) != len(names):
        raise ConfigError(f"`{what}` has {len(names)} rows, and {first_twice(names)!r} is in two: give one {each}")
    return rows


def first_twice(names: Iterable[Hashable]) -> Hashable:
    """The first name that is there more than once."""
    return next(name for name, count in Counter(names).items() if count > 1)
