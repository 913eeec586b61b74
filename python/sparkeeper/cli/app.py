"""The root of the command line: its commands, and what an error's exit code is."""

from __future__ import annotations

import io
import os
import sys
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import sparkeeper
from sparkeeper.cli import checkup, nodes, recipes, server, tables, top, ui, under
from sparkeeper.cli.codes import code_of

if TYPE_CHECKING:
    from collections.abc import Sequence

app = typer.Typer(
    name="sparkeeper",
    help="Coordination over Apache ZooKeeper for jobs, whatever they are written in. Say where the ensemble is with "
    "--connect or SPARKEEPER_CONNECT: host:port[,host:port...][/chroot], or local.",
    epilog="Exit codes: 0 done, 1 refused or not found, 2 wrong usage, 3 not acquired in time, 4 lost while running, "
    "5 no connection; of lock and elect else the command's own.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for part in (under, nodes, recipes, tables, server, checkup, top, ui):
    part.add_to(app)


def _version(asked: bool) -> None:  # noqa: FBT001 - typer's callback
    if asked:
        typer.echo(f"sparkeeper {metadata.version('sparkeeper')}")
        raise typer.Exit


@app.callback()
def root(
    *,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Take what stands before a command."""


def run(arguments: Sequence[str]) -> int:
    """Run a command, and return its exit code; errors are told on standard error, in one message."""
    for stream in (sys.stdout, sys.stderr):
        # A name that the terminal cannot write is no reason to fail.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if sys.stdout is None:
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - it is open as long as we run
    try:
        app(args=list(arguments), prog_name="sparkeeper")
    except SystemExit as done:
        if isinstance(done.__context__, BrokenPipeError):
            # Whoever read our output has gone, as `head` does; there is nobody to tell.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        return done.code if isinstance(done.code, int) else 0
    except (sparkeeper.exceptions.SparkeeperError, OSError) as error:
        sys.stderr.write(f"sparkeeper: {error}\n")
        return code_of(error)
    return 0
