"""What the keys weigh, by Spark's own aggregation: one scan of the data, whatever is asked.

Up to `MAX_KEYS` distinct keys are told apart; more, or when told, are counted by bucket, `pmod(hash(keys), buckets)`.
Which of the two it is shows only after the aggregation, so its result is kept by Spark until the second look.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from sparkeeper.exceptions import ConfigError
from sparkeeper.spark.plan.keys import key_from_json, key_to_json, names
from sparkeeper.spark.plan.text import loads

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from decimal import Decimal

    from pyspark.sql import DataFrame

    from sparkeeper.spark.plan.text import Json
    from sparkeeper.spark.plan.weigh import Weighed

MAX_KEYS = 10_000
MAX_BUCKETS = 2**20
_MIN_BUCKETS = 4096
_PER_PARTITION = 64


class Counted(NamedTuple):
    """The keys and what they weigh.

    Attributes:
        types: The SQL type of each of the key's fields.
        buckets: How many hash buckets stand for the keys; None where each key stands for itself.
        keys: The JSON values of each key, heaviest first; or the buckets, by number.
        sums: What each weighs.
        plain: Where Spark's own hash placement puts each; None where buckets do not tell.
    """

    types: tuple[str, ...]
    buckets: int | None
    keys: list[tuple[Json, ...]]
    sums: list[Decimal | int]
    plain: list[int] | None


def own_buckets(partitions: int) -> int:
    """How many buckets there are when nobody says: 64 for each partition, at least 4,096, at most 1,048,576.

    So a bucket is a sixty-fourth of a fair share or less. It is a multiple of `partitions`, as far as they go into the
    maximum: then a bucket is a part of one partition of Spark's own hash placement.
    """
    wanted = max(_PER_PARTITION, -(-_MIN_BUCKETS // partitions))
    return partitions * max(1, min(wanted, MAX_BUCKETS // partitions))


def count(weighed: Weighed, by: Sequence[str], partitions: int, buckets: int | None) -> Counted:
    """Count every key, or every bucket.

    Raises:
        ConfigError: Keys that JSON would not give back as they were, or weights that are no weights.
    """
    fields = names(weighed.types)
    if buckets is not None:
        return _in_buckets(weighed.rows, weighed, partitions, buckets)
    with _kept(_summed(weighed.rows, fields)) as keys:
        found = _exact(keys, by, weighed, partitions)
        return found or _in_buckets(keys, weighed, partitions, own_buckets(partitions))


def _exact(keys: DataFrame, by: Sequence[str], weighed: Weighed, partitions: int) -> Counted | None:
    """The keys one by one; None when there are too many."""
    fields, types = names(weighed.types), weighed.types
    same = " AND ".join(f"{name} <=> back.{name}" for name in fields)
    plain = f"pmod(hash({','.join(fields)}),{partitions})"
    rows = (
        keys.limit(MAX_KEYS + 1)
        .selectExpr("*", f"{key_to_json(fields)} AS key")
        .selectExpr("*", f"{key_from_json('key', types)} AS back")
        .selectExpr("key", "w", "bad", f"{plain} AS plain", f"{same} AS same")
        .collect()
    )
    if len(rows) > MAX_KEYS:
        return None
    weighed.check(sum(row["bad"] for row in rows))
    lossy = [row["key"] for row in rows if not row["same"]]
    if lossy:
        raise ConfigError(
            f"by={list(by)!r} has {len(lossy)} keys of type {', '.join(types)} that JSON does not give back as they "
            f"were, such as {lossy[0]}: plan by hash buckets, buckets={own_buckets(partitions)}, or by an expression "
            "that makes text of them, such as a cast to string"
        )
    rows.sort(key=lambda row: (-row["w"], row["key"]))
    return Counted(
        types,
        None,
        [tuple(loads(row["key"]).values()) for row in rows],
        [row["w"] for row in rows],
        [row["plain"] for row in rows],
    )


def _in_buckets(rows: DataFrame, weighed: Weighed, partitions: int, buckets: int) -> Counted:
    """The buckets by number, those without rows too."""
    bucket = f"pmod(hash({','.join(names(weighed.types))}),{buckets}) AS bucket"
    found = _summed(rows.selectExpr(bucket, "w", "bad"), ["bucket"]).collect()
    weighed.check(sum(row["bad"] for row in found))
    sums: list[Decimal | int] = [0] * buckets
    for row in found:
        sums[row["bucket"]] = row["w"]
    plain = None if buckets % partitions else [bucket % partitions for bucket in range(buckets)]
    return Counted(weighed.types, buckets, [(bucket,) for bucket in range(buckets)], sums, plain)


def _summed(rows: DataFrame, fields: Sequence[str]) -> DataFrame:
    return (
        rows.groupBy(*fields).agg({"w": "sum", "bad": "sum"}).selectExpr(*fields, "`sum(w)` AS w", "`sum(bad)` AS bad")
    )


@contextmanager
def _kept(df: DataFrame) -> Iterator[DataFrame]:
    df = df.persist()
    try:
        yield df
    finally:
        df.unpersist()
