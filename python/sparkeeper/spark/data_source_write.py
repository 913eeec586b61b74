"""Publishing rows as znodes: tasks check them, and one process writes them, in batches that land whole or not at all.

Nothing is written before every task has ended well, so that a task may fail and run again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pyspark.sql.datasource import DataSourceArrowWriter, WriterCommitMessage
from pyspark.sql.types import BinaryType, StringType

from sparkeeper._sparkeeper import TreeScope
from sparkeeper.exceptions import ConfigError
from sparkeeper.spark.data_source_columns import CHANGE, NODE

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa
    from pyspark.sql.types import StructType

    from sparkeeper.spark.data_source_options import WriteOptions

VALUES = {"data": BinaryType(), "text": StringType()}


@dataclass
class Rows(WriterCommitMessage):
    """What one task would have written."""

    rows: list[tuple[str, bytes]] = field(default_factory=list)


class TreeWriter(DataSourceArrowWriter):
    """Writes rows to nodes at and below a path."""

    def __init__(self, options: WriteOptions, schema: StructType, *, overwrite: bool) -> None:
        """Check the columns.

        Raises:
            ConfigError: There are no paths or no values, a column is of another type, or one is not known.
        """
        _check(schema)
        self._options = options
        self._overwrite = overwrite

    def write(self, iterator: Iterator[pa.RecordBatch]) -> Rows:
        """Take the rows of one task.

        Raises:
            ConfigError: A path or a value is NULL.
            InvalidPath: A path is not one ZooKeeper accepts.
        """
        found = Rows()
        for batch in iterator:
            columns = {name: batch[name].to_pylist() for name in ("path", *VALUES) if name in batch.schema.names}
            empty: list[Any] = [None] * batch.num_rows
            rows = zip(columns["path"], columns.get("data", empty), columns.get("text", empty), strict=True)
            found.rows += [(path, _value(path, data, text)) for path, data, text in rows]
        return found

    def commit(self, messages: list[WriterCommitMessage | None]) -> None:
        """Write all rows.

        Raises:
            PayloadTooLarge: A row does not fit into one request; nothing was written.
            Fenced: The guard does not stand.
        """
        rows = [row for message in messages if isinstance(message, Rows) for row in message.rows]
        with self._options.connection.open() as zk:
            zk._tree_publish(  # noqa: SLF001 - ours
                self._options.path, rows, overwrite=self._overwrite, guard=self._options.guard
            )


def _check(schema: StructType) -> None:
    found = {column.name: column.dataType for column in schema.fields}
    wrong = [
        f"column {name} is {found[name].simpleString()}, not {of.simpleString()}"
        for name, of in {"path": StringType(), **VALUES}.items()
        if name in found and not isinstance(found[name], type(of))
    ]
    wrong += [f"column {name} has no meaning here" for name in found if name not in {**NODE, **CHANGE}]
    if "path" not in found:
        wrong.append("there is no column path")
    if not set(VALUES) & set(found):
        wrong.append("there is neither a column data nor a column text")
    if wrong:
        raise ConfigError(
            f'format("zookeeper"): cannot write: {"; ".join(wrong)}. Give path string, and data binary or text string; '
            "the other columns of a table that was read are passed over"
        )


def _value(path: str | None, data: bytes | None, text: str | None) -> bytes:
    if path is None:
        raise ConfigError(
            f'format("zookeeper"): cannot write: a row has the path NULL, and the value {data or text!r:.50}; '
            "filter such rows out"
        )
    TreeScope(path)
    if data is not None:
        return bytes(data)
    if text is None:
        raise ConfigError(
            f'format("zookeeper"): cannot write {path!r}: its value is NULL; give an empty one for a node without data'
        )
    return text.encode()
