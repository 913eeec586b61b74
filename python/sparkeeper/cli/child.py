"""A command that runs while a grant stands, and ends before the grant does."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import FrameType

    from typing_extensions import Self

LOOK = 0.05
MARGIN = 0.5
"""Seconds before the end of the lease at which the command is dead."""

_PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)

# In a fresh process, as a fork of ours may do nothing but exec. The kernel kills the command should we be killed: a
# command that outlives us would run without the grant, as our session would end.
_START = """
import ctypes, os, signal, sys
parent, command = int(sys.argv[1]), sys.argv[2:]
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)
try:
    os.execvp(command[0], command)
except OSError as error:
    sys.stderr.write(f"sparkeeper: {command[0]}: {error.strerror}\\n")
    os._exit(127 if isinstance(error, FileNotFoundError) else 126)
"""


class Grant(Protocol):
    """A lock that is held, or a term of leadership."""

    @property
    def token(self) -> int:
        """The fencing token."""

    def valid_for(self) -> float:
        """Seconds for which it is certain."""


class Child:
    """The command, in a session of its own, so that whatever it started can be ended with it."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start it; signals that we get from now on are passed on to it."""
        self._asked = False
        self._before = {number: signal.signal(number, self._pass_on) for number in _PASSED_ON}
        # -I: nothing of the command's folder or environment reaches the interpreter that starts it.
        start = [sys.executable, "-I", "-S", "-c", _START, str(os.getpid()), *command]
        self._process = subprocess.Popen(start, env={**os.environ, **environment}, start_new_session=True)

    def __enter__(self) -> Self:
        """Return it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing of the command outlives this, whatever happened."""
        if self._process.poll() is None:
            self._end(signal.SIGKILL)
            self._process.wait()
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def wait(self, grant: Grant, grace: float) -> int | None:
        """Wait for its end, or for that of the grant; return its exit code, None where the grant was lost.

        Where the grant cannot be confirmed any more, the command gets SIGTERM while it is still certain for `grace`
        seconds, and SIGKILL before it is not.
        """
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                return _code(self._process.wait(LOOK))
            left = grant.valid_for()
            if left <= MARGIN:
                self._end(signal.SIGKILL)
                self._process.wait()
                return None
            at_risk = left <= grace + MARGIN
            if at_risk and not self._asked:
                self._end(signal.SIGTERM)
            # Where the link comes back, whether the command goes on after a SIGTERM is its own matter.
            self._asked = at_risk

    def _end(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)

    def _pass_on(self, number: int, _frame: FrameType | None) -> None:
        process = getattr(self, "_process", None)
        if process is not None and process.poll() is None:
            self._end(number)


def _code(status: int) -> int:
    """Say it as a shell does."""
    return 128 - status if status < 0 else status
