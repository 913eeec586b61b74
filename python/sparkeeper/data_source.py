"""`register`: the Spark data source `zookeeper`, for sessions that have it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sparkeeper._needs import needs
from sparkeeper.exceptions import Unsupported

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def register(spark: SparkSession) -> None:
    """Register the data source `zookeeper` with a session, classic or Connect.

    The session's `spark.zookeeper.*` settings, as they are now, are its options where a reader or writer gives none of
    its own; call it again after changing them. `docs/data_source.md` has the options.

    Raises:
        ConfigError: PySpark is not installed.
        Unsupported: PySpark is older than 4.0, which has no data sources in Python.
    """
    pyspark = needs("sparkeeper.register", "pyspark")
    if int(pyspark.__version__.split(".", maxsplit=1)[0]) < 4:  # noqa: PLR2004 - the first with DataSource
        raise Unsupported(
            f"register(spark): PySpark {pyspark.__version__} has no data sources in Python; they came with 4.0"
        )
    from sparkeeper.spark.data_source import source_with  # noqa: PLC0415 - imports PySpark
    from sparkeeper.spark.data_source_options import session_settings  # noqa: PLC0415 - as above

    spark.dataSource.register(source_with(session_settings(spark)))
