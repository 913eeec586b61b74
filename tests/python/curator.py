"""Curator inside the Spark session's own JVM, as a peer that contends with us on a path.

Nodes: `<path>/_c_<guid>-lock-<sequence>`, ephemeral, made and deleted by Curator; the data is the address of the host.
"""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyspark.sql import SparkSession


class Curator(AbstractContextManager["Curator"]):
    """One Curator client, hence one session of its own."""

    def __init__(self, spark: SparkSession, connect: str, session_timeout: float = 10.0) -> None:
        self.jvm: Any = spark._jvm
        curator = self.jvm.org.apache.curator
        retry = curator.retry.ExponentialBackoffRetry(100, 3)
        builder = curator.framework.CuratorFrameworkFactory.builder()
        self.client = (
            builder.connectString(connect)
            .sessionTimeoutMs(int(session_timeout * 1000))
            .connectionTimeoutMs(10_000)
            .retryPolicy(retry)
            .build()
        )
        self.client.start()
        if not self.client.blockUntilConnected(10, self.jvm.java.util.concurrent.TimeUnit.SECONDS):
            self.client.close()
            raise TimeoutError(f"Curator has no connection to {connect} after 10 s")

    @property
    def session_id(self) -> int:
        """The session's id as an unsigned number."""
        return self.client.getZookeeperClient().getZooKeeper().getSessionId() & 0xFFFFFFFFFFFFFFFF

    def mutex(self, path: str) -> Mutex:
        """Make an `InterProcessMutex`, a contender of its own even in this session."""
        return Mutex(self, path)

    def contender(self, path: str, on_grant: Callable[[], None] | None = None) -> Contender:
        """Make a contender that acquires in a thread of its own."""
        return Contender(self.mutex(path), on_grant)

    def close(self) -> None:
        """Close the session; what it held is free, and its waiters get an error."""
        self.client.close()

    def __exit__(self, *_: object) -> None:
        self.close()


class Mutex:
    """An `InterProcessMutex`. It belongs to the Java thread that took it, which py4j pins to the Python thread."""

    def __init__(self, curator: Curator, path: str) -> None:
        self.path = path
        self._curator = curator
        locks = curator.jvm.org.apache.curator.framework.recipes.locks
        self._mutex = locks.InterProcessMutex(curator.client, path)

    def acquire(self, timeout: float) -> bool:
        """Wait for the lock; False after `timeout` seconds, with no node left behind."""
        units = self._curator.jvm.java.util.concurrent.TimeUnit
        return self._mutex.acquire(int(timeout * 1000), units.MILLISECONDS)

    def release(self) -> None:
        """Release; an error when this thread does not hold it."""
        self._mutex.release()

    @property
    def held(self) -> bool:
        """Whether this thread holds it."""
        return self._mutex.isOwnedByCurrentThread()

    def line(self) -> list[str]:
        """The full paths of the nodes under the path, in Curator's order; empty while the path does not exist."""
        if self._curator.client.checkExists().forPath(self.path) is None:
            return []
        return list(self._mutex.getParticipantNodes())


class Contender:
    """A mutex that is taken, held and released in one thread while the test's own thread decides when.

    Args:
        mutex: What to acquire.
        on_grant: Called in the contender's thread as soon as it holds the lock.
    """

    def __init__(self, mutex: Mutex, on_grant: Callable[[], None] | None = None) -> None:
        self.mutex = mutex
        self.error: BaseException | None = None
        self.granted = False
        self._on_grant = on_grant
        self._answered = threading.Event()
        self._let_go = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, timeout: float = 60.0) -> Contender:
        """Begin to acquire, and return once the node is in the line (or the acquire has ended)."""
        before = set(self.mutex.line())
        # A daemon, so that a test which fails while we wait does not keep the interpreter.
        self._thread = threading.Thread(target=self._run, args=(timeout,), daemon=True)
        self._thread.start()
        wait_for(
            lambda: self._answered.is_set() or set(self.mutex.line()) - before,
            timeout,
            f"Curator's node in the line of {self.mutex.path}",
        )
        return self

    def _run(self, timeout: float) -> None:
        try:
            self.granted = self.mutex.acquire(timeout)
            if self.granted and self._on_grant:
                self._on_grant()
            self._answered.set()
            if self.granted:
                self._let_go.wait()
                self.mutex.release()
        except BaseException as error:  # noqa: BLE001 - raised again in the test's thread
            self.error = error
        finally:
            self._answered.set()

    @property
    def waiting(self) -> bool:
        """Whether the acquire has not been answered yet."""
        return not self._answered.is_set()

    def wait(self, timeout: float = 30.0) -> bool:
        """Wait for the acquire's answer: True when it was granted; raises what it raised."""
        if not self._answered.wait(timeout):
            raise TimeoutError(f"Curator has no answer on {self.mutex.path} after {timeout} s: {self.mutex.line()}")
        if self.error is not None:
            raise self.error
        return self.granted

    def release(self, timeout: float = 30.0) -> None:
        """Let the thread release the lock, and wait until it has."""
        self._let_go.set()
        if self._thread is None:
            raise RuntimeError("not started")
        self._thread.join(timeout)
        if self._thread.is_alive():
            raise TimeoutError(f"Curator did not release {self.mutex.path} within {timeout} s")
        if self.error is not None:
            raise self.error


def thread_pinned(spark: SparkSession) -> bool:
    """Whether a Python thread is a Java thread, as `InterProcessMutex` needs (PYSPARK_PIN_THREAD, the default)."""
    ids: list[int] = []

    def note() -> None:
        ids.append(spark._jvm.java.lang.Thread.currentThread().getId())

    other = threading.Thread(target=note)
    other.start()
    other.join()
    note()
    note()
    return ids[0] != ids[1] and ids[1] == ids[2]
