"""Reading a subtree as a table: shared among tasks by subtree, each a walk with many requests in flight."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyspark.sql.datasource import DataSourceReader, InputPartition

from sparkeeper.spark.data_source_columns import chosen, select

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa
    from pyspark.sql.types import StructType

    from sparkeeper.spark.data_source_options import ReadOptions


@dataclass
class Share(InputPartition):
    """Where one task begins: nodes, and whether with everything below."""

    tops: list[tuple[str, bool]]


class TreeReader(DataSourceReader):
    """Reads the nodes that the options ask for."""

    def __init__(self, options: ReadOptions, schema: StructType) -> None:
        """Check the schema."""
        self._options = options
        self._columns = chosen(schema)
        self._filters: list[tuple[str, Sequence[str]]] = []

    def partitions(self) -> Sequence[InputPartition]:
        """Share the tree, from the listing of its upper levels.

        Raises:
            NoNode: There is nothing at the path.
        """
        with self._options.connection.open() as zk:
            scope = self._options.scope(self._filters)
            return [Share(tops) for tops in zk._tree_shares(scope, self._options.partitions)]  # noqa: SLF001 - ours

    def read(self, partition: InputPartition) -> Iterator[pa.RecordBatch]:
        """Walk one share."""
        # Where there are none, Spark makes one of its own.
        tops = partition.tops if isinstance(partition, Share) else []
        if not tops:
            return
        with self._options.connection.open() as zk:
            walk = zk._tree_walk(self._options.scope(self._filters), tops, self._options.decode)  # noqa: SLF001 - ours
            for batch in walk:
                yield select(batch, self._columns)
