"""In a notebook, a wait that lasts says below its cell whom it waits for."""

from __future__ import annotations

import logging
import sys

_LOGGER = logging.getLogger("sparkeeper.waiting")


class _Cell(logging.Handler):
    """Writes to the output of the cell that runs."""

    def emit(self, record: logging.LogRecord) -> None:
        sys.stdout.write(f"{record.getMessage()}\n")


def show() -> None:
    """Show it from now on, where this is a notebook and nobody set the logger up."""
    ipython = sys.modules.get("IPython")
    if ipython is None or _LOGGER.handlers or not hasattr(ipython.get_ipython(), "kernel"):
        return
    _LOGGER.addHandler(_Cell())
    _LOGGER.setLevel(logging.INFO)
    _LOGGER.propagate = False
