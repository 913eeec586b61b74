"""The newest versions of tables: what ZooKeeper has of each job, and what the manifests tell where they are at hand.

A table's manifests lie beside its files. Those of a directory of this machine are read; of others it is known which
job made which version, when, and how much it added.
"""

from __future__ import annotations

import json
import logging
import re
from collections import defaultdict
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING
from urllib.parse import unquote

from sparkeeper._sparkeeper import Chain, Location
from sparkeeper.exceptions import SparkeeperError
from sparkeeper.node_json import Json, parsed
from sparkeeper.spark.files import read_manifest
from sparkeeper.spark.local_files import LocalFiles
from sparkeeper.spark.records import Version

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sparkeeper.survey import Nodes, TableState

_SHOWN = 20
_DIGITS = 20
_JOB = re.compile(r"tables/([^/]+)/jobs/[^/]+/([^/]+)")
_log = logging.getLogger(__name__)


class Histories:
    """The histories of all tables; manifests are read on a thread of their own, as a disk may be slow."""

    def __init__(self, on_read: Callable[[], None]) -> None:
        """Call `on_read` when manifests were read."""
        self._on_read = on_read
        self._reader = ThreadPoolExecutor(1, "sparkeeper-manifests")
        self._read: dict[str, tuple[str, Future[list[Json]]]] = {}

    def close(self) -> None:
        """Read no more."""
        self._reader.shutdown(wait=False, cancel_futures=True)

    def of(self, tables: Iterable[TableState], nodes: Nodes) -> dict[str, Json]:
        """Return, by the tables' ids, the newest versions, the newest first, and whether manifests were at hand."""
        jobs = _jobs(nodes)
        found = {table.id: self._history(table, jobs[table.id], nodes) for table in tables}
        self._read = {id: read for id, read in self._read.items() if id in found}  # noqa: A001 - it is one
        return found

    def _history(self, table: TableState, jobs: list[Json], nodes: Nodes) -> Json:
        manifests = self._manifests(table, nodes)
        versions = {one["version"]: one for one in (*jobs, *(manifests or ()))}
        shown = sorted(versions.values(), key=lambda one: one["version"], reverse=True)[:_SHOWN]
        return {"versions": shown, "manifests": manifests is not None}

    def _manifests(self, table: TableState, nodes: Nodes) -> list[Json] | None:
        """Return what the manifests say; None where they are not at hand, or not yet."""
        head = _data(nodes, f"tables/{table.id}/head").get("manifest")
        if not (isinstance(head, str) and isinstance(table.version, int) and table.path.startswith("file:")):
            return None
        last = self._read.get(table.id)
        if last is None or last[0] != head:
            after = max(table.version - _SHOWN, _floor(table, nodes) - 1)
            reading = self._reader.submit(_manifests, table.path, head, after)
            self._read[table.id] = (head, reading)
            reading.add_done_callback(lambda _: self._on_read())
            # What was read before is still true of the versions it tells of.
            return _outcome(last[1]) if last else None
        return _outcome(last[1])


def _outcome(reading: Future[list[Json]]) -> list[Json] | None:
    return reading.result() if reading.done() and not reading.exception() else None


def _jobs(nodes: Nodes) -> dict[str, list[Json]]:
    found: dict[str, list[Json]] = defaultdict(list)
    for path, (data, stat) in nodes.items():
        if path.startswith("tables/") and (at := _JOB.fullmatch(path)):
            job = parsed(data)
            if all(isinstance(job.get(key), int) for key in ("version", "files", "bytes")):
                added = {"added": job["files"], "added_bytes": job["bytes"]}
                found[at[1]].append({"version": job["version"], "job": unquote(at[2]), "at": stat.ctime, **added})
    return found


def _manifests(place: str, head: str, after: int) -> list[Json]:
    files, chain = LocalFiles(Location(place).path), Chain()
    try:
        while (missing := chain.missing_since(head, after)) is not None:
            chain.provide(missing, read_manifest(files, missing))
    except (SparkeeperError, OSError) as error:
        _log.info("%s", error)
        raise
    return [_version(json.loads(text)) for text in chain.since(head, after)]


def _version(manifest: Json) -> Json:
    version = Version.read(manifest)
    return {
        "version": version.version,
        "job": version.job_id,
        "at": round(version.committed_at.timestamp() * 1000),
        "operation": version.operation,
        "added": version.added,
        "added_bytes": sum(file["size"] for file in manifest["added"]),
        "removed": version.removed,
        "files": version.files,
        "bytes": version.bytes,
        "by": f"{version.writer.get('app', '-')} @ {version.writer.get('host', '-')}",
    }


def _floor(table: TableState, nodes: Nodes) -> int:
    text = nodes[path][0] if (path := f"tables/{table.id}/floor") in nodes else b""
    return int(text) if text.isdigit() and len(text) < _DIGITS else 1


def _data(nodes: Nodes, path: str) -> Json:
    return parsed(nodes[path][0]) if path in nodes else {}
