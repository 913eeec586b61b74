"""What every command takes: where the ensemble is, and whether to write JSON."""

from __future__ import annotations

import contextlib
import logging
import os
from typing import TYPE_CHECKING, Annotated

import typer

import sparkeeper

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sparkeeper.coordinator import Coordinator

Connect = Annotated[
    str | None,
    typer.Option(
        "--connect",
        "-c",
        metavar="HOST:PORT",
        envvar="SPARKEEPER_CONNECT",
        help='The ensemble: host:port[,host:port...][/chroot], or "local" for the one that this machine shares.',
    ),
]
Namespace = Annotated[
    str,
    typer.Option("--namespace", "-n", metavar="PATH", envvar="SPARKEEPER_NAMESPACE", help="What paths are below."),
]
Json = Annotated[bool, typer.Option("--json", help="Write JSON.")]
PATIENCE = 10.0


def coordinator(
    connect: str | None, namespace: str, *, session_timeout: float = 10.0, owner: str | None = None
) -> Coordinator:
    """Connect; credentials and TLS files come from the environment, where no list of processes shows them.

    SPARKEEPER_AUTH is scheme:credential (better scheme:env:NAME or scheme:file:PATH); SPARKEEPER_TLS_CA, _CERT and
    _KEY name PEM files; SPARKEEPER_ACL is as for `sparkeeper.connect`.
    """
    if connect is None:
        raise typer.BadParameter("say where the ensemble is", param_hint="'--connect' (env var: 'SPARKEEPER_CONNECT')")
    ca, cert, key = (os.environ.get(f"SPARKEEPER_TLS_{name}") for name in ("CA", "CERT", "KEY"))
    with _each_cause_once():
        return sparkeeper.connect(
            connect,
            namespace=namespace,
            session_timeout=session_timeout,
            auth=os.environ.get("SPARKEEPER_AUTH"),
            acl=os.environ.get("SPARKEEPER_ACL"),
            tls=sparkeeper.Tls(ca, cert, key) if ca or cert or key else None,
            owner=owner,
            timeout=PATIENCE,
        )


@contextlib.contextmanager
def _each_cause_once() -> Iterator[None]:
    """Tell once why a try to connect failed: the client library warns of each, a dozen times a second."""
    said: set[str] = set()

    def new(record: logging.LogRecord) -> bool:
        text = record.getMessage()
        if text in said:
            return False
        said.add(text)
        return True

    # Nobody configures logging in a command, so what is warned of goes here.
    terminal = logging.lastResort
    if terminal is None:
        yield
        return
    terminal.addFilter(new)
    yield
    # Not where that failed: the command ends, and some warnings are still on their way.
    terminal.removeFilter(new)
