"""The doctor's judgement: from what was found to what is wrong, and what to do. Nothing is asked of anybody here."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sparkeeper.spark.checkup import Process
    from sparkeeper.spark.checkup_server import Server

SKEW = 1.0
"""Seconds that a clock may be off. No lock depends on it: ages and times that are shown do."""
_FULL = (
    "Most likely that server has as many connections from that address as it takes, and its log says 'Too many "
    "connections from': raise maxClientCnxns there, or set it to 0. Else nothing serves behind that port"
)
_WORDS = "4lw.commands.whitelist=srvr,conf,cons"


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, or worth knowing."""

    kind: str
    """ "unreachable", "no_task", "missing", "versions", "clock", "connections", "unseen" or "not_told"."""
    what: str
    advice: str
    harmless: bool = False
    """Whether it is merely worth knowing."""

    def __str__(self) -> str:
        """Say it in a line."""
        # What Spark and Python say may be a sentence.
        return f"{self.what.rstrip('.')}. {self.advice}."


def findings(
    driver: Process,
    executors: Sequence[Process],
    servers: Sequence[Server],
    *,
    known: int | None,
    failure: str | None,
) -> list[Finding]:
    """Return what is wrong first, then what is worth knowing.

    Args:
        driver: As it was found.
        executors: Likewise.
        servers: Likewise.
        known: How many executors there are, where Spark tells.
        failure: Why no task answered.
    """
    found = [*_reach(driver, executors), *_tasks(failure), *_versions(driver, executors), *_clocks(driver, executors)]
    found += [*_connections(executors, servers), *_unseen(executors, known)]
    return sorted(found, key=lambda finding: finding.harmless)


def _reach(driver: Process, executors: Sequence[Process]) -> Iterator[Finding]:
    for one in (driver, *executors):
        if one.sparkeeper is None:
            yield Finding(
                "missing",
                f"{one.name} has no Sparkeeper: {one.executable} says {one.error}",
                "Install it for that Python, or set PYSPARK_PYTHON to one that has it before the session starts; "
                "on a cluster ship an environment by spark.archives",
            )
        elif one.full is not None:
            yield Finding(
                "connections",
                f"{one.name} cannot work with the ensemble: {one.error}; {one.full} takes its connection and closes it "
                "at once, unasked",
                _FULL,
            )
        elif one.error is not None:
            yield Finding(
                "unreachable",
                f"{one.name} cannot work with the ensemble: {one.error}",
                "Check the address as that machine sees it, firewalls, and spark.zookeeper.auth and .tls",
            )


def _tasks(failure: str | None) -> Iterator[Finding]:
    if failure is None:
        return
    lines = [line.strip() for line in failure.splitlines() if line.strip()]
    telling = next((line for line in lines if "PYTHON_VERSION_MISMATCH" in line or "Error: " in line), lines[0])
    cure = "Spark's own log says why; a job as small as spark.range(1).mapInArrow must run first"
    if "PYTHON_VERSION_MISMATCH" in failure or "different version" in failure:
        cure = "Set PYSPARK_PYTHON to the driver's version of Python before the session starts"
    elif "No module named" in failure:
        cure = (
            "The executors run a Python without it: set PYSPARK_PYTHON to one that has it, before the session starts, "
            "or ship your environment with the job"
        )
    yield Finding("no_task", f"no task answered: {telling[:300]}", cure)


def _versions(driver: Process, executors: Sequence[Process]) -> Iterator[Finding]:
    for what, versions in (
        ("Sparkeeper", [one.sparkeeper for one in (driver, *executors)]),
        ("PySpark", [one.pyspark for one in (driver, *executors)]),
    ):
        there = sorted({version for version in versions if version is not None})
        if len(there) > 1:
            yield Finding(
                "versions",
                f"{what} is there in {len(there)} versions: {', '.join(there)}",
                "Give driver and executors the same",
            )
    patches = sorted({one.python for one in (driver, *executors)})
    if len(patches) > 1:
        yield Finding("versions", f"Python is there as {', '.join(patches)}", "That works", harmless=True)


def _clocks(driver: Process, executors: Sequence[Process]) -> Iterator[Finding]:
    for one in (driver, *executors):
        if one.ahead is not None and one.uncertain is not None and abs(one.ahead) - one.uncertain > SKEW:
            side = "ahead of" if one.ahead > 0 else "behind"
            yield Finding(
                "clock",
                f"the clock of {one.name} is {abs(one.ahead):.1f} s {side} the server's",
                "Run NTP there; locks do not depend on it, times that are shown do",
            )


def _connections(executors: Sequence[Process], servers: Sequence[Server]) -> Iterator[Finding]:
    # Every worker may have a session, those for RDDs and those for SQL apart.
    hosts = Counter[str]()
    for one in executors:
        hosts[one.name.partition(" / ")[0]] += one.workers
    needed = 2 * max(hosts.values(), default=0)
    for server in servers:
        if server.full:
            yield Finding(
                "connections",
                f"server {server.address} takes a connection of the driver and closes it at once, unasked",
                _FULL,
            )
        elif server.version is None:
            yield Finding(
                "not_told",
                f"server {server.address} did not answer srvr",
                "It is down, speaks TLS only, or forbids it",
                harmless=True,
            )
        elif server.limit is None or server.most is None:
            yield Finding(
                "not_told",
                f"server {server.address} does not tell how many connections it takes",
                f"Allow it to: {_WORDS}",
                harmless=True,
            )
        elif 0 < server.limit < server.most + needed:
            yield Finding(
                "connections",
                f"server {server.address} takes {server.limit} connections from an address, {server.most} are there, "
                f"and up to {needed} more may come from one host",
                f"Set maxClientCnxns={2 * (server.most + needed)} there, or 0",
            )


def _unseen(executors: Sequence[Process], known: int | None) -> Iterator[Finding]:
    if known is not None and executors and len(executors) < known:
        yield Finding(
            "unseen",
            f"{len(executors)} of {known} executors answered",
            "Others were busy, or are idle: ask again, with more probes",
            harmless=True,
        )
