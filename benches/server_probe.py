"""What a server process has cost up to now: processor time, memory, and what ZooKeeper counts."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil

from sparkeeper.local.java import find_java
from sparkeeper.local.words import ask

if TYPE_CHECKING:
    from sparkeeper.local import LocalServer

_JCMD = find_java().resolve().parent / "jcmd"
_USED = re.compile(r"used (\d+)K")


def cpu(server: LocalServer) -> float:
    """Return the processor seconds that the server has used."""
    times = psutil.Process(server.pid).cpu_times()
    return times.user + times.system


@dataclass(frozen=True)
class Footprint:
    """What a server holds now: megabytes and counts."""

    heap: float
    """Live objects, after a full collection, without class metadata."""
    resident: float
    znodes: int
    watches: int
    connections: int

    @classmethod
    def of(cls, server: LocalServer) -> Footprint:
        """Collect the garbage and look."""
        _jcmd(server, "GC.run")
        spaces = [line for line in _jcmd(server, "GC.heap_info").splitlines() if "Metaspace" not in line]
        # The young space and the tenured one; "class space" lines have no "total".
        used = sum(int(found[1]) for line in spaces if "total" in line and (found := _USED.search(line)))
        counts = dict(line.split("\t")[:2] for line in (ask(server.port, "mntr") or "").splitlines() if "\t" in line)
        return cls(
            used / 1024,
            psutil.Process(server.pid).memory_info().rss / 2**20,
            int(counts["zk_znode_count"]),
            int(counts["zk_watch_count"]),
            int(counts["zk_num_alive_connections"]),
        )


def _jcmd(server: LocalServer, command: str) -> str:
    return subprocess.run([_JCMD, str(server.pid), command], check=True, capture_output=True, text=True).stdout
