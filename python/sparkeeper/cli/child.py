"""A command that runs while a grant stands, and ends before the grant does."""

from __future__ import annotations

import contextlib
import math
import os
import signal
import subprocess
import sys
import time
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
# What Python ignores or takes for itself is the command's again, as it was ours.
for number in (signal.SIGPIPE, signal.SIGXFSZ):
    signal.signal(number, signal.SIG_DFL)
if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
parent, command = int(sys.argv[1]), sys.argv[2:]
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)
try:
    os.execvp(command[0], command)
except (OSError, ValueError) as error:
    sys.stderr.write(f"sparkeeper: {command[0]}: {getattr(error, 'strerror', error)}\\n")
    os._exit(126 if isinstance(error, OSError) and not isinstance(error, FileNotFoundError) else 127)
"""
# The kernel kills the command with us, and this what the command started.
_WATCH = 'read -r _ || kill -s KILL -- "-$1"'


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
        """Start it; signals that we get from now on are passed on to it, but those that we are to ignore."""
        self._asked_at = -math.inf
        self._signalled = False
        self._process: subprocess.Popen[bytes] | None = None
        self._early: list[int] = []
        heard = [number for number in _PASSED_ON if signal.getsignal(number) is not signal.SIG_IGN]
        self._before = {number: signal.signal(number, self._pass_on) for number in heard}
        # -I: nothing of the command's folder or environment reaches the interpreter that starts it.
        start = [sys.executable, "-I", "-S", "-c", _START, str(os.getpid()), *command]
        self._process = subprocess.Popen(start, env={**os.environ, **environment}, start_new_session=True)
        watch = ["/bin/sh", "-c", _WATCH, "sh", str(self._process.pid)]
        self._watchman = subprocess.Popen(
            watch,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        for number in self._early:
            self._end(number)

    def __enter__(self) -> Self:
        """Return it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing of a command that is under way outlives this, whatever happened."""
        if self._child.poll() is None:
            self._end(signal.SIGKILL)
            self._child.wait()
        with contextlib.suppress(BrokenPipeError):
            self._watchman.communicate(b"\n")
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def wait(self, grant: Grant, grace: float) -> int | None:
        """Wait for its end, or for that of the grant; return its exit code, None where it ended with the grant.

        Where the grant cannot be confirmed any more, the command gets SIGTERM while it is still certain for `grace`
        seconds, and SIGKILL before it is not. What the command started ends with a command that was told to end.
        """
        at_risk = False
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = _code(self._child.wait(LOOK))
                break
            left = grant.valid_for()
            if left <= MARGIN:
                self._end(signal.SIGKILL)
                self._child.wait()
                return None
            was_at_risk, at_risk = at_risk, left <= grace + MARGIN
            # Where the link comes back, whether the command goes on after a SIGTERM is its own matter.
            if at_risk and not was_at_risk:
                self._end(signal.SIGTERM)
                self._asked_at = time.monotonic()
        ended = time.monotonic()
        obeyed = ended <= self._asked_at + grace + MARGIN
        if obeyed or self._signalled:
            while self._alive() and time.monotonic() < ended + grace and grant.valid_for() > MARGIN:
                time.sleep(LOOK)
            self._end(signal.SIGKILL)
        return None if obeyed else code

    @property
    def _child(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise AssertionError
        return self._process

    def _alive(self) -> bool:
        """Say whether anything of the command's session runs, itself or not."""
        try:
            os.killpg(self._child.pid, 0)
        except ProcessLookupError:
            return False
        return True

    def _end(self, number: int) -> None:
        # On macOS a group whose only member is dead, and not waited for yet, is refused.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._child.pid, number)

    def _pass_on(self, number: int, _frame: FrameType | None) -> None:
        if self._process is None:
            self._early.append(number)
        elif self._process.poll() is None:
            self._signalled = True
            self._end(number)


def _code(status: int) -> int:
    """Say it as a shell does."""
    return 128 - status if status < 0 else status
