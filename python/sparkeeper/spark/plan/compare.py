"""Two plans beside each other: which keys move, and what that does to the loads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from sparkeeper._needs import needs
from sparkeeper.exceptions import ConfigError
from sparkeeper.notebook import html
from sparkeeper.spark.plan.arrow import key_columns
from sparkeeper.spark.plan.text import dumps

if TYPE_CHECKING:
    from decimal import Decimal

    from sparkeeper.spark.plan.document import PlanDocument, PlannedKey


def uneven(loads: tuple[int, ...] | list[int]) -> float:
    """How far the fullest partition is above the average: 1.0 is even."""
    mean = sum(loads) / len(loads)
    return max(loads) / mean if mean else 1.0


@dataclass(frozen=True, repr=False)
class Comparison:
    """What changes from one plan to another. Get one from `PartitionPlan.compare`."""

    before: PlanDocument
    after: PlanDocument
    moved: tuple[tuple[PlannedKey, PlannedKey], ...]
    """Keys of both, as they were and as they are, that are in other partitions now."""
    added: tuple[PlannedKey, ...]
    """Keys of the second only."""
    removed: tuple[PlannedKey, ...]
    """Keys of the first only."""

    @classmethod
    def of(cls, before: PlanDocument, after: PlanDocument) -> Comparison:
        """Compare key by key, or bucket by bucket.

        Raises:
            ConfigError: The two do not speak of the same keys.
        """
        shapes = [(plan.by, plan.types, plan.buckets) for plan in (before, after)]
        if shapes[0] != shapes[1]:
            told = " and ".join(
                f"{plan.name!r} version {plan.version} (by={list(plan.by)!r} of {', '.join(plan.types)}, "
                f"buckets={plan.buckets})"
                for plan in (before, after)
            )
            raise ConfigError(f"cannot compare partition plans {told}: their keys are not the same; compare loads")
        old = {dumps(list(key.values)): key for key in before.keys}
        new = {dumps(list(key.values)): key for key in after.keys}
        return cls(
            before,
            after,
            tuple((old[name], key) for name, key in new.items() if name in old and _places(old[name]) != _places(key)),
            tuple(key for name, key in new.items() if name not in old),
            tuple(key for name, key in old.items() if name not in new),
        )

    @property
    def keys_moved(self) -> int:
        """How many keys of both plans are in other partitions now."""
        return len(self.moved)

    @property
    def weight_moved(self) -> Decimal:
        """What of these keys' weight, as the second plan has it, is in partitions where they were not."""
        return self.after.unit * sum(
            weight for old, new in self.moved for place, weight in new.pieces if place not in _places(old)
        )

    @property
    def loads_before(self) -> list[int]:
        """The loads of the first plan, in its unit."""
        return self.before.certificate.loads

    @property
    def loads_after(self) -> list[int]:
        """The loads of the second plan, in its unit."""
        return self.after.certificate.loads

    def to_arrow(self) -> pa.Table:
        """A row for each key that moved, was added or removed.

        The key's columns, `before` and `after` (lists of int32, NULL where the plan lacks the key), `weight` (int64, in
        the unit of the plan that has it, the second's where both do).
        """
        rows = [
            *((old, new, new) for old, new in self.moved),
            *((None, new, new) for new in self.added),
            *((old, None, old) for old in self.removed),
        ]
        columns, names = key_columns(self.after, [values for _, _, (values, *_) in rows])
        for which in (0, 1):
            places = [None if row[which] is None else sorted(_places(row[which])) for row in rows]  # type: ignore[arg-type]
            columns.append(pa.array(places, pa.list_(pa.int32())))
        columns.append(pa.array([key.weight for _, _, key in rows], pa.int64()))
        return pa.Table.from_arrays(columns, names=[*names, "before", "after", "weight"])

    def to_pandas(self) -> Any:  # noqa: ANN401 - a pandas DataFrame, which has no types
        """`to_arrow` as a pandas DataFrame."""
        needs("Comparison.to_pandas", "pandas")
        return self.to_arrow().to_pandas()

    def __repr__(self) -> str:
        """Say how much moves, and how even it is before and after."""
        return (
            f"Comparison({self.before.name!r} {self.before.version} → {self.after.name!r} {self.after.version}, "
            f"keys_moved={self.keys_moved}, added={len(self.added)}, removed={len(self.removed)}, "
            f"max/mean={uneven(self.loads_before):.4f} → {uneven(self.loads_after):.4f})"
        )

    def _repr_html_(self) -> str:
        return html.comparison(self, uneven)


def _places(key: PlannedKey) -> set[int]:
    return {place for place, _ in key.pieces}
