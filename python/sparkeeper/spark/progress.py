"""Progress of a save: which stage it is in, how many files have been moved, and since when.

A thread draws it, from a second after the start on, so that a short save shows nothing and a stage that reports
nothing is still seen to go on.
"""

from __future__ import annotations

import contextvars
import logging
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sparkeeper.spark.screen import find_screen
from sparkeeper.spark.steps import Step

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from typing_extensions import Self

    from sparkeeper.spark.screen import Screen

_log = logging.getLogger("sparkeeper")

PATIENCE = 1.0
"""Seconds before anything shows."""

_INTERVAL = 0.2

_BEGINS = {Step.BEGUN: "write", Step.STAGED: "relocate", Step.RELOCATED: "commit", Step.COMMITTED: "publish"}
_BEGINS_BEFORE = {Step.BEGUN: "write", Step.STAGED: "relocate"}


@dataclass
class Stage:
    """One part of a save."""

    name: str
    detail: str = ""
    begun: float | None = None
    ended: float | None = None

    def text(self) -> str:
        """Say how it stands."""
        if self.begun is None:
            return self.name
        seconds = (self.ended or time.monotonic()) - self.begun
        return f"{self.name}{self.detail} {seconds:.1f} s"


class Progress:
    """Shows one save while it is entered, if there is a screen."""

    def __init__(self, title: str, on_step: Callable[[Step], None], *, wanted: bool, commits: bool = True) -> None:
        """Show it under `title`; every step is passed on to `on_step` first.

        Without `commits` it is about what comes before: a transaction commits it later, with others.
        """
        self._title = title
        self._on_step = on_step
        self._screen = find_screen() if wanted else None
        self._begins = _BEGINS if commits else _BEGINS_BEFORE
        self._outcome = "done" if commits else "ready to commit"
        self._stages = {name: Stage(name) for name in self._begins.values()}
        self._lock = threading.Lock()
        self._files = self._done = self._tries = 0
        self._over = threading.Event()
        # The thread of a notebook's cell carries where its output belongs.
        context = contextvars.copy_context()
        self._thread = threading.Thread(target=context.run, args=(self._draw,), name="sparkeeper-progress", daemon=True)

    def step(self, step: Step) -> None:
        """Go on to what follows a step."""
        self._on_step(step)
        with self._lock:
            if step is Step.PROPOSED and "commit" in self._stages:
                self._tries += 1
                self._stages["commit"].detail = f" try {self._tries}" if self._tries > 1 else ""
            if step in _BEGINS or step is Step.CLEANED:
                self._end()
            if step in self._begins:
                self._stages[self._begins[step]].begun = time.monotonic()

    def expect(self, files: int) -> None:
        """Count to so many files."""
        with self._lock:
            self._files = files
        self.moved(0)

    def moved(self, files: int) -> None:
        """Count files that have their final names, from any thread."""
        with self._lock:
            self._done += files
            self._stages["relocate"].detail = f" {self._done}/{self._files} files"

    def __enter__(self) -> Self:
        """Start to watch the time."""
        if self._screen is not None:
            self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        """Leave the last state on the screen, if anything was shown."""
        self._over.set()
        if self._screen is None:
            return
        self._thread.join()
        with self._lock:
            self._end()
        if self._screen.shown:
            self._show(self._screen, f"failed: {kind.__name__}" if kind is not None else self._outcome, last=True)

    def _end(self) -> None:
        for stage in self._stages.values():
            if stage.begun is not None and stage.ended is None:
                stage.ended = time.monotonic()

    def _draw(self) -> None:
        wait = PATIENCE
        while self._screen is not None and not self._over.wait(wait):
            wait = _INTERVAL
            if not self._show(self._screen, "", last=False):
                return

    def _show(self, screen: Screen, outcome: str, *, last: bool) -> bool:
        with self._lock:
            stages = [stage.text() for stage in self._stages.values()]
            fraction = self._done / self._files if self._files else 0.0
        try:
            screen.show(self._title, [*stages, *([outcome] if outcome else [])], fraction, last=last)
        except Exception as error:  # noqa: BLE001 - a terminal that went away ends no save
            _log.debug("progress of %s cannot be shown: %s", self._title, error)
            return False
        return True


def silent() -> Progress:
    """Return one that shows nothing."""
    return Progress("", lambda _: None, wanted=False)
