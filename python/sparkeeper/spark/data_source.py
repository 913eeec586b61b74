"""The data source `zookeeper`: which reader or writer does what is asked for.

Spark makes it, and asks it for readers, in processes that know nothing of the session: everything comes by options,
and what the session says of the connection is in the class that is registered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pyspark.sql.datasource import DataSource

from sparkeeper.exceptions import Unsupported
from sparkeeper.spark import data_source_columns
from sparkeeper.spark.data_source_options import (
    READING,
    STREAMING,
    WRITING,
    Options,
    ReadOptions,
    StreamOptions,
    WriteOptions,
)
from sparkeeper.spark.data_source_read import TreeReader
from sparkeeper.spark.data_source_stream import TreeStream
from sparkeeper.spark.data_source_write import TreeWriter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyspark.sql.datasource import DataSourceReader, DataSourceWriter, SimpleDataSourceStreamReader
    from pyspark.sql.types import StructType


class ZooKeeperDataSource(DataSource):
    """Znodes as rows."""

    settings: ClassVar[Mapping[str, str]] = {}
    """What the session says of the connection."""

    @classmethod
    def name(cls) -> str:
        """Return what `format` is given."""
        return "zookeeper"

    def schema(self) -> StructType:
        """Return all columns."""
        return data_source_columns.schema()

    def reader(self, schema: StructType) -> DataSourceReader:
        """Read a subtree."""
        options = ReadOptions.of(Options(self.options, self.settings, READING))
        if not options.push_filters:
            return TreeReader(options, schema)
        try:
            from sparkeeper.spark.data_source_filters import PushingReader  # noqa: PLC0415 - needs Spark 4.1
        except ImportError as error:
            raise Unsupported(
                'format("zookeeper"): option push_filters=true: this PySpark pushes no filters to sources in Python; '
                "they came with 4.1"
            ) from error
        return PushingReader(options, schema)

    def simpleStreamReader(self, schema: StructType) -> SimpleDataSourceStreamReader:  # noqa: N802 - Spark's name
        """Read a subtree's changes."""
        return TreeStream(StreamOptions.of(Options(self.options, self.settings, STREAMING)), schema)

    def writer(self, schema: StructType, overwrite: bool) -> DataSourceWriter:  # noqa: FBT001 - Spark's signature
        """Publish rows as nodes."""
        given = Options(self.options, self.settings, WRITING)
        return TreeWriter(WriteOptions.of(given, overwrite=overwrite), schema, overwrite=overwrite)


def source_with(settings: Mapping[str, str]) -> type[ZooKeeperDataSource]:
    """Return the data source with what a session says of the connection."""

    class Registered(ZooKeeperDataSource):
        pass

    Registered.settings = settings
    return Registered
