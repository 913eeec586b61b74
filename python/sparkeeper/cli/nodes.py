"""Single nodes: `ls`, `tree`, `get`, `set`, `rm`, `watch`, `stat`."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text
from rich.tree import Tree

from sparkeeper.cli.options import Connect, Json, Namespace, coordinator
from sparkeeper.cli.output import document, grid, moment, show
from sparkeeper.exceptions import ConfigError

if TYPE_CHECKING:
    from sparkeeper._sparkeeper import Stat
    from sparkeeper.coordinator import Coordinator

Path = Annotated[str, typer.Argument(metavar="PATH")]
Root = Annotated[str, typer.Argument(metavar="[PATH]")]

_STAT = ("version", "czxid", "mzxid", "pzxid", "ctime", "mtime", "data_length", "num_children", "ephemeral_owner")
_TIMES = {"ctime", "mtime"}
_HEXADECIMAL = {"ephemeral_owner", "czxid", "mzxid", "pzxid"}


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (ls, tree, get, stat, rm, watch):
        app.command()(command)
    app.command("set")(set_)


def ls(path: Root = "/", *, connect: Connect = None, namespace: Namespace = "", as_json: Json = False) -> None:
    """List the names below PATH."""
    with coordinator(connect, namespace) as zk:
        names = sorted(zk.children(path))
    if as_json:
        document(names)
    else:
        for name in names:
            typer.echo(name)


def tree(
    path: Root = "/",
    *,
    depth: Annotated[
        int | None, typer.Option("--depth", "-d", min=0, help="Levels below PATH; all by default.")
    ] = None,
    connect: Connect = None,
    namespace: Namespace = "",
    as_json: Json = False,
) -> None:
    """Draw what is below PATH, with the data of each node where it is short text."""
    with coordinator(connect, namespace) as zk:
        found = _branch(zk, path, depth)
    try:
        document(found) if as_json else show(_drawn(path, found))
    except RecursionError:
        raise ConfigError(
            f"tree {path!r}: it is too deep to be drawn; give a --depth, or a path further down"
        ) from None


def get(path: Path, *, connect: Connect = None, namespace: Namespace = "", as_json: Json = False) -> None:
    """Write the data of PATH as it is; with --json its stat too."""
    with coordinator(connect, namespace) as zk:
        data, found = zk.get(path)
    if as_json:
        document({"path": path, "data": data, **_stat(found)})
        return
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
    if sys.stdout.isatty():
        typer.echo()


def set_(  # noqa: PLR0913 - each is an option
    path: Path,
    data: Annotated[str, typer.Argument(metavar="DATA", help="The data; - reads standard input.")],
    *,
    create: Annotated[
        bool, typer.Option("--create", help="Make the node, and its parents, where it is not there.")
    ] = False,
    version: Annotated[int | None, typer.Option(help="Write only over this version.")] = None,
    connect: Connect = None,
    namespace: Namespace = "",
    as_json: Json = False,
) -> None:
    """Write the data of PATH."""
    if create and version is not None:
        raise ConfigError("set: --create makes a node that has no version yet, --version writes over one; give one")
    content = sys.stdin.buffer.read() if data == "-" else os.fsencode(data)
    with coordinator(connect, namespace) as zk:
        if create and zk.exists(path) is None:
            zk.create(path, content)
            now = 0
        else:
            now = zk.set(path, content, version).version
    if as_json:
        document({"path": path, "version": now})


def rm(  # noqa: PLR0913 - each is an option
    path: Path,
    *,
    recursive: Annotated[bool, typer.Option("--recursive", "-r", help="With everything below it.")] = False,
    version: Annotated[int | None, typer.Option(help="Delete only this version.")] = None,
    connect: Connect = None,
    namespace: Namespace = "",
    as_json: Json = False,
) -> None:
    """Delete PATH."""
    with coordinator(connect, namespace) as zk:
        zk.delete(path, version, recursive)
    if as_json:
        document({"path": path, "deleted": True})


def stat(path: Path, *, connect: Connect = None, namespace: Namespace = "", as_json: Json = False) -> None:
    """Show what the server keeps about PATH."""
    with coordinator(connect, namespace) as zk:
        _, found = zk.get(path)
    if as_json:
        document({"path": path, **_stat(found)})
        return
    show(grid("", path, rows=([name, _shown(name, value)] for name, value in _stat(found).items())))


def watch(  # noqa: PLR0913 - each is an option
    path: Path,
    *,
    count: Annotated[int | None, typer.Option(min=1, help="End after so many changes.")] = None,
    timeout: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="End when nothing happened for so long.")
    ] = None,
    connect: Connect = None,
    namespace: Namespace = "",
    as_json: Json = False,
) -> None:
    """Tell of changes at and below PATH as they happen, until Ctrl-C."""
    with coordinator(connect, namespace) as zk, zk.cache(path) as cache:
        for seen, event in enumerate(cache.events(timeout), 1):
            at = "/".join(filter(None, (path.rstrip("/"), event.path))) or "/"
            if as_json:
                document({"kind": event.kind, "path": at, "zxid": event.zxid, "data": event.data})
            else:
                typer.echo(f"{event.zxid:#x}  {event.kind:<7}  {at}  {_brief(event.data)}".rstrip())
            sys.stdout.flush()
            if seen == count:
                return


def _branch(zk: Coordinator, path: str, depth: int | None) -> dict[str, Any]:
    """Read a node and what is below it, from one cache's snapshot."""
    with zk.cache(path) as cache:
        snapshot = cache.snapshot()
    if not snapshot:
        # Says how it is not there.
        zk.get(path)
    top: dict[str, Any] = {}
    for at in sorted(snapshot.keys(), key=lambda key: key.split("/")):
        names = at.split("/") if at else []
        if depth is not None and len(names) > depth:
            continue
        data, found = snapshot[at]
        node = top
        for name in names:
            node = node.setdefault("children", {}).setdefault(name, {})
        node |= {"data": data, "version": found.version, "ephemeral": bool(found.ephemeral_owner)}
    return top


def _drawn(name: str, node: dict[str, Any], parent: Tree | None = None) -> Tree:
    label = Text(name, "bold" if node.get("children") else "")
    if node.get("ephemeral"):
        label.append("  ephemeral", "cyan")
    label.append(f"  {_brief(node.get('data', b''))}", "dim")
    drawn = Tree(label) if parent is None else parent.add(label)
    for below, child in node.get("children", {}).items():
        _drawn(below, child, drawn)
    return drawn


def _brief(data: bytes) -> str:
    """Write data on one line, where it is text."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return f"({len(data)} bytes)"
    if not text.isprintable() and "\n" not in text:
        return f"({len(data)} bytes)"
    line = text.replace("\n", " ⏎ ")
    return line if len(line) <= 80 else f"{line[:77]}... ({len(data)} bytes)"  # noqa: PLR2004 - a line


def _stat(found: Stat) -> dict[str, int]:
    return {name: getattr(found, name) for name in _STAT}


def _shown(name: str, value: int) -> str:
    if name in _TIMES:
        return moment(value) if value else "-"
    return f"{value:#x}" if name in _HEXADECIMAL else f"{value:,}"
