"""Real processes that use the shared server, and what tests ask about processes."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import psutil

if TYPE_CHECKING:
    from pathlib import Path

_USER = """
import json, sys
from sparkeeper.local import shared_server
sys.stdin.readline()
try:
    shared = shared_server()
except Exception as error:
    print(json.dumps({"error": type(error).__name__, "text": str(error)}), flush=True)
else:
    card = {"connect": shared.connect_string, "pid": shared.pid, "supervisor": shared.supervisor_pid}
    print(json.dumps({**card, "version": shared.version}), flush=True)
sys.stdin.readline()
"""


class User:
    """A process that asks for the shared server when told, and uses it until it is told to leave, or killed."""

    def __init__(self, runtime: Path, **environment: str) -> None:
        """Start the process; `runtime` is the machine's runtime folder as it sees it."""
        self.process = subprocess.Popen(
            [sys.executable, "-c", _USER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "XDG_RUNTIME_DIR": str(runtime), **environment},
        )

    def ask(self) -> None:
        """Let it ask for the server."""
        self._say()

    def answer(self, timeout: float = 60.0) -> dict[str, Any]:
        """Return what it got."""
        ready, _, _ = select.select([self.process.stdout], [], [], timeout)
        assert ready, f"the user process gave no answer within {timeout} s"
        return json.loads(self.process.stdout.readline())

    def join(self) -> dict[str, Any]:
        """Let it ask, and return what it got, which must be a server."""
        self.ask()
        card = self.answer()
        assert "error" not in card, card
        return card

    def leave(self) -> None:
        """Let it end as processes do."""
        self._say()
        assert self.process.wait(60) == 0

    def kill(self) -> None:
        """End it with SIGKILL."""
        self.process.kill()
        self.process.wait()

    def _say(self) -> None:
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()


def gone(pid: int) -> bool:
    """Say whether a process has ended; a zombie has."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
