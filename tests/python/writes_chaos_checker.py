"""Checks what readers saw of tables while their writers were killed and stopped, against what was committed.

Every job writes rows that are its own, so a look at a table tells which jobs are in it, in part or twice. Times are of
CLOCK_MONOTONIC, which all processes of a machine share.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from writes_chaos_reader import checksum

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

INFINITY = float("inf")


@dataclass
class Job:
    """One job, however many attempts it took."""

    number: int
    table: str
    mode: str
    blind: bool = False
    #: When its first attempt began.
    began: float = INFINITY
    #: When an attempt first answered that it was done, and which version it said that it was.
    acked: float = INFINITY
    version: int = 0

    @property
    def name(self) -> str:
        """Its id."""
        return f"job-{self.number}"

    def ids(self, rows: int) -> range:
        """Return its rows."""
        return range(self.number * rows, (self.number + 1) * rows)


@dataclass
class Verdict:
    """What was found; everything but the first three is a fault."""

    looks: int = 0
    snapshots: int = 0
    commits: int = 0
    lost_rows: int = 0
    doubled_rows: int = 0
    risen_rows: int = 0
    torn: int = 0
    errors: int = 0
    back: int = 0
    stale: int = 0
    #: One line for each kind of fault and place.
    faults: list[str] = field(default_factory=list)


def check_end(jobs: Sequence[Job], counts: dict[str, list[int]], rows: int, verdict: Verdict) -> None:
    """Check what a table holds when all is over: `counts` is a look's `jobs`.

    It needs no history. A job must be in it unless an overwrite ended after the job began, and must not where one began
    after it had ended.
    """
    overwrites = [job for job in jobs if job.mode == "overwrite"]
    for job in jobs:
        count, different = counts.get(str(job.number), [0, 0])
        others = [other for other in overwrites if other is not job]
        missing = rows - different
        if missing and job.acked < INFINITY and all(other.acked < job.began for other in others):
            verdict.lost_rows += missing
            verdict.faults.append(f"{job.table}: {missing} rows of {job.name} are lost")
        if count > different:
            verdict.doubled_rows += count - different
            verdict.faults.append(f"{job.table}: {count - different} rows of {job.name} are there twice")
        if different and any(other.began > job.acked for other in others):
            verdict.risen_rows += different
            verdict.faults.append(f"{job.table}: {different} rows of {job.name} are back after an overwrite")


def check_looks(jobs: Sequence[Job], looks: Sequence[dict[str, Any]], rows: int, verdict: Verdict) -> None:
    """Check what one reader saw of one table, by itself: no error, only whole jobs, and nothing that goes away."""
    overwrites = [job for job in jobs if job.mode == "overwrite"]
    by_name = {str(job.number): job for job in jobs}
    whole: set[str] = set()
    for look in looks:
        verdict.looks += look["looks"]
        verdict.snapshots += 1
        seen = look["seen"]
        where = f"{look['table']} at {look['began']:.3f}"
        if "error" in seen:
            verdict.errors += 1
            verdict.faults.append(f"{where}: {seen['error'][:300]}")
            continue
        torn = [job for job, count in seen["jobs"].items() if count != [rows, rows]]
        if torn or not seen["jobs"]:
            verdict.torn += 1
            verdict.faults.append(f"{where}: torn: {({job: seen['jobs'][job] for job in torn}) or 'no rows'}")
        now = {job for job, count in seen["jobs"].items() if count[1] == rows}
        for gone in whole - now:
            if not any(other.began < look["ended"] and other.acked > by_name[gone].began for other in overwrites):
                verdict.back += 1
                verdict.faults.append(f"{where}: job {gone} was seen before and is gone")
        whole = now


def row_sets(history: Iterable[tuple[str, Job]], rows: int) -> list[str]:
    """Return the checksum of every version, the first at 0."""
    sums, live = [], []
    for operation, job in history:
        live = [*([] if operation == "overwrite" else live), *job.ids(rows)]
        sums.append(checksum(live))
    return sums


def check_versions(sums: Sequence[str], jobs: Sequence[Job], looks: Sequence[dict[str, Any]], verdict: Verdict) -> None:
    """Check that one reader saw only versions of one table, never an older one than before or than was acknowledged."""
    version_of = {found: at for at, found in enumerate(sums, 1)}
    before = 0
    for look in looks:
        where = f"{look['table']} at {look['began']:.3f}"
        if "error" in look["seen"]:
            continue
        version = version_of.get(look["seen"]["sum"])
        if version is None:
            verdict.torn += 1
            verdict.faults.append(f"{where}: saw what no version is: {look['seen']['jobs']}")
            continue
        if version < before:
            verdict.back += 1
            verdict.faults.append(f"{where}: saw version {version} after {before}")
        owed = max((job.version for job in jobs if job.acked < look["until"]), default=0)
        if version < owed:
            verdict.stale += 1
            verdict.faults.append(f"{where}: saw version {version} until {look['until']:.3f}, and {owed} was out")
        before = version
    if looks and "error" not in looks[-1]["seen"] and before != len(sums):
        verdict.faults.append(f"{looks[-1]['table']}: readers see version {before} in the end, and it is {len(sums)}")


def check_history(history: Sequence[tuple[str, str]], jobs: Sequence[Job], verdict: Verdict) -> None:
    """Check that the history of a table has every job exactly once, as told, in an order that agrees with the clock."""
    at = {name: version for version, (_, name) in enumerate(history, 1)}
    verdict.commits += len(history)
    names = [name for _, name in history]
    for job in jobs:
        if names.count(job.name) != 1:
            verdict.faults.append(f"{job.table}: {job.name} was committed {names.count(job.name)} times")
        elif job.version != at[job.name] or history[job.version - 1][0] != job.mode:
            verdict.faults.append(f"{job.table}: {job.name} says it is version {job.version}, and is {at[job.name]}")
    for name in set(names) - {job.name for job in jobs}:
        verdict.faults.append(f"{jobs[0].table}: {name} was committed, and nobody ran it")
    latest = 0.0
    for before, after in pairwise(sorted((job for job in jobs if job.name in at), key=lambda job: at[job.name])):
        latest = max(latest, before.began)
        if after.acked < latest:
            verdict.faults.append(f"{after.table}: {after.name} was done before an earlier version had begun")
