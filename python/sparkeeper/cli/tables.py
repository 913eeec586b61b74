"""`sparkeeper table`: history and care of the tables that `zk.write` made."""

from __future__ import annotations

import contextlib
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sparkeeper.cli.codes import REFUSED
from sparkeeper.cli.options import Connect, Json, Namespace, coordinator
from sparkeeper.cli.output import document, grid, moment, show
from sparkeeper.cli.quiet_spark import session

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sparkeeper.spark.table import Table

Path = Annotated[str, typer.Argument(metavar="PATH", help="The table's directory, or its URI.")]
Master = Annotated[
    str, typer.Option("--master", metavar="MASTER", help="Where Spark runs, which reads and writes the files.")
]
_LOCAL = "local[2]"
_DAY = 86_400.0


def add_to(app: typer.Typer) -> None:
    """Add the commands, as `table ...`."""
    group = typer.Typer(help="History and care of tables.", no_args_is_help=True)
    for command in (history, recover, vacuum, restore, doctor):
        group.command()(command)
    app.add_typer(group, name="table")


@contextlib.contextmanager
def _table(path: str, connect: str | None, namespace: str, master: str) -> Iterator[Table]:
    with coordinator(connect, namespace) as zk, session(master, {}) as spark:
        yield zk.table(spark, path)


def history(
    path: Path, *, master: Master = _LOCAL, connect: Connect = None, namespace: Namespace = "", as_json: Json = False
) -> None:
    """Show the versions that are kept: what was done, when, by whom."""
    with _table(path, connect, namespace, master) as table:
        versions = [row.asDict(recursive=True) for row in table.history().collect()]
    if as_json:
        document([{key: _json(value) for key, value in version.items()} for version in versions])
        return
    rows = (
        [
            f"{one['version']:,}",
            one["operation"],
            one["job_id"],
            f"+{one['added']:,} -{one['removed']:,}",
            f"{one['files']:,}",
            f"{one['bytes']:,}",
            moment(round(one["committed_at"].timestamp() * 1000)),
            f"{one['writer'].get('app', '-')} @ {one['writer'].get('host', '-')}",
        ]
        for one in versions
    )
    show(grid("version", "operation", "job", "files", "has", "bytes", "committed", "by", rows=rows))


def recover(  # noqa: PLR0913 - each is an option
    path: Path,
    *,
    grace: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="How long a writer's session may be missed; 0 for none.")
    ] = None,
    master: Master = _LOCAL,
    connect: Connect = None,
    namespace: Namespace = "",
    as_json: Json = False,
) -> None:
    """Settle what dead writers left."""
    with _table(path, connect, namespace, master) as table:
        done = table.recover() if grace is None else table.recover(grace)
    if as_json:
        document(done)
    else:
        typer.echo(
            f"rolled back {len(done.rolled_back)}, finished {len(done.finished)} transactions; "
            f"plain readers see {done.published} versions more"
        )


def vacuum(  # noqa: PLR0913 - each is an option
    path: Path,
    *,
    older_than: Annotated[float, typer.Option(metavar="DAYS", help="Keep versions that were replaced since.")] = 7.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be deleted.")] = False,
    master: Master = _LOCAL,
    connect: Connect = None,
    namespace: Namespace = "",
    as_json: Json = False,
) -> None:
    """Delete what only old versions have, and what dead writers left."""
    with _table(path, connect, namespace, master) as table:
        done = table.vacuum(older_than * _DAY, dry_run=dry_run)
    if as_json:
        document(done)
    else:
        typer.echo(
            f"{'would delete' if dry_run else 'deleted'} {len(done.files)} files of old versions, "
            f"{len(done.orphans)} of dead writers; the oldest version is {done.floor}"
        )


def restore(  # noqa: PLR0913 - each is an option
    path: Path,
    version: Annotated[int, typer.Argument(metavar="VERSION")],
    *,
    master: Master = _LOCAL,
    connect: Connect = None,
    namespace: Namespace = "",
    as_json: Json = False,
) -> None:
    """Make the rows of VERSION the newest again, as a version of its own."""
    with _table(path, connect, namespace, master) as table:
        done = table.restore(version)
    if as_json:
        document(done)
    else:
        typer.echo(f"version {done.version} has the rows of version {version}")


def doctor(
    path: Path, *, master: Master = _LOCAL, connect: Connect = None, namespace: Namespace = "", as_json: Json = False
) -> None:
    """Compare directory, mirror and ZooKeeper; the exit code is 1 where something is to be done."""
    with _table(path, connect, namespace, master) as table:
        found = table.doctor()
    if as_json:
        document({"healthy": found.healthy, **_plain(found)})
    else:
        typer.echo(str(found))
    if not found.healthy:
        raise typer.Exit(REFUSED)


def _plain(found: Any) -> dict[str, Any]:  # noqa: ANN401 - a Diagnosis
    findings = [{"kind": one.kind, "text": str(one), "harmless": one.harmless} for one in found.findings]
    return {"path": found.path, "version": found.version, "findings": findings}


def _json(value: Any) -> Any:  # noqa: ANN401 - a column's value
    return value.isoformat() if isinstance(value, datetime) else value
