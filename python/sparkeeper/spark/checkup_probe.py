"""What the doctor asks of one Python process: the driver, or a Spark task's worker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    Place = tuple[str, int]
    """A server's host and port."""

SCHEMA = (
    "host string, executor bigint, worker bigint, python string, executable string, pyspark string, sparkeeper string, "
    "error string, full string, lease double, round_trip double, ahead double, uncertain double"
)
"""A row of an answer; the executor and the worker are process ids, `full` is a server that has no connection left.

Times are in seconds: how long a fresh lock is sure, how long it took to get, and by how much this process's clock is
ahead of the server's, give or take so much. NULL is what was not found out.
"""


def closer(timeout: float) -> Callable[[Place], bool]:
    """Return a function that says whether a server closes a connection before it was asked anything.

    So does one that has as many from that address as `maxClientCnxns` allows. One that speaks TLS waits to be asked.
    """

    def closes(place: Place) -> bool:
        import socket  # noqa: PLC0415 - in the worker

        try:
            with socket.create_connection(place, timeout) as link:
                return not link.recv(1)
        except ConnectionError as error:
            # Reset, or a broken pipe where it was closed before we heard that it was made.
            return not isinstance(error, ConnectionRefusedError)
        except OSError:
            return False

    return closes


def prober(connect: Callable[..., Any] | None, timeout: float, places: Sequence[Place]) -> Callable[[], dict[str, Any]]:
    """Return a function that looks around and takes a lock, and says what it found.

    It is shipped whole, as functions within functions are: a worker without Sparkeeper must be able to say so.

    Args:
        connect: How to connect; None in a task, which has the driver's settings.
        timeout: How long to try to, in seconds.
        places: The servers.
    """
    closes = closer(min(timeout, 2.0))

    def probe() -> dict[str, Any]:
        import os  # noqa: PLC0415 - in the worker
        import platform  # noqa: PLC0415
        import socket  # noqa: PLC0415
        import sys  # noqa: PLC0415

        import pyspark  # noqa: PLC0415

        return {
            "host": socket.gethostname(),
            # A worker is a child of a daemon, which is the executor's.
            "executor": os.getpid() if connect is not None else parent(os.getppid()),
            "worker": os.getpid(),
            "python": platform.python_version(),
            "executable": sys.executable,
            "pyspark": pyspark.__version__,
            **dict.fromkeys(("sparkeeper", "error", "full", "lease", "round_trip", "ahead", "uncertain")),
            **use(),
        }

    def use() -> dict[str, Any]:
        import importlib.metadata  # noqa: PLC0415 - in the worker
        import time  # noqa: PLC0415
        import uuid  # noqa: PLC0415

        found: dict[str, Any] = {}
        try:
            import sparkeeper  # noqa: PLC0415

            found["sparkeeper"] = importlib.metadata.version("sparkeeper")
            with (connect or sparkeeper.connect)(timeout=timeout) as zk:
                lock = zk.lock(f"doctor/{uuid.uuid4().hex}")
                before, begun = time.time(), time.monotonic()
                with lock.acquire(timeout=timeout) as held:
                    took = time.monotonic() - begun
                    created = lock.contenders()[0].since / 1000
                    found |= {"lease": held.valid_for(), "round_trip": took}
                    found |= {"ahead": before + took / 2 - created, "uncertain": took / 2}
        except Exception as error:  # noqa: BLE001 - whatever it is is what was found
            found["error"] = f"{type(error).__name__}: {error}"
            found["full"] = next((f"{host}:{port}" for host, port in places if closes((host, port))), None)
        return found

    def parent(pid: int) -> int:
        try:
            with open(f"/proc/{pid}/stat") as file:  # noqa: PTH123 - in the worker
                return int(file.read().rpartition(")")[2].split()[1])
        except OSError:
            return pid

    return probe


def tasks(timeout: float, pause: float, places: Sequence[Place]) -> Callable[[Iterator[Any]], Iterator[Any]]:
    """Return a function for `mapInArrow`, whose tasks answer a row each.

    Args:
        timeout: As `prober`'s.
        pause: How long each keeps its slot, so that others come to other slots, in seconds.
        places: As `prober`'s.
    """
    probe = prober(None, timeout, places)
    columns = [column.split() for column in SCHEMA.split(", ")]

    def answer(batches: Iterator[Any]) -> Iterator[Any]:
        import threading  # noqa: PLC0415 - in the worker

        import pyarrow as pa  # noqa: PLC0415

        types = {"string": pa.string(), "bigint": pa.int64(), "double": pa.float64()}
        schema = pa.schema([(name, types[kind]) for name, kind in columns])
        for _ in batches:
            found = probe()
            threading.Event().wait(pause)
            yield pa.RecordBatch.from_pylist([found], schema)

    return answer
