"""Rows with their keys and weights, as `k0, k1, …, w, bad`: what `count` sums up, all of it computed in the JVM."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pyspark.sql.types import DecimalType, NumericType

from sparkeeper.exceptions import ConfigError
from sparkeeper.spark.plan.keys import analyzed, expression, free_prefix, names, with_key
from sparkeeper.spark.plan.types import check_key, is_whole, size_sql

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyspark.sql import DataFrame

FRAME = "dataframe"
"""What a plan's document says where weights came from a DataFrame."""


class Weighed(NamedTuple):
    """Rows to count.

    Attributes:
        rows: The columns `k0, k1, …`, `w`, and `bad`: 1 where `w` is no weight.
        types: The SQL type of each of the key's fields.
        what: The weights, as the caller gave them.
    """

    rows: DataFrame
    types: tuple[str, ...]
    what: str

    def check(self, bad: int) -> None:
        """Refuse weights that are none.

        Raises:
            ConfigError: `bad` is not 0.
        """
        if bad:
            raise ConfigError(
                f"{self.what} has {bad:,} rows that are negative, NaN, infinite, or 10^16 and more: a weight is a "
                "number from 0 on; NULL counts as 0, so write an expression such as 'greatest(w, 0)' or 'nanvl(w, 0)'"
            )


def weigh(df: DataFrame, by: Sequence[str], weights: str) -> Weighed:
    """Weigh rows: `"count"` is 1 each, `"bytes"` their size in Spark's row format, else a column or expression."""
    key = f"{free_prefix(df)}key"
    keyed, types = with_key(df, by, key)
    fields = [f"{key}.{name} AS {name}" for name in names(types)]
    if weights == "count":
        return Weighed(keyed.selectExpr(*fields, "1L AS w", "0 AS bad"), types, "weights='count'")
    what = f"weights={weights!r}"
    if weights == "bytes":
        # By position: two columns may have one name.
        numbered = keyed.toDF(*(f"c{position}" for position in range(len(df.columns))), key)
        sizes = [size_sql(f"c{position}", field.dataType) for position, field in enumerate(df.schema.fields)]
        return Weighed(analyzed(numbered, [*fields, f"{'+'.join(sizes) or '0L'} AS w", "0 AS bad"], what), types, what)
    weight = f"{free_prefix(df)}weight"
    valued = analyzed(keyed, ["*", f"named_struct('w',{expression(weights, set(df.columns))}) AS {weight}"], what)
    return Weighed(_checked(valued, fields, f"{weight}.w", what), types, what)


def weigh_frame(frame: DataFrame, by: Sequence[str], df: DataFrame | None) -> Weighed:
    """Take weights from a DataFrame of keys: by the names in `by`, else by position, and one more column.

    Raises:
        ConfigError: It has other columns, or keys of other types than `df`.
    """
    what = f"weights=DataFrame[{', '.join(frame.columns)}]"
    if len(frame.columns) != len(by) + 1:
        raise ConfigError(
            f"{what}: expected the {len(by)} key columns of by={list(by)!r} and one column of weights; select those"
        )
    by_name = len(set(frame.columns)) == len(frame.columns) and set(by) <= set(frame.columns)
    order = [frame.columns.index(text) for text in by] if by_name else list(range(len(by)))
    (last,) = set(range(len(by) + 1)) - set(order)
    fields = frame.schema.fields
    kinds = [fields[position].dataType for position in order]
    check_key(by, kinds)
    types = tuple(kind.simpleString() for kind in kinds)
    if df is not None:
        _, wanted = with_key(df, by, f"{free_prefix(df)}key")
        if wanted != types:
            raise ConfigError(
                f"{what} has keys of type {', '.join(types)}, and by={list(by)!r} of the DataFrame gives "
                f"{', '.join(wanted)}: cast the columns of weights to these"
            )
    numbered = frame.toDF(*(f"c{position}" for position in range(len(fields))))
    columns = [f"c{position} AS {name}" for position, name in zip(order, names(types), strict=True)]
    return Weighed(_checked(numbered, columns, f"c{last}", what), types, what)


def _checked(rows: DataFrame, fields: Sequence[str], weight: str, what: str) -> DataFrame:
    """Weights as decimals, so that their sum does not depend on the order of rows; fractions to 12 digits."""
    kind = analyzed(rows, [f"{weight} AS w"], what).schema.fields[0].dataType
    if not isinstance(kind, NumericType):
        raise ConfigError(f"{what} is of type {kind.simpleString()}: weights are numbers; cast it, or use 'count'")
    if is_whole(kind):
        exact = f"try_cast({weight} AS decimal(20,0))"
    else:
        digits = min(kind.scale, 12) if isinstance(kind, DecimalType) else 12
        exact = f"try_cast({weight} AS decimal({16 + digits},{digits}))"
    bad = f"CASE WHEN {weight} IS NOT NULL AND coalesce({exact} < 0, true) THEN 1 ELSE 0 END"
    return rows.selectExpr(*fields, f"CASE WHEN {exact} > 0 THEN {exact} ELSE 0 END AS w", f"{bad} AS bad")
