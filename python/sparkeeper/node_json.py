"""What nodes say in JSON. Anybody may have written them, so what is not of the form that is looked for says nothing."""

from __future__ import annotations

import json
import math
from typing import Any

Json = dict[str, Any]


def parsed(data: bytes) -> Json:
    """Return the object; an empty one where there is none, or it has what JSON has not: NaN, Infinity."""
    try:
        found = json.loads(data or b"{}", parse_constant=_refuse, parse_float=_finite)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def text(value: object) -> str:
    """Return a string; an empty one where it is none."""
    return value if isinstance(value, str) else ""


def whole(value: object) -> int:
    """Return a whole number; 0 where it is none."""
    return value if isinstance(value, int) else 0


def number(value: object) -> float | None:
    """Return a number; None where it is none."""
    return value if isinstance(value, int | float) else None


def several(value: object) -> list[Any]:
    """Return a list; an empty one where it is none."""
    return value if isinstance(value, list) else []


def named(value: object) -> Json:
    """Return an object; an empty one where it is none."""
    return value if isinstance(value, dict) else {}


def _finite(written: str) -> float:
    value = float(written)
    return value if math.isfinite(value) else _refuse(written)


def _refuse(written: str) -> float:
    raise ValueError(written)
