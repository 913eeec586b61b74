"""The ways to a plan: load the published one, publish the first one, or plan again from new data."""

from __future__ import annotations

import os
import socket
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from sparkeeper.exceptions import ConfigError, NoNode
from sparkeeper.spark.plan.balance import balance
from sparkeeper.spark.plan.count import count
from sparkeeper.spark.plan.document import PlanDocument, PlannedKey
from sparkeeper.spark.plan.plan import PartitionPlan
from sparkeeper.spark.plan.request import PlanRequest
from sparkeeper.spark.plan.scale import scaled
from sparkeeper.spark.plan.store import Store
from sparkeeper.spark.plan.text import dumps
from sparkeeper.spark.plan.weigh import weigh, weigh_frame

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyspark.sql import Column, DataFrame

    from sparkeeper.spark.plan.balance import Pieces
    from sparkeeper.spark.plan.count import Counted
    from sparkeeper.spark.plan.publish import Znodes
    from sparkeeper.spark.plan.request import Definition


def partition_plan(  # noqa: PLR0913 - the public signature is a contract
    zk: Znodes,
    name: str,
    df: DataFrame | None = None,
    *,
    by: str | Sequence[str | Column] | None = None,
    partitions: int | None = None,
    weights: str | DataFrame | None = None,
    split_heavy: bool | None = None,
    buckets: int | None = None,
    replan: bool = False,
    version: int | None = None,
) -> PartitionPlan:
    """Load, publish or re-plan; `Coordinator.partition_plan` says what the arguments are."""
    request = PlanRequest.of(
        name, by=by, partitions=partitions, weights=weights, split_heavy=split_heavy, buckets=buckets
    )
    store = Store(zk, request.path)
    if version is not None:
        return PartitionPlan(_kept(store, request, version, asked=df is not None or replan))
    if replan:
        return PartitionPlan(_again(store, request, df))
    published = store.load()
    while published is None:
        head = store.head()
        if not head.newest:
            mine = store.publish(_compute(df, request, None), head)
            if mine is not None:
                return PartitionPlan(mine)
        published = store.load()
    request.check(published)
    return PartitionPlan(published)


def _kept(store: Store, request: PlanRequest, version: int, *, asked: bool) -> PlanDocument:
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise ConfigError(f"version={version!r}: expected a whole number from 1 on")
    if asked:
        raise ConfigError(
            f"version={version} loads a version of partition plan {request.name!r} that is published: leave out df and "
            "replan, or leave out version"
        )
    document = store.load(version)
    if document is None:  # deleted since the head was read
        raise NoNode(f"no partition plan {request.name!r} is published at {request.path} any more")
    request.check(document)
    return document


def _again(store: Store, request: PlanRequest, df: DataFrame | None) -> PlanDocument:
    """Publish the next version; where somebody else does at the same time, theirs is the one."""
    head = store.head()
    before = store.load(head.newest) if head.newest else None
    published = store.publish(_compute(df, request, before), head) or store.load()
    while published is None:  # deleted since
        head = store.head()
        published = store.load() if head.newest else store.publish(_compute(df, request, None), head)
    return published


def _compute(df: DataFrame | None, request: PlanRequest, before: PlanDocument | None) -> PlanDocument:
    source = df if df is not None else request.frame
    if source is None and before is not None:
        raise ConfigError(f"replan=True for partition plan {request.name!r} without rows to count: pass df")
    if source is None:
        raise NoNode(
            f"no partition plan {request.name!r} is published at {request.path}: "
            "pass df, by and partitions to compute and publish it"
        )
    definition = request.complete(before)
    if definition.frame is not None:
        weighed = weigh_frame(definition.frame, definition.by, df)
    else:
        weighed = weigh(source, definition.by, definition.weights)
    counted = count(weighed, definition.by, definition.partitions, definition.buckets)
    weights, unit = scaled(counted.sums)
    pieces, was, certificate = balance(
        weights, definition.partitions, split_heavy=definition.split_heavy, current=_current(counted, before)
    )
    places = was if was is not None else [None] * len(pieces)
    app = source.sparkSession.conf.get("spark.app.id", "pyspark")
    return PlanDocument(
        name=request.name,
        version=before.version + 1 if before else 1,
        by=definition.by,
        types=counted.types,
        partitions=definition.partitions,
        weights=definition.weights,
        unit=unit,
        split_heavy=definition.split_heavy,
        buckets=counted.buckets,
        plain=_plain(counted, weights, definition),
        replaced=before.version if before else None,
        certificate=certificate,
        created_by=f"{app} @ {socket.gethostname()} / {os.getpid()}",
        created_at=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        keys=tuple(PlannedKey(*key) for key in zip(counted.keys, pieces, places, strict=True)),
    )


def _current(counted: Counted, before: PlanDocument | None) -> list[Pieces | None] | None:
    """Where each key is in the version before; keys of other types, and other buckets, are new."""
    if before is None:
        return None
    if counted.buckets is not None:
        known = before.keys if before.buckets == counted.buckets and before.types == counted.types else ()
        return [known[bucket].pieces if known else None for (bucket,) in counted.keys]  # type: ignore[index]
    if before.buckets is not None or before.types != counted.types:
        return [None] * len(counted.keys)
    places = {dumps(list(key.values)): key.pieces for key in before.keys}
    return [places.get(dumps(list(key))) for key in counted.keys]


def _plain(counted: Counted, weights: Sequence[int], definition: Definition) -> tuple[int, ...] | None:
    if counted.plain is None:
        return None
    loads = [0] * definition.partitions
    for place, weight in zip(counted.plain, weights, strict=True):
        loads[place] += weight
    return tuple(loads)
