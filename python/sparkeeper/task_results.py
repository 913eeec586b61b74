"""The results of tasks, one after the other, as they come."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sparkeeper.task_fetch import Fetch
from sparkeeper.task_progress import TaskProgress
from sparkeeper.task_tally import Tally

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta
    from types import TracebackType

    from typing_extensions import Self

    from sparkeeper._sparkeeper import Certificate
    from sparkeeper.coordinator import Coordinator
    from sparkeeper.task_fetch import Workers
    from sparkeeper.tasks import Tasks
    from sparkeeper.tasks_state import Result


class Results:
    """An iterator over results, in the order in which tasks ended; it ends when no task is open and no result is left.

    Each result comes once. It is forgotten when the next is asked for: what was not asked for yet, or was being worked
    on when its driver died, comes again from the next `results` or `run`. Until it is at its end, closed or dropped,
    nobody else can fetch results. Where the session ends, it goes on with the next; what others fetched in between
    is theirs.
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
        self._path = tasks.path
        self._tally = Tally()
        shown = TaskProgress(f"tasks {tasks.path}", wanted=progress)
        # It must not know us: a loop that is left drops us, which closes it at once.
        self._results = Fetch(coordinator, tasks, timeout, start, self._tally, shown).results()

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

    def __iter__(self) -> Self:
        """Return the iterator itself."""
        return self

    def __next__(self) -> Result:
        """Wait for the next result.

        Raises:
            AcquireTimeout: Somebody else fetches the results; the message says who.
            RunCancelled: Spark cancelled the job of the workers; call `run` again to go on.
            Closed: The coordinator was closed meanwhile.
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
        return f"<Results of tasks '{self._path}'>"
