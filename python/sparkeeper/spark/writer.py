"""Who writes, for the reader of a history."""

from __future__ import annotations

import getpass
import os
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def describe(spark: SparkSession) -> dict[str, str | int]:
    """Return application, host, process, user and Spark version."""
    return {
        "app": spark.conf.get("spark.app.id", None) or "unknown",
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "user": _user(),
        "spark": spark.version,
    }


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's process may have no name; OSError from Python 3.13 on
        return str(os.getuid())
