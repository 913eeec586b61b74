"""Adopting: a plain directory becomes a table where it lies, without a file being written anew.

A directory that is a copy of a table, or a table that was moved, becomes a table of its own: its files at the newest
version that its mirror shows. What it knew of the other one is put aside in `_zk.<uuid>`.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from sparkeeper.exceptions import ConfigError, NotATable
from sparkeeper.spark import names
from sparkeeper.spark.attempt import Part, Request, begin, commit
from sparkeeper.spark.content import Present
from sparkeeper.spark.files import read_manifest
from sparkeeper.spark.opening import open_table
from sparkeeper.spark.progress import silent
from sparkeeper.spark.proof import proven
from sparkeeper.spark.reading import reading_options

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyspark.sql import SparkSession

    from sparkeeper._sparkeeper import Coordinator
    from sparkeeper.spark.content import File
    from sparkeeper.spark.place import Place
    from sparkeeper.spark.records import Commit


def adopt(
    zk: Coordinator,
    spark: SparkSession,
    place: Place,
    format: str,  # noqa: A002 - Spark's own name
    options: Mapping[str, str],
) -> Commit:
    """Commit the files that lie at `place` as the first version of a table."""
    copied = place.files.read(names.IDENTITY)
    if copied is not None:
        _undo_copy(zk, place, copied)
    shape, live = _of_plain_files(spark, place, format, options)
    content = Present(spark, operation="adopt", shape=shape, files=live, parameters=dict(options))
    begun = begin(Request(zk, place, content, job_id=f"adopt-{uuid.uuid4().hex}", guard=None, progress=silent()))
    if not isinstance(begun, Part):
        raise TypeError("a job without a name of its own was replayed")
    return commit(begun)


def _of_plain_files(
    spark: SparkSession,
    place: Place,
    format: str,  # noqa: A002 - as above
    options: Mapping[str, str],
) -> tuple[dict[str, Any], list[File]]:
    """Read the form of the files as Spark infers it: partition columns from directories, others from the files."""
    present = place.files.walk("") if place.files.names("") else []
    live = [(found.path, found.size, found.modified) for found in present]
    if not live:
        raise ConfigError(f"adopt {place.location.canonical}: there are no files; write to it, that makes a table")
    partition_by = _partition_columns(place, [path for path, _, _ in live])
    try:
        schema = spark.read.format(format).options(**options).load(place.location.canonical).schema
    except Exception as error:
        why = str(error).strip().splitlines()[0]
        raise ConfigError(
            f"adopt {place.location.canonical}: Spark cannot read the {len(live)} files there as {format}: {why}; name "
            "their format, and move away what is no data"
        ) from error
    shape = {
        "format": format,
        "partition_by": partition_by,
        "schema": schema.jsonValue(),
        "reading": reading_options(format, options),
    }
    return shape, live


def _partition_columns(place: Place, paths: list[str]) -> list[str]:
    """Return the columns that directories spell, outermost first, which must be the same everywhere."""
    found = {tuple(part.split("=", 1)[0] for part in path.split("/")[:-1]) for path in paths}
    if any("=" not in part for path in paths for part in path.split("/")[:-1]):
        raise ConfigError(
            f"adopt {place.location.canonical}: files lie in directories that are no partitions (column=value), which "
            "a reader of the directory passes over; move them, or adopt those directories one by one"
        )
    if len(found) != 1:
        raise ConfigError(
            f"adopt {place.location.canonical}: directories disagree about the partition columns: "
            f"{' and '.join(sorted('/'.join(columns) or 'none' for columns in found))}; move what does not belong"
        )
    return list(found.pop())


def _undo_copy(zk: Coordinator, place: Place, identity: bytes) -> None:
    """Leave the files of the newest version that a copy's mirror shows, and nothing of the other table's record.

    The mirror goes when no other file is in sight, the record last, so that this can be done again at any point.
    """
    try:
        open_table(zk, place, create=False)
    except NotATable:
        pass
    else:
        raise ConfigError(f"adopt {place.location.canonical}: it is a table already; nothing is to be done")
    files = place.files
    if files.names(names.MIRROR):
        chain, head = proven(files, identity)
        while (missing := chain.missing_for_live(head)) is not None:
            chain.provide(missing, read_manifest(files, missing))
        live = {path for path, _, _ in chain.live(head)}
        others = [found.path for found in files.walk("") if found.path not in live]
        files.relocate([(path, f"{names.PRIVATE}/superseded/{path}") for path in others], lambda _: None)
        files.set_aside(names.MIRROR)
    files.set_aside(names.PRIVATE)
