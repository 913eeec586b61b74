"""What a server process has cost up to now: processor time and memory."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

import psutil

from sparkeeper.local.java import find_java

if TYPE_CHECKING:
    from sparkeeper.local import LocalServer

_JCMD = find_java().resolve().parent / "jcmd"
_USED = re.compile(r"used (\d+)K")


def cpu(server: LocalServer) -> float:
    """Return the processor seconds that the server has used."""
    times = psutil.Process(server.pid).cpu_times()
    return times.user + times.system


def live_heap(server: LocalServer) -> float:
    """Collect the garbage, and return the megabytes of live objects, without class metadata."""
    _jcmd(server, "GC.run")
    spaces = [line for line in _jcmd(server, "GC.heap_info").splitlines() if "Metaspace" not in line]
    # The young space and the tenured one; "class space" lines have no "total".
    return sum(int(found[1]) for line in spaces if "total" in line and (found := _USED.search(line))) / 1024


def _jcmd(server: LocalServer, command: str) -> str:
    return subprocess.run([_JCMD, str(server.pid), command], check=True, capture_output=True, text=True).stdout
