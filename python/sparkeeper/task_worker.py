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

# How much of a traceback is kept: its head says what caused it, its end what went wrong.
_HEAD = 1_000
_END = 2_500


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
    except KeyboardInterrupt:
        # Nothing is wrong with the task.
        _settle(task, task.put_back)
        raise
    except BaseException as error:  # noqa: BLE001 - `sys.exit` as well: it would end one worker after the other
        text = _trace(error)
        _settle(task, lambda: task.fail(text))
        return False
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


def _trace(error: BaseException) -> str:
    # The first frame is ours.
    frames = error.__traceback__.tb_next if error.__traceback__ is not None else None
    try:
        text = "".join(traceback.format_exception(type(error), error, frames)).strip()
    except Exception as why:  # noqa: BLE001 - its attributes may be anything
        text = f"{type(error).__name__}, whose traceback cannot be written: {type(why).__name__}"
    # A file's name, say, may have what UTF-8 has not.
    text = text.encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= _HEAD + _END else f"{text[:_HEAD]}\n…\n{text[-_END:]}"
