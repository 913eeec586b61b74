"""Data beside the plan that it is placed by: how even it is now, and what the plan does not know of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sparkeeper.exceptions import ConfigError
from sparkeeper.spark.plan.compare import uneven
from sparkeeper.spark.plan.placement import choose

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from sparkeeper.spark.plan.document import PlanDocument


@dataclass(frozen=True)
class PlanCheck:
    """What `PartitionPlan.verify` found. It is true where it passes: `assert plan.verify(df)`.

    Attributes:
        rows: How many rows each partition gets, as placed.
        max_over_mean: The fullest of them over their average: 1.0 is even.
        planned: The same figure of the plan's own loads.
        limit: What `max_over_mean` may be.
        drift: The share of rows, 0.0 to 1.0, that would have to change their key for keys to weigh what the plan says.
        unknown_keys: How many distinct keys the plan does not know, where they are many within a few percent.
        unknown_rows: How many rows they have; they go by Spark's hash.
        missing_keys: How many keys, or buckets with weight, of the plan have no row.
    """

    rows: tuple[int, ...]
    max_over_mean: float
    planned: float
    limit: float
    drift: float
    unknown_keys: int
    unknown_rows: int
    missing_keys: int

    @property
    def passes(self) -> bool:
        """Whether the data is as even as it may be."""
        return self.max_over_mean <= self.limit

    def __bool__(self) -> bool:
        """Whether it passes."""
        return self.passes


def check(df: DataFrame, plan: PlanDocument, tolerance: float, *, by_position: bool | None) -> PlanCheck:
    """Count `df` by partition as it would be placed: one Spark job, no row is moved."""
    if isinstance(tolerance, bool) or not isinstance(tolerance, (int, float)) or not 0 <= tolerance < float("inf"):
        raise ConfigError(f"tolerance={tolerance!r}: expected a number from 0 on, such as 0.1 for 10 percent")
    chosen = choose(df, plan, by_position=by_position)
    found = (
        chosen.rows.selectExpr(
            f"{chosen.number} AS i",
            f"{chosen.place} AS p",
            f"CASE WHEN {chosen.number} IS NULL THEN xxhash64({chosen.key}) END AS k",
        )
        .groupBy("i", "p")
        .agg({"p": "count", "k": "approx_count_distinct"})
        .select("i", "p", "`count(p)`", "`approx_count_distinct(k)`")
        .collect()
    )
    rows, keys, unknown = [0] * plan.partitions, [0] * len(plan.keys), [0, 0]
    for index, place, count, distinct in found:
        rows[place] += count
        if index is None:
            unknown[0] += distinct
            unknown[1] += count
        else:
            keys[index] += count
    planned = uneven(plan.certificate.loads)
    return PlanCheck(
        rows=tuple(rows),
        max_over_mean=uneven(rows),
        planned=planned,
        limit=planned * (1 + tolerance),
        drift=_drift(plan, keys, unknown[1]),
        unknown_keys=unknown[0],
        unknown_rows=unknown[1],
        missing_keys=sum(1 for key, count in zip(plan.keys, keys, strict=True) if key.weight and not count),
    )


def _drift(plan: PlanDocument, keys: list[int], unknown: int) -> float:
    """The distance in total variation between the plan's shares and those of the data."""
    planned, now = sum(key.weight for key in plan.keys), sum(keys) + unknown
    if not planned or not now:
        return 0.0 if planned == now else 1.0
    shares = zip(plan.keys, keys, strict=True)
    return (sum(abs(key.weight / planned - count / now) for key, count in shares) + unknown / now) / 2
