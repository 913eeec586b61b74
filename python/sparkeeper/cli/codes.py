"""Exit codes: the table is in the package's docstring."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sparkeeper import exceptions

if TYPE_CHECKING:
    from collections.abc import Iterable

REFUSED = 1
USAGE = 2
NOT_ACQUIRED = 3
LOST = 4
NO_CONNECTION = 5

_CODES: Iterable[tuple[int, tuple[type[Exception], ...]]] = (
    (NOT_ACQUIRED, (exceptions.AcquireTimeout,)),
    (LOST, (exceptions.Fenced,)),
    (NO_CONNECTION, (exceptions.ConnectionLost, exceptions.SessionExpired, exceptions.AuthFailed)),
    (USAGE, (exceptions.ConfigError, exceptions.InvalidPath)),
)


def code_of(error: Exception) -> int:
    """Return the exit code that says what happened."""
    return next((code for code, kinds in _CODES if isinstance(error, kinds)), REFUSED)
