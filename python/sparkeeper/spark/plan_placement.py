"""Rows to the partitions that a plan names: a broadcast join and one shuffle, all inside the JVM."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sparkeeper._sparkeeper import placement_keys
from sparkeeper.exceptions import ConfigError
from sparkeeper.spark.plan_keys import free_prefix, key_from_json, key_text, with_key

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from sparkeeper.spark.plan_document import PlanDocument


def place(df: DataFrame, plan: PlanDocument) -> DataFrame:
    """The rows of `df`, each in its planned partition; columns and rows are as they were.

    A key that the plan does not know goes to `pmod(hash(key), partitions)`, the same place in every job.

    Raises:
        ConfigError: The key has other types in `df` than in the plan, so equality would mean something else.
    """
    prefix = free_prefix(df)
    key, known, partition, chosen, target = (
        prefix + name for name in ("key", "known", "partition", "chosen", "target")
    )
    keyed, types = with_key(df, plan.by, key)
    if types != plan.types:
        raise ConfigError(
            f"partition plan {plan.name!r} has keys {_typed(plan.by, plan.types)}, this DataFrame has "
            f"{_typed(plan.by, types)}: cast its columns to the plan's types, or publish another plan for it"
        )
    table = (
        df.sparkSession.createDataFrame(
            [(key_text(entry.values), entry.partition) for entry in plan.keys], f"{known} string, {partition} int"
        )
        # A handful of rows: without this, as many tasks as the cluster has cores.
        .coalesce(1)
        .selectExpr(f"{key_from_json(known, types, mode='FAILFAST')} AS {known}", partition)
        .hint("broadcast")
    )
    names = [f"k{position}" for position in range(len(types))]
    equal = [keyed[key].getField(name).eqNullSafe(table[known].getField(name)) for name in names]
    unknown = f"pmod(hash({','.join(f'{key}.{name}' for name in names)}),{plan.partitions})"
    rows = keyed.join(table, equal, "left").selectExpr("*", f"coalesce({partition},{unknown}) AS {chosen}")
    if hasattr(rows, "repartitionById"):
        placed = rows.repartitionById(plan.partitions, chosen)
    else:
        # Before Spark 4.1 only a hash chooses the partition: give it the int that hashes there.
        ints = ",".join(map(str, placement_keys(plan.partitions)))
        picked = f"element_at(cast(split('{ints}',',') AS array<int>),{chosen} + 1) AS {target}"
        placed = rows.selectExpr("*", picked).repartition(plan.partitions, target)
    return placed.drop(key, known, partition, chosen, target)


def _typed(by: tuple[str, ...], types: tuple[str, ...]) -> str:
    return ", ".join(f"{text} {kind}" for text, kind in zip(by, types, strict=True))
