"""Which files of the mirror no reader needs any more."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_COMPACTS = 3
_YOUNG = 600.0
"""Seconds for which a reader may still open what it has listed."""


def expired(mirror: Mapping[str, float], now: float) -> list[str]:
    """Return the names to delete.

    Kept are the three newest compacts, from which every reader derives how far they stand apart, all ids after the
    oldest of them, and what is younger than ten minutes.

    Args:
        mirror: Names, and when they were written, in seconds since 1970.
        now: Likewise.
    """
    ids = {name: int(name.removesuffix(".compact")) for name in mirror if name.removesuffix(".compact").isdigit()}
    compacts = sorted(ids[name] for name in ids if name.endswith(".compact"))
    if len(compacts) <= _COMPACTS:
        return []
    oldest = compacts[-_COMPACTS]
    return sorted(name for name, number in ids.items() if number < oldest and mirror[name] < now - _YOUNG)
