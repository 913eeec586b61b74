"""The loop of a worker: take a task, call the handler, store what came of it."""

from __future__ import annotations

import logging
import os
import socket
import traceback
from typing import TYPE_CHECKING, Any

from sparkeeper.exceptions import ConfigError, Fenced, NotOwner

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

    from sparkeeper._sparkeeper import TaskAtWork, TaskWorker
    from sparkeeper.task_values import Values

_LOG = logging.getLogger(__name__)

# How much of a traceback is kept: its end says what went wrong.
_KEPT = 3_500


def our_name() -> str:
    """Say which process this is."""
    return f"{socket.gethostname()}/{os.getpid()}"


def check_handler(handler: object) -> None:
    """Refuse what cannot be called.

    Raises:
        ConfigError: It cannot.
    """
    if not callable(handler):
        raise ConfigError(f"handler={handler!r}: give a function of one argument, the payload")


def serve(
    worker: TaskWorker,
    handler: Callable[[Any], object],
    values: Values,
    idle: float | timedelta | None = None,
    limit: int | None = None,
) -> int:
    """Work until no task came for `idle`, or `limit` tasks were done, or the run is over; return how many were."""
    ended = 0
    while limit is None or ended < limit:
        task = worker.next(idle)
        if task is None:
            break
        ended += _attempt(task, handler, values)
    return ended


def _attempt(task: TaskAtWork, handler: Callable[[Any], object], values: Values) -> bool:
    """Make one attempt; False where the task was lost, or failed."""
    given = task.data
    try:
        value = handler(values.read(given, "the payload"))
        data = values.write(value, "the handler's result")
    except Exception as error:  # noqa: BLE001 - whatever it is, it is reported with the task
        text = _trace(error)
        _settle(task, lambda: task.fail(text))
        return False
    except BaseException:
        # Ctrl-C, say: nothing is wrong with the task.
        _settle(task, task.put_back)
        raise
    done = _settle(task, lambda: task.complete(data))
    # What is not needed any more: the payload, or the result of an attempt that does not count.
    values.forget(given if done else data)
    return done


def _settle(task: TaskAtWork, settle: Callable[[], object]) -> bool:
    try:
        settle()
    except (Fenced, NotOwner) as error:
        _LOG.warning("attempt %d of task %s does not count: %s", task.attempt, task.id, error)
        return False
    return True


def _trace(error: Exception) -> str:
    # The first frame is ours.
    frames = error.__traceback__.tb_next if error.__traceback__ is not None else None
    text = "".join(traceback.format_exception(type(error), error, frames)).strip()
    return text if len(text) <= _KEPT else f"…{text[-_KEPT:]}"
