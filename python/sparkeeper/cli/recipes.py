"""What goes on: `locks`, `elections`, `groups`, `tasks`, `queues`; who holds, who waits, since when."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, TypeVar

import typer
from rich.text import Text

from sparkeeper.ago import ago
from sparkeeper.cli.options import Connect, Json, Namespace, coordinator
from sparkeeper.cli.output import document, grid, show
from sparkeeper.survey import survey

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.table import Table

    from sparkeeper._sparkeeper import Cache
    from sparkeeper.coordinator import Coordinator
    from sparkeeper.survey import Contender, Gathering, Line, Survey, Work

T = TypeVar("T", "Line", "Gathering", "Work")

Below = Annotated[str, typer.Argument(metavar="[PATH]", help="Only what is at and below it.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (locks, elections, groups, tasks, queues):
        app.command()(command)


def look(zk: Coordinator) -> Survey:
    """Read everything of the namespace."""
    with zk.cache("/") as cache:
        return read(cache)


def read(cache: Cache) -> Survey:
    """Read everything from a cache of it."""
    snapshot = cache.snapshot()
    return survey({path: snapshot[path] for path in snapshot})


def locks(path: Below = "/", *, connect: Connect = None, namespace: Namespace = "", as_json: Json = False) -> None:
    """Show locks, read/write locks and semaphores."""
    with coordinator(connect, namespace) as zk:
        found = [line for line in _below(path, look(zk).lines) if line.kind != "election"]
    document(found) if as_json else show(lines(found))


def elections(path: Below = "/", *, connect: Connect = None, namespace: Namespace = "", as_json: Json = False) -> None:
    """Show elections: who leads, who waits."""
    with coordinator(connect, namespace) as zk:
        found = [line for line in _below(path, look(zk).lines) if line.kind == "election"]
    document(found) if as_json else show(lines(found))


def groups(path: Below = "/", *, connect: Connect = None, namespace: Namespace = "", as_json: Json = False) -> None:
    """Show groups, services, and groups that divide partitions."""
    with coordinator(connect, namespace) as zk:
        found = list(_below(path, look(zk).gatherings))
    document(found) if as_json else show(gatherings(found))


def tasks(path: Below = "/", *, connect: Connect = None, namespace: Namespace = "", as_json: Json = False) -> None:
    """Show tasks: how many wait, are at work, were given up, and who works."""
    with coordinator(connect, namespace) as zk:
        found = [one for one in _below(path, look(zk).work) if one.kind == "tasks"]
    document(found) if as_json else show(work(found))


def queues(path: Below = "/", *, connect: Connect = None, namespace: Namespace = "", as_json: Json = False) -> None:
    """Show queues: how many items wait, are at work, were given up, and who has some."""
    with coordinator(connect, namespace) as zk:
        found = [one for one in _below(path, look(zk).work) if one.kind == "queue"]
    document(found) if as_json else show(work(found))


def lines(found: Sequence[Line]) -> Table:
    """Draw locks and elections: a line for everybody who holds or waits."""
    rows: list[list[str | Text]] = []
    for line in found:
        place = [line.path, line.kind.replace("_", "/", 1).replace("_", " ")]
        for state, people in (("leads" if line.kind == "election" else "holds", line.holders), ("waits", line.waiters)):
            for one in people:
                rows.append([*place, Text(state, "" if state == "waits" else "green"), *_person(one)])
                place = ["", ""]
    return grid("path", "kind", "", "who", "for", "token", "session", rows=rows)


def gatherings(found: Sequence[Gathering]) -> Table:
    """Draw groups: a line for every member."""
    rows = []
    for one in found:
        progress = "" if one.items is None else f"{one.done:,} of {one.items:,} done"
        place = [one.path, one.kind, progress]
        for member in one.members or (None,):
            who = ["-", "", "", ""]
            if member is not None:
                owns = "" if member.owns is None else f"{member.owns:,}"
                name = f"{member.name} at {member.address}" if member.address else member.name
                who = [name, ago(member.since), owns, member.session]
            rows.append([*place, *who])
            place = ["", "", ""]
    return grid("path", "kind", "progress", "member", "for", "owns", "session", rows=rows)


def work(found: Sequence[Work]) -> Table:
    """Draw queues and tasks: a line for each."""
    rows: Iterable[list[str | Text]] = (
        [
            one.path,
            f"{one.queued - one.at_work:,}",
            f"{one.at_work:,}",
            Text(f"{one.dead:,}", "red" if one.dead else ""),
            f"{one.results:,}" if one.kind == "tasks" else "-",
            ", ".join(one.workers) or "-",
        ]
        for one in found
    )
    return grid("path", "waiting", "at work", "dead", "results", "workers", rows=rows)


def _person(one: Contender) -> list[str | Text]:
    who = Text(one.owner + (f" ({one.count} permits)" if one.count > 1 else ""))
    if one.asked:
        who.append(" asked to let go", "yellow")
    return [who, ago(one.since), "" if one.token is None else str(one.token), one.session]


def _below(path: str, found: Iterable[T]) -> Iterable[T]:
    at = path.strip("/")
    return (one for one in found if not at or f"{one.path}/".startswith(f"{at}/"))
