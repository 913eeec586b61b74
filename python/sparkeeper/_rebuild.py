"""What pickled handles are rebuilt by: as configuration, connecting on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sparkeeper.coordinator import Coordinator

if TYPE_CHECKING:
    from sparkeeper import _sparkeeper


def coordinator(settings: dict[str, Any]) -> Coordinator:
    """Return a coordinator that connects on first use."""
    return Coordinator(**settings)


def lock(settings: dict[str, Any], path: str, timeout: float | None, owner: str | None) -> _sparkeeper.Lock:
    """Return a lock handle whose coordinator connects on first use."""
    return coordinator(settings).lock(path, timeout=timeout, owner=owner)
