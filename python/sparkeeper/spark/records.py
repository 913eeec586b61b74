"""What users get to see of commits."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from sparkeeper.notebook import html

if TYPE_CHECKING:
    from sparkeeper.spark.counting import Counted


@dataclass(frozen=True)
class Commit:
    """What `save` returns."""

    version: int
    """The table's version that the job made."""
    files: int
    """Files that it added."""
    bytes: int
    """Their bytes."""
    replayed: bool
    """True when the job had been committed before, by this run or another: nothing was written now."""
    rows: int | None = None
    """Rows written, where `count_rows()` asked for it and this run wrote them."""
    ignored: bool = False
    """True where mode "ignore" found a commit, and nothing was done."""

    def with_rows(self, counted: Counted | None) -> Commit:
        """Return the same with what was counted, if this run wrote it."""
        return self if counted is None or self.replayed else replace(self, rows=counted.rows())

    def _repr_html_(self) -> str:
        return html.commit(self)


@dataclass(frozen=True)
class Version:
    """One entry of a table's history."""

    version: int
    operation: str
    """"append", "overwrite", "overwrite_partitions", "restore" or "adopt"."""
    job_id: str
    added: int
    """Files that it added."""
    removed: int
    """Files that it ended the life of."""
    files: int
    """Files live after it."""
    bytes: int
    """Their bytes."""
    committed_at: datetime
    """When the manifest was made, by the writer's clock."""
    writer: dict[str, Any]
    """app, host, pid, user, spark."""
    token: int | None
    """The guard's fencing token, where there was one."""
    tx: str
    parameters: dict[str, str]
    """Options of the writer, and what else the caller asked for."""

    @classmethod
    def read(cls, manifest: dict[str, Any]) -> Version:
        """Read a manifest."""
        return cls(
            version=manifest["version"],
            operation=manifest["operation"],
            job_id=manifest["job_id"],
            added=len(manifest["added"]),
            removed=len(manifest.get("removed", ())),
            files=manifest["totals"]["files"],
            bytes=manifest["totals"]["bytes"],
            committed_at=datetime.fromtimestamp(manifest["made"] / 1000, timezone.utc),
            writer=manifest["writer"],
            token=manifest.get("token"),
            tx=manifest["tx"],
            parameters=manifest.get("parameters", {}),
        )
