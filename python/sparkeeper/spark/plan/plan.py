"""A published plan, as a caller gets it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sparkeeper._needs import needs
from sparkeeper.exceptions import ConfigError
from sparkeeper.notebook import html
from sparkeeper.spark.plan.arrow import to_arrow
from sparkeeper.spark.plan.chart import chart
from sparkeeper.spark.plan.check import PlanCheck, check
from sparkeeper.spark.plan.compare import Comparison, uneven
from sparkeeper.spark.plan.placement import place

if TYPE_CHECKING:
    from decimal import Decimal

    import pyarrow as pa
    from pyspark.sql import DataFrame

    from sparkeeper._sparkeeper import Certificate
    from sparkeeper.spark.plan.document import PlanDocument, PlannedKey
    from sparkeeper.spark.plan.text import Json

_SHOWN = 3
_SPREADS = {None: None, "content": False, "position": True}


@dataclass(frozen=True, repr=False)
class PartitionPlan:
    """A published plan. Get one from `Coordinator.partition_plan`; it pickles, and needs no connection."""

    document: PlanDocument

    @property
    def name(self) -> str:
        """The name it is published under."""
        return self.document.name

    @property
    def version(self) -> int:
        """1 for the first plan of a name; each re-planning adds one."""
        return self.document.version

    @property
    def by(self) -> tuple[str, ...]:
        """The columns and SQL expressions that make the key."""
        return self.document.by

    @property
    def partitions(self) -> int:
        """How many partitions there are."""
        return self.document.partitions

    @property
    def weights(self) -> str:
        """What made a key heavy: "count", "bytes", a column or expression, or "dataframe"."""
        return self.document.weights

    @property
    def unit(self) -> Decimal:
        """What 1 in weights and loads stands for: 1, unless weights had fractions, or passed 2^53 together."""
        return self.document.unit

    @property
    def buckets(self) -> int | None:
        """How many hash buckets stand for the keys; None where each key stands for itself."""
        return self.document.buckets

    @property
    def certificate(self) -> Certificate:
        """How even the plan is, next to what is possible; loads are in `unit`, as they were when it was made.

        It speaks about pieces: a key that is spread counts as one item for each of its partitions. Its moves are those
        from the version before; in a first version everything is new.
        """
        return self.document.certificate

    @property
    def plain_loads(self) -> tuple[int, ...] | None:
        """The loads that `df.repartition(partitions, *by)` would give; None where buckets do not tell."""
        return self.document.plain

    @property
    def split(self) -> dict[tuple[Json, ...], tuple[int, ...]]:
        """The keys, or buckets, that are spread over several partitions, and over which, the fullest piece first."""
        return {values: tuple(part for part, _ in pieces) for values, pieces, _ in self._spread_keys()}

    def repartition(self, df: DataFrame, spread: str | None = None) -> DataFrame:
        """Move every row to its planned partition; also `df.transform(plan.repartition)`.

        Rows and columns stay as they are. A key that the plan does not know goes to the partition that Spark's
        hash of it, modulo `partitions`, names: never lost, the same in every job.

        Args:
            df: The rows.
            spread: How the rows of a key that is spread are told apart. "content": by a hash of all their columns;
                equal rows stay together. "position": by their place in an order by all columns, within each task; equal
                rows are spread too, for the price of a local sort. By default "content", and "position" where `df` has
                no columns beside the key's. Either way a task that runs again sends its rows to the same partitions.

        Raises:
            ConfigError: The key has other types in `df` than in the plan.
        """
        return place(df, self.document, by_position=_by_position(spread))

    def verify(self, df: DataFrame, *, tolerance: float = 0.1, spread: str | None = None) -> PlanCheck:
        """Count the rows of `df` by partition, as `repartition` would place them, and compare with the plan.

        One Spark job; no row is moved. Where the plan weighs by something else than rows, the figures are still rows.

        Args:
            df: The rows, say of today, for a plan of yesterday.
            tolerance: It passes when the fullest partition, over the average, is at most so much above what is planned.
            spread: As for `repartition`.
        """
        return check(df, self.document, tolerance, by_position=_by_position(spread))

    def compare(self, other: PartitionPlan) -> Comparison:
        """Say what changes from this plan to `other`.

        Raises:
            ConfigError: They have other keys: another `by`, other types, or other buckets.
        """
        if not isinstance(other, PartitionPlan):
            raise ConfigError(f"compare({other!r}): expected a PartitionPlan, as zk.partition_plan gives")
        return Comparison.of(self.document, other.document)

    def to_arrow(self) -> pa.Table:
        """The keys, heaviest first: a column per expression, `partition` (int32), `weight` (int64, in `unit`).

        A key that is spread has a row for each of its partitions. With hash buckets the first column is `bucket`.
        """
        return to_arrow(self.document)

    def to_pandas(self) -> Any:  # noqa: ANN401 - a pandas DataFrame, which has no types
        """`to_arrow` as a pandas DataFrame."""
        needs("PartitionPlan.to_pandas", "pandas")
        return self.to_arrow().to_pandas()

    def plot(self) -> Any:  # noqa: ANN401 - altair is optional
        """Draw the load of every partition, under Spark's own hash placement and as planned: an altair chart.

        Raises:
            ConfigError: altair is not installed; it comes with `sparkeeper[viz]`.
        """
        return chart(self.document)

    def _repr_html_(self) -> str:
        return html.plan(self, uneven)

    def _spread_keys(self) -> list[PlannedKey]:
        return [key for key in self.document.keys if key.pieces[1:]]

    def __repr__(self) -> str:
        """Name, shape, how far the fullest partition is above the average, and which keys are spread."""
        keys = f"keys={len(self.document.keys)}" if self.buckets is None else f"buckets={self.buckets}"
        spread = self._spread_keys()
        shown = [f"{', '.join(map(repr, key.values))} over {len(key.pieces)}" for key in spread[:_SHOWN]]
        more = [f"{len(spread) - _SHOWN} more"] if spread[_SHOWN:] else []
        split = f", split=[{'; '.join(shown + more)}]" if spread else ""
        return (
            f"PartitionPlan({self.name!r}, version={self.version}, by={list(self.by)!r}, partitions={self.partitions}, "
            f"{keys}, max/mean={uneven(self.certificate.loads):.4f}{split})"
        )


def _by_position(spread: str | None) -> bool | None:
    if spread not in _SPREADS:
        raise ConfigError(f"spread={spread!r}: expected 'content' or 'position', or nothing for the one that fits")
    return _SPREADS[spread]
