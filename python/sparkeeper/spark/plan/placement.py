"""Rows to the partitions that a plan names: a broadcast join and one shuffle, all inside the JVM."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sparkeeper._sparkeeper import placement_keys
from sparkeeper.exceptions import ConfigError
from sparkeeper.spark.plan.keys import free_prefix, key_from_json, key_text, names, with_key
from sparkeeper.spark.plan.rows import content_sql, is_worn, numbered, ordered
from sparkeeper.spark.plan.spread import TYPE, Spread, bounded_sql, place_sql
from sparkeeper.spark.plan.text import dumps

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from sparkeeper.spark.plan.document import PlanDocument

# Buckets travel as text, this many to a row: a row each would be a million Python objects.
_CHUNK = 4096


class Chosen(NamedTuple):
    """Rows that know where they go.

    Attributes:
        rows: The columns `c0, c1, …` of the DataFrame, by position, with those below.
        place: The column that says to which partition (int).
        number: The column that says which of the plan's keys or buckets (int); NULL is one that it does not know.
        key: The column of the key (struct).
        columns: How many columns the DataFrame has.
    """

    rows: DataFrame
    place: str
    number: str
    key: str
    columns: int


def place(df: DataFrame, plan: PlanDocument, *, by_position: bool | None) -> DataFrame:
    """The rows of `df`, each in its planned partition; columns and rows are as they were."""
    chosen = choose(df, plan, by_position=by_position)
    if hasattr(chosen.rows, "repartitionById"):
        placed = chosen.rows.repartitionById(plan.partitions, chosen.place)
    else:
        # Before Spark 4.1 only a hash chooses the partition: give it the int that hashes there.
        ints = ",".join(map(str, placement_keys(plan.partitions)))
        target = f"{free_prefix(df)}target"
        picked = f"element_at(cast(split('{ints}',',') AS array<int>),{chosen.place} + 1) AS {target}"
        placed = chosen.rows.selectExpr("*", picked).repartition(plan.partitions, target)
    return placed.select(*placed.columns[: chosen.columns]).toDF(*df.columns)


def choose(df: DataFrame, plan: PlanDocument, *, by_position: bool | None) -> Chosen:
    """Say for each row where it goes, without moving it.

    Raises:
        ConfigError: The key has other types in `df` than in the plan, so equality would mean something else.
    """
    prefix = free_prefix(df)
    key, known, index, spread, chosen = (prefix + name for name in ("key", "known", "index", "spread", "chosen"))
    keyed, types = with_key(df, plan.by, key)
    if types != plan.types:
        raise ConfigError(
            f"partition plan {plan.name!r} has keys {_typed(plan.by, plan.types)}, this DataFrame has "
            f"{_typed(plan.by, types)}: cast its columns to the plan's types, or publish another plan for it"
        )
    # By position: two columns may have one name.
    rows = keyed.toDF(*numbered(df), key)
    fields = ",".join(f"{key}.{name}" for name in names(types))
    table = _buckets(df, plan, prefix) if plan.buckets is not None else _keys(df, plan, prefix)
    if plan.buckets is not None:
        rows = rows.selectExpr("*", f"pmod(hash({fields}),{plan.buckets}) AS {prefix}bucket")
        joined = rows.join(table, rows[f"{prefix}bucket"] == table[known], "left")
    else:
        equal = [rows[key].getField(name).eqNullSafe(table[known].getField(name)) for name in names(types)]
        joined = rows.join(table, equal, "left")
    planned = f"coalesce({prefix}partition,pmod(hash({fields}),{plan.partitions}))"
    if any(len(entry.pieces) > 1 for entry in plan.keys):
        if by_position if by_position is not None else is_worn(df, plan.by):
            joined = joined.sortWithinPartitions(*ordered(df))
            row = "xxhash64(monotonically_increasing_id())"
        else:
            row = content_sql(df)
        bounded = f"{prefix}bounded"
        joined = joined.selectExpr(
            "*", f"CASE WHEN {spread} IS NOT NULL THEN {bounded_sql(spread, row)} END AS {bounded}"
        )
        planned = f"CASE WHEN {spread} IS NOT NULL THEN {place_sql(spread, bounded)} ELSE {planned} END"
    return Chosen(joined.selectExpr("*", f"{planned} AS {chosen}"), chosen, index, key, len(df.columns))


def _keys(df: DataFrame, plan: PlanDocument, prefix: str) -> DataFrame:
    """A row for each key."""
    rows = [
        (
            key_text(entry.values),
            number,
            entry.partition,
            Spread.of(entry.pieces).to_json() if entry.pieces[1:] else None,
        )
        for number, entry in enumerate(plan.keys)
    ]
    known, spread = f"{prefix}known", f"{prefix}spread"
    return (
        df.sparkSession.createDataFrame(
            rows, f"{known} string, {prefix}index int, {prefix}partition int, {spread} string"
        )
        # A handful of rows: without this, as many tasks as the cluster has cores.
        .coalesce(1)
        .selectExpr(
            f"{key_from_json(known, plan.types, mode='FAILFAST')} AS {known}",
            f"{prefix}index",
            f"{prefix}partition",
            f"from_json({spread},'{TYPE}') AS {spread}",
        )
        .hint("broadcast")
    )


def _buckets(df: DataFrame, plan: PlanDocument, prefix: str) -> DataFrame:
    """A row for each bucket, made of few rows of text."""
    rows = []
    for start in range(0, len(plan.keys), _CHUNK):
        chunk = plan.keys[start : start + _CHUNK]
        spreads = {
            str(offset): Spread.of(entry.pieces).to_json() for offset, entry in enumerate(chunk) if entry.pieces[1:]
        }
        rows.append((start, ",".join(str(entry.partition) for entry in chunk), dumps({**spreads})))
    return (
        df.sparkSession.createDataFrame(rows, "start int, places string, spreads string")
        .coalesce(1)
        .selectExpr("start", "from_json(spreads,'map<string,string>') AS spreads", "posexplode(split(places,','))")
        .selectExpr(
            f"start + pos AS {prefix}known",
            f"start + pos AS {prefix}index",
            f"cast(col AS int) AS {prefix}partition",
            f"from_json(try_element_at(spreads,cast(pos AS string)),'{TYPE}') AS {prefix}spread",
        )
        .hint("broadcast")
    )


def _typed(by: tuple[str, ...], types: tuple[str, ...]) -> str:
    return ", ".join(f"{text} {kind}" for text, kind in zip(by, types, strict=True))
