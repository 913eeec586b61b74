"""A line on the driver's screen: how many tasks are done, and by how many workers."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from sparkeeper.spark.progress import PATIENCE
from sparkeeper.spark.screen import find_screen

if TYPE_CHECKING:
    from sparkeeper.tasks_state import TaskStatus

_LOG = logging.getLogger(__name__)

# Seconds between two looks at how things stand: each is some round trips of the driver's.
LOOK = 1.0


class TaskProgress:
    """Shows how far the tasks are, where there is a screen and they take longer than a second."""

    def __init__(self, title: str, *, wanted: bool) -> None:
        """Show it under `title`."""
        self._title = title
        self._screen = find_screen() if wanted else None
        self._begun = time.monotonic()
        self._done = self._failed = 0

    def came(self, *, ok: bool) -> None:
        """Count a result."""
        self._done += 1
        self._failed += not ok

    def show(self, status: TaskStatus, *, last: bool = False) -> None:
        """Show how things stand; the last state stays."""
        if self._screen is None or not (self._screen.shown if last else time.monotonic() - self._begun >= PATIENCE):
            return
        # Results that wait are done, and not asked for yet.
        everything = self._done + status.results + status.queued
        stages = [f"{self._done}/{everything} done"]
        if self._failed:
            stages.append(f"{self._failed} failed")
        stages.append(f"{status.at_work} at work by {len(status.workers)} workers")
        seconds = time.monotonic() - self._begun
        try:
            fraction = self._done / everything if everything else 0.0
            self._screen.show(self._title, [*stages, f"{seconds:.1f} s"], fraction, last=last)
        except Exception as error:  # noqa: BLE001 - a terminal that went away ends no run
            _LOG.debug("progress of %s cannot be shown: %s", self._title, error)
            self._screen = None
