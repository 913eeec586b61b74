"""`sparkeeper server`: a real ZooKeeper for development, out of PySpark's jars."""

from __future__ import annotations

import signal
import threading
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated

import typer

from sparkeeper.cli.codes import REFUSED
from sparkeeper.cli.options import Json  # noqa: TC001 - as above
from sparkeeper.cli.output import document
from sparkeeper.exceptions import ConfigError
from sparkeeper.local import LocalEnsemble, LocalServer

if TYPE_CHECKING:
    from collections.abc import Sequence

_LOOK = 0.5


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(server)


def server(
    *,
    nodes: Annotated[int, typer.Option(min=1, help="How many servers; three or five form an ensemble.")] = 1,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="The port; 2181 by default. Of one server only.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Keep the data in this folder; else it goes with the server.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Run a ZooKeeper on this machine until Ctrl-C."""
    if nodes > 1 and (port is not None or data is not None):
        raise ConfigError(
            f"--nodes {nodes}: an ensemble has free ports and temporary data; leave out --port and --data"
        )
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    if nodes > 1:
        with LocalEnsemble(nodes) as ensemble:
            _serve(ensemble.connect_string, ensemble.nodes, stop, as_json=as_json)
        return
    with LocalServer(data, 2181 if port is None else port) as one:
        _serve(one.connect_string, [one], stop, as_json=as_json)


def _serve(where: str, servers: Sequence[LocalServer], stop: threading.Event, *, as_json: bool) -> None:
    if as_json:
        document({"connect": where, "version": servers[0].version, "pids": [one.pid for one in servers]})
    else:
        typer.echo(
            f"ZooKeeper {servers[0].version} serves at {where}; end it with Ctrl-C.\nexport SPARKEEPER_CONNECT={where}"
        )
    while not stop.wait(_LOOK):
        if not any(one.running for one in servers):
            typer.echo(f"sparkeeper: the server has ended by itself; its log is {servers[0].log}", err=True)
            raise typer.Exit(REFUSED)
