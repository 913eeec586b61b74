"""Waiting for a condition, the only kind of waiting that tests do.

A limit is short where that time is promised; where none is, it only says when to give up, and a busy machine is slow.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

_NEVER = threading.Event()


def wait_for(predicate: Callable[[], T], timeout: float, why: str, interval: float = 0.02) -> T:
    """Return the first true value of `predicate`; raise AssertionError, saying why, when none came in time."""
    deadline = time.monotonic() + timeout
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() >= deadline:
            raise AssertionError(f"waited {timeout} s for: {why}; last value: {value!r}")
        _NEVER.wait(interval)
