"""An ensemble in which one member hears of everything late: its link to the leader is slow, its clients' are not."""

from __future__ import annotations

import contextlib
import dataclasses
import queue
import socket
import threading
import time
from typing import TYPE_CHECKING

from sparkeeper.local import LocalEnsemble
from sparkeeper.local.ports import HOST

if TYPE_CHECKING:
    from typing_extensions import Self

_CHUNK = 65536


class SlowLink:
    """Forwards bytes to a loopback port, whatever they mean, after a delay that can be changed at any time.

    Attributes:
        to_target: Seconds that bytes take to whoever listens there.
        to_source: Seconds that bytes take back.
    """

    def __init__(self, target: int) -> None:
        self.to_target = self.to_source = 0.0
        self._target = target
        self._listener = socket.create_server((HOST, 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Stop listening; a connection that stands ends with either of its ends."""
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # the listener was closed
            while True:
                source = self._listener.accept()[0]
                try:
                    target = socket.create_connection((HOST, self._target))
                except OSError:
                    source.close()
                    continue
                for ends, delay in (((source, target), "to_target"), ((target, source), "to_source")):
                    line: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()
                    threading.Thread(target=self._read, args=(ends[0], line), daemon=True).start()
                    threading.Thread(target=self._write, args=(ends[1], line, delay), daemon=True).start()

    def _read(self, source: socket.socket, line: queue.SimpleQueue[tuple[float, bytes]]) -> None:
        data = b"-"
        while data:
            try:
                data = source.recv(_CHUNK)
            except OSError:
                data = b""
            line.put((time.monotonic(), data))

    def _write(self, target: socket.socket, line: queue.SimpleQueue[tuple[float, bytes]], delay: str) -> None:
        never = threading.Event()
        with contextlib.suppress(OSError):
            while (item := line.get())[1]:
                read_at, data = item
                never.wait(max(0.0, read_at + getattr(self, delay) - time.monotonic()))
                target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)


class LaggingEnsemble(LocalEnsemble):
    """Three servers; the first reaches the others through slow links, and never leads while they run."""

    def __init__(self) -> None:
        super().__init__(3)
        self._links: list[SlowLink] = []

    def __enter__(self) -> Self:
        return self.start()

    def lag(self, to_leader: float, to_follower: float) -> None:
        """Let what the first sends and hears take so many seconds."""
        for link in self._links:
            link.to_target, link.to_source = to_leader, to_follower

    def close(self) -> None:
        super().close()
        while self._links:
            self._links.pop().close()

    def _make_nodes(self):
        made = super()._make_nodes()
        late = made[0].settings
        extra = dict(late.extra)
        for name in ("server.2", "server.3"):
            host, peer, election = extra[name].split(":")
            self._links.append(SlowLink(int(peer)))
            extra[name] = f"{host}:{self._links[-1].port}:{election}"
        made[0].settings = dataclasses.replace(late, extra=extra)
        return made
