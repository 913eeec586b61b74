"""Which Spark types a key can have, which have a hash, and which a size."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import types as spark

from sparkeeper.exceptions import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

_WHOLE = ("ByteType", "ShortType", "IntegerType", "LongType")
_FIXED = (
    *_WHOLE,
    "FloatType",
    "DoubleType",
    "BooleanType",
    "DateType",
    "TimestampType",
    "TimestampNTZType",
    "DayTimeIntervalType",
    "YearMonthIntervalType",
    "TimeType",
)
_TEXT = ("StringType", "CharType", "VarcharType", "BinaryType")
_LONG_DECIMAL = 18


def is_plain(kind: spark.DataType) -> bool:
    """Whether Spark groups, orders and hashes values of this type; maps, variants and user types it does not."""
    if isinstance(kind, spark.ArrayType):
        return is_plain(kind.elementType)
    if isinstance(kind, spark.StructType):
        return all(is_plain(field.dataType) for field in kind.fields)
    return type(kind).__name__ in (*_FIXED, *_TEXT, "DecimalType")


def check_key(by: Sequence[str], kinds: Sequence[spark.DataType]) -> None:
    """Refuse keys that Spark does not group.

    Raises:
        ConfigError: One of the types has no equality or no hash.
    """
    for text, kind in zip(by, kinds, strict=True):
        if not is_plain(kind):
            raise ConfigError(
                f"cannot plan by {text!r} of type {kind.simpleString()}: Spark groups and hashes no such values; plan "
                "by an expression that makes text of them, such as a cast or to_json"
            )


def is_whole(kind: spark.DataType) -> bool:
    """Whether it is an integer type."""
    return type(kind).__name__ in _WHOLE


def size_sql(column: str, kind: spark.DataType) -> str:
    """SQL for the bytes of a column in Spark's row format: 8, and what lies outside of them."""
    name = type(kind).__name__
    if name in _FIXED or (isinstance(kind, spark.DecimalType) and kind.precision <= _LONG_DECIMAL):
        return "8L"
    if isinstance(kind, spark.DecimalType):
        return "24L"
    text = column if name in _TEXT else f"to_json(named_struct('c',{column}))"
    return f"(8L + coalesce(octet_length({text}),0))"


def identity_sql(column: str, kind: spark.DataType) -> str:
    """SQL that orders values of a column, those of a type without an order by their JSON."""
    return column if is_plain(kind) else f"to_json(named_struct('c',{column}))"
