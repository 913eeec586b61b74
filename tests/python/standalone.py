"""A real standalone cluster on this machine, of a master and two workers, and applications that are submitted to it.

`spark-submit` ships a packed environment with each, as Spark's page on Python packages describes. Beside the examples
the tests submit `submitted.py`.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pyspark

from drivers import FAST_START, JVM, PATIENCE
from sparkeeper.local.ports import HOST, free_ports
from waiting import wait_for

if TYPE_CHECKING:
    from typing_extensions import Self

SPARK_HOME = Path(pyspark.__file__).parent
REPOSITORY = Path(__file__).parents[2]
_DEPLOY = "org.apache.spark.deploy"


def pack(folder: Path) -> Path:
    """Pack an environment as a user would: our wheel, pyarrow and pandas; PySpark is on the cluster."""
    wheels, environment, packed = folder / "wheels", folder / "environment", folder / "environment.tar.gz"
    here = [sys.executable, "-m"]
    # The profile of the tests' own build: nothing is left to compile.
    profile = os.environ.get("PROFILE", "release")
    maturin = Path(sys.prefix, "bin", "maturin")
    _run(maturin, "build", "--quiet", "--profile", profile, "--interpreter", sys.executable, "--out", wheels)
    (wheel,) = wheels.glob("*.whl")
    _run(*here, "venv", "--without-pip", environment)
    _run(*here, "pip", "--python", environment, "install", "--quiet", wheel, "pyarrow>=15", "pandas<3")
    _run(*here, "venv_pack", "--quiet", "--compress-level", "1", "--prefix", environment, "--output", packed)
    shutil.rmtree(environment)
    return packed


class Standalone:
    """Starts when it is entered, and ends with it."""

    def __init__(self, folder: Path) -> None:
        """Keep everything in `folder`, but for what the workers unpack: that goes with the cluster."""
        self._folder = folder
        self._port, self._page = free_ports(2)
        self._stack = contextlib.ExitStack()
        self.work = folder / "work"
        self.url = f"spark://{HOST}:{self._port}"

    def __enter__(self) -> Self:
        """Start master and workers, and wait until these are registered."""
        self._environment = pack(self._folder)
        self._stack.callback(shutil.rmtree, self.work, ignore_errors=True)
        ports = ("--port", str(self._port), "--webui-port", str(self._page))
        self._start("master.Master", *ports)
        room = ("--cores", "1", "--memory", "1g", "--webui-port", "0")
        self._workers = [
            self._start("worker.Worker", *room, "--work-dir", str(self.work / name), self.url) for name in ("a", "b")
        ]
        wait_for(lambda: self._alive() == len(self._workers), PATIENCE, "both workers to register")
        return self

    def __exit__(self, *_: object) -> None:
        """End all, the last first, and what they started."""
        self._stack.close()

    def submit(self, application: Path, *arguments: object, cores: int = 2, **conf: str) -> Submitted:
        """Submit an application, with the environment; it may take so many cores of the cluster's two."""
        executors = {"spark.executor.extraJavaOptions": FAST_START, "spark.cores.max": str(cores)}
        local = {"spark.driver.host": HOST, "spark.ui.enabled": "false", "spark.log.level": "WARN"}
        settings = {**JVM, **executors, **local, "spark.executor.memory": "512m", **conf}
        command = [
            *(SPARK_HOME / "bin" / "spark-submit", "--master", self.url),
            *("--archives", f"{self._environment}#environment"),
            *(f"--conf={name}={value}" for name, value in settings.items()),
            *(application, *arguments),
        ]
        python = {"PYSPARK_PYTHON": "./environment/bin/python", "PYSPARK_DRIVER_PYTHON": sys.executable}
        return Submitted([str(word) for word in command], self._folder / "drivers.log", _environment(**python))

    def executors(self) -> list[psutil.Process]:
        """Return the executors that run now."""
        found = []
        for worker in self._workers:
            with contextlib.suppress(psutil.NoSuchProcess):
                found += [one for one in psutil.Process(worker.pid).children() if _runs(one, "ExecutorBackend")]
        return found

    def python_workers(self) -> list[psutil.Process]:
        """Return the processes in the executors that run Python tasks."""
        found = []
        for executor in self.executors():
            with contextlib.suppress(psutil.NoSuchProcess):
                daemons = [one for one in executor.children() if _runs(one, "pyspark.daemon")]
                found += [worker for daemon in daemons for worker in daemon.children()]
        return found

    def _start(self, what: str, *arguments: str) -> subprocess.Popen[bytes]:
        command = [str(SPARK_HOME / "bin" / "spark-class"), f"{_DEPLOY}.{what}", "--host", HOST, *arguments]
        java = {"SPARK_DAEMON_MEMORY": "256m", "SPARK_DAEMON_JAVA_OPTS": FAST_START}
        with (self._folder / "cluster.log").open("ab") as log:
            process = subprocess.Popen(
                command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=_environment(**java)
            )
        self._stack.callback(end, process)
        return process

    def _alive(self) -> int:
        # While the master starts, its page answers before its JSON does.
        with (
            contextlib.suppress(OSError, json.JSONDecodeError),
            urllib.request.urlopen(f"http://{HOST}:{self._page}/json/") as page,
        ):
            return sum(worker["state"] == "ALIVE" for worker in json.load(page)["workers"])
        return 0


