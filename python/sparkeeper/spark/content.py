"""What a commit puts into a table: rows that Spark writes, or files that are there already."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from sparkeeper.spark import names
from sparkeeper.spark.reading import reading_options
from sparkeeper.spark.staging import Output, note_names, relocate, stage
from sparkeeper.spark.steps import Step
from sparkeeper.spark.writer import describe

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pyspark.sql import SparkSession
    from pyspark.sql.types import StructType

    from sparkeeper._sparkeeper import Ledger
    from sparkeeper.spark.attempt import Part

File = tuple[str, int, int]
"""Path below the table, bytes, milliseconds since 1970."""


class Content(Protocol):
    """One commit's part of the work."""

    @property
    def adopts(self) -> bool:
        """Whether it takes files that were there before the table."""
        ...

    def order(self, ledger: Ledger) -> dict[str, Any]:
        """Return what the Rust core has to know, but for the job."""
        ...

    def place(self, part: Part) -> list[File]:
        """Put the files under their final names, and return them."""
        ...


@dataclass(frozen=True)
class Rows:
    """Rows that Spark writes into a staging, from where they are moved."""

    output: Output
    operation: str
    blind: bool
    create: bool
    merge: bool
    one_session: bool
    adopts: bool = False

    def order(self, ledger: Ledger) -> dict[str, Any]:  # noqa: ARG002 - part of the protocol
        """Return what the Rust core has to know."""
        output = self.output
        shape = {
            "format": output.format,
            "partition_by": list(output.partition_by),
            "schema": _as_it_lies(output.df.schema, output.partition_by),
            "reading": reading_options(output.format, output.options),
        }
        return {
            "operation": self.operation,
            "blind": self.blind,
            "create": self.create,
            "merge": self.merge,
            "one_session": self.one_session,
            "shape": shape,
            "parameters": dict(output.options),
            "writer": describe(output.df.sparkSession),
        }

    def place(self, part: Part) -> list[File]:
        """Write, note the final names, and move the files there."""
        request, attempt = part.request, part.attempt
        empty = self.operation == "overwrite" or part.ledger.version == 0
        moves = stage(self.output, request.files, attempt.id, visible=empty)
        request.on_step(Step.STAGED)
        attempt.check()
        note_names(request.files, attempt.id, moves)
        request.on_step(Step.NAMED)
        files = relocate(request.files, moves, request.progress)
        request.on_step(Step.RELOCATED)
        return files


@dataclass(frozen=True)
class Present:
    """Files that lie in the table's directory already, under names that stay."""

    spark: SparkSession
    operation: str
    shape: Mapping[str, Any]
    files: Sequence[File]
    parameters: Mapping[str, str] = field(default_factory=dict)
    source: int | None = None
    """The version they are taken from, where they are restored."""

    @property
    def adopts(self) -> bool:
        """Whether it takes files that were there before the table."""
        return self.operation == "adopt"

    def order(self, ledger: Ledger) -> dict[str, Any]:  # noqa: ARG002 - part of the protocol
        """Return what the Rust core has to know."""
        return {
            "operation": self.operation,
            "blind": False,
            "source": self.source,
            "shape": self.shape,
            "parameters": dict(self.parameters),
            "writer": describe(self.spark),
        }

    def place(self, part: Part) -> list[File]:
        """Leave them where they are."""
        request = part.request
        # Nothing is to be taken away again: they were there before.
        request.files.publish(names.relocation(part.attempt.id), b"[]")
        request.files.make(names.candidates(part.attempt.id))
        request.files.make(names.desk(part.attempt.id))
        return list(self.files)


def _as_it_lies(schema: StructType, partition_by: Sequence[str]) -> dict[str, Any]:
    """Return the schema that readers of the files find: the columns of directories come last, and all may be NULL.

    Formats that know columns by their place alone are read wrongly in any other order.
    """
    fields: list[dict[str, Any]] = [{**field, "nullable": True} for field in schema.jsonValue()["fields"]]
    inside = [field for field in fields if field["name"] not in partition_by]
    beside = [field for column in partition_by for field in fields if field["name"] == column]
    return {"type": "struct", "fields": [*inside, *beside]}
