"""Staging: Spark writes into a private directory, and what it wrote is moved to names that are nobody else's."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sparkeeper._sparkeeper import final_name
from sparkeeper.exceptions import ConfigError
from sparkeeper.spark import names

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyspark.sql import DataFrame

    from sparkeeper.spark.files import Files, Found
    from sparkeeper.spark.progress import Progress

# A zombie task attempt may then only touch its own attempt's directory, and no marker file has to be left out.
_COMMITTER = {
    "mapreduce.fileoutputcommitter.algorithm.version": "1",
    "mapreduce.fileoutputcommitter.marksuccessfuljobs": "false",
}

_NULL = "__HIVE_DEFAULT_PARTITION__"


@dataclass(frozen=True)
class Output:
    """How a DataFrame is to be written."""

    df: DataFrame
    format: str
    partition_by: tuple[str, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Move:
    """One file on its way."""

    staged: str
    final: str
    size: int
    modified: int


def stage(output: Output, files: Files, tx: str, *, visible: bool) -> list[Move]:
    """Write the rows into the staging of `tx`, and return where its files are to go.

    Args:
        output: The rows.
        files: The table's directory.
        tx: The transaction.
        visible: Whether the table would be unreadable without a file, because nothing else is in it.
    """
    data = names.staged_data(tx)
    _write(output, output.df, f"{files.root}/{data}", output.partition_by)
    _reach(files, tx)
    moves = _moves(files, tx)
    if not moves and visible:
        # A partitioned write without rows makes no file, and Spark cannot read a table without one.
        nowhere = "/".join(f"{column}={_NULL}" for column in output.partition_by)
        nothing = output.df.limit(0).drop(*output.partition_by)
        _write(output, nothing, f"{files.root}/{data}/{nowhere}", ())
        moves = _moves(files, tx)
    return moves


def note_names(files: Files, tx: str, moves: list[Move]) -> None:
    """Note the final names before any of them is used, for whoever may have to take them away."""
    files.note(names.relocation(tx), json.dumps([move.final for move in moves]).encode())
    files.make(names.candidates(tx))
    files.make(names.desk(tx))


def relocate(files: Files, moves: list[Move], progress: Progress) -> list[tuple[str, int, int]]:
    """Move every file to its final name, and return them as a manifest lists them."""
    progress.expect(len(moves))
    files.relocate([(move.staged, move.final) for move in moves], progress.moved)
    return [(move.final, move.size, move.modified) for move in moves]


def _write(output: Output, df: DataFrame, target: str, partition_by: tuple[str, ...]) -> None:
    writer = df.write.format(output.format).mode("error").options(**{**output.options, **_COMMITTER})
    if partition_by:
        writer = writer.partitionBy(*partition_by)
    writer.save(target)


def _reach(files: Files, tx: str) -> None:
    if "data" not in files.names(names.staging(tx)):
        raise ConfigError(
            f"write to {files.root}: Spark wrote {names.staged_data(tx)} there, and this process does not find it; "
            "the driver (or the Spark Connect client) and the executors must share the path's file system"
        )


def _moves(files: Files, tx: str) -> list[Move]:
    data = names.staged_data(tx)
    found = ((file, final_name(tx, file.path)) for file in files.walk(data))
    return [_move(data, file, final) for file, final in found if final is not None]


def _move(data: str, file: Found, final: str) -> Move:
    return Move(f"{data}/{file.path}", final, file.size, file.modified)
