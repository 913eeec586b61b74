"""How long ago a moment of the server's was."""

from __future__ import annotations

import time

_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def ago(millis: int) -> str:
    """Write how long ago that is, by this machine's clock; `millis` since 1970."""
    seconds = max(0.0, time.time() - millis / 1000)
    size, unit = next(((size, unit) for size, unit in _UNITS if seconds >= size), (1, "s"))
    return f"{seconds // size:.0f} {unit}"
