"""One connection through the faulty proxy: two directions, each a reader and a delayed writer."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from typing import TYPE_CHECKING

from sparkeeper.local.ports import HOST
from wire import Request, read_frame, reply_xid

if TYPE_CHECKING:
    import threading

    from proxy import Proxy

# On, and for 0 seconds: close() then sends RST and not FIN.
_RESET = struct.pack("ii", 1, 0)

_Queue = asyncio.Queue["tuple[float, bytes] | None"]


class Link:
    """A client's connection and ours to the server."""

    def __init__(self, proxy: Proxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._proxy = proxy
        self._client = (reader, writer)
        self._writers = [writer]
        self._doomed: dict[int, tuple[threading.Event, bool]] = {}
        self._stay_down = False
        self._greeted = False
        self._work: asyncio.Future[object] | None = None

    def reset(self) -> None:
        """End both connections with RST, now."""
        for writer in self._writers:
            sock: socket.socket | None = writer.get_extra_info("socket")
            with contextlib.suppress(OSError):
                if sock is not None:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            writer.transport.abort()
        if self._work is not None:
            self._work.cancel()

    async def run(self) -> bool:
        """Forward until an end closes or we reset it; True asks to cut everything."""
        self._work = asyncio.ensure_future(self._forward())
        with contextlib.suppress(asyncio.CancelledError, OSError):
            await self._work
        if not self._stay_down:
            for writer in self._writers:
                writer.close()
        return self._stay_down

    async def _forward(self) -> None:
        await self._proxy.thawed.wait()
        upstream_reader, upstream_writer = await asyncio.open_connection(HOST, self._proxy.upstream)
        self._writers.append(upstream_writer)
        reader, writer = self._client
        to_server: _Queue = asyncio.Queue()
        to_client: _Queue = asyncio.Queue()
        directions = [
            asyncio.ensure_future(work)
            for work in (
                self._read(reader, to_server, "server"),
                self._read(upstream_reader, to_client, "client"),
                self._write(upstream_writer, to_server),
                self._write(writer, to_client),
            )
        ]
        writers = directions[2:]
        try:
            # One direction's end is the end of both: ZooKeeper knows no half-open connections.
            await asyncio.wait(writers, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in directions:
                task.cancel()
            await asyncio.gather(*directions, return_exceptions=True)

    async def _read(self, reader: asyncio.StreamReader, queue: _Queue, side: str) -> None:
        passes = self._note_request if side == "server" else self._note_reply
        clock = asyncio.get_running_loop()
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                frame = await read_frame(reader)
                if not passes(frame):
                    break
                if side == "server":
                    frame = self._disguise(frame)
                await queue.put((clock.time() + self._proxy.delays[side], frame))
        await queue.put(None)

    async def _write(self, writer: asyncio.StreamWriter, queue: _Queue) -> None:
        clock = asyncio.get_running_loop()
        with contextlib.suppress(OSError):
            while (item := await queue.get()) is not None:
                due, frame = item
                await asyncio.sleep(max(0.0, due - clock.time()))
                await self._proxy.thawed.wait()
                writer.write(frame)
                await writer.drain()
        # The end of a connection is news as well, which a frozen link does not carry.
        await self._proxy.thawed.wait()

    def _note_request(self, frame: bytes) -> bool:
        request = Request.parse(frame)
        if not self._greeted or request is None:
            self._greeted = True
            return True
        self._proxy.requests[request.op] += 1
        for drop in self._proxy.drops:
            matches, dropped, stay_down = drop
            if matches(request):
                self._proxy.drops.remove(drop)
                self._doomed[request.xid] = (dropped, stay_down)
                break
        return True

    def _disguise(self, frame: bytes) -> bytes:
        request = Request.parse(frame)
        return request.unknown(frame) if request is not None and request.op in self._proxy.unknown else frame

    def _note_reply(self, frame: bytes) -> bool:
        xid = reply_xid(frame)
        doomed = self._doomed.pop(xid, None) if xid is not None else None
        if doomed is None:
            return True
        dropped, self._stay_down = doomed
        dropped.set()
        return False
