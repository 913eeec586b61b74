"""The keys of a partition plan inside Spark: computed, written as JSON and read back.

A key is the struct `k0, k1, …` of the plan's expressions. Everything is SQL text over the DataFrame's own methods,
so that it runs in the JVM, under classic Spark and Spark Connect alike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.errors import AnalysisException
from pyspark.sql.functions import expr

from sparkeeper.exceptions import ConfigError
from sparkeeper.spark.plan.text import Json, dumps
from sparkeeper.spark.plan.types import check_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyspark.sql import DataFrame

# One spelling for each value, whatever the session's settings say. Spark keeps microseconds.
_OPTIONS = {
    "timeZone": "UTC",
    "dateFormat": "yyyy-MM-dd",
    "timestampFormat": "yyyy-MM-dd HH:mm:ss.SSSSSSXXX",
    "timestampNTZFormat": "yyyy-MM-dd HH:mm:ss.SSSSSS",
    "ignoreNullFields": "false",
}


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

    Raises:
        ConfigError: Spark does not understand the expressions, they are not the same each time, or Spark groups no
            values of their types.
    """
    columns = set(df.columns)
    fields = ",".join(f"'k{position}',{expression(text, columns)}" for position, text in enumerate(by))
    keyed = analyzed(df, ["*", f"named_struct({fields}) AS {name}"], f"by={list(by)!r}")
    kinds = [field.dataType for field in keyed.schema.fields[-1].dataType]  # type: ignore[attr-defined]
    if len(kinds) != len(by):
        raise ConfigError(f"by={list(by)!r} gives {len(kinds)} values: write one expression in each element")
    check_key(by, kinds)
    _require_lasting(df, fields, by)
    return keyed, tuple(kind.simpleString() for kind in kinds)


def _require_lasting(df: DataFrame, fields: str, by: Sequence[str]) -> None:
    """Refuse keys that a row has only once, such as a random number: no other job would find them again.

    Spark, classic and Connect, tells such expressions by refusing them in the condition of a join. Nothing is run.
    """
    other = df.sparkSession.range(1).selectExpr(f"id AS {free_prefix(df)}other")
    try:
        _ = df.join(other, expr(f"isnotnull(named_struct({fields}))")).schema
    except AnalysisException as error:
        if "NON_DETERMINISTIC" in str(error).upper():
            raise ConfigError(
                f"by={list(by)!r} gives a row another key each time it is computed: plan by columns, or by expressions "
                "that depend on them alone"
            ) from error


def analyzed(df: DataFrame, expressions: Sequence[str], what: str) -> DataFrame:
    """Select, and have Spark look at it now.

    Raises:
        ConfigError: Spark does not understand it, or it makes or merges rows.
    """
    try:
        found = df.selectExpr(*expressions)
        _ = found.schema
    except AnalysisException as error:
        raise ConfigError(
            f"{what}: Spark cannot compute it for each row of this DataFrame: {error}; name its columns, "
            "or write expressions that give one value for each row"
        ) from error
    return found


def names(types: Sequence[str]) -> list[str]:
    """The names of the key's fields."""
    return [f"k{position}" for position in range(len(types))]


def key_to_json(fields: Sequence[str]) -> str:
    """SQL that writes the key as JSON text."""
    pairs = ",".join(f"'{name}',{name}" for name in fields)
    return f"to_json(named_struct({pairs}),{_options()})"


def key_from_json(column: str, types: Sequence[str], mode: str = "PERMISSIVE") -> str:
    """SQL that reads the struct `k0, k1, …` from JSON text."""
    schema = ",".join(f"k{position} {kind}" for position, kind in enumerate(types))
    if "'" in schema or "\\" in schema:  # it would end the schema
        raise ConfigError(
            f"cannot plan by keys of type {schema}: its names have quotes; plan by an expression that makes text of "
            "them, or by hash buckets, buckets=…"
        )
    return f"from_json({column},'{schema}',{_options(mode=mode)})"


def key_text(values: Sequence[Json]) -> str:
    """The JSON text that `key_from_json` reads."""
    return dumps({f"k{position}": value for position, value in enumerate(values)})


def expression(text: str, columns: set[str]) -> str:
    """A column when there is one of that name, else SQL; the line break ends a trailing comment."""
    return "`" + text.replace("`", "``") + "`" if text in columns else text + "\n"


def _options(**more: str) -> str:
    pairs = ",".join(f"'{name}','{value}'" for name, value in (_OPTIONS | more).items())
    return f"map({pairs})"
