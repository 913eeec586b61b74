"""A table's manifests, from the oldest version that is kept to the newest: what was committed, when, and by whom."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sparkeeper._sparkeeper import Chain
from sparkeeper.exceptions import ConfigError
from sparkeeper.spark import names
from sparkeeper.spark.files import read_manifest
from sparkeeper.spark.records import Version

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from sparkeeper._sparkeeper import Ledger
    from sparkeeper.spark.content import File
    from sparkeeper.spark.files import Files

_SCHEMA = (
    "version long, operation string, job_id string, added long, removed long, files long, bytes long, "
    "committed_at timestamp, writer map<string, string>, token long, tx string, parameters map<string, string>"
)


class History:
    """The manifests up to one head, read as they are asked for."""

    def __init__(self, files: Files, ledger: Ledger, head: str | None = None, floor: int | None = None) -> None:
        """Use the head that the ledger was opened at, and the floor that ZooKeeper has, unless others are given."""
        self._files = files
        self._ledger = ledger
        self.chain = Chain()
        """What was read so far."""
        self.head = head if head is not None else ledger.manifest
        self._floor = floor

    @property
    def place(self) -> str:
        """Where the table is, for messages."""
        return self._ledger.location.canonical

    @cached_property
    def floor(self) -> int:
        """The oldest version that is kept."""
        return self._ledger.floor() if self._floor is None else self._floor

    @cached_property
    def kept(self) -> list[dict[str, Any]]:
        """The manifests of the versions that are kept, oldest first."""
        return [] if self.head is None else self.since(self.floor - 1)

    @property
    def versions(self) -> list[Version]:
        """The same, as users see them."""
        return [Version.read(manifest) for manifest in self.kept]

    @cached_property
    def names(self) -> dict[int, str]:
        """The manifest of every version whose manifest is needed: those kept, and those behind the oldest of them."""
        if self.head is None:
            return {}
        self.live(self.floor)
        oldest, found = self.head, {}
        while True:
            manifest = json.loads(self.chain.since(oldest, names.version(oldest) - 1)[0])
            found[names.version(oldest)] = oldest
            if "base" not in manifest or (names.version(oldest) <= self.floor and "carried" in manifest):
                return found
            oldest = manifest["base"]["manifest"]

    def since(self, version: int) -> list[dict[str, Any]]:
        """Return the manifests after a version, oldest first."""
        if self.head is None:
            return []
        while (name := self.chain.missing_since(self.head, version)) is not None:
            self.chain.provide(name, read_manifest(self._files, name))
        return [json.loads(text) for text in self.chain.since(self.head, version)]

    def manifest(self, version: int) -> str:
        """Return the name of a version's manifest.

        Raises:
            ConfigError: There is no such version, or it was vacuumed.
        """
        newest = 0 if self.head is None else names.version(self.head)
        if not isinstance(version, int):
            raise ConfigError(
                f"table {self.place}: version {version!r} is no whole number; it has {self.floor} to {newest}"
            )
        if self.head is None:
            raise ConfigError(f"table {self.place}: nothing was committed yet; write something first")
        if not self.floor <= version <= newest:
            found = f"version {version} was vacuumed" if 0 < version < self.floor else f"there is no version {version}"
            raise ConfigError(f"table {self.place}: {found}; it has {self.floor} to {newest}")
        if version == newest:
            return self.head
        name: str = self.since(version)[0]["base"]["manifest"]
        return name

    def live(self, version: int) -> list[File]:
        """Return the files that a version has."""
        name = self.manifest(version)
        while (missing := self.chain.missing_for_live(name)) is not None:
            self.chain.provide(missing, read_manifest(self._files, missing))
        return self.chain.live(name)

    def retained(self) -> set[str]:
        """Return every file that some version that is kept has."""
        if self.head is None:
            return set()
        added = (file["path"] for manifest in self.kept for file in manifest["added"])
        return {path for path, _, _ in self.live(self.floor)}.union(added)

    def removed_below(self) -> set[str]:
        """Return the files that the oldest version that is kept, or one before it, ended the life of."""
        removed: set[str] = set()
        name: str | None = self.manifest(self.floor)
        while name is not None:
            data = self._files.read(names.manifest(name))
            if data is None:
                break
            self.chain.provide(name, data)
            manifest = json.loads(self.chain.since(name, names.version(name) - 1)[0])
            removed.update(manifest.get("removed", ()))
            name = manifest.get("base", {}).get("manifest")
        return removed

    def as_of(self, when: datetime | str) -> int:
        """Return the version that was the newest at a time, by the clocks of the writers.

        Raises:
            ConfigError: It is no time, or one before the oldest version that is kept.
        """
        try:
            moment = datetime.fromisoformat(when) if isinstance(when, str) else when
            # As Spark has it: a time without a zone is local.
            moment = moment.astimezone(timezone.utc)
        except (AttributeError, TypeError, ValueError) as error:
            raise ConfigError(f"as_of={when!r}: give a datetime, or text like 2024-01-31T12:00:00+00:00") from error
        found = [version.version for version in self.versions if version.committed_at <= moment]
        if not found:
            oldest = self.versions[0].committed_at.isoformat() if self.kept else "not there yet"
            raise ConfigError(f"table {self.place}: no version is as old as {when}; the oldest kept is {oldest}")
        return found[-1]


def frame(spark: SparkSession, versions: list[Version]) -> DataFrame:
    """Return versions as rows."""
    rows = [
        (
            *(getattr(version, name) for name in ("version", "operation", "job_id", "added", "removed")),
            *(version.files, version.bytes, version.committed_at),
            {key: str(value) for key, value in version.writer.items()},
            *(version.token, version.tx, version.parameters),
        )
        for version in versions
    ]
    return spark.createDataFrame(rows, _SCHEMA)


def changes(spark: SparkSession, manifests: list[dict[str, Any]]) -> DataFrame:
    """Return the files that commits added and removed, as rows."""
    rows = []
    for manifest in manifests:
        version = manifest["version"]
        rows += [
            (version, "added", file["path"], file["size"], file.get("partition", {})) for file in manifest["added"]
        ]
        rows += [(version, "removed", path, None, None) for path in manifest.get("removed", ())]
    return spark.createDataFrame(
        rows, "version long, change string, path string, size long, partition map<string, string>"
    )
