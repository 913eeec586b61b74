"""A Spark cluster of its own processes, with workers on two addresses: to Spark these are two machines.

Spark starts a speculative attempt on another machine only, which rules `local` and `local-cluster` out.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pyspark

from drivers import FAST_START, PATIENCE
from sparkeeper.local.ports import HOST, free_ports
from waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

_HOME = Path(pyspark.__file__).parent
_MACHINES = (HOST, "127.0.0.2")


@contextlib.contextmanager
def two_machines(folder: Path) -> Iterator[str]:
    """Run the cluster, one core a machine, and give its URL; logs and the executors' files go to `folder`."""
    (port,) = free_ports(1)
    url = f"spark://{HOST}:{port}"
    with contextlib.ExitStack() as stack:
        log = stack.enter_context((folder / "cluster.log").open("wb"))

        def start(what: str, host: str, *arguments: str) -> None:
            program = [str(_HOME / "bin" / "spark-class"), f"org.apache.spark.deploy.{what}"]
            process = subprocess.Popen(
                [*program, "--host", host, "--webui-port", "0", *arguments],
                stdout=log,
                stderr=log,
                env={**os.environ, "SPARK_HOME": str(_HOME), "SPARK_DAEMON_JAVA_OPTS": FAST_START},
            )
            stack.callback(process.wait, PATIENCE)
            stack.callback(process.terminate)

        start("master.Master", HOST, "--port", str(port))
        for machine in _MACHINES:
            start("worker.Worker", machine, "--cores", "1", "--memory", "1g", "--work-dir", str(folder / machine), url)
        registered = [f"Registering worker {machine}:" for machine in _MACHINES]
        said = folder / "cluster.log"
        wait_for(lambda: all(word in said.read_text() for word in registered), PATIENCE, f"both workers, see {said}")
        yield url
