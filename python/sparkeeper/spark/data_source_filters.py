"""Filters on paths and names that a read does itself, so that it does not walk where nothing is wanted.

Spark pushes filters where `spark.sql.python.filterPushdown.enabled` is on, and fails for a reader that could take some
where it is off: hence a reader of its own, which the option `push_filters` asks for. Spark 4.1 and later.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql.datasource import EqualNullSafe, EqualTo, In, StringStartsWith

from sparkeeper.spark.data_source_read import TreeReader

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pyspark.sql.datasource import Filter

EXACT = {("path",): "path", ("parent",): "parent", ("name",): "name"}
PREFIX = {("path",): "path_prefix", ("name",): "name_prefix"}


class PushingReader(TreeReader):
    """Reads only what filters let through."""

    def pushFilters(self, filters: list[Filter]) -> Iterable[Filter]:  # noqa: N802 - Spark's name
        """Take what can be taken; the rest is Spark's."""
        for one in filters:
            taken = understood(one)
            if taken is None:
                yield one
            else:
                self._filters.append(taken)


def understood(one: Filter) -> tuple[str, Sequence[str]] | None:
    """Return a filter as walks have it, where it says no more and no less."""
    if isinstance(one, EqualTo | EqualNullSafe | In) and one.attribute in EXACT:
        # No path is NULL, and a parent that is NULL equals none of them.
        values = [value for value in (one.value if isinstance(one, In) else [one.value]) if value is not None]
        asks_for_null = isinstance(one, EqualNullSafe) and not values
        return None if asks_for_null else (EXACT[one.attribute], values)
    if isinstance(one, StringStartsWith) and one.attribute in PREFIX:
        return PREFIX[one.attribute], [one.value]
    return None
