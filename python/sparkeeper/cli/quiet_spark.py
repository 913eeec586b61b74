"""A Spark session for a command: nothing of its log reaches the terminal."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import tempfile
import urllib.parse
from pathlib import Path
from typing import TYPE_CHECKING

from sparkeeper._needs import needs
from sparkeeper.exceptions import ConfigError, ConnectionLost

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pyspark.sql import SparkSession

_CONNECT_PORT = 15_002
_KNOCKING = 10.0


@contextlib.contextmanager
def session(master: str, settings: Mapping[str, str]) -> Iterator[SparkSession]:
    """Start a session at a master, or reach a Spark Connect server; end it with the `with`.

    Raises:
        ConfigError: PySpark is not installed, or Spark does not start.
        ConnectionLost: No Spark Connect server is there.
    """
    needs("this command", "pyspark")
    from pyspark.sql import SparkSession  # noqa: PLC0415 - most commands need no Spark

    # Executors on this machine must run the interpreter that has us.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    with tempfile.TemporaryDirectory() as folder:
        builder = SparkSession.builder.appName("sparkeeper")
        if master.startswith("sc://"):
            _knock(master)
            builder = builder.remote(master)
        else:
            builder = builder.master(master).config("spark.ui.enabled", "false")
            builder = builder.config("spark.ui.showConsoleProgress", "false")
        for key, value in settings.items():
            builder = builder.config(key, value)
        log = Path(folder, "stderr")
        try:
            with _aside(log):
                spark = builder.getOrCreate()
        except Exception as error:
            raise ConfigError(
                f"starting Spark at {master!r}: {_cause(log, error)}; check the master, and that `java` or JAVA_HOME "
                "is one that this PySpark runs on"
            ) from error
        try:
            yield spark
        finally:
            spark.stop()


def _knock(remote: str) -> None:
    """Refuse a Spark Connect server that is not there, which Spark itself would try for minutes in silence."""
    place = urllib.parse.urlsplit(remote)
    try:
        where = (place.hostname or "", place.port or _CONNECT_PORT)
        socket.create_connection(where, timeout=_KNOCKING).close()
    except (OSError, ValueError) as error:
        raise ConnectionLost(f"no Spark Connect server answers at {remote!r}: {error}; check the address") from None


@contextlib.contextmanager
def _aside(file: Path) -> Iterator[None]:
    """Let what Java and Spark say while they start, and later, go to a file."""
    saved = os.dup(2)
    try:
        with file.open("wb") as sink:
            os.dup2(sink.fileno(), 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)


def _cause(log: Path, error: Exception) -> str:
    """Return the line that says why: Java's, where it has one."""
    said = log.read_text(errors="replace").splitlines()
    words = next((line for line in said if "Exception" in line or line.startswith("Error")), None)
    return (words or str(error)).partition("\n")[0].rpartition("Exception: ")[2]
