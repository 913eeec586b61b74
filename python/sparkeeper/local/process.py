"""A server as a child process that cannot outlive the process that started it.

The child begins as a shell that leaves a watcher behind and becomes Java. The watcher waits on a pipe
whose other end only we hold: when we end, however we end, the kernel closes it, and the watcher kills Java
with SIGKILL and removes the temporary data. An ordinary stop kills the watcher along with Java. Both kill the whole
group in the end: a `java` that is a script may have begun others.
It needs no polling, and unlike PR_SET_PDEATHSIG it works on macOS too and is not set off by the end of the *thread*
that happened to start the server.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

# $$ is the shell itself even in the parenthesis, so it is Java later on. $1: what to remove, or nothing.
_BECOME_JAVA = """
exec 3<&0 </dev/null
( read -r _ <&3; kill -9 $$; [ -z "$1" ] || rm -rf -- "$1"; kill -9 -$$ ) >/dev/null 2>&1 &
exec 3<&-
shift
exec "$@"
"""


class ServerProcess:
    """One run of a server: from its start to its end."""

    def __init__(self, command: Sequence[str], log: Path, lock: int, temporary: Path | None) -> None:
        """Start it.

        Args:
            command: The command line, which starts with the Java executable.
            log: The file that its output is appended to.
            lock: A descriptor that holds a lock on the data; the child inherits it and keeps it for its life.
            temporary: A folder to remove if we die first.
        """
        with log.open("ab") as output:
            self._child = subprocess.Popen(
                ["/bin/sh", "-c", _BECOME_JAVA, "sparkeeper-zookeeper", str(temporary or ""), *command],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                pass_fds=(lock,),
                # Paths in other alphabets reach Java whole, whatever the caller's locale is.
                env={**os.environ, "LC_ALL": "C.UTF-8"},
                # Ctrl-C in a terminal goes to the whole group; the server must outlive the handling of it.
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The process id of Java."""
        return self._child.pid

    def wait(self, timeout: float | None = None) -> int | None:
        """Wait for the end and return its exit code, None when it still runs after `timeout` seconds."""
        try:
            return self._child.wait(timeout)
        except subprocess.TimeoutExpired:
            return None

    def send(self, number: signal.Signals) -> None:
        """Send a signal; nothing happens when the process has ended."""
        self._child.send_signal(number)

    def pause(self) -> None:
        """Send SIGSTOP and return when the process has stopped."""
        self.send(signal.SIGSTOP)
        if hasattr(os, "waitid"):  # macOS has none; there the last thread may run on for a moment
            os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def end(self, grace: float) -> None:
        """End the process, with SIGKILL if SIGTERM takes longer than `grace` seconds, and what is left of its group."""
        # A stopped process would only get the SIGTERM when it is continued.
        self.send(signal.SIGCONT)
        if grace > 0:
            self.send(signal.SIGTERM)
            self.wait(grace)
        # macOS says PermissionError where only zombies are left.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self._child.wait()
        if self._child.stdin is not None:
            self._child.stdin.close()
