"""What each member would have if loads were in proportion to capacities: the mean where all capacities are equal."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


def shares(loads: Mapping[Any, float], capacities: Mapping[Any, float] | None = None) -> dict[Any, float]:
    """Divide all of `loads` in proportion to `capacities`, evenly where there are none."""
    if not loads:
        return {}
    sizes = capacities or dict.fromkeys(loads, 1.0)
    largest = max(sizes.values())
    relative = {name: size / largest for name, size in sizes.items()}
    unit = sum(loads.values()) / sum(relative.values())
    return {name: unit * size for name, size in relative.items()}
