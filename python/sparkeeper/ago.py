"""How long ago a moment of the server's was."""

from __future__ import annotations

import time

_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def ago(millis: int, now: int | None = None) -> str:
    """Write how long before `now` that is, both in milliseconds since 1970; by default this machine's present."""
    seconds = max(0.0, (time.time() if now is None else now / 1000) - millis / 1000)
    size, unit = next(((size, unit) for size, unit in _UNITS if seconds >= size), (1, "s"))
    return f"{seconds // size:.0f} {unit}"
