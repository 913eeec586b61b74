"""The card of each kind of handle; the classes' `_repr_html_` call these.

What a card asks the ensemble it asks once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sparkeeper.ago import ago
from sparkeeper.notebook.asked import asked
from sparkeeper.notebook.card import bars, card, number, table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from sparkeeper._sparkeeper import Contender, Held, Lock, MultiLock, Permits, ReadWriteLock, Semaphore, Term
    from sparkeeper.assignment import Assignment
    from sparkeeper.coordinator import Coordinator
    from sparkeeper.election import Election
    from sparkeeper.notebook.asked import Found
    from sparkeeper.partitions_state import GroupAssignment
    from sparkeeper.spark.plan.compare import Comparison
    from sparkeeper.spark.plan.document import PlannedKey
    from sparkeeper.spark.plan.plan import PartitionPlan
    from sparkeeper.spark.records import Commit, Version

_LINE = ("", "who", "for", "token", "session")
_NEWEST = 10
_HISTORY_PATIENCE = 30.0


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
    return asked("Lock", lock.path, lambda: ({}, _line(map(_stands, lock.contenders()), "Nobody holds it.")))


def read_write_lock(lock: ReadWriteLock) -> str:
    """Who reads or writes, and who waits: both sides stand in one line."""
    side = lock.write()
    none = "Nobody reads or writes."
    return asked("Read/write lock", lock.path, lambda: ({}, _line(map(_stands, side.contenders()), none)))


def multi_lock(lock: MultiLock) -> str:
    """Of each path, who holds it and who waits."""

    def ask() -> Found:
        rows = [(path, *_stands(one)) for path, line in lock.contenders().items() for one in line]
        return {}, table(("path", *_LINE), rows, "Nobody holds any of them.")

    return asked("Multi-lock", ", ".join(lock.paths), ask)


def semaphore(semaphore: Semaphore) -> str:
    """Who has how many permits, and who waits for some."""

    def ask() -> Found:
        # A handle's own number is no fact about the semaphore: others go by theirs.
        stored = semaphore._stored()  # noqa: SLF001 - for this card
        permits = "no number is stored: each handle goes by its own" if stored is None else number(stored)
        has = [_person(f"has {one.permits}", one.owner, one.token, one) for one in semaphore.holders()]
        waits = [_person("waits", one.owner, None, one) for one in semaphore.contenders()]
        return {"permits": permits}, _line([*has, *waits], "Nobody has permits.")

    return asked("Semaphore", semaphore.path, ask)


def election(election: Election) -> str:
    """Who leads and who stands."""

    def ask() -> Found:
        stand = election.candidates()
        rows = [_person("leads" if one.position == 0 else "waits", one.id, one.token, one) for one in stand]
        return {}, _line(rows, "Nobody stands.")

    return asked("Election", election.path, ask)


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
    capacities = assignment.capacities
    c = assignment.certificate
    measure = "" if set(capacities.values()) <= {1.0} else " for each unit of capacity"
    facts = {
        "strategy": c.strategy,
        "partitions": f"{len(assignment):,}",
        "fullest": f"{number(c.max_load)}{measure}; no assignment can be below {number(c.lower_bound)}",
        "moves": f"{c.moves:,}; at least {c.moves_lower_bound:,}",
    }
    title = f"{len(assignment):,} partitions over {len(loads):,} members"
    return card("Assignment", title, facts, bars(loads, capacities))


def group_assignment(assignment: GroupAssignment) -> str:
    """How many partitions each member of a group has."""
    facts = {
        "generation": assignment.generation,
        "partitions": f"{len(assignment.owners):,}",
        "without an owner": assignment.unowned,
    }
    title = f"generation {assignment.generation}"
    return card("Group assignment", title, facts, bars(assignment.loads, assignment.capacities))


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
    return card("Partition plan", plan.name, facts, bars(loads))


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


def comparison(comparison: Comparison, uneven: Callable[..., float]) -> str:
    """What moves from one plan to another, and how even both are next to what is possible."""
    before, after = comparison.before, comparison.after
    c = after.certificate
    bound = uneven(c.loads) * float(c.lower_bound) / float(c.max_load) if c.max_load else 1.0
    facts = {
        "keys moved": f"{comparison.keys_moved:,}",
        "keys added": f"{len(comparison.added):,}",
        "keys removed": f"{len(comparison.removed):,}",
        "heaviest before": f"{uneven(comparison.loads_before):.2f} x the mean",
        "heaviest after": f"{uneven(comparison.loads_after):.2f} x the mean; no plan can be below {bound:.2f}",
    }
    title = f"{before.name} {before.version} → {after.name} {after.version}"
    rows = [
        (", ".join(map(str, new.values)), number(float(after.unit * new.weight)), _parts(old), _parts(new))
        for old, new in comparison.moved
    ]
    return card("Comparison", title, facts, table((", ".join(after.by), "weight", "from", "to"), rows))


def history(path: str, versions: Callable[[], list[Version]]) -> str:
    """The newest versions of a table."""
    heads = ("version", "operation", "job", "files added", "removed", "files", "bytes", "committed")

    def row(one: Version) -> tuple[object, ...]:
        when = f"{one.committed_at.astimezone():%Y-%m-%d %H:%M:%S}"
        return one.version, one.operation, one.job_id, one.added, one.removed, one.files, one.bytes, when

    def ask() -> Found:
        return {}, table(heads, map(row, versions()[: -_NEWEST - 1 : -1]), "It has no version.")

    return asked("Table", path, ask, _HISTORY_PATIENCE)


def _stands(one: Contender) -> tuple[object, ...]:
    holds = one.position == 0
    return _person("holds" if holds else "waits", one.owner, one.token if holds else None, one)


def _person(state: str, who: str, token: int | None, one: Any) -> tuple[object, ...]:  # noqa: ANN401 - three classes alike
    session = f"{one.session_id & (2**64 - 1):#x}"
    return state, who, ago(one.since), None if token is None else str(token), session


def _line(rows: Iterable[Sequence[object]], none: str) -> str:
    return table(_LINE, rows, none)


def _parts(key: PlannedKey) -> str:
    return ", ".join(str(part) for part, _ in key.pieces)
