"""What users get to see of commits."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any


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
    """None: rows are not counted."""


@dataclass(frozen=True)
class Version:
    """One entry of a table's history."""

    version: int
    operation: str
    """"append" or "overwrite"."""
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

    @classmethod
    def read(cls, text: str) -> Version:
        """Read a manifest's JSON text."""
        manifest = json.loads(text)
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
        )
