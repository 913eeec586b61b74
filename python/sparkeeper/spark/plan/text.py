"""JSON as Spark writes it and as plans hold it: numbers keep every digit."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TypeAlias, cast

Json: TypeAlias = "str | int | Decimal | bool | list[Json] | dict[str, Json] | None"


def loads(text: str) -> dict[str, Json]:
    """Parse a JSON object; numbers with a point keep every digit."""
    return cast("dict[str, Json]", json.loads(text, parse_float=Decimal))


def dumps(value: Json) -> str:
    """Write what `loads` read, digit by digit; the standard encoder would round decimals to doubles."""
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, list):
        return "[" + ",".join(map(dumps, value)) + "]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{dumps(name)}:{dumps(item)}" for name, item in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False)
