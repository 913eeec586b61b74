"""The three libraries as long-lived processes that answer measurements, so that their rounds can take turns.

A process each: no library shares its interpreter lock, heap or compiler with another, nor with the delayed link.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
PATIENCE = 60.0
NAMES = ("sparkeeper", "kazoo", "curator")


def spark_jars() -> Path:
    """Find the jars of the installed PySpark: they hold Curator and the ZooKeeper client."""
    spec = find_spec("pyspark")
    if spec is None or spec.origin is None:
        raise SystemExit("PySpark is not installed; its jars hold Curator: pip install 'sparkeeper[spark]'")
    return Path(spec.origin).parent / "jars"


def _javas() -> Iterator[str]:
    home = os.environ.get("JAVA_HOME")
    if home:
        yield f"{home}/bin/java"
    on_path = shutil.which("java")
    if on_path:
        yield on_path
    yield from map(str, sorted(Path("/usr/lib/jvm").glob("*/bin/java")))


def jdk() -> str:
    """Find a Java that can run a source file: a JRE has no compiler."""
    for java in _javas():
        if shutil.which(java):
            modules = subprocess.run([java, "--list-modules"], capture_output=True, text=True, check=False).stdout
            if "jdk.compiler@" in modules:
                return java
    raise SystemExit("no JDK found; Curator's side needs one: sudo apt-get install openjdk-17-jdk-headless")


def command(name: str) -> list[str]:
    """Build the command line of a library's process."""
    if name == "curator":
        return [jdk(), "-cp", f"{spark_jars()}/*", str(HERE / "CuratorLocks.java")]
    return [sys.executable, str(HERE / "worker.py"), name]


class Peer:
    """One library's process."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._process = subprocess.Popen(command(name), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, op: str, **fields: object) -> dict[str, Any]:
        """Send one request and wait for its answer; a library that fails ends the run."""
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("the process was started without pipes")
        self._process.stdin.write(json.dumps({"op": op, **fields}) + "\n")
        self._process.stdin.flush()
        # A library that hangs, on a lock whose release was lost for example, must not hang the run.
        deadline = threading.Timer(PATIENCE, self._process.kill)
        deadline.start()
        line = self._process.stdout.readline()
        deadline.cancel()
        if not line:
            status = self._process.wait()
            raise SystemExit(f"{self.name} ended with status {status} in {op} {fields}; it has {PATIENCE:g} s")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise SystemExit(f"{self.name} failed in {op} {fields}: {answer['error']}")
        return answer

    def close(self) -> None:
        """End the process: the end of stdin is enough for an idle one; one still measuring, after Ctrl-C, is killed."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
