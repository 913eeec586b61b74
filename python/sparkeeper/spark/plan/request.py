"""What a caller asks of a partition plan, checked, and compared with what is published."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sparkeeper.exceptions import ConfigError
from sparkeeper.spark.plan.count import MAX_BUCKETS
from sparkeeper.spark.plan.weigh import FRAME

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pyspark.sql import Column, DataFrame

    from sparkeeper.spark.plan.document import PlanDocument

MAX_PARTITIONS = 100_000


@dataclass(frozen=True)
class PlanRequest:
    """A plan's name and as much of its definition as the caller gave; None is what nobody said."""

    name: str
    by: tuple[str, ...] | None
    partitions: int | None
    weights: str | None
    frame: DataFrame | None
    split_heavy: bool | None
    buckets: int | None

    @classmethod
    def of(  # noqa: PLR0913 - one for each argument of the public function
        cls,
        name: str,
        *,
        by: str | Sequence[str | Column] | None,
        partitions: int | None,
        weights: str | DataFrame | None,
        split_heavy: bool | None,
        buckets: int | None,
    ) -> PlanRequest:
        """Check each argument for itself.

        Raises:
            ConfigError: One of them is out of range.
        """
        if not isinstance(name, str) or not name or "/" in name or name in {".", ".."}:
            raise ConfigError(f"a partition plan's name is one path element, not {name!r}: use '-' for '/'")
        if split_heavy is not None and not isinstance(split_heavy, bool):
            raise ConfigError(f"split_heavy={split_heavy!r}: expected True or False")
        frame = weights if hasattr(weights, "selectExpr") else None
        if weights is not None and frame is None and not (isinstance(weights, str) and weights.strip()):
            raise ConfigError(
                f"weights={weights!r}: expected 'count', 'bytes', a numeric column or SQL expression, or a "
                "DataFrame of keys and weights"
            )
        return cls(
            name,
            None if by is None else _expressions(by),
            _whole("partitions", partitions, MAX_PARTITIONS),
            None if weights is None else FRAME if frame is not None else str(weights),
            frame,  # type: ignore[arg-type]
            split_heavy,
            _whole("buckets", buckets, MAX_BUCKETS),
        )

    @property
    def path(self) -> str:
        """Where the plan is published."""
        return f"/plans/{self.name}"

    def complete(self, published: PlanDocument | None = None) -> Definition:
        """Fill in what was not said: from the version before, or by default.

        Raises:
            ConfigError: Something has no default, or `by` is not what it was.
        """
        if published is not None:
            if self.by not in {None, published.by}:
                raise ConfigError(
                    f"partition plan {self.name!r} is by {list(published.by)!r} in all its versions, and was to be "
                    f"re-planned by {list(self.by or ())!r}: take another name"
                )
            weights = self.weights or published.weights
            if weights == FRAME and self.frame is None:
                raise ConfigError(
                    f"partition plan {self.name!r} has weights from a DataFrame: pass one again, weights=…, or 'count'"
                )
            split = published.split_heavy if self.split_heavy is None else self.split_heavy
            partitions = self.partitions or published.partitions
            return Definition(published.by, partitions, weights, self.frame, split, self.buckets or published.buckets)
        if self.by is None or self.partitions is None:
            missing = " and ".join(name for name in ("by", "partitions") if getattr(self, name) is None)
            raise ConfigError(
                f"no partition plan {self.name!r} is published yet, and to compute one {missing} is missing"
            )
        return Definition(
            self.by, self.partitions, self.weights or "count", self.frame, bool(self.split_heavy), self.buckets
        )

    def check(self, published: PlanDocument) -> None:
        """Compare with a published plan; what was not said agrees with everything.

        Raises:
            ConfigError: It has another definition.
        """
        names = ("by", "partitions", "weights", "split_heavy", "buckets")
        asked = {name: getattr(self, name) for name in names}
        found = {name: getattr(published, name) for name in names}
        if any(value is not None and value != found[name] for name, value in asked.items()):
            raise ConfigError(
                f"partition plan {self.name!r} is published with {_listed(found)}, and was asked for with "
                f"{_listed(asked)}: ask for it as published (zk.partition_plan({self.name!r})), make another version "
                f"of it (replan=True), take another name, or delete {self.path} (recursive=True) to start anew"
            )


@dataclass(frozen=True)
class Definition:
    """Everything that a new version of a plan needs."""

    by: tuple[str, ...]
    partitions: int
    weights: str
    frame: DataFrame | None
    split_heavy: bool
    buckets: int | None


def _whole(name: str, value: object, most: int) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise ConfigError(f"{name}={value!r}: expected a whole number from 1 to {most:,}")
    return value


def _expressions(by: str | Sequence[str | Column]) -> tuple[str, ...]:
    try:
        texts = (by,) if isinstance(by, str) else tuple(by)
    except TypeError:
        texts = (by,)  # type: ignore[assignment]
    if not texts:
        raise ConfigError("by is empty: name at least one column or SQL expression")
    for text in texts:
        if not isinstance(text, str) or not text.strip():
            raise ConfigError(
                f"by has {text!r}: other jobs read the plan as text, so write column names and SQL expressions as "
                "strings, such as 'value % 2' for col('value') % 2"
            )
    if len(set(texts)) != len(texts):
        raise ConfigError(f"by={list(texts)!r} names one of them twice: name each once")
    return tuple(map(str, texts))


def _listed(definition: Mapping[str, object]) -> str:
    return ", ".join(
        f"{name}={list(value) if isinstance(value, tuple) else value!r}"
        for name, value in definition.items()
        if value is not None
    )
