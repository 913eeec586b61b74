"""Other processes that use the coordinator, steered line by line through their standard streams."""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing_extensions import Self

# What a program may use: `say(value)` answers, `hear()` waits for the test's word.
_PRELUDE = """
import json, os, sys
import sparkeeper
from sparkeeper import exceptions

def say(value):
    # In one piece: threads may say something at the same time.
    sys.stdout.write(json.dumps(value) + "\\n")
    sys.stdout.flush()

def hear():
    return sys.stdin.readline().strip()

"""


class Program(contextlib.AbstractContextManager["Program"]):
    """A Python program in a process of its own; it is killed at the end of the `with`, should it still run."""

    def __init__(self, code: str, *arguments: str, **environment: str) -> None:
        """Start `code`, which finds the arguments in `sys.argv[1:]`."""
        self.process = subprocess.Popen(
            [sys.executable, "-c", _PRELUDE + code, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
        )

    @property
    def pid(self) -> int:
        """The process's id."""
        return self.process.pid

    def answer(self, timeout: float = 60.0) -> Any:
        """Return the next value that it said."""
        # One line is said at a time, so nothing waits in the reader's own buffer.
        ready, _, _ = select.select([self.process.stdout], [], [], timeout)
        assert ready, f"the program said nothing within {timeout} s"
        line = self.process.stdout.readline()
        assert line, f"the program ended with {self.process.wait(60)} and said nothing"
        return json.loads(line)

    def tell(self, word: str = "") -> None:
        """Let it go on."""
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()

    def ask(self, word: str = "", timeout: float = 60.0) -> Any:
        """Let it go on, and return what it says then."""
        self.tell(word)
        return self.answer(timeout)

    def send(self, number: int) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def wait(self, timeout: float = 30.0) -> int:
        """Wait for its end and return its exit code."""
        return self.process.wait(timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
