"""A partition plan as an Arrow table, without Spark: the keys in their own types where Arrow has them."""

from __future__ import annotations

import base64
import re
from decimal import Decimal
from typing import TYPE_CHECKING

import pyarrow as pa

from sparkeeper.spark.plan_keys import dumps

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sparkeeper.spark.plan_document import PlanDocument
    from sparkeeper.spark.plan_keys import Json

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
    """A column for each of the plan's expressions, then `partition` (int32) and `weight` (int64: rows when planned).

    Keys whose type or value Arrow lacks are text, as they stand in the plan.
    """
    columns = [_column([key.values[position] for key in plan.keys], kind) for position, kind in enumerate(plan.types)]
    columns.append(pa.array([key.partition for key in plan.keys], pa.int32()))
    columns.append(pa.array([key.weight for key in plan.keys], pa.int64()))
    return pa.Table.from_arrays(columns, names=[*plan.by, "partition", "weight"])


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
