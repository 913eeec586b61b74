"""A real HDFS of one NameNode and one DataNode on this machine."""

from __future__ import annotations

import os
import subprocess
from contextlib import ExitStack
from typing import TYPE_CHECKING

from jars import PYSPARK_JARS, fetch, hadoop_version
from sparkeeper.local.ports import HOST, free_ports
from waiting import wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from typing_extensions import Self

PATIENCE = 120.0
_SERVERS = "org.apache.hadoop.hdfs.server"


class Hdfs:
    """Starts when it is entered, and ends with it."""

    def __init__(self, work: Path) -> None:
        """Keep everything in `work`."""
        (self._port,) = free_ports(1)
        self._work = work
        self._stack = ExitStack()
        self.uri = f"hdfs://{HOST}:{self._port}"

    def __enter__(self) -> Self:
        """Format, start both, and wait until files can be written."""
        jars = fetch([f"org.apache.hadoop:hadoop-client-minicluster:{hadoop_version()}!"], self._work / "jars")
        conf = self._work / "conf"
        conf.mkdir()
        (conf / "core-site.xml").write_text(_xml({"fs.defaultFS": self.uri}))
        (conf / "hdfs-site.xml").write_text(_xml(self._settings()))
        # Its own files come first: PySpark's jars have default settings too.
        self._classpath = os.pathsep.join([str(conf), *map(str, jars), f"{PYSPARK_JARS}/*"])
        format_ = self._start("namenode.NameNode", "-format", "-nonInteractive")
        assert format_.wait(PATIENCE) == 0, self._log()
        self._stack.__enter__()
        for server in ("namenode.NameNode", "datanode.DataNode"):
            self._stack.callback(_end, self._start(server))
        wait_for(self._is_up, PATIENCE, "the DataNode to register and the NameNode to leave its safe mode")
        return self

    def __exit__(self, *_: object) -> None:
        """End both."""
        self._stack.close()

    def _start(self, server: str, *arguments: str) -> subprocess.Popen[bytes]:
        command = ["java", "-Xmx256m", "-cp", self._classpath, f"{_SERVERS}.{server}", *arguments]
        with (self._work / "hdfs.log").open("ab") as log:
            return subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def _is_up(self) -> bool:
        report = ["java", "-cp", self._classpath, "org.apache.hadoop.hdfs.tools.DFSAdmin", "-report", "-live"]
        done = subprocess.run(report, capture_output=True, text=True, timeout=PATIENCE, check=False)
        return "Live datanodes (1)" in done.stdout and "Safe mode is ON" not in done.stdout

    def _settings(self) -> dict[str, str]:
        anywhere = f"{HOST}:0"
        return {
            "dfs.namenode.name.dir": str(self._work / "name"),
            "dfs.namenode.http-address": anywhere,
            "dfs.datanode.data.dir": str(self._work / "data"),
            "dfs.datanode.address": anywhere,
            "dfs.datanode.http.address": anywhere,
            "dfs.datanode.ipc.address": anywhere,
            "dfs.replication": "1",
        }

    def _log(self) -> str:
        return (self._work / "hdfs.log").read_text()


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


def _xml(settings: dict[str, str]) -> str:
    rows = "".join(
        f"<property><name>{name}</name><value>{value}</value></property>" for name, value in settings.items()
    )
    return f"<configuration>{rows}</configuration>"
