"""`sparkeeper lock PATH -- CMD…` and `sparkeeper elect PATH -- CMD…`: an unchanged job, run by one at a time."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from typing import TYPE_CHECKING, Annotated

import typer

from sparkeeper.cli.child import MARGIN, Child, Grant
from sparkeeper.cli.codes import LOST
from sparkeeper.cli.options import Connect, Json, Namespace, coordinator
from sparkeeper.exceptions import ConfigError, SparkeeperError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sparkeeper.coordinator import Coordinator

_QUIET = 2.0

Path = Annotated[str, typer.Argument(help="The path.", metavar="PATH")]
Command = Annotated[list[str], typer.Argument(metavar="-- CMD...", help="The command and its arguments.")]
Wait = Annotated[
    float | None,
    typer.Option("--timeout", "-t", metavar="SECONDS", help="How long to wait; for ever by default, 0 tries once."),
]
Grace = Annotated[
    float,
    typer.Option(
        metavar="SECONDS", help="How long before the end of the lease the command gets SIGTERM; SIGKILL comes with it."
    ),
]
SessionTimeout = Annotated[
    float,
    typer.Option(
        metavar="SECONDS", help="How long the ensemble may be away before it is lost, and how soon another may have it."
    ),
]
Owner = Annotated[str | None, typer.Option(metavar="NAME", help="Who to say that holds it.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(lock)
    app.command()(elect)


def lock(  # noqa: PLR0913 - each is an option
    path: Path,
    command: Command,
    *,
    connect: Connect = None,
    namespace: Namespace = "",
    timeout: Wait = None,
    grace: Grace = 4.0,
    session_timeout: SessionTimeout = 10.0,
    owner: Owner = None,
    as_json: Json = False,
) -> None:
    """Run CMD while holding the lock at PATH, and answer with its exit code.

    CMD finds the fencing token in SPARKEEPER_TOKEN and the path in SPARKEEPER_PATH. If the lock is about to be lost,
    CMD gets SIGTERM and then SIGKILL, with all that it started, before anybody else can have it; the exit code is 4
    then. Not acquired in time: 3.
    """
    _check(grace, session_timeout)
    tell = _teller(path, as_json=as_json)
    with coordinator(connect, namespace, session_timeout=session_timeout, owner=owner or command[0]) as zk:
        handle = zk.lock(path)
        with _announced(tell, lambda: [one.owner for one in handle.contenders()]):
            held = handle.acquire(timeout)
        code = _run(zk, path, command, held, grace, tell, held.release)
    raise typer.Exit(LOST if code is None else code)


def elect(  # noqa: PLR0913 - each is an option
    path: Path,
    command: Command,
    *,
    connect: Connect = None,
    namespace: Namespace = "",
    timeout: Wait = None,
    grace: Grace = 4.0,
    session_timeout: SessionTimeout = 10.0,
    owner: Owner = None,
    priority: Annotated[
        int | None, typer.Option(help="Elect the highest of those who wait; all candidates say one, or none.")
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Stand again when the leadership is lost.")] = False,
    as_json: Json = False,
) -> None:
    """Run CMD while leading the election at PATH: start it on several machines, and all but one are hot standbys.

    The others' CMD starts when the leader's has ended or died, with a larger SPARKEEPER_TOKEN. As for `lock`, CMD is
    stopped before anybody else can lead; the exit code is 4 then.
    """
    _check(grace, session_timeout)
    tell = _teller(path, as_json=as_json)
    strategy = "fair" if priority is None else "priority"
    with coordinator(connect, namespace, session_timeout=session_timeout, owner=owner or command[0]) as zk:
        election = zk.election(path, strategy=strategy, priority=priority)
        while True:
            with _announced(tell, lambda: [one.id for one in election.candidates()]):
                term = election.campaign(timeout)
            code = _run(zk, path, command, term, grace, tell, term.step_down)
            if code is not None or not again:
                raise typer.Exit(LOST if code is None else code)


def _check(grace: float, session_timeout: float) -> None:
    # A healthy lease is renewed six times in a session timeout, so it is never below five sixths of it for long.
    most = session_timeout / 2 - MARGIN
    if not 0 <= grace <= most:
        raise ConfigError(
            f"--grace {grace:g}: with a session timeout of {session_timeout:g} s give 0 to {max(most, 0):g} s, or a "
            "longer --session-timeout"
        )


def _run(  # noqa: PLR0913, PLR0917 - all of a run
    zk: Coordinator,
    path: str,
    command: list[str],
    grant: Grant,
    grace: float,
    tell: Callable[..., None],
    end: Callable[..., None],
) -> int | None:
    tell("acquired", f"acquired, token {grant.token}", token=grant.token)
    where = {
        "SPARKEEPER_TOKEN": str(grant.token),
        "SPARKEEPER_PATH": path,
        "SPARKEEPER_CONNECT": zk.connect_string,
        "SPARKEEPER_NAMESPACE": zk.namespace,
    }
    with Child(command, where) as child:
        code = child.wait(grant, grace)
    # Where the link is back before the lease ended, it is ours still, and would bar us too. What cannot be given back
    # now goes with the session, which ends with us.
    with contextlib.suppress(SparkeeperError):
        end(wait=code is not None)
    if code is None:
        tell("lost", "lost: it could be confirmed no more, and the command was stopped", token=grant.token)
        return None
    tell("released", f"released, exit code {code}", token=grant.token, code=code)
    return code


def _teller(path: str, *, as_json: bool) -> Callable[..., None]:
    """Return what tells of events, on standard error: standard output is the command's."""

    def tell(event: str, text: str, **more: object) -> None:
        line = json.dumps({"event": event, "path": path, **more}) if as_json else f"sparkeeper: {path}: {text}"
        # Whoever reads our messages may be gone; the command is not concerned.
        with contextlib.suppress(OSError):
            typer.echo(line, err=True)

    return tell


@contextlib.contextmanager
def _announced(tell: Callable[..., None], ahead: Callable[[], list[str]]) -> Iterator[None]:
    """Say who is waited for, where it lasts."""
    done = threading.Event()

    def announce() -> None:
        began = time.monotonic()
        if not done.wait(_QUIET):
            with contextlib.suppress(SparkeeperError):
                first, *others = ahead() or ["nobody"]
                behind = f", behind {len(others) - 1} others" if len(others) > 1 else ""
                waited = time.monotonic() - began
                tell(
                    "waiting", f"waiting for {first}{behind}", holder=first, ahead=len(others), waited=round(waited, 1)
                )

    thread = threading.Thread(target=announce, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
