"""The command `sparkeeper`: locks and elections around any command, a look at what goes on, care of tables.

Exit codes:

| code | means |
|---|---|
| 0 | done |
| 1 | refused or not found: the message says why |
| 2 | wrong usage: an argument or a setting is none, or a port is taken |
| 3 | the lock or the leadership was not acquired in time |
| 4 | it was lost while the command ran, and the command was stopped |
| 5 | no connection: no server answered, the session ended, or the credentials were refused |
| 126, 127, 128 + n | of `lock` and `elect`: the command may not be run, was not found, was ended by signal n |
| 130, 143, 129 | interrupted; ended by SIGTERM; by SIGHUP |
| else | of `lock` and `elect`: the command's own |
"""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType


def main() -> None:
    """Run the command line, and leave with its exit code."""
    try:
        sys.exit(_run())
    except KeyboardInterrupt:
        # Before a command has begun: from then on it sees to it.
        sys.exit(128 + signal.SIGINT)


def _run() -> int:
    try:
        from sparkeeper.cli.app import run  # noqa: PLC0415 - the message below is for those who have no typer
    except ModuleNotFoundError as error:
        if error.name not in {"typer", "rich", "click"}:
            raise
        sys.stderr.write(f"sparkeeper: the command line needs '{error.name}': pip install 'sparkeeper[cli]'\n")
        return 2
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _leave)
    return run(sys.argv[1:])


def _leave(number: int, _frame: FrameType | None) -> None:
    """Give back what we have, and a place in line, as Ctrl-C does."""
    raise SystemExit(128 + number)
