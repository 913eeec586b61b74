"""Runs the command line as a shell does: a process each, with its exit code and what it wrote."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from typing_extensions import Self

CLI = (sys.executable, "-m", "sparkeeper")

# Writes the time, ten times a second and more, until it is killed; a SIGTERM is noted and not obeyed.
STUBBORN = """
import os, signal, sys, time
out = open(sys.argv[1], "a", buffering=1)
signal.signal(signal.SIGTERM, lambda *_: out.write(f"term {time.monotonic()} {os.getpid()}\\n"))
while True:
    out.write(f"tick {time.monotonic()} {os.getpid()} {os.environ['SPARKEEPER_TOKEN']}\\n")
    time.sleep(0.01)
"""


class Shell:
    """Commands with one ensemble and namespace."""

    def __init__(self, connect: str, namespace: str) -> None:
        self.environment = {**os.environ, "SPARKEEPER_CONNECT": connect, "SPARKEEPER_NAMESPACE": namespace}

    def run(self, *arguments: str, given: bytes = b"", code: int = 0) -> bytes:
        """Run a command to its end; return its standard output."""
        return self._done(arguments, given, code).stdout

    def json(self, *arguments: str) -> Any:
        return json.loads(self.run(*arguments, "--json"))

    def refused(self, *arguments: str, code: int, given: bytes = b"") -> str:
        """Run a command that fails; return what it says."""
        return self._done(arguments, given, code).stderr.decode()

    def _done(self, arguments: tuple[str, ...], given: bytes, code: int) -> subprocess.CompletedProcess[bytes]:
        done = subprocess.run(
            [*CLI, *arguments], input=given, capture_output=True, env=self.environment, timeout=120, check=False
        )
        assert done.returncode == code, f"{arguments}: exit code {done.returncode}\n{done.stderr.decode()}"
        return done

    def start(self, *arguments: str, stdout: Any = subprocess.PIPE) -> Running:
        return Running([*CLI, *arguments], self.environment, stdout)


class Running:
    """A command under way; killed at the end of the `with`."""

    def __init__(self, command: list[str], environment: dict[str, str], stdout: Any) -> None:
        self.process = subprocess.Popen(command, env=environment, stdout=stdout, stderr=subprocess.PIPE, text=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
        self.process.communicate()

    def end(self, timeout: float = 60) -> tuple[int, str]:
        """Wait for its end; return the exit code and what it wrote to standard error."""
        _, errors = self.process.communicate(timeout=timeout)
        return self.process.returncode, errors


def ticks(file: Path, kind: str = "tick") -> list[tuple[float, int]]:
    """Return when a stubborn command wrote, and which process that was."""
    entries = [line.split() for line in (file.read_text().splitlines() if file.exists() else [])]
    return [(float(moment), int(process)) for word, moment, process, *_ in entries if word == kind]
