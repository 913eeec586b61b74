"""Vacuum: versions that nobody needs any more are forgotten, and the files that only they had are deleted.

First the floor rises, below which nobody reads or restores; then data files go that no kept version has; last the
manifests that named them, so that a vacuum that died is finished by the next. Files of writes under way are in no
manifest yet, and stay.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from itertools import pairwise
from typing import TYPE_CHECKING

from sparkeeper.exceptions import ConfigError
from sparkeeper.spark import names
from sparkeeper.spark.history import History
from sparkeeper.spark.mirror_files import expired

if TYPE_CHECKING:
    from sparkeeper._sparkeeper import Ledger
    from sparkeeper.spark.files import Files
    from sparkeeper.spark.records import Version

RETENTION = timedelta(days=7)
JOBS = timedelta(days=90)
_AGES = timedelta(days=365_000).total_seconds()


@dataclass(frozen=True)
class Vacuum:
    """What was deleted, or would be."""

    floor: int
    """The oldest version that is kept."""
    files: tuple[str, ...]
    """Data files that no kept version has."""
    orphans: tuple[str, ...]
    """Data files of writes that nobody knows of any more."""
    manifests: int
    jobs: int
    """Job ids that are forgotten: a run of one of them would write again. Not counted in a dry run."""
    dry_run: bool


def vacuum(
    files: Files, ledger: Ledger, *, older_than: float | timedelta, jobs_older_than: float | timedelta, dry_run: bool
) -> Vacuum:
    """Forget versions that were replaced longer ago than `older_than`, but for those that are pinned."""
    cutoff = datetime.now(timezone.utc) - _age(older_than, "older_than")
    jobs_age = _age(jobs_older_than, "jobs_older_than")
    before = History(files, ledger)
    if before.head is None:
        return Vacuum(1, (), (), 0, 0, dry_run)
    wanted = _oldest_needed(before.versions, cutoff)
    if dry_run:
        floor = max(before.floor, min([wanted, *(version for _, version in ledger.pins())]))
    else:
        floor = ledger.raise_floor(wanted)
    # Listed before transactions and head are looked up, so that the writer of every file is known.
    present = {found.path: found.modified for found in files.walk("")}
    under_way = set(ledger.transactions())
    after = History(files, ledger, ledger.newest(), floor)
    retained = after.retained()
    dead = sorted(path for path in after.removed_below() if path in present and path not in retained)
    ours = {path: names.transaction(path) for path in set(present).difference(retained, dead)}
    orphans = sorted(
        path
        for path, tx in ours.items()
        if tx is not None and tx not in under_way and present[path] < cutoff.timestamp() * 1000
    )
    kept = set(after.names.values())
    lost = [name for name in files.names(names.MANIFESTS) if names.version(name) <= floor and name not in kept]
    jobs = 0
    if not dry_run:
        files.delete([*dead, *orphans])
        files.delete(names.manifest(name) for name in lost)
        mirror = {found.path: found.modified / 1000 for found in files.walk(names.MIRROR)}
        files.delete(f"{names.MIRROR}/{name}" for name in expired(mirror, time.time()))
        jobs = ledger.sweep_jobs(jobs_age)
    return Vacuum(floor, tuple(dead), tuple(orphans), len(lost), jobs, dry_run)


def _oldest_needed(versions: list[Version], cutoff: datetime) -> int:
    """Return the first version that was the newest at some time after the cutoff."""
    replaced = (before.version for before, after in pairwise(versions) if after.committed_at > cutoff)
    return next(replaced, versions[-1].version)


def _age(given: float | timedelta, name: str) -> timedelta:
    seconds = given.total_seconds() if isinstance(given, timedelta) else given
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 <= seconds < _AGES:
        raise ConfigError(f"vacuum({name}={given!r}): give an age, in seconds or as a timedelta, from 0 on")
    return timedelta(seconds=seconds)
