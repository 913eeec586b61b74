"""What a story looks like in a terminal: sections, sentences, one table at the end."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

console = Console(highlight=False)


def section(number: int, title: str) -> None:
    """Open a chapter."""
    console.print(f"\n[bold cyan]{number}. {title}[/]")


def say(text: str) -> None:
    """Tell one thing."""
    console.print(f"   {text}")


@contextmanager
def working(what: str) -> Iterator[None]:
    """Show that something goes on, then how long it took."""
    start = time.monotonic()
    with console.status(f"{what} …"):
        yield
    console.print(f"   [dim]{what}: {time.monotonic() - start:.1f} s[/]")


@contextmanager
def quiet(log: Path) -> Iterator[None]:
    """Send what Spark, Java and child processes print on standard error to a file."""
    saved = os.dup(2)
    with log.open("ab") as file:
        os.dup2(file.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)


class Summary:
    """The table at the end: every figure was computed in this run."""

    def __init__(self) -> None:
        """Begin empty."""
        self._rows: list[tuple[str, str, str]] = []

    def add(self, what: str, plain: str, ours: str) -> None:
        """Put one finding beside the other."""
        self._rows.append((what, plain, ours))

    def show(self) -> None:
        """Print the table."""
        table = Table(title="What plain Spark does, and what it does with Sparkeeper", title_justify="left")
        table.add_column("")
        table.add_column("plain", style="red")
        table.add_column("with Sparkeeper", style="green")
        for row in self._rows:
            table.add_row(*row)
        console.print()
        console.print(table)
