"""Several real servers that form one ensemble, for tests of what happens when members fail."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING

from sparkeeper.exceptions import ConfigError, ConnectionLost
from sparkeeper.local.flock import pause
from sparkeeper.local.ports import HOST, free_ports
from sparkeeper.local.server import LocalServer
from sparkeeper.local.settings import ServerSettings

if TYPE_CHECKING:
    import os
    from types import TracebackType

    from typing_extensions import Self

_TRIES = 3


class LocalEnsemble:
    """An ensemble on the loopback interface, as a context manager; its data is temporary.

    Attributes:
        nodes: The servers; each can be started, stopped, killed, paused and resumed on its own.
    """

    def __init__(
        self,
        nodes: int = 3,
        *,
        jars: str | os.PathLike[str] | None = None,
        settings: ServerSettings | None = None,
        timeout: float = 60.0,
    ) -> None:
        """Choose the ensemble; nothing is started yet.

        Args:
            nodes: How many servers; a quorum is more than half of them.
            jars: The folder with ZooKeeper's jars; None means PySpark's.
            settings: How each server runs.
            timeout: How many seconds the ensemble, or one of its nodes, may take to serve.
        """
        if nodes < 2:  # noqa: PLR2004 - one server is a LocalServer
            raise ConfigError(f"nodes={nodes}: an ensemble has at least 2; LocalServer is one server")
        self._size = nodes
        self._jars = jars
        self._settings = settings or ServerSettings()
        self._timeout = timeout
        self.nodes: list[LocalServer] = []

    def __enter__(self) -> Self:
        """Start the ensemble."""
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop every node and remove the data."""
        self.close()

    @property
    def connect_string(self) -> str:
        """All nodes, as `sparkeeper.connect` takes them."""
        return ",".join(node.connect_string for node in self.nodes)

    def start(self) -> Self:
        """Start every node that does not run, and wait until all of them serve.

        Raises:
            ConnectionLost: They did not agree on a leader in time.
        """
        if self.nodes:
            return self._start_nodes()
        for attempt in range(1, _TRIES + 1):
            self.nodes = self._make_nodes()
            try:
                return self._start_nodes()
            except (ConnectionLost, ConfigError):
                # The ports between the nodes are fixed before they listen, so somebody may have taken one.
                self.close()
                if attempt == _TRIES:
                    raise
            except BaseException:
                self.close()
                raise
        raise AssertionError

    def close(self) -> None:
        """Stop every node and remove the data."""
        for node in self.nodes:
            node.kill()
            node.close()
        self.nodes = []

    def leader(self) -> int | None:
        """Return the index of the node that says it leads, None while there is none."""
        return next((index for index, node in enumerate(self.nodes) if node.mode == "leader"), None)

    def wait_quorum(self, timeout: float | None = None) -> int:
        """Wait until more than half of the nodes serve, and return the leader's index.

        Raises:
            ConnectionLost: There was no quorum in time.
        """
        deadline = time.monotonic() + (self._timeout if timeout is None else timeout)
        modes: list[str | None] = []
        while time.monotonic() < deadline:
            modes = [node.mode for node in self.nodes]
            serving = [mode for mode in modes if mode is not None]
            if 2 * len(serving) > self._size and serving.count("leader") == 1:
                return modes.index("leader")
            pause(0.05)
        raise ConnectionLost(f"waited for a quorum of {self._size} nodes in vain; they say they are {modes}")

    def _make_nodes(self) -> list[LocalServer]:
        ports = free_ports(3 * self._size)
        clients, peers, elections = (ports[at::3] for at in range(3))
        members = {
            f"server.{number}": f"{HOST}:{peer}:{election}"
            for number, (peer, election) in enumerate(zip(peers, elections, strict=True), 1)
        }
        # In ticks. Generous, because all nodes share the cores of one machine.
        limits = {"initLimit": "20", "syncLimit": "10"}
        made = []
        for number, client in enumerate(clients, 1):
            extra = {**limits, **members, **self._settings.extra}
            settings = dataclasses.replace(self._settings, extra=extra, node_id=number)
            made.append(LocalServer(port=client, jars=self._jars, settings=settings, timeout=self._timeout))
        return made

    def _start_nodes(self) -> Self:
        for node in self.nodes:
            node.start(wait=False)
        for node in self.nodes:
            node.wait_serving()
        return self
