"""Spark drivers that tests start, kill, stop and continue; `driver.py` is what runs in them."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from sparkeeper.local.ports import HOST, free_ports
from waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from typing_extensions import Self

# A JVM on a busy machine with two cores.
PATIENCE = 240.0
# A Spark that lives for a test or two is done before the second compiler and parallel collectors earn what they cost.
FAST_START = "-XX:+UseSerialGC -XX:TieredStopAtLevel=1"
# What `.ci/spark_archive.py` writes.
ARCHIVE = Path(sys.prefix) / "spark.jsa"
JVM = {
    "spark.driver.extraJavaOptions": f"{FAST_START} -XX:SharedArchiveFile={ARCHIVE}" if ARCHIVE.exists() else FAST_START
}


class Driver:
    """A process with a Spark session and a coordinator."""

    def __init__(self, connect: str, log: Path, *, under: Sequence[str] = (), **settings: Any) -> None:
        """Start it, under another program if need be; it takes seconds. `log` gets what Spark has to say."""
        self._log = log.open("ab")
        settings["spark"] = {**JVM, **settings.get("spark", {})}
        program = [sys.executable, str(Path(__file__).with_name("driver.py"))]
        self.process = subprocess.Popen(
            [*under, *program, json.dumps({"connect": connect, **settings})],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # Unbuffered: what was read ahead would be hidden from select.
            bufsize=0,
            stderr=self._log,
            env={**os.environ, "PYSPARK_PYTHON": sys.executable},
        )
        self._ready: dict[str, Any] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def ready(self) -> dict[str, Any]:
        """Wait until it takes commands."""
        if self._ready is None:
            self._ready = self.answer()
        return self._ready

    def tell(self, do: str, **command: Any) -> None:
        """Send a command and do not wait."""
        self.ready()
        self.process.stdin.write(json.dumps({"do": do, **command}).encode() + b"\n")
        self.process.stdin.flush()

    def answer(self, timeout: float = PATIENCE) -> dict[str, Any]:
        """Return the next answer."""
        ready, _, _ = select.select([self.process.stdout], [], [], timeout)
        assert ready, f"the driver gave no answer within {timeout} s; see {self._log.name}"
        line = self.process.stdout.readline()
        assert line, f"the driver ended with {self.process.wait()}; see {self._log.name}"
        return json.loads(line)

    def ask(self, do: str, **command: Any) -> dict[str, Any]:
        """Send a command and return its answer."""
        self.tell(do, **command)
        return self.answer()

    def wait_killed(self) -> None:
        """Wait until it was killed by SIGKILL."""
        assert self.process.wait(PATIENCE) == -signal.SIGKILL

    def wait_stopped(self) -> None:
        """Wait until it stopped itself."""
        process = psutil.Process(self.process.pid)
        wait_for(lambda: process.status() == psutil.STATUS_STOPPED, PATIENCE, "the driver to stop itself")

    def go_on(self) -> None:
        """Continue it."""
        self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it with SIGKILL."""
        self.process.kill()
        self.process.wait()

    def close(self) -> None:
        """Let it end, however it is."""
        if self.process.poll() is None:
            self.go_on()
            self.process.stdin.close()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.kill()
        self.process.stdout.close()
        self._log.close()


@contextlib.contextmanager
def spark_connect_server(connect: str, log: Path) -> Iterator[str]:
    """Run a Spark Connect server, and give its URL: its clients are drivers that start and die in a second, not ten."""
    (port,) = free_ports(1)
    plugin = "org.apache.spark.sql.connect.SparkConnectPlugin"
    serve = {"spark.plugins": plugin, "spark.connect.grpc.binding.port": str(port)}
    with Driver(connect, log, master="local[2,4]", spark=serve) as server:
        server.ready()
        yield f"sc://{HOST}:{port}"
