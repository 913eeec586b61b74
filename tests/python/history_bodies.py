"""What a client of a history lives in: a process of its own, or a thread of the test's."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import queue
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import history_client

if TYPE_CHECKING:
    from collections.abc import Iterator

    from history_client import Who

# A step waits for grants of others, which their faults hold up: longer than this is a hang.
STUCK = 90.0


class Stuck(AssertionError):
    """A client did not finish a step."""


class Body(Protocol):
    """What a client lives in."""

    def ask(self, line: str) -> None:
        """Give it a step."""

    def answers(self) -> Iterator[dict[str, Any]]:
        """Return what it says, until it is done with the step; raise EOFError where it died before."""

    def close(self) -> None:
        """End it."""


class ProcessBody:
    """A client in a process of its own, which can be stopped and killed."""

    def __init__(self, who: Who) -> None:
        program = Path(__file__).with_name("history_client.py")
        self._process = subprocess.Popen(
            [sys.executable, program, *dataclasses.astuple(who)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # It says what it does on the one; what its links do to it, and that is a lot, nobody reads.
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        self._said: queue.SimpleQueue[str] = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self._process.stdout:
            self._said.put(line)
        self._said.put("")

    def ask(self, line: str) -> None:
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()

    def answers(self) -> Iterator[dict[str, Any]]:
        while True:
            try:
                line = self._said.get(timeout=STUCK)
            except queue.Empty:
                raise Stuck(f"a client said nothing for {STUCK} s") from None
            if not line.endswith("\n"):
                raise EOFError
            value = json.loads(line)
            if "done" in value:
                return
            yield value

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()


class ThreadBody:
    """A client in a thread of this process, with a session of its own."""

    def __init__(self, who: Who) -> None:
        self._steps: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._said: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, args=(who,))
        self._thread.start()

    def _run(self, who: Who) -> None:
        try:
            history_client.serve(who, iter(self._steps.get, ""), self._said.put)
        finally:
            self._said.put({"died": True})

    def ask(self, line: str) -> None:
        self._steps.put(line)

    def answers(self) -> Iterator[dict[str, Any]]:
        while True:
            try:
                value = self._said.get(timeout=STUCK)
            except queue.Empty:
                raise Stuck(f"a client said nothing for {STUCK} s") from None
            if "died" in value:
                raise EOFError
            if "done" in value:
                return
            yield value

    def close(self) -> None:
        self._steps.put("")
        self._thread.join(60)
