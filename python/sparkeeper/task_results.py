"""The results of tasks, one after the other, as they come."""

from __future__ import annotations

import contextlib
import logging
import time
import uuid
from typing import TYPE_CHECKING, Protocol

from sparkeeper.exceptions import NodeExists, NoNode, SparkeeperError
from sparkeeper.task_progress import LOOK, TaskProgress
from sparkeeper.task_tally import Tally
from sparkeeper.tasks_state import Result

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from datetime import timedelta
    from types import TracebackType

    from typing_extensions import Self

    from sparkeeper._sparkeeper import Certificate, Held
    from sparkeeper.coordinator import Coordinator
    from sparkeeper.tasks import Tasks

_LOG = logging.getLogger(__name__)

# For how long a look waits before the workers are looked after.
_TURN = 0.5


class Workers(Protocol):
    """What works while somebody waits for results."""

    def tend(self, results: int) -> None:
        """Start them again where they ended; `results` have come so far."""
        ...

    def dismiss(self, *, wait: bool) -> None:
        """They may go; wait for that where all is done."""
        ...


class Results:
    """An iterator over results, in the order in which tasks ended; it ends when no task is open and no result is left.

    Each result comes once. It is forgotten when the next is asked for: what was not asked for yet, or was being worked
    on when its driver died, comes again from the next `results` or `run`. To be used in `with`, or to its end, or
    closed: until then nobody else can fetch results.
    """

    def __init__(
        self,
        coordinator: Coordinator,
        tasks: Tasks,
        timeout: float | timedelta | None,
        start: Callable[[str], Workers] | None = None,
        *,
        progress: bool = False,
    ) -> None:
        """Begin when the first result is asked for: wait for `timeout` for our turn, and `start` workers of a run."""
        self._coordinator = coordinator
        self._tasks = tasks
        self._timeout = timeout
        self._start = start
        self._tally = Tally()
        self._progress = TaskProgress(f"tasks {tasks.path}", wanted=progress)
        self._results = self._fetch()

    @property
    def certificate(self) -> Certificate | None:
        """How even the work was divided among the workers that were seen, beside the most even division that there is.

        It counts the results that came so far; None before the first. `loads` are the tasks of each worker, in the
        order of their names: `sparkeeper.verify` takes workers so, and tasks in the order of their results.
        """
        return self._tally.certificate()

    def close(self) -> None:
        """Let others fetch; workers of this run go after the task that they have."""
        self._results.close()

    def _fetch(self) -> Generator[Result, None, None]:
        path = self._tasks.path.rstrip("/")
        held = self._coordinator.lock(f"{path}/driver").acquire(timeout=self._timeout)
        run = f"{path}/runs/{uuid.uuid4().hex}"
        workers: Workers | None = None
        done: list[tuple[str, bytes]] = []
        over = False
        try:
            workers = self._begin(run)
            seen: set[int] = set()
            looked = 0.0
            while True:
                held.check()
                found = self._tasks._results([place for place, _ in done], _TURN)  # noqa: SLF001 - our other half
                self._forgotten(done)
                over = found is None
                if over or time.monotonic() - looked >= LOOK:
                    looked = time.monotonic()
                    self._look(last=over)
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

    def _look(self, *, last: bool) -> None:
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
            _LOG.warning("%r was not put away: %s", self, error)

    def __iter__(self) -> Self:
        """Return the iterator itself."""
        return self

    def __next__(self) -> Result:
        """Wait for the next result.

        Raises:
            AcquireTimeout: Somebody else fetches the results; the message says who.
            LockLost: Our session ended, and somebody else may fetch them now.
        """
        return next(self._results)

    def __enter__(self) -> Self:
        """Return the iterator itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    def __repr__(self) -> str:
        """Say what of."""
        return f"<Results of tasks '{self._tasks.path}'>"