class Submitted(contextlib.AbstractContextManager["Submitted"]):
    """An application that runs: the JVM of spark-submit, and the driver's Python below it."""

    def __init__(self, command: list[str], log: Path, environment: dict[str, str]) -> None:
        """Submit it."""
        self._log = log
        with log.open("ab") as errors:
            # Unbuffered: what was read ahead would be hidden from select.
            self.process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=errors, stdin=subprocess.DEVNULL, bufsize=0, env=environment
            )

    def hear(self, what: str, timeout: float = PATIENCE) -> dict[str, Any]:
        """Return the next line that has `what` to say; others are passed over."""
        while True:
            ready, _, _ = select.select([self.process.stdout], [], [], timeout)
            assert ready, f"the application said nothing of {what!r} within {timeout} s; see {self._log}"
            line = self.process.stdout.readline()
            assert line, f"the application ended with {self.process.wait()} before {what!r}; see {self._log}"
            # Java speaks on the same stream.
            if line.startswith(b"{") and what in (said := json.loads(line)):
                return said

    def rest(self, timeout: float = PATIENCE) -> list[dict[str, Any]]:
        """Wait until it ended well, and return what else it said."""
        said, _ = self.process.communicate(timeout=timeout)
        assert self.process.returncode == 0, f"the application ended with {self.process.returncode}; see {self._log}"
        return [json.loads(line) for line in said.splitlines() if line.startswith(b"{")]

    def kill(self) -> None:
        """End both halves with SIGKILL, as when their machine is lost."""
        end(self.process, at_once=True)

    def __exit__(self, *_: object) -> None:
        """Let it not run on."""
        self.kill()
        self.process.stdout.close()


def end(process: subprocess.Popen[bytes], *, at_once: bool = False) -> None:
    """End a process and what it started."""
    with contextlib.suppress(psutil.NoSuchProcess):
        first = psutil.Process(process.pid)
        everybody = [first, *first.children(recursive=True)]
        if not at_once:
            process.terminate()
            psutil.wait_procs(everybody, 20)
        for one in everybody:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
    process.wait()


def _runs(process: psutil.Process, what: str) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return any(what in word for word in process.cmdline())
    return False


def _environment(**added: str) -> dict[str, str]:
    """Return our environment without what says which Python runs the tests: the cluster has what is shipped to it."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("PYSPARK_", "PYTHON", "SPARK_"))}
    return {**ours, "SPARK_HOME": str(SPARK_HOME), "SPARK_LOCAL_IP": HOST, **added}


def _run(*command: object) -> None:
    done = subprocess.run([str(word) for word in command], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
