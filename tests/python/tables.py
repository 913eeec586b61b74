"""What tests ask about a table: the rows a plain reader sees, and whether anything is left over."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

from waiting import wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import SparkSession

    import sparkeeper


def ids(spark: SparkSession, path: Path | str) -> list[int]:
    """Return the ids that plain Spark sees, sorted."""
    return sorted(row.id for row in spark.read.parquet(str(path)).select("id").collect())


def uuid_of(path: Path) -> str:
    """Return the table's uuid, as its directory says."""
    return json.loads((path / "_zk/table.json").read_bytes())["uuid"]


def transactions(zk: sparkeeper.Coordinator, path: Path) -> list[str]:
    """Return the transactions that have a znode."""
    return zk.children(f"tables/{uuid_of(path)}/tx")


def is_alive(zk: sparkeeper.Coordinator, path: Path, tx: str) -> bool:
    """Say whether the session of a transaction's writer stands."""
    return zk.exists(f"tables/{uuid_of(path)}/tx/{tx}/alive") is not None


def manifests(path: Path) -> list[dict[str, Any]]:
    """Return every manifest on disk, by version."""
    found = [json.loads(gzip.decompress(file.read_bytes())) for file in (path / "_zk/manifests").iterdir()]
    return sorted(found, key=lambda manifest: manifest["version"])


def leftovers(zk: sparkeeper.Coordinator, path: Path) -> list[str]:
    """Return everything in the table's directory and znodes that no commit accounts for."""
    kept = manifests(path)
    expected = {file["path"] for manifest in kept for file in manifest["added"]}
    files = (file for file in path.rglob("*") if file.is_file())
    data = {str(file.relative_to(path)) for file in files if not str(file.relative_to(path)).startswith("_")}
    assert expected <= data, f"files of commits are missing: {expected - data}"
    versions = [manifest["version"] for manifest in kept]
    return [
        *(f"transaction {tx}" for tx in transactions(zk, path)),
        *(f"staging {entry.name}" for entry in (path / "_zk/tx").iterdir()),
        *(f"scratch {entry.name}" for entry in (path / "_zk/tmp").iterdir()),
        *(f"data {name}" for name in data - expected),
        *(f"manifest of version {version}" for version in versions if versions.count(version) > 1),
        *(f"no manifest of version {version}" for version in range(1, max(versions) + 1) if version not in versions),
    ]


def settle(spark: SparkSession, zk: sparkeeper.Coordinator, path: Path) -> None:
    """Recover until nothing is left over; the sessions of killed writers take their time to expire."""

    def settled() -> bool:
        zk.table(spark, str(path)).recover(grace=0)
        return not leftovers(zk, path)

    try:
        wait_for(settled, 60, "recovery to leave nothing behind")
    except AssertionError:
        assert leftovers(zk, path) == []
        raise
