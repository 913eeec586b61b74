"""The Spark task that this Python worker runs, and the scope in which its coordinators live.

A worker is used by one task after the other. What a task opens belongs to it: all are branches of one session of the
worker, and closed when the task ends, whether the user closed them or not.

PySpark tells nobody that a task has ended. After a success it forgets the `TaskContext`, before it reports the result.
After a failure it unwinds the frame that reads the task's input, and leaves by `os._exit`, which runs no exit handlers.
So both the context and the input are followed to their end; whichever comes first ends the scope. A worker that is
killed, as on a cancel of the job, tells nothing: what it held goes with the session timeout.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
import weakref
from typing import TYPE_CHECKING, Any

from sparkeeper._sparkeeper import Scope

if TYPE_CHECKING:
    from pyspark import TaskContext

_scopes: weakref.WeakKeyDictionary[TaskContext, Scope] = weakref.WeakKeyDictionary()


def running() -> TaskContext | None:
    """Return the task that runs here, if any."""
    pyspark = sys.modules.get("pyspark")
    return pyspark.TaskContext.get() if pyspark is not None else None


def scope() -> Scope | None:
    """Return the scope of the task that runs here, if any."""
    task = running()
    if task is None:
        return None
    made = Scope()
    found = _scopes.setdefault(task, made)
    if found is made:
        for followed in (task, _input()):
            if followed is not None:
                weakref.finalize(followed, made.end)
    return found


def owner(application: str) -> str:
    """Say who we are: application @ host / process / the attempt of a task; elsewhere the name that was given.

    Args:
        application: The application, or a driver's name for itself, which begins with it.
    """
    task = running()
    if task is None:
        return application
    place = f"{task.stageId()}.{task.partitionId()}.{task.attemptNumber()} ({task.taskAttemptId()})"
    return f"{application.split(' @ ', maxsplit=1)[0]} @ {socket.gethostname()} / {os.getpid()} / task {place}"


def _input() -> Any:  # noqa: ANN401 - a file
    """Return what the worker reads the task's input from, which no other task has."""
    frame = sys._current_frames().get(threading.main_thread().ident or 0)  # noqa: SLF001 - also for our user's threads
    while frame is not None:
        if frame.f_code.co_name == "main" and frame.f_globals.get("__package__") == "pyspark":
            return frame.f_locals.get("infile")
        frame = frame.f_back
    return None
