"""What commands write: one JSON document, or a table for people."""

from __future__ import annotations

import base64
import dataclasses
import json
import time
from typing import TYPE_CHECKING, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterable


def document(value: Any) -> None:  # noqa: ANN401 - any JSON
    """Write one JSON document; dataclasses are objects, bytes are text, or {"base64": ...} where they are none."""
    typer.echo(json.dumps(value, default=_plain, ensure_ascii=False))


def show(what: Any) -> None:  # noqa: ANN401 - whatever rich draws
    """Write for people: in colour where this is a terminal, without a limit of width where it is not."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=10_000)
    console.print(what)


def grid(*heads: str, rows: Iterable[Iterable[str | Text]] = ()) -> Table:
    """Make a table."""
    table = Table(*heads, box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
    for row in rows:
        # Names are names: brackets in one are no markup.
        table.add_row(*(Text(cell) if isinstance(cell, str) else cell for cell in row))
    return table


def moment(millis: int) -> str:
    """Write a server's time, in this machine's zone."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(millis / 1000))


def _plain(value: Any) -> Any:  # noqa: ANN401 - as above
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return {"base64": base64.b64encode(value).decode()}
    raise TypeError(f"{type(value).__name__} is not JSON")
