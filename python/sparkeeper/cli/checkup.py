"""`sparkeeper doctor`: can this machine, and a cluster's executors, work with the ensemble."""

from __future__ import annotations

from typing import Annotated

import typer

import sparkeeper
from sparkeeper.cli.codes import REFUSED
from sparkeeper.cli.options import Connect, Json, Namespace, coordinator
from sparkeeper.cli.output import document
from sparkeeper.cli.quiet_spark import session


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(doctor)


def doctor(
    *,
    spark: Annotated[
        str | None,
        typer.Option(metavar="MASTER", help="A Spark master, such as local[2], spark://..., yarn, or sc://...."),
    ] = None,
    connect: Connect = None,
    namespace: Namespace = "",
    as_json: Json = False,
) -> None:
    """Say what is well, what is not, and what to do; the exit code is 1 where something is not well."""
    with coordinator(connect, namespace) as zk:
        where = zk.connect_string
    with session(spark or "local[1]", {"spark.zookeeper.connect": where}) as found:
        checkup = sparkeeper.doctor(found)
    if as_json:
        document({"ok": checkup.ok, "checkup": checkup})
    else:
        typer.echo(str(checkup))
    if not checkup.ok:
        raise typer.Exit(REFUSED)
