"""Checks the logs of members that were killed, stopped and started at random against what a group promises.

A log is what one process believed: `held` from the moment that it had a claim, with how long it was provably its own
then, `valid` for every later look, `over` when it knew that the claim ended. Times are of CLOCK_BOOTTIME, which all
processes of a machine share and which goes on while one is stopped.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any


@dataclass
class Tenure:
    """What one owner believed of one partition."""

    partition: int
    token: int
    member: str
    start: float
    #: The last moment at which it believed, and was entitled to, that the partition was its own.
    end: float


@dataclass
class Verdict:
    """What was found."""

    tenures: int = 0
    handovers: int = 0
    worst_gap: float = 0.0
    faults: list[str] = field(default_factory=list)


def tenures(logs: dict[str, list[dict[str, Any]]]) -> list[Tenure]:
    """Return who believed to have what, and when."""
    found: dict[tuple[int, int], Tenure] = {}
    for member, lines in logs.items():
        for line in lines:
            key = (line["partition"], line["token"])
            tenure = found.setdefault(key, Tenure(*key, member, line["at"], line["at"]))
            tenure.start = min(tenure.start, line["at"])
            if line["what"] != "over":
                tenure.end = max(tenure.end, line["at"])
    return sorted(found.values(), key=lambda tenure: (tenure.partition, tenure.token))


@dataclass
class World:
    """What was done to the members, what they were assigned, and who led them, each with its time."""

    faults: list[tuple[float, str]] = field(default_factory=list)
    assigned: list[tuple[float, dict[int, str]]] = field(default_factory=list)
    led: list[tuple[float, str]] = field(default_factory=list)

    def last_fault(self, partition: int, start: float, end: float) -> float:
        """Return when the last of those that it waited for was itself killed or stopped.

        They are the members that should have had the partition then, and the leaders that should have seen to it.
        """
        heirs = [(at, owners.get(partition)) for at, owners in self.assigned]
        awaited = {one for times in (heirs, self.led) for one in _during(times, start, end)}
        return max((at for at, member in self.faults if member in awaited and start <= at <= end), default=start)


def _during(times: list[tuple[float, str | None]], start: float, end: float) -> list[str | None]:
    """Return what held at the start, and what came until the end."""
    return [one for at, one in times if at <= start][-1:] + [one for at, one in times if start < at <= end]


def check(logs: dict[str, list[dict[str, Any]]], partitions: int, longest_gap: float, world: World) -> Verdict:
    """Check that no two owners were alive at one moment, that tokens grow, and that no partition waits for long.

    It waits from the moment when its owner, the heir that it was given to, or their leader was last heard of.
    """
    verdict = Verdict()
    by_partition: dict[int, list[Tenure]] = defaultdict(list)
    for tenure in tenures(logs):
        by_partition[tenure.partition].append(tenure)
        verdict.tenures += 1
    for partition in range(partitions):
        owned = by_partition[partition]
        if not owned:
            verdict.faults.append(f"{partition} was never owned")
        for before, after in pairwise(owned):
            verdict.handovers += 1
            gap = after.start - before.end
            if gap < 0:
                verdict.faults.append(
                    f"{partition}: {before.member} (token {before.token}) still had it {-gap:.3f} s after "
                    f"{after.member} (token {after.token}) got it"
                )
            gap = min(gap, after.start - world.last_fault(partition, before.end, after.start))
            verdict.worst_gap = max(verdict.worst_gap, gap)
            if gap > longest_gap:
                verdict.faults.append(f"{partition}: nobody's for {gap:.2f} s, between {before} and {after}")
    return verdict


def check_records(records: dict[int, list[dict[str, Any]]], verdict: Verdict) -> None:
    """Check that the fenced writes of each partition landed in the order of their tokens, none of an old owner late."""
    for partition, written in records.items():
        order = [record["token"] for record in written]
        if order != sorted(order):
            verdict.faults.append(f"{partition}: a write of an old owner landed after one of a newer: {order}")
