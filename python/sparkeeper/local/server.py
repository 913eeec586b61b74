"""One real ZooKeeper server as a child process.

Its folder, kept or temporary, holds `zoo.cfg`, `zookeeper.log`, `data/` and `lock`. The lock is held by
the child itself, so two servers never share one folder, not even when a killed parent's server is still dying.
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import time
import weakref
from pathlib import Path
from typing import TYPE_CHECKING

from sparkeeper.exceptions import ConfigError, ConnectionLost
from sparkeeper.local import flock, words
from sparkeeper.local import log as logs
from sparkeeper.local.jars import find_jars
from sparkeeper.local.java import find_java
from sparkeeper.local.ports import HOST, free_ports, is_free
from sparkeeper.local.process import ServerProcess
from sparkeeper.local.settings import ServerSettings

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

_MAIN = "org.apache.zookeeper.server.quorum.QuorumPeerMain"
_PORT_TRIES = 5
_GRACE = 10.0
_LOOK = 0.03


class LocalServer:
    """A ZooKeeper server on the loopback interface, as a context manager.

    It ends with the process that made it, even when that is killed. Temporary data lives as long as the
    object: through `stop`, `kill` and `restart`, until `close` or the end of the process.
    """

    def __init__(
        self,
        data: str | os.PathLike[str] | None = None,
        port: int | None = None,
        jars: str | os.PathLike[str] | None = None,
        *,
        settings: ServerSettings | None = None,
        timeout: float = 60.0,
    ) -> None:
        """Find Java and the jars; nothing is started yet.

        Args:
            data: A folder to keep the data in; None means a temporary one.
            port: The port to listen on; None means a free one, which then stays the same for this object.
            jars: The folder with ZooKeeper's jars; None means PySpark's.
            settings: How the server runs.
            timeout: How many seconds a start may take.

        Raises:
            ConfigError: No Java or no jars were found, or a setting is out of range.
        """
        self.settings = settings or ServerSettings()
        self.timeout = timeout
        self._jars = find_jars(jars)
        self._java = find_java(self.settings.java)
        self._port = port
        # Until a first start has succeeded, a port that we chose may still be exchanged for another.
        self._settled = port is not None
        self._kept = data is not None
        self._home = Path(tempfile.mkdtemp(prefix="sparkeeper-") if data is None else data).expanduser().resolve()
        self._running: list[ServerProcess] = []
        temporary = None if self._kept else self._home
        self._discard = weakref.finalize(self, _discard, self._running, temporary, os.getpid())

    def __enter__(self) -> Self:
        """Start the server."""
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the server and remove temporary data."""
        self.close()

    def __repr__(self) -> str:
        """Say where it listens and whether it runs."""
        state = f"pid {self.pid}" if self.running else "stopped"
        return f"<LocalServer {HOST}:{self._port or '?'} {state}>"

    @property
    def port(self) -> int:
        """The port it listens on."""
        if self._port is None:
            raise ConfigError("asked for the port of a server that was not started yet; call start() first")
        return self._port

    @property
    def connect_string(self) -> str:
        """Where clients connect, as `sparkeeper.connect` takes it."""
        return f"{HOST}:{self.port}"

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        return self._process("the process id").pid

    @property
    def running(self) -> bool:
        """Whether the process exists, be it paused."""
        return bool(self._running) and self._running[0].wait(0) is None

    @property
    def mode(self) -> str | None:
        """What the server says it is: "standalone", "leader", "follower"; None while it does not serve."""
        return words.mode(self.port) if self.running else None

    @property
    def version(self) -> str:
        """The version of ZooKeeper."""
        return self._jars.version

    @property
    def log(self) -> Path:
        """The file that the server logs to."""
        return self.settings.log or self._home / "zookeeper.log"

    @property
    def data(self) -> Path:
        """The folder of the server's data, log and configuration."""
        return self._home

    def start(self, *, wait: bool = True) -> Self:
        """Start the server if it does not run, and wait until it serves.

        Args:
            wait: False returns at once; a member of an ensemble serves only when a quorum runs.

        Raises:
            ConfigError: The port is taken or not for this user, the data folder cannot be written or another server
                uses it, or this Java cannot run it.
            ConnectionLost: The server died, or did not serve in time; the message ends with its log's last lines.
        """
        if self.running:
            return self
        self._reap()
        deadline = time.monotonic() + self.timeout
        for _ in range(_PORT_TRIES):
            if self._start_once(deadline, wait=wait):
                self._settled = True
                return self
        raise ConfigError(f"tried {_PORT_TRIES} free ports, and each was taken before the server could listen on it")

    def stop(self) -> None:
        """End the server with SIGTERM; after 10 s with SIGKILL. Data and port stay."""
        self._reap(_GRACE)

    def kill(self) -> None:
        """End the server with SIGKILL. Data and port stay."""
        self._reap()

    def restart(self, *, wait: bool = True) -> Self:
        """Stop the server and start it on the same port and data."""
        self.stop()
        return self.start(wait=wait)

    def pause(self) -> None:
        """Stop the process with SIGSTOP: it keeps its connections and answers nothing."""
        self._process("a process to pause").pause()

    def resume(self) -> None:
        """Continue a paused process."""
        self._process("a process to resume").send(signal.SIGCONT)

    def wait(self, timeout: float | None = None) -> int | None:
        """Wait for the server to end by itself and return its exit code, None when it runs on."""
        return self._process("a process to wait for").wait(timeout)

    def close(self) -> None:
        """Stop the server and remove temporary data; the object cannot be started again."""
        self.stop()
        self._discard()

    def wait_serving(self, timeout: float | None = None) -> str:
        """Wait until this server, and no other on its port, serves; return its mode.

        Raises:
            ConnectionLost: It died or did not serve in time.
        """
        deadline = time.monotonic() + (self.timeout if timeout is None else timeout)
        process = self._process("a process that serves")
        folder = str(self._home / "data")
        while time.monotonic() < deadline:
            code = process.wait(_LOOK)
            if code is not None:
                raise self._failure(f"exited with code {code} before it served")
            # Whoever took the port first may be a ZooKeeper as well, so we ask whose data it serves.
            if words.data_folder(self.port) == folder and (mode := words.mode(self.port)):
                return mode
        raise self._failure(
            f"did not serve in time; see that {self._java} -version answers, and try again where the machine was busy"
        )

    def _start_once(self, deadline: float, *, wait: bool) -> bool:
        """Start on one port; False when somebody else got that port first and another may be tried."""
        port = self._port if self._settled else free_ports(1)[0]
        if port is None or not is_free(port):
            raise ConfigError(
                f"tried to start ZooKeeper on {HOST}:{port}: another process listens there; "
                f"stop it, or leave the port to be chosen"
            )
        self._port = port
        try:
            start = self._spawn(port, deadline)
        except OSError as error:
            raise ConfigError(
                f"tried to keep ZooKeeper's data in {self._home}: {error}; give a folder that can be written"
            ) from error
        if not wait:
            return True
        try:
            self.wait_serving(deadline - time.monotonic())
        except ConnectionLost:
            self._reap()
            if not logs.blames_port(self.log, start):
                raise
            if self._settled:
                raise ConfigError(f"tried to start ZooKeeper on {HOST}:{port}: another process took it") from None
            return False
        except BaseException:
            self._reap()
            raise
        return True

    def _spawn(self, port: int, deadline: float) -> int:
        """Start the process and return where its part of the log begins."""
        if not self._discard.alive:
            raise ConfigError("the server was closed, its temporary data is gone; make another LocalServer")
        data = self._home / "data"
        data.mkdir(parents=True, exist_ok=True)
        lock = flock.acquire(self._home / "lock", shared=False, timeout=max(0.0, deadline - time.monotonic()))
        if lock is None:
            raise ConfigError(f"tried to start ZooKeeper on the data in {self._home}: another server uses it")
        try:
            config = self._home / "zoo.cfg"
            config.write_text(self.settings.zoo_cfg(data, port), encoding="ascii")
            if self.settings.node_id is not None:
                (data / "myid").write_text(f"{self.settings.node_id}\n", encoding="ascii")
            options = self.settings.jvm_options(kept=self._kept)
            command = [str(self._java), *options, "-cp", self._jars.class_path, _MAIN, str(config)]
            start = logs.size(self.log)
            self._running.append(ServerProcess(command, self.log, lock, None if self._kept else self._home))
        finally:
            os.close(lock)
        return start

    def _process(self, wanted: str) -> ServerProcess:
        if not self._running:
            raise ConfigError(f"asked for {wanted}, but the server does not run; call start() first")
        return self._running[0]

    def _reap(self, grace: float = 0.0) -> None:
        while self._running:
            self._running[0].end(grace)
            self._running.pop()

    def _failure(self, what: str) -> ConfigError | ConnectionLost:
        tail = logs.tail(self.log)
        start = f"ZooKeeper {self.version} with {self._java} on {HOST}:{self._port}"
        if logs.blames_java(tail):
            return ConfigError(
                f"tried to start {start}, and this Java is too old or broken; set JAVA_HOME to a JDK 17. It said:{tail}"
            )
        # A log among temporary data goes with it: nobody would find it.
        log = f"its log {self.log}" if self._kept or self.settings.log is not None else "its log"
        return ConnectionLost(f"started {start}, which {what}; {log} ends with:{tail}")


def _discard(running: list[ServerProcess], temporary: Path | None, owner: int) -> None:
    """End what still runs and remove the temporary folder, unless we are a forked child at its own exit."""
    if os.getpid() != owner:
        return
    while running:
        running.pop().end(0)
    if temporary is not None:
        shutil.rmtree(temporary, ignore_errors=True)
