"""What a caller asks of a partition plan, checked, and compared with what is published."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sparkeeper.exceptions import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pyspark.sql import Column

    from sparkeeper.spark.plan_document import PlanDocument

MAX_PARTITIONS = 100_000


@dataclass(frozen=True)
class PlanRequest:
    """A plan's name and as much of its definition as the caller gave."""

    name: str
    by: tuple[str, ...] | None
    partitions: int | None
    weights: str

    @classmethod
    def of(
        cls,
        name: str,
        by: str | Sequence[str | Column] | None,
        partitions: int | None,
        weights: str,
        *,
        split_heavy: bool,
    ) -> PlanRequest:
        """Check each argument for itself.

        Raises:
            ConfigError: One of them is out of range or not in this version.
        """
        if not name or "/" in name:
            raise ConfigError(f"a partition plan's name is one path element, not {name!r}: use '-' for '/'")
        if weights != "count":
            raise ConfigError(f"weights={weights!r}: this version weighs keys by their rows only, weights='count'")
        if split_heavy:
            raise ConfigError("split_heavy=True: this version keeps each key in one partition, split_heavy=False")
        if partitions is not None and (
            isinstance(partitions, bool) or not isinstance(partitions, int) or not 1 <= partitions <= MAX_PARTITIONS
        ):
            raise ConfigError(f"partitions={partitions!r}: expected a whole number from 1 to {MAX_PARTITIONS:,}")
        return cls(name, None if by is None else _expressions(by), partitions, weights)

    @property
    def path(self) -> str:
        """Where the plan is published."""
        return f"/plans/{self.name}"

    def complete(self) -> tuple[tuple[str, ...], int]:
        """What a new plan needs.

        Raises:
            ConfigError: Some of it was not given.
        """
        if self.by is None or self.partitions is None:
            missing = " and ".join(name for name in ("by", "partitions") if getattr(self, name) is None)
            raise ConfigError(
                f"no partition plan {self.name!r} is published yet, and to compute one {missing} is missing"
            )
        return self.by, self.partitions

    def check(self, published: PlanDocument) -> None:
        """Compare with a published plan.

        Raises:
            ConfigError: It has another definition.
        """
        asked = {"by": self.by, "partitions": self.partitions, "weights": self.weights}
        found = {name: getattr(published, name) for name in asked}
        if any(value is not None and value != found[name] for name, value in asked.items()):
            raise ConfigError(
                f"partition plan {self.name!r} is published with {_listed(found)}, and was asked for with "
                f"{_listed(asked)}: ask for it as published (zk.partition_plan({self.name!r})), take another name, "
                f"or delete {self.path} to have it computed again"
            )


def _expressions(by: str | Sequence[str | Column]) -> tuple[str, ...]:
    texts = (by,) if isinstance(by, str) else tuple(by)
    if not texts:
        raise ConfigError("by is empty: name at least one column or SQL expression")
    for text in texts:
        if not isinstance(text, str) or not text.strip():
            raise ConfigError(
                f"by has {text!r}: other jobs read the plan as text, so write column names and SQL expressions as "
                "strings, such as 'value % 2' for col('value') % 2"
            )
    return tuple(map(str, texts))


def _listed(definition: Mapping[str, object]) -> str:
    return ", ".join(
        f"{name}={list(value) if isinstance(value, tuple) else value!r}"
        for name, value in definition.items()
        if value is not None
    )
