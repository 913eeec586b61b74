"""The keys of a partition plan inside Spark: computed, counted, written as JSON and read back.

A key is the struct `k0, k1, …` of the plan's expressions. Everything is SQL text over the DataFrame's own methods,
so that it runs in the JVM, under classic Spark and Spark Connect alike. JSON is Spark's own, and only trusted
after it was read back in the same query and compared.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, cast

from sparkeeper.exceptions import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyspark.sql import DataFrame

Json: TypeAlias = "str | int | Decimal | bool | list[Json] | dict[str, Json] | None"

MAX_KEYS = 10_000

# One spelling for each value, whatever the session's settings say. Spark keeps microseconds.
_OPTIONS = {
    "timeZone": "UTC",
    "dateFormat": "yyyy-MM-dd",
    "timestampFormat": "yyyy-MM-dd HH:mm:ss.SSSSSSXXX",
    "timestampNTZFormat": "yyyy-MM-dd HH:mm:ss.SSSSSS",
    "ignoreNullFields": "false",
}


class CountedKey(NamedTuple):
    """One key, as the JSON values of its columns, and its number of rows."""

    values: tuple[Json, ...]
    weight: int


def free_prefix(df: DataFrame) -> str:
    """A prefix for helper columns that no column of `df` starts with."""
    taken = tuple(column.lower() for column in df.columns)
    prefix = "_sparkeeper_"
    while any(column.startswith(prefix) for column in taken):
        prefix += "_"
    return prefix


def with_key(df: DataFrame, by: Sequence[str], name: str) -> tuple[DataFrame, tuple[str, ...]]:
    """Append the key as one struct column.

    Nested in a struct, an expression can neither make rows (`explode`) nor merge them (`max`): Spark refuses.

    Returns:
        The DataFrame, and the SQL type of each of the key's fields.
    """
    columns = set(df.columns)
    fields = ",".join(f"'k{position}',{_expression(text, columns)}" for position, text in enumerate(by))
    keyed = df.selectExpr("*", f"named_struct({fields}) AS {name}")
    types = tuple(field.dataType.simpleString() for field in keyed.schema.fields[-1].dataType)  # type: ignore[attr-defined]
    if len(types) != len(by):
        raise ConfigError(f"by={list(by)!r} gives {len(types)} values: write one expression in each element")
    return keyed, types


def count_keys(df: DataFrame, by: Sequence[str]) -> tuple[tuple[str, ...], list[CountedKey]]:
    """Count the rows of every key with Spark's own `groupBy().count()`.

    Returns:
        The SQL type of each of the key's fields, and the keys, heaviest first: equal data, equal order.

    Raises:
        ConfigError: More than `MAX_KEYS` distinct keys, or keys that JSON would not give back as they were.
    """
    keyed, types = with_key(df, by, f"{free_prefix(df)}key")
    names = [f"k{position}" for position in range(len(by))]
    flat = keyed.selectExpr(*(f"{keyed.columns[-1]}.{name} AS {name}" for name in names))
    fields = ",".join(f"'{name}',{name}" for name in names)
    exact = " AND ".join(f"{name} <=> back.{name}" for name in names)
    rows = (
        flat.groupBy(*names)
        .count()
        .limit(MAX_KEYS + 1)
        .selectExpr(*names, "`count` AS weight", f"to_json(named_struct({fields}),{_options()}) AS key")
        .selectExpr("*", f"{key_from_json('key', types)} AS back")
        .selectExpr("key", "weight", f"{exact} AS exact")
        .collect()
    )
    if len(rows) > MAX_KEYS:
        raise ConfigError(
            f"by={list(by)!r} has more than {MAX_KEYS:,} distinct keys: a plan holds each key, and hash buckets "
            "are not in this version; plan by a coarser expression, such as 'hash(id) % 1000'"
        )
    lossy = [row["key"] for row in rows if not row["exact"]]
    if lossy:
        raise ConfigError(
            f"by={list(by)!r} has {len(lossy)} keys of type {', '.join(types)} that JSON does not give back as they "
            f"were, such as {lossy[0]}: plan by an expression that makes text of them, such as a cast to string"
        )
    rows.sort(key=lambda row: (-row["weight"], row["key"]))
    return types, [CountedKey(tuple(loads(row["key"]).values()), row["weight"]) for row in rows]


def key_from_json(column: str, types: Sequence[str], mode: str = "PERMISSIVE") -> str:
    """SQL that reads the struct `k0, k1, …` from JSON text."""
    schema = ",".join(f"k{position} {kind}" for position, kind in enumerate(types))
    # A NULL of no type never meets another in Spark's hash join; a quote would end the schema.
    if "void" in types or "'" in schema or "\\" in schema:
        raise ConfigError(f"cannot plan by keys of type {schema}: plan by an expression that makes text of them")
    return f"from_json({column},'{schema}',{_options(mode=mode)})"


def key_text(values: Sequence[Json]) -> str:
    """The JSON text that `key_from_json` reads."""
    return dumps({f"k{position}": value for position, value in enumerate(values)})


def loads(text: str) -> dict[str, Json]:
    """Parse a JSON object; numbers with a point keep every digit."""
    return cast("dict[str, Json]", json.loads(text, parse_float=Decimal))


def dumps(value: Json) -> str:
    """Write what `loads` read, digit by digit; the standard encoder would round decimals to doubles."""
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, list):
        return "[" + ",".join(map(dumps, value)) + "]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{dumps(name)}:{dumps(item)}" for name, item in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False)


def _expression(text: str, columns: set[str]) -> str:
    """A column when there is one of that name, else SQL; the line break ends a trailing comment."""
    return "`" + text.replace("`", "``") + "`" if text in columns else text + "\n"


def _options(**more: str) -> str:
    pairs = ",".join(f"'{name}','{value}'" for name, value in (_OPTIONS | more).items())
    return f"map({pairs})"
