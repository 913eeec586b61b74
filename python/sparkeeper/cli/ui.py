"""`sparkeeper ui`: a page in the browser with what `top` shows, and what became of it since."""

from __future__ import annotations

import signal
import threading
import webbrowser
from typing import Annotated

import typer

from sparkeeper.cli.options import Connect, Json, Namespace, coordinator
from sparkeeper.cli.output import document
from sparkeeper.ui.follow import Follower
from sparkeeper.ui.server import ADDRESS, Server


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(ui)


def ui(
    *,
    port: Annotated[int, typer.Option(min=0, max=65535, help=f"The port on {ADDRESS}; 0 for any that is free.")] = 8765,
    browser: Annotated[bool, typer.Option("--open/--no-open", help="Open the page in the browser.")] = False,
    connect: Connect = None,
    namespace: Namespace = "",
    as_json: Json = False,
) -> None:
    """Serve a page that shows live what goes on, until Ctrl-C.

    Who holds, waits and leads, and did since the command started; how evenly partitions are divided; the versions of
    tables. It only reads, and only browsers on this machine reach it.
    """
    stop = threading.Event()
    with (
        Server(port) as server,
        coordinator(connect, namespace) as zk,
        zk.cache("/") as cache,
        Follower(zk, cache) as follower,
    ):
        server.follower = follower
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stop.set())
        threading.Thread(target=server.serve_forever, daemon=True).start()
        if as_json:
            document({"url": server.url})
        else:
            typer.echo(f"{server.url} shows {zk.namespace or '/'} of {zk.connect_string}; end it with Ctrl-C.")
        if browser:
            webbrowser.open(server.url)
        try:
            follower.wait(stop)
        finally:
            server.shutdown()
