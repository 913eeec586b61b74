"""The columns of the data source `zookeeper`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyspark.sql.types import (
    BinaryType,
    DataType,
    IntegerType,
    LongType,
    StringType,
    StructField,
    StructType,
    TimestampType,
)

from sparkeeper.exceptions import ConfigError

if TYPE_CHECKING:
    import pyarrow as pa

NODE: dict[str, DataType] = {
    "path": StringType(),
    "parent": StringType(),
    "name": StringType(),
    "data": BinaryType(),
    "text": StringType(),
    "version": IntegerType(),
    "czxid": LongType(),
    "mzxid": LongType(),
    "ctime": TimestampType(),
    "mtime": TimestampType(),
    "ephemeral_owner": LongType(),
    "num_children": IntegerType(),
}
CHANGE: dict[str, DataType] = {"event": StringType(), "zxid": LongType()}
"""Of streams. Spark asks for one schema without saying what for, so that tables have them too, without values."""


def schema() -> StructType:
    """Return all of them."""
    return StructType([StructField(name, of) for name, of in {**NODE, **CHANGE}.items()])


def chosen(wanted: StructType) -> list[str]:
    """Return the names of the columns of a schema that the user gave.

    Raises:
        ConfigError: It has one that is not ours, or of another type.
    """
    ours = {**NODE, **CHANGE}
    for column in wanted.fields:
        if ours.get(column.name) != column.dataType:
            known = ", ".join(f"{name} {of.simpleString()}" for name, of in ours.items())
            raise ConfigError(
                f'format("zookeeper"): the schema has the column {column.name} {column.dataType.simpleString()}; '
                f"choose among {known}"
            )
    return wanted.fieldNames()


def select(batch: pa.RecordBatch, names: list[str]) -> pa.RecordBatch:
    """Return a batch of nodes with these columns."""
    import pyarrow as pa  # noqa: PLC0415 - where rows are read

    nothing: dict[str, Any] = {"event": pa.string(), "zxid": pa.int64()}
    columns = [
        pa.nulls(batch.num_rows, nothing[name]) if name in nothing and name not in batch.schema.names else batch[name]
        for name in names
    ]
    return pa.RecordBatch.from_arrays(columns, names=names)
