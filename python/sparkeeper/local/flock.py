"""Advisory file locks that end with the process that holds them, however it ends."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_INTERVAL = 0.02
# Nobody sets it: waiting on it is a pause.
_NEVER = threading.Event()


def pause(seconds: float = _INTERVAL) -> None:
    """Let a moment pass between two looks at something that cannot be waited for."""
    _NEVER.wait(seconds)


def acquire(path: Path, *, shared: bool, timeout: float) -> int | None:
    """Return a descriptor that holds the lock on a file, None when it was not free within `timeout` seconds.

    The lock ends when the descriptor and all its copies (in forked children) are closed.
    flock(2) knows no timeout, hence the repeated tries.
    """
    descriptor = _open(path)
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    deadline = time.monotonic() + timeout
    try:
        while not _try(descriptor, kind):
            if time.monotonic() >= deadline:
                os.close(descriptor)
                return None
            pause()
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def wait_exclusive(path: Path) -> int:
    """Block until nobody else holds a lock on the file, and return a descriptor that does."""
    descriptor = _open(path)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    return descriptor


def is_locked(path: Path) -> bool:
    """Say whether somebody holds the file's lock exclusively."""
    descriptor = acquire(path, shared=True, timeout=0)
    if descriptor is None:
        return True
    os.close(descriptor)
    return False


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _try(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
