"""Reads a server's log for what to tell a user."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_TAIL_LINES = 25


def tail(log: Path) -> str:
    """Return the last lines of a log, indented for the end of an error's message."""
    try:
        lines = log.read_text(errors="replace").splitlines()[-_TAIL_LINES:]
    except OSError as error:
        lines = [f"(no log: {error})"]
    return "\n  " + ("\n  ".join(lines) or "(the log is empty)")


def size(log: Path) -> int:
    """Return where the next run's part of the log will begin."""
    return log.stat().st_size if log.exists() else 0


def blames_port(log: Path, start: int) -> bool:
    """Say whether the part of the log from `start` on complains that a port is taken."""
    with log.open("rb") as written:
        written.seek(start)
        text = written.read()
    return b"java.net.BindException" in text or b"Address already in use" in text


def blames_java(text: str) -> bool:
    """Say whether a JVM complains that it cannot run the server at all."""
    return "UnsupportedClassVersionError" in text or "Could not create the Java Virtual Machine" in text
