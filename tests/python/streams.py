"""Streams of the data source `zookeeper` as Spark reads them, without Spark."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sparkeeper.spark.data_source_columns import schema
from sparkeeper.spark.data_source_options import STREAMING, Options, StreamOptions
from sparkeeper.spark.data_source_stream import TreeStream
from waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import pyarrow as pa

PATIENCE = 240


def run_maker(connect_string: str, namespace: str) -> Callable[..., TreeStream]:
    """Return what makes the reader of one run of a query."""

    def make(path: str = "/t", **options: object) -> TreeStream:
        given = {"connect": connect_string, "namespace": namespace, "path": path}
        given |= {name: str(value) for name, value in options.items()}
        return TreeStream(StreamOptions.of(Options(given, {}, STREAMING)), schema())

    return make


def told(batches: Iterable[pa.RecordBatch]) -> list[tuple[str, str, int, str | None]]:
    """What batches say: event, path, zxid and text."""
    return [(row["event"], row["path"], row["zxid"], row["text"]) for batch in batches for row in batch.to_pylist()]


def read_on(run: TreeStream, offset: dict[str, Any]) -> Any:
    """Read until something is told: a notification may be under way. Returns what, and the offset behind it."""

    def read() -> Any:
        batches, end = run.read(offset)
        return None if end is offset else (told(batches), end)

    return wait_for(read, PATIENCE, "a change to be told")
