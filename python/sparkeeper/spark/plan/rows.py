"""What tells the rows of one key apart, when its rows are spread over several partitions.

A task that Spark runs a second time must send the same rows to the same partitions, or rows are lost and doubled where
others have read the first run's output: so nothing here is drawn at random.

By content: a hash of all columns. It is the same in every run; equal rows stay together. By position: each task orders
its rows by all columns, and a row is told by its place in that order. A second run of the task has the same rows, hence
the same order; where two rows change places they are equal, and so is what each partition gets. It spreads equal rows
too, and costs the sort.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sparkeeper.spark.plan.types import identity_sql, is_plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyspark.sql import Column, DataFrame


def numbered(df: DataFrame) -> list[str]:
    """Names for the columns by their position, for SQL that must reach each one whatever its name is."""
    return [f"c{position}" for position in range(len(df.columns))]


def content_sql(df: DataFrame) -> str:
    """SQL for the hash of a row's content; columns that have no hash are left out."""
    return f"xxhash64({','.join(_hashable(df)) or '0'})"


def ordered(df: DataFrame) -> list[Column]:
    """What rows are sorted by: the hash first, which settles all but equal rows, then every column."""
    from pyspark.sql.functions import expr  # noqa: PLC0415 - under Spark Connect it needs a session

    columns = zip(numbered(df), df.schema.fields, strict=True)
    return [expr(content_sql(df)), *(expr(identity_sql(column, field.dataType)) for column, field in columns)]


def is_worn(df: DataFrame, by: Sequence[str]) -> bool:
    """Whether the rows of one key must be equal: there is no column beside those of the key."""
    return set(df.columns) <= set(by)


def _hashable(df: DataFrame) -> list[str]:
    return [column for column, field in zip(numbered(df), df.schema.fields, strict=True) if is_plain(field.dataType)]
