"""The card of each kind of handle; the classes' `_repr_html_` call these.

What a card asks the ensemble it asks once; where nobody answers, the card says so: showing a handle must not fail.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from sparkeeper.ago import ago
from sparkeeper.exceptions import SparkeeperError
from sparkeeper.notebook.card import bars, card, table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sparkeeper._sparkeeper import Held, Lock, Permits, Semaphore, Term
    from sparkeeper.assignment import Assignment
    from sparkeeper.coordinator import Coordinator
    from sparkeeper.election import Election
    from sparkeeper.partitions_state import GroupAssignment
    from sparkeeper.spark.plan.plan import PartitionPlan
    from sparkeeper.spark.records import Commit, Version

_LINE = ("", "who", "for", "token", "session")
_NEWEST = 10


def coordinator(zk: Coordinator) -> str:
    """Where it is connected, and what was held through it, without asking the network."""
    facts = {
        "namespace": zk.namespace or "/",
        "state": zk.state,
        "session": f"{zk.session_id:#x}",
        "owner": zk.owner,
    }
    rows = [
        (path, one.held, one.acquired, one.lost, one.fenced_writes, f"{one.longest_wait_seconds:.3f} s")
        for path, one in sorted(zk.metrics().items())
    ]
    heads = ("path", "held now", "acquired", "lost", "writes fenced off", "longest wait")
    return card("Coordinator", zk.connect_string, facts, table(heads, rows, "Nothing was acquired through it yet."))


def lock(lock: Lock) -> str:
    """Who holds it and who waits."""

    def rows() -> Iterator[tuple[object, ...]]:
        for one in lock.contenders():
            holds = one.position == 0
            yield _person("holds" if holds else "waits", one.owner, one.since, one.token if holds else None, one)

    return card("Lock", lock.path, {}, _asked(_LINE, rows, "Nobody holds it."))


def semaphore(semaphore: Semaphore) -> str:
    """Who has how many permits, and who waits for some."""
    permits = None
    with contextlib.suppress(SparkeeperError):
        permits = semaphore.permits

    def rows() -> Iterator[tuple[object, ...]]:
        for holder in semaphore.holders():
            yield _person(f"has {holder.permits}", holder.owner, holder.since, holder.token, holder)
        for one in semaphore.contenders():
            yield _person("waits", one.owner, one.since, None, one)

    return card("Semaphore", semaphore.path, {"permits": permits}, _asked(_LINE, rows, "Nobody has permits."))


def election(election: Election) -> str:
    """Who leads and who stands."""

    def rows() -> Iterator[tuple[object, ...]]:
        for one in election.candidates():
            yield _person("leads" if one.position == 0 else "waits", one.id, one.since, one.token, one)

    return card("Election", election.path, {}, _asked(_LINE, rows, "Nobody stands."))


def held(held: Held | Permits | Term) -> str:
    """What it is worth now, by the lease clock alone."""
    facts = {
        "state": held.state,
        "token": held.token,
        "provably ours for": f"{held.valid_for():.1f} s",
    }
    return card(type(held).__name__, held.path, facts)


def assignment(assignment: Assignment) -> str:
    """The load of each member, and how good that is."""
    loads: dict[Any, float] = dict(assignment.loads)
    c = assignment.certificate
    facts = {
        "strategy": c.strategy,
        "partitions": f"{len(assignment):,}",
        "fullest": f"{c.max_load}; no assignment can be below {c.lower_bound}",
        "moves": f"{c.moves:,}; at least {c.moves_lower_bound:,}",
    }
    title = f"{len(assignment):,} partitions over {len(loads):,} members"
    return card("Assignment", title, facts, bars(loads, _mean(loads.values())))


def group_assignment(assignment: GroupAssignment) -> str:
    """How many partitions each member of a group has."""
    loads: dict[Any, float] = {member: len(assignment.of(member)) for member in assignment.members}
    facts = {
        "generation": assignment.generation,
        "partitions": f"{len(assignment.owners):,}",
        "without an owner": assignment.unowned,
    }
    return card("Group assignment", f"generation {assignment.generation}", facts, bars(loads, _mean(loads.values())))


def plan(plan: PartitionPlan, uneven: Callable[..., float]) -> str:
    """The load of each partition as planned, and how uneven it would be without a plan."""
    document = plan.document
    loads: dict[Any, float] = {at: load * float(plan.unit) for at, load in enumerate(plan.certificate.loads)}
    plain = plan.plain_loads
    facts = {
        "by": ", ".join(plan.by),
        "version": plan.version,
        "heaviest partition": f"{uneven(plan.certificate.loads):.2f} x the mean",
        "with Spark's own hash": None if plain is None else f"{uneven(plain):.2f} x the mean",
        "made by": f"{document.created_by}, {document.created_at}",
    }
    return card("Partition plan", plan.name, facts, bars(loads, _mean(loads.values())))


def commit(commit: Commit) -> str:
    """What a save did."""
    facts = {
        "files": f"{commit.files:,}",
        "bytes": f"{commit.bytes:,}",
        "rows": None if commit.rows is None else f"{commit.rows:,}",
        "replayed": "yes: the job had been committed before, nothing was written now" if commit.replayed else None,
        "ignored": "yes: there was a commit already" if commit.ignored else None,
    }
    return card("Commit", f"version {commit.version}", facts)


def history(path: str, versions: Callable[[], list[Version]]) -> str:
    """The newest versions of a table."""

    def rows() -> Iterator[tuple[object, ...]]:
        for one in versions()[: -_NEWEST - 1 : -1]:
            when = f"{one.committed_at.astimezone():%Y-%m-%d %H:%M:%S}"
            yield one.version, one.operation, one.job_id, one.added, one.removed, one.files, one.bytes, when

    heads = ("version", "operation", "job", "files added", "removed", "files", "bytes", "committed")
    return card("Table", path, {}, _asked(heads, rows, "It has no version."))


def _person(state: str, who: str, since: int, token: int | None, one: Any) -> tuple[object, ...]:  # noqa: ANN401 - three classes alike
    return state, who, ago(since), None if token is None else str(token), f"{one.session_id & (2**64 - 1):#x}"


def _asked(heads: Sequence[str], rows: Callable[[], Iterator[tuple[object, ...]]], none: str) -> str:
    try:
        return table(heads, rows(), none)
    except SparkeeperError as error:
        return table((), (), str(error))


def _mean(loads: Any) -> float:  # noqa: ANN401 - a view of numbers
    return sum(loads) / len(loads) if loads else 0.0
