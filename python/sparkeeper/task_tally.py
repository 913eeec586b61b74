"""Who did how many tasks, beside the most even division that there is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sparkeeper._sparkeeper import AssignmentProblem
from sparkeeper.assign_inputs import Given
from sparkeeper.names import Names

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sparkeeper._sparkeeper import Certificate
    from sparkeeper.tasks_state import TaskStatus


class Tally:
    """Counts who did what."""

    def __init__(self) -> None:
        """Begin with nobody."""
        self.owners: dict[str, str] = {}
        self.capacities: dict[str, float] = {}

    def did(self, task: str, worker: str, capacity: float) -> None:
        """Note that a worker ended a task; tasks that nobody is known to have ended are left out."""
        if worker:
            self.owners[task] = worker
            self.capacities[worker] = capacity

    def saw(self, status: TaskStatus) -> None:
        """Note who is there, whether they did anything or not."""
        for worker in status.workers:
            self.capacities.setdefault(worker.name, worker.capacity)

    def certificate(self) -> Certificate | None:
        """Return the certificate of the assignment that the tasks ended up with; None where none was done.

        Members are in the order of their names, tasks in that of their results.
        """
        if not self.owners:
            return None
        members = sorted(self.capacities)
        positions = {name: position for position, name in enumerate(members)}
        given = Given(strategy="average", capacity=_unless_equal(self.capacities))
        inputs = given.columns(Names(members, "member"), Names(list(self.owners), "partition"))
        return AssignmentProblem(**inputs).certify([positions[worker] for worker in self.owners.values()])


def _unless_equal(capacities: Mapping[str, float]) -> Mapping[str, float] | None:
    return None if set(capacities.values()) == {1.0} else capacities
