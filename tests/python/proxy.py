"""A TCP proxy before a real ZooKeeper that breaks the link in the ways networks do.

It runs on a thread of its own, so tests steer it with plain calls. Latency is added to each frame and does
not limit throughput. It understands frames, so it can lose the reply to one request after the server did the work.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import threading
from typing import TYPE_CHECKING, TypeVar

from link import Link
from sparkeeper.local.ports import HOST, free_ports

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    from typing_extensions import Self

    from wire import Op, Request

T = TypeVar("T")


class Proxy:
    """Listens on a loopback port and forwards to the server.

    Attributes:
        port: Where it listens; the same after `cut` and `heal`.
        accepted: How many connections were accepted so far.
        requests: How many requests of each operation code passed, connecting not counted.
        unknown: Operation codes that reach the server as one it does not know: it refuses them as one without
            containers or TTL nodes does.
    """

    def __init__(self, upstream: int) -> None:
        """Start forwarding to the server on this loopback port."""
        self.upstream = upstream
        self.port = free_ports(1)[0]
        self.accepted = 0
        self.requests: collections.Counter[int] = collections.Counter()
        self.delays = {"server": 0.0, "client": 0.0}
        self.unknown: set[int] = set()
        self.drops: list[tuple[Callable[[Request], bool], threading.Event, bool]] = []
        self._links: set[Link] = set()
        self._listener: asyncio.Server | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True, name="faulty-proxy")
        self._thread.start()
        self.thawed = self._run(self._begin())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def connect_string(self) -> str:
        """Where clients connect."""
        return f"{HOST}:{self.port}"

    @property
    def open(self) -> int:
        """How many connections are open now."""
        return len(self._links)

    def cut(self) -> None:
        """Reset every connection, on both sides, and refuse new ones until `heal`."""
        self._run(self._cut())

    def heal(self) -> None:
        """Accept connections again."""
        self._run(self._listen())

    def freeze(self) -> None:
        """Pass nothing on, either way, not even the end of a connection; new connections hear nothing either."""
        self._loop.call_soon_threadsafe(self.thawed.clear)
        self._run(_nothing())

    def thaw(self) -> None:
        """Pass on what was held back, in order, and go on."""
        self._loop.call_soon_threadsafe(self.thawed.set)
        self._run(_nothing())

    def delay(self, to_server: float = 0.0, to_client: float | None = None) -> None:
        """Hold every frame back for so many seconds each way; one number is for both ways."""
        self.delays = {"server": to_server, "client": to_server if to_client is None else to_client}

    def drop_reply(self, wanted: Op | int | Callable[[Request], bool], *, stay_down: bool = False) -> threading.Event:
        """Swallow the reply to the next such request, then close its connection.

        Args:
            wanted: An operation code, or a predicate over requests.
            stay_down: Cut everything at that instant, until `heal`.

        Returns:
            An event that is set when the reply was dropped: the server has done the work.
        """
        if callable(wanted):
            matches = wanted
        else:
            code = int(wanted)

            def matches(request: Request) -> bool:
                return request.op == code

        dropped = threading.Event()
        self._loop.call_soon_threadsafe(self.drops.append, (matches, dropped, stay_down))
        self._run(_nothing())
        return dropped

    def close(self) -> None:
        """End every connection and the thread."""
        if self._loop.is_closed():
            return
        self._run(self._cut())
        self._run(_drain())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _begin(self) -> asyncio.Event:
        thawed = asyncio.Event()
        thawed.set()
        await self._listen()
        return thawed

    async def _listen(self) -> None:
        if self._listener is None:
            self._listener = await asyncio.start_server(self._accept, HOST, self.port)

    async def _cut(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        # A connection may sit in the backlog, accepted by the kernel, its task not begun: let those tasks begin.
        await asyncio.sleep(0)
        links, self._links = self._links, set()
        for link in links:
            link.reset()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        with self._listed(Link(self, reader, writer)) as link:
            if self._listener is None:
                link.reset()
            elif await link.run():
                await self._cut()

    @contextlib.contextmanager
    def _listed(self, link: Link) -> Iterator[Link]:
        self._links.add(link)
        try:
            yield link
        finally:
            self._links.discard(link)

    def _run(self, work: Coroutine[object, object, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)


async def _nothing() -> None:
    """Be run: whatever was scheduled before has happened then."""


async def _drain() -> None:
    """Let the tasks of reset connections end."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
