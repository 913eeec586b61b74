"""Partition plans: one exact, balanced placement of keys, shared by every job that reads it.

`/plans/<name>` holds the plan as JSON. The first job to ask computes it from Spark's own counts and creates the node;
a job that loses that race, or comes later, loads what stands there. The node is never changed. Whoever wants
another plan under the name deletes it.
"""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Protocol

import pyarrow as pa

from sparkeeper._sparkeeper import assign_weighted
from sparkeeper.exceptions import NodeExists, NoNode
from sparkeeper.spark.plan_arrow import to_arrow
from sparkeeper.spark.plan_document import PlanDocument, PlannedKey
from sparkeeper.spark.plan_keys import count_keys
from sparkeeper.spark.plan_placement import place
from sparkeeper.spark.plan_request import PlanRequest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyspark.sql import Column, DataFrame

    from sparkeeper._sparkeeper import Certificate


class Znodes(Protocol):
    """What a plan needs of a coordinator."""

    def get(self, path: str) -> tuple[bytes, object]:
        """The node's data and its state."""

    def create(self, path: str, data: bytes = b"", *, parents: bool = True) -> str:
        """Make the node, and its parents where they are missing."""


@dataclass(frozen=True, repr=False)
class PartitionPlan:
    """A published plan. Get one from `Coordinator.partition_plan`."""

    document: PlanDocument

    @property
    def name(self) -> str:
        """The name it is published under."""
        return self.document.name

    @property
    def version(self) -> int:
        """Grows when a name is planned again; 1 for now."""
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
    def certificate(self) -> Certificate:
        """How even the plan is, next to what is possible; loads are rows when it was made."""
        return self.document.certificate

    def repartition(self, df: DataFrame) -> DataFrame:
        """Move every row to its planned partition; also `df.transform(plan.repartition)`.

        Rows and columns stay as they are. A key that the plan does not know goes to the partition that Spark's
        hash of it, modulo `partitions`, names: never lost, the same in every job.

        Raises:
            ConfigError: The key has other types in `df` than in the plan.
        """
        return place(df, self.document)

    def to_arrow(self) -> pa.Table:
        """The keys, heaviest first: a column per expression, `partition` (int32), `weight` (int64, in rows)."""
        return to_arrow(self.document)

    def __repr__(self) -> str:
        """Name, shape, and how far the fullest partition is above the average."""
        loads = self.certificate.loads
        mean = sum(loads) / len(loads)
        uneven = max(loads) / mean if mean else 1.0
        return (
            f"PartitionPlan({self.name!r}, version={self.version}, by={list(self.by)!r}, partitions={self.partitions}, "
            f"keys={len(self.document.keys)}, max/mean={uneven:.4f})"
        )


def partition_plan(  # noqa: PLR0913, PLR0917 - the public signature is a contract
    zk: Znodes,
    name: str,
    df: DataFrame | None = None,
    by: str | Sequence[str | Column] | None = None,
    partitions: int | None = None,
    weights: str = "count",
    split_heavy: bool = False,  # noqa: FBT001, FBT002 - as above
) -> PartitionPlan:
    """Load the plan called `name`; when there is none, compute it from `df` and publish it.

    Args:
        zk: The coordinator.
        name: The plan's name, without slashes.
        df: The rows to count. Not read when the plan is published already.
        by: Column names, or SQL expressions such as `"value % 2"`. At most 10,000 distinct keys.
        partitions: How many partitions, 1 to 100,000.
        weights: What makes a key heavy: `"count"`, its rows.
        split_heavy: Not in this version.

    Raises:
        ConfigError: The published plan has another definition, or the definition cannot be planned.
        NoNode: No such plan is published, and there is no `df` to compute it from.
        PayloadTooLarge: The keys are too long for one znode (1 MiB).
    """
    request = PlanRequest.of(name, by, partitions, weights, split_heavy=split_heavy)
    published = _load(zk, request.path)
    if published is None:
        document = _compute(df, request)
        try:
            zk.create(request.path, document.to_json(), parents=True)
        except NodeExists:
            published = _load(zk, request.path)
            if published is None:  # made and deleted again in between: somebody is at work on the name
                raise
        else:
            return PartitionPlan(document)
    request.check(published)
    return PartitionPlan(published)


def _load(zk: Znodes, path: str) -> PlanDocument | None:
    try:
        data, _ = zk.get(path)
    except NoNode:
        return None
    return PlanDocument.from_json(data, path)


def _compute(df: DataFrame | None, request: PlanRequest) -> PlanDocument:
    if df is None:
        raise NoNode(
            f"no partition plan {request.name!r} is published at {request.path}: "
            "pass df, by and partitions to compute and publish it"
        )
    by, partitions = request.complete()
    types, counted = count_keys(df, by)
    owners, certificate = assign_weighted(pa.array([key.weight for key in counted], pa.int64()), partitions)
    app = df.sparkSession.conf.get("spark.app.id", "pyspark")
    return PlanDocument(
        name=request.name,
        version=1,
        by=by,
        types=types,
        partitions=partitions,
        weights=request.weights,
        split_heavy=False,
        certificate=certificate,
        created_by=f"{app} @ {socket.gethostname()} / {os.getpid()}",
        created_at=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        keys=tuple(
            PlannedKey(key.values, owner, key.weight) for key, owner in zip(counted, owners.to_pylist(), strict=True)
        ),
    )
