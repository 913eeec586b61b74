"""Where progress is shown: one line of a terminal that is written anew, or one display of a notebook."""

from __future__ import annotations

import html
import shutil
import sys
from typing import TYPE_CHECKING, Any, Protocol, TextIO

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType


class Screen(Protocol):
    """Shows one state after the other in one place."""

    shown: bool
    """Whether it has shown any."""

    def show(self, title: str, stages: Sequence[str], fraction: float, *, last: bool) -> None:
        """Show a state, in the place of the one before; the last one stays."""
        ...


def find_screen() -> Screen | None:
    """Return the notebook that this runs in, else the terminal that standard error is, else nothing."""
    ipython = sys.modules.get("IPython")
    if ipython is not None and hasattr(ipython.get_ipython(), "kernel"):
        return Notebook(ipython.display)
    if sys.stderr is not None and sys.stderr.isatty():
        return Terminal(sys.stderr)
    return None


class Terminal:
    """A terminal's line."""

    def __init__(self, stream: TextIO) -> None:
        """Write to `stream`."""
        self.shown = False
        self._stream = stream

    def show(self, title: str, stages: Sequence[str], fraction: float, *, last: bool) -> None:  # noqa: ARG002 - Screen's
        """Write the line anew, cut where the terminal would break it: a second line could not be taken back."""
        self.shown = True
        text = f"{title}: {' | '.join(stages)}"
        width = shutil.get_terminal_size().columns - 1
        shortened = text if last or len(text) <= width else text[-width:]
        self._stream.write(f"\r\x1b[K{shortened}" + ("\n" if last else ""))
        self._stream.flush()


class Notebook:
    """An output of the cell that saves."""

    def __init__(self, display: ModuleType) -> None:
        """Show by the module `IPython.display`."""
        self.shown = False
        self._ipython = display
        self._output: Any = None

    def show(self, title: str, stages: Sequence[str], fraction: float, *, last: bool) -> None:
        """Update the display."""
        bar = "" if last else f" <progress value='{fraction:.3f}' max='1'></progress>"
        rows = " | ".join(html.escape(stage) for stage in stages)
        content = self._ipython.HTML(f"<div><code>{html.escape(title)}</code>: {rows}{bar}</div>")
        if self._output is None:
            self._output = self._ipython.display(content, display_id=True)
            self.shown = True
        else:
            self._output.update(content)
