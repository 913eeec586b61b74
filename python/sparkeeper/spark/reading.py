"""Options of Spark's writer that change how a file has to be read: a table keeps them, and all its files share them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_TIMES = ("dateFormat", "timestampFormat", "timestampNTZFormat")
_BY_FORMAT = {
    "csv": (
        "sep",
        "header",
        "quote",
        "escape",
        "charToEscapeQuoteEscaping",
        "nullValue",
        "encoding",
        "lineSep",
        *_TIMES,
    ),
    "json": ("encoding", "lineSep", *_TIMES),
    "text": ("encoding", "lineSep"),
}
_OTHER_NAMES = {"delimiter": "sep", "charset": "encoding"}


def reading_options(format: str, options: Mapping[str, str]) -> dict[str, str]:  # noqa: A002 - Spark's own name
    """Return those of `options` that a reader needs, under one name each."""
    known = {name.lower(): name for name in _BY_FORMAT.get(format.lower(), ())}
    found = {}
    for key, value in options.items():
        name = known.get(_OTHER_NAMES.get(key.lower(), key).lower())
        if name is not None:
            found[name] = value
    return found
