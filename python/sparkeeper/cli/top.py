"""`sparkeeper top`: a live screen of locks, elections, groups, tasks, tables and sessions."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Group
from rich.live import Live
from rich.text import Text

from sparkeeper.cli import recipes
from sparkeeper.cli.options import Connect, Json, Namespace, coordinator
from sparkeeper.cli.output import document, grid, show
from sparkeeper.exceptions import Closed

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import RenderableType

    from sparkeeper._sparkeeper import Cache
    from sparkeeper.coordinator import Coordinator
    from sparkeeper.survey import SessionState, TableState

_NO_MORE_THAN = 0.2


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(top)


def top(
    *,
    every: Annotated[
        float, typer.Option(min=_NO_MORE_THAN, metavar="SECONDS", help="How long to wait for a change, at most.")
    ] = 1.0,
    once: Annotated[bool, typer.Option("--once", help="Show it once, and end.")] = False,
    connect: Connect = None,
    namespace: Namespace = "",
    as_json: Json = False,
) -> None:
    """Watch what goes on, until Ctrl-C. It follows the ensemble: what changes is seen at once, and costs no polling.

    With --json, a line with everything for each change.
    """
    with coordinator(connect, namespace) as zk, zk.cache("/") as cache:
        changed = threading.Event()
        _follow(cache, changed)
        if once or as_json or not sys.stdout.isatty():
            while True:
                _write(zk, cache, as_json=as_json)
                if once:
                    return
                changed.wait()
                changed.clear()
        with Live(_screen(zk, cache), screen=True, auto_refresh=False) as live:
            while True:
                live.update(_screen(zk, cache), refresh=True)
                changed.wait(every)
                changed.clear()
                time.sleep(_NO_MORE_THAN)


def _follow(cache: Cache, changed: threading.Event) -> None:
    def follow() -> None:
        # With the command the cache ends.
        with contextlib.suppress(Closed):
            for _ in cache.events():
                changed.set()

    threading.Thread(target=follow, daemon=True).start()


def _write(zk: Coordinator, cache: Cache, *, as_json: bool) -> None:
    if as_json:
        document(recipes.read(cache))
        sys.stdout.flush()
    else:
        show(_screen(zk, cache))


def _screen(zk: Coordinator, cache: Cache) -> RenderableType:
    found = recipes.read(cache)
    locks = [line for line in found.lines if line.kind != "election"]
    elections = [line for line in found.lines if line.kind == "election"]
    parts: tuple[tuple[str, Any, Callable[[Any], RenderableType]], ...] = (
        ("locks", locks, recipes.lines),
        ("elections", elections, recipes.lines),
        ("groups", found.gatherings, recipes.gatherings),
        ("tasks and queues", found.work, recipes.work),
        ("tables", found.tables, _tables),
        ("sessions", found.sessions, _sessions),
    )
    head = Text(f"{zk.connect_string}  {zk.namespace or '/'}  {zk.state}  {time.strftime('%H:%M:%S')}", "bold reverse")
    drawn: list[RenderableType] = [head]
    for title, rows, draw in parts:
        if rows:
            drawn += [Text(f"\n{title}", "bold cyan"), draw(rows)]
    if len(drawn) == 1:
        drawn.append(Text("\nNobody holds, waits for, or writes anything here."))
    return Group(*drawn)


def _tables(found: tuple[TableState, ...]) -> RenderableType:
    rows = ([one.path, f"{one.version:,}", f"{one.files:,}", f"{one.bytes:,}", f"{one.writers:,}"] for one in found)
    return grid("table", "version", "files", "bytes", "writers now", rows=rows)


def _sessions(found: tuple[SessionState, ...]) -> RenderableType:
    return grid("session", "who", "nodes", rows=([one.session, one.owner or "-", f"{one.nodes:,}"] for one in found))
