"""Counting rows while Spark writes them, in the same pass."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import Observation
from pyspark.sql import functions as sf

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


class Counted:
    """A DataFrame that counts its rows with its first action."""

    def __init__(self, df: DataFrame) -> None:
        """Count the rows of `df`."""
        self._observation = Observation()
        self.df = df.observe(self._observation, sf.count(sf.lit(1)).alias("rows"))

    def rows(self) -> int:
        """Return how many there were."""
        return int(self._observation.get["rows"])
