"""A partition plan as an Arrow table, without Spark: the keys in their own types where Arrow has them."""

from __future__ import annotations

import base64
import re
from decimal import Decimal
from typing import TYPE_CHECKING

import pyarrow as pa

from sparkeeper.spark.plan.text import dumps

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sparkeeper.spark.plan.document import PlanDocument
    from sparkeeper.spark.plan.text import Json

_TYPES = {
    "tinyint": pa.int8(),
    "smallint": pa.int16(),
    "int": pa.int32(),
    "bigint": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us", "UTC"),
    "timestamp_ntz": pa.timestamp("us"),
}


def to_arrow(plan: PlanDocument) -> pa.Table:
    """A row for each piece of a key: the key's columns, then `partition` (int32) and `weight` (int64: in the unit).

    Keys whose type or value Arrow lacks are text, as they stand in the plan.
    """
    rows = [(key.values, piece) for key in plan.keys for piece in key.pieces]
    columns, names = key_columns(plan, [values for values, _ in rows])
    columns.append(pa.array([partition for _, (partition, _) in rows], pa.int32()))
    columns.append(pa.array([weight for _, (_, weight) in rows], pa.int64()))
    return pa.Table.from_arrays(columns, names=[*names, "partition", "weight"])


def key_columns(plan: PlanDocument, keys: Sequence[tuple[Json, ...]]) -> tuple[list[pa.Array], list[str]]:
    """Columns for keys of the plan, and their names; `bucket` (int32) where hash buckets stand for them."""
    if plan.buckets is not None:
        return [pa.array([values[0] for values in keys], pa.int32())], ["bucket"]
    columns = [_column([values[position] for values in keys], kind) for position, kind in enumerate(plan.types)]
    return columns, list(plan.by)


def _column(values: Sequence[Json], kind: str) -> pa.Array:
    if kind == "binary":
        return pa.array([None if value is None else base64.b64decode(str(value)) for value in values], pa.binary())
    if decimal := re.fullmatch(r"decimal\((\d+),(\d+)\)", kind):
        exact = [None if value is None else Decimal(str(value)) for value in values]
        return pa.array(exact, pa.decimal128(int(decimal[1]), int(decimal[2])))
    texts = [value if value is None or isinstance(value, str) else dumps(value) for value in values]
    column = pa.array(texts, pa.string())
    if kind not in _TYPES:
        return column
    try:
        return column.cast(_TYPES[kind])
    except pa.ArrowInvalid:  # a year that its parser does not take
        return column
