"""The loop that fetches results: one has its turn at a time, and where its session ends, it goes on with the next."""

from __future__ import annotations

import contextlib
import logging
import time
import uuid
from typing import TYPE_CHECKING, Protocol

from sparkeeper.exceptions import (
    AcquireTimeout,
    ConnectionLost,
    LockLost,
    NodeExists,
    NoNode,
    SessionExpired,
    SparkeeperError,
)
from sparkeeper.task_progress import LOOK
from sparkeeper.tasks_state import Result

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from datetime import timedelta

    from sparkeeper._sparkeeper import Held, Lock
    from sparkeeper.coordinator import Coordinator
    from sparkeeper.task_progress import TaskProgress
    from sparkeeper.task_tally import Tally
    from sparkeeper.tasks import Tasks

_LOG = logging.getLogger(__name__)

# For how long a look waits before the workers are looked after.
_LOOK = 0.5

# What the next session may put right.
_OUTAGE = (LockLost, SessionExpired, ConnectionLost)

# The tokens of the turns that loops of this process have.
_OURS: set[int] = set()


class Workers(Protocol):
    """What works while somebody waits for results."""

    def tend(self, results: int) -> None:
        """Start them again where they ended; `results` have come so far."""
        ...

    def dismiss(self, *, wait: bool) -> None:
        """They may go; wait for that where all is done."""
        ...


class Fetch:
    """Fetches the results of tasks, for an iterator."""

    def __init__(  # noqa: PLR0913, PLR0917 - what the iterator was given, and what it shows
        self,
        coordinator: Coordinator,
        tasks: Tasks,
        timeout: float | timedelta | None,
        start: Callable[[str], Workers] | None,
        tally: Tally,
        progress: TaskProgress,
    ) -> None:
        """Wait for `timeout` for our turn, and `start` workers of a run."""
        self._coordinator = coordinator
        self._tasks = tasks
        self._path = tasks.path.rstrip("/")
        self._timeout = timeout
        self._start = start
        self._tally = tally
        self._progress = progress

    def results(self) -> Generator[Result, None, None]:
        """Yield each result once."""
        seen: set[int] = set()
        while True:
            held = self._take_turn()
            _OURS.add(held.token)
            try:
                yield from self._turn(held, seen)
            except _OUTAGE as why:
                _LOG.warning(
                    "results of tasks '%s': they are fetched in a turn of their own again: %s", self._path, why
                )
            else:
                return
            finally:
                _OURS.discard(held.token)

    def _take_turn(self) -> Held:
        lock = self._coordinator.lock(f"{self._path}/driver")
        try:
            return lock.acquire(timeout=self._timeout)
        except AcquireTimeout as late:
            if not _held_here(lock):
                raise
            raise AcquireTimeout(
                f"tasks '{self._path}': no results within {self._timeout} s: earlier `results` or `run` of this very "
                "process are not over; take all of them, or close them"
            ) from late

    def _turn(self, held: Held, seen: set[int]) -> Generator[Result, None, None]:
        run = f"{self._path}/runs/{uuid.uuid4().hex}"
        workers: Workers | None = None
        done: list[tuple[str, bytes]] = []
        over = False
        try:
            workers = self._begin(run)
            looked = 0.0
            while True:
                held.check()
                found = self._tasks._results([place for place, _ in done], _LOOK)  # noqa: SLF001 - our other half
                self._forgotten(done)
                over = found is None
                if over or time.monotonic() - looked >= LOOK:
                    looked = time.monotonic()
                    self._show(last=over)
                if found is None:
                    return
                if workers is not None:
                    workers.tend(len(seen))
                for outcome in found:
                    *_, place, zxid = outcome
                    if zxid not in seen:
                        seen.add(zxid)
                        yield self._word(*outcome[:7])
                    done.append((place, outcome[2]))
        except _OUTAGE:
            # Others may fetch them now. What nobody does comes again, and is known then.
            done.clear()
            # Nobody is in our way before a server is reached, so this is no part of the wait for our turn.
            while self._coordinator.state in {"SUSPENDED", "EXPIRED"}:
                time.sleep(_LOOK)
            raise
        finally:
            self._end(held, done, run)
            if workers is not None:
                workers.dismiss(wait=over)

    def _begin(self, run: str) -> Workers | None:
        if self._start is None:
            return None
        with contextlib.suppress(NodeExists):
            self._coordinator.create(run.rpartition("/")[0], container=True, fallback=True)
        self._coordinator.create(run, ephemeral=True)
        return self._start(run.rpartition("/")[2])

    def _word(  # noqa: PLR0913, PLR0917 - what the core found
        self,
        id: str,  # noqa: A002 - the field's name
        ok: bool,  # noqa: FBT001 - as above
        value: bytes,
        error: str | None,
        attempts: int,
        worker: str,
        capacity: float,
    ) -> Result:
        self._tally.did(id, worker, capacity)
        found = None
        if ok:
            try:
                found = self._tasks._values.read(value, f"the result of task {id}")  # noqa: SLF001 - as above
            except (SparkeeperError, OSError) as lost:
                # It would be lost the next time as well, and nobody would get past it.
                ok, error = False, str(lost)
        self._progress.came(ok=ok)
        return Result(id, ok, found, error, attempts, worker or None)

    def _show(self, *, last: bool) -> None:
        status = self._tasks.status()
        self._tally.saw(status)
        self._progress.show(status, last=last)

    def _forgotten(self, done: list[tuple[str, bytes]]) -> None:
        for _, value in done:
            self._tasks._values.forget(value)  # noqa: SLF001 - our other half
        done.clear()

    def _end(self, held: Held, done: list[tuple[str, bytes]], run: str) -> None:
        try:
            if self._start is not None:
                with contextlib.suppress(NoNode):
                    self._coordinator.delete(run)
            if done:
                self._tasks._forget([place for place, _ in done])  # noqa: SLF001 - our other half
                self._forgotten(done)
            held.release(wait=True)
        except SparkeeperError as error:
            # It ends with the session; results that are not forgotten come again.
            _LOG.warning("the turn of tasks '%s' was not put away: %s", self._path, error)


def _held_here(lock: Lock) -> bool:
    try:
        return any(contender.token in _OURS for contender in lock.contenders())
    except SparkeeperError:
        return False
