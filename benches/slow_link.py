"""A TCP link with a delay: every byte arrives so many seconds after it was sent, and none waits for another.

Each direction is a delay line of its own (a reader that stamps, a writer that sends when due), so requests written back
to back stay back to back, as on a real wire. Threads, because an event loop rounds its timers up to whole milliseconds.
"""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
import time

_CHUNK = 65536


def _pump(source: socket.socket, line: queue.SimpleQueue[tuple[float, bytes]], delay: float) -> None:
    """Stamp what arrives; an empty chunk says that the sender is done."""
    data = b"-"
    while data:
        try:
            data = source.recv(_CHUNK)
        except OSError:
            data = b""
        line.put((time.monotonic() + delay, data))


def _deliver(line: queue.SimpleQueue[tuple[float, bytes]], target: socket.socket) -> None:
    """Send each chunk when it is due, then pass the end on."""
    with contextlib.suppress(OSError):
        while True:
            due, data = line.get()
            time.sleep(max(0.0, due - time.monotonic()))
            if not data:
                break
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_RDWR)


class Link:
    """Listens on a free loopback port and forwards to `target` with half of `delay` each way.

    Args:
        target: Host and port of the server.
        delay: Seconds that a round trip takes longer.
    """

    def __init__(self, target: tuple[str, int], delay: float) -> None:
        self._target = target
        self._one_way = delay / 2
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address: tuple[str, int] = self._listener.getsockname()[:2]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # the listener was closed
            while True:
                client = self._listener.accept()[0]
                server = socket.create_connection(self._target)
                for source, target in ((client, server), (server, client)):
                    source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    line: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()
                    threading.Thread(target=_pump, args=(source, line, self._one_way), daemon=True).start()
                    threading.Thread(target=_deliver, args=(line, target), daemon=True).start()

    def close(self) -> None:
        """Stop listening; a connection that stands ends with either of its ends."""
        self._listener.close()
