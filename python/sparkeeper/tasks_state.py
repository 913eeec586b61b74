"""What is known of tasks: results, tasks that were given up, and how things stand."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Result:
    """What became of one task."""

    #: The task's id, as `submit` returned it.
    id: str
    #: False where its attempts are used up, or it was cancelled.
    ok: bool
    #: What the handler returned; None where it is not ok.
    value: Any
    #: What went wrong in the last attempt, with its traceback; None where it is ok.
    error: str | None
    #: How many attempts began.
    attempts: int
    #: Who ended it; None where that is not known: it was cancelled, or its last worker died.
    worker: str | None


@dataclass(frozen=True)
class DeadTask:
    """A task that was given up."""

    #: The task's id.
    id: str
    #: What was submitted; None where it cannot be read.
    payload: Any
    #: How many attempts began.
    attempts: int
    #: What went wrong in the last, with its traceback.
    error: str
    #: As it was submitted.
    priority: int
    #: When it was given up, in milliseconds since 1970 on the server's clock.
    since: int
    #: Why the payload cannot be read: its file is lost, say; None where it can.
    unread: str | None = None


@dataclass(frozen=True)
class TaskWorkerStatus:
    """A worker that is there."""

    #: Who it says it is.
    name: str
    #: Its size beside the others'.
    capacity: float
    #: How many tasks it ended since it came.
    done: int


@dataclass(frozen=True)
class TaskStatus:
    """How things stand."""

    #: Tasks that wait or are at work.
    queued: int
    #: Those of them that somebody works on.
    at_work: int
    #: Tasks that were given up.
    dead: int
    #: Results that nobody fetched yet.
    results: int
    #: Who is there.
    workers: list[TaskWorkerStatus]

    @classmethod
    def read(cls, text: str) -> TaskStatus:
        """Read what the core found."""
        found = json.loads(text)
        return cls(**{**found, "workers": [TaskWorkerStatus(**worker) for worker in found["workers"]]})
