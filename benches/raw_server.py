"""The few words of ZooKeeper's protocol that measure the server itself, without any client library in between."""

from __future__ import annotations

import socket
import statistics
import struct
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import BufferedReader

Address = tuple[str, int]

_CREATE, _DELETE, _CHILDREN, _PING, _CLOSE = 1, 2, 8, 11, -11
_EPHEMERAL = 1
_TIMEOUT_MS = 10_000
_HELLO = struct.pack(">iiqiqi16s?", 45, 0, 0, _TIMEOUT_MS, 0, 16, bytes(16), 0)


def _text(value: str) -> bytes:
    data = value.encode()
    return struct.pack(">i", len(data)) + data


_OPEN_ACL = struct.pack(">ii", 1, 31) + _text("world") + _text("anyone")


def _frame(operation: int, body: bytes = b"") -> bytes:
    """Frame a request; the replies of a session come in order, so the number in it does not matter here."""
    return struct.pack(">iii", 8 + len(body), -2 if operation == _PING else 1, operation) + body


def _create(path: str, flags: int) -> bytes:
    return _frame(_CREATE, _text(path) + _text("") + _OPEN_ACL + struct.pack(">i", flags))


def _receive(replies: BufferedReader) -> bytes:
    (length,) = struct.unpack(">i", replies.read(4))
    return replies.read(length)


def _check(reply: bytes) -> None:
    """Refuse an error that would make the figure meaningless: a refused request costs less."""
    error = struct.unpack_from(">i", reply, 12)[0]
    if error:
        raise RuntimeError(f"the server answered with error {error}")


@contextmanager
def _session(address: Address) -> Iterator[tuple[socket.socket, BufferedReader]]:
    with socket.create_connection(address) as connection, connection.makefile("rb") as replies:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(_HELLO)
        _receive(replies)
        yield connection, replies
        connection.sendall(_frame(_CLOSE))  # leave no session that expires in the middle of another measurement
        _receive(replies)


def round_trip(address: Address, samples: int = 50) -> float:
    """Measure the median round trip of a ping, in seconds."""
    times = []
    with _session(address) as (connection, replies):
        for _ in range(samples):
            start = time.perf_counter()
            connection.sendall(_frame(_PING))
            _receive(replies)
            times.append(time.perf_counter() - start)
    return statistics.median(times)


def raw_cycles(address: Address, width: int, warmup: float, seconds: float) -> float:
    """Measure lock cycles a second on `width` paths without a library: a reference, not a proven bound.

    A cycle is what any of the libraries asks of it at least: create an ephemeral node, list its siblings, delete it.
    The requests are encoded once, and one batch is on its way while the next is sent, so the client costs little.
    """
    parents = [f"/raw-{i}" for i in range(width)]
    batch = b"".join(
        _create(f"{parent}/lock", _EPHEMERAL)
        + _frame(_CHILDREN, _text(parent) + b"\0")
        + _frame(_DELETE, _text(f"{parent}/lock") + struct.pack(">i", -1))
        for parent in parents
    )
    with _session(address) as (connection, replies):

        def pump(duration: float) -> float:
            start, count = time.perf_counter(), 0
            while time.perf_counter() - start < duration:
                connection.sendall(batch)
                for _ in range(3 * width):
                    _check(_receive(replies))
                count += width
            return count / (time.perf_counter() - start)

        for parent in parents:
            connection.sendall(_create(parent, 0))
            _receive(replies)  # made now, or there from an earlier round
        connection.sendall(batch)
        pump(warmup)
        rate = pump(seconds)
        for _ in range(3 * width):
            _check(_receive(replies))
    return rate


def server_version(address: Address) -> str:
    """Ask the server for its version with the `srvr` command."""
    with socket.create_connection(address) as connection:
        connection.sendall(b"srvr")
        text = b"".join(iter(lambda: connection.recv(4096), b"")).decode()
    return text.removeprefix("Zookeeper version: ").partition("-")[0]
