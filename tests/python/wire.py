"""As much of ZooKeeper's wire format as the faulty proxy has to understand."""

from __future__ import annotations

import asyncio
import enum
import socket
import struct
from dataclasses import dataclass

from sparkeeper.local.ports import HOST

_HEADER = struct.Struct(">ii")
_LENGTH = struct.Struct(">i")
_XID = struct.Struct(">i")
# Protocol version, last zxid seen, timeout, session id, password with its length.
_CONNECT = struct.Struct(">iqiqi16s")
_UNKNOWN = 9999
# Longer than any request or reply that a server accepts by default.
_LONGEST = 64 * 1024 * 1024


class Op(enum.IntEnum):
    """The operation codes of requests."""

    CLOSE = -11
    CREATE = 1
    DELETE = 2
    EXISTS = 3
    GET_DATA = 4
    SET_DATA = 5
    GET_ACL = 6
    SET_ACL = 7
    GET_CHILDREN = 8
    SYNC = 9
    PING = 11
    GET_CHILDREN2 = 12
    CHECK = 13
    MULTI = 14
    CREATE2 = 15
    CHECK_WATCHES = 17
    REMOVE_WATCHES = 18
    CREATE_CONTAINER = 19
    CREATE_TTL = 21
    MULTI_READ = 22
    AUTH = 100
    SET_WATCHES = 101
    SASL = 102
    SET_WATCHES2 = 105
    ADD_WATCH = 106


@dataclass(frozen=True)
class Request:
    """A request on its way: the client's number for it, what it asks, and the rest of its bytes."""

    xid: int
    op: int
    body: bytes

    def unknown(self, frame: bytes) -> bytes:
        """Return the whole frame, length included, with an operation code that no server knows."""
        header = _LENGTH.size + _HEADER.size
        return frame[: _LENGTH.size] + _HEADER.pack(self.xid, _UNKNOWN) + frame[header:]

    @classmethod
    def parse(cls, frame: bytes) -> Request | None:
        """Read a whole frame, length included; None when it has no header."""
        if len(frame) < _LENGTH.size + _HEADER.size:
            return None
        xid, op = _HEADER.unpack_from(frame, _LENGTH.size)
        return cls(xid, op, frame[_LENGTH.size + _HEADER.size :])


def reply_xid(frame: bytes) -> int | None:
    """Return the number of the request that a reply, length included, answers."""
    return _XID.unpack_from(frame, _LENGTH.size)[0] if len(frame) >= _LENGTH.size + _XID.size else None


def open_session(port: int, seconds: float) -> tuple[socket.socket, float, int]:
    """Open a session through a loopback port; return the connection, the timeout granted, and the session's id."""
    asked = _CONNECT.pack(0, 0, round(seconds * 1000), 0, 16, bytes(16))
    link = socket.create_connection((HOST, port), 10)
    link.sendall(_LENGTH.pack(len(asked)) + asked)
    with link.makefile("rb") as replies:
        _length, _version, millis, session = struct.unpack(">iiiq", replies.read(20))
    return link, millis / 1000, session


def negotiate(port: int, seconds: float) -> float:
    """Return the session timeout that a server grants; the session is left to expire."""
    link, granted, _session = open_session(port, seconds)
    link.close()
    return granted


async def read_frame(reader: asyncio.StreamReader) -> bytes:
    """Read one frame, length included; what is not a frame, such as a four-letter word, comes as it is."""
    try:
        prefix = await reader.readexactly(_LENGTH.size)
    except asyncio.IncompleteReadError as ended:
        if ended.partial:
            return ended.partial
        raise
    (length,) = _LENGTH.unpack(prefix)
    if 0 <= length <= _LONGEST:
        return prefix + await reader.readexactly(length)
    return prefix
