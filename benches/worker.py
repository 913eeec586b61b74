"""The Python libraries' side of locks.py: one long-lived process that measures what it is told to.

`python worker.py kazoo` or `python worker.py sparkeeper`. A request is one JSON line on stdin, an answer one on stdout;
CuratorLocks.java speaks the same protocol and measures in the same way.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import json
import platform
import sys
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable


JOIN_TIMEOUT = 10.0
PERMITS = 8


class Lock(Protocol):
    """A lock, a semaphore's permit or a leadership, as one thread uses it."""

    def acquire(self) -> None: ...
    def release(self, *, wait: bool = False) -> None: ...


class Counter(Protocol):
    """A counter that all sessions share."""

    def add(self) -> None: ...
    def value(self) -> int: ...


class Client(Protocol):
    """One session."""

    def __init__(self, connect: str) -> None: ...
    def lock(self, path: str) -> Lock: ...
    def semaphore(self, path: str, permits: int) -> Lock: ...
    def election(self, path: str, name: str) -> Lock: ...
    def counter(self, path: str) -> Counter: ...
    def item(self, path: str) -> Callable[[], None]: ...
    def close(self) -> None: ...


@dataclass(frozen=True)
class Request:
    """What to measure: `width` is the number of threads, tasks or sessions."""

    connect: str
    path: str
    width: int
    warmup: float
    seconds: float


def cycle(client_class: type[Client], request: Request) -> dict[str, float]:
    """Acquire and release one free lock again and again."""
    return _cycle(client_class, request, lambda client: client.lock(request.path))


def semaphore(client_class: type[Client], request: Request) -> dict[str, float]:
    """Take and give back one of several free permits again and again."""
    return _cycle(client_class, request, lambda client: client.semaphore(request.path, PERMITS))


def _cycle(client_class: type[Client], request: Request, made: Callable[[Client], Lock]) -> dict[str, float]:
    with contextlib.closing(client_class(request.connect)) as client:
        lock = made(client)
        _repeat(lock, request.warmup)
        return _repeat(lock, request.seconds)


def _repeat(lock: Lock, seconds: float) -> dict[str, float]:
    start = time.perf_counter()
    count = 1
    while time.perf_counter() - start < seconds:
        lock.acquire()
        lock.release()
        count += 1
    lock.acquire()
    lock.release(wait=True)  # so that nothing is measured before the server has done it
    return {"count": count, "seconds": time.perf_counter() - start}


def parallel(client_class: type[Client], request: Request) -> dict[str, float]:
    """Cycle through `width` independent locks, each in its own thread, over one session."""
    with contextlib.closing(client_class(request.connect)) as client:
        counts = [0] * request.width

        def turn(index: int, lock: Lock) -> Callable[[], None]:
            def take() -> None:
                lock.acquire()
                lock.release()
                counts[index] += 1

            return take

        turns = [turn(i, client.lock(f"{request.path}/{i}")) for i in range(request.width)]
        return _window(turns, lambda: sum(counts), request)


def handoff(client_class: type[Client], request: Request) -> dict[str, float]:
    """Pass one lock between `width` sessions; counts changes of the holder, and checks that there is only one."""
    return _pass_on(client_class, request, lambda client, _: client.lock(request.path))


def lead(client_class: type[Client], request: Request) -> dict[str, float]:
    """Pass a leadership between `width` sessions; counts changes of the leader, and checks that there is only one."""
    return _pass_on(client_class, request, lambda client, number: client.election(request.path, str(number)))


def _pass_on(client_class: type[Client], request: Request, made: Callable[[Client, int], Lock]) -> dict[str, float]:
    with contextlib.ExitStack() as stack:
        inside = threading.Lock()
        last, changes = -1, 0

        def turn(me: int, lock: Lock) -> Callable[[], None]:
            def take() -> None:
                nonlocal last, changes
                lock.acquire()
                alone = inside.acquire(blocking=False)
                if last != me:
                    last, changes = me, changes + 1
                if alone:
                    inside.release()
                lock.release()
                if not alone:
                    raise RuntimeError(f"two holders at once on {request.path}")

            return take

        clients = [stack.enter_context(contextlib.closing(client_class(request.connect))) for _ in range(request.width)]
        turns = [turn(i, made(client, i)) for i, client in enumerate(clients)]
        return _window(turns, lambda: changes, request)


def add(client_class: type[Client], request: Request) -> dict[str, float]:
    """Add one to a counter from `width` sessions, and check that every one counted once."""
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(contextlib.closing(client_class(request.connect))) for _ in range(request.width)]
        counters = [client.counter(request.path) for client in clients]
        added = [0] * request.width

        def turn(me: int, counter: Counter) -> Callable[[], None]:
            def take() -> None:
                counter.add()
                added[me] += 1

            return take

        before = counters[0].value()
        turns = [turn(number, counter) for number, counter in enumerate(counters)]
        result = _window(turns, lambda: sum(added), request)
        counted = counters[0].value() - before
        if counted != sum(added):
            raise RuntimeError(f"{sum(added)} additions to {request.path} counted as {counted}")
        return result


def items(client_class: type[Client], request: Request) -> dict[str, float]:
    """Put an item into a queue, get it and acknowledge it, again and again."""
    with contextlib.closing(client_class(request.connect)) as client:
        done = 0
        once = client.item(request.path)

        def take() -> None:
            nonlocal done
            once()
            done += 1

        return _window([take], lambda: done, request)


def _window(turns: list[Callable[[], None]], counter: Callable[[], int], request: Request) -> dict[str, float]:
    """Run every turn in a loop of its own thread and count what happens between two instants."""
    stop = False
    errors: list[BaseException] = []

    def loop(take: Callable[[], None]) -> None:
        try:
            while not stop:
                take()
        except BaseException as error:  # noqa: BLE001 - handed to the caller below
            errors.append(error)

    threads = [threading.Thread(target=loop, args=(take,), daemon=True) for take in turns]
    for thread in threads:
        thread.start()
    time.sleep(request.warmup)
    before, start = counter(), time.perf_counter()
    time.sleep(request.seconds)
    result = {"count": counter() - before, "seconds": time.perf_counter() - start}
    stop = True
    for thread in threads:
        thread.join(JOIN_TIMEOUT)
    if errors:
        raise errors[0]
    if any(thread.is_alive() for thread in threads):
        raise TimeoutError(f"still waiting on {request.path} {JOIN_TIMEOUT:g} s after the end: a release was lost")
    return result


def parallel_tasks(client_class: Any, request: Request) -> dict[str, float]:  # noqa: ANN401 - only for clients with asyncio
    """As `parallel`, with asyncio tasks in one thread."""
    with contextlib.closing(client_class(request.connect)) as client:
        return asyncio.run(_tasks(client, request))


async def _tasks(client: Any, request: Request) -> dict[str, float]:  # noqa: ANN401 - as above
    stop = False
    count = 0

    async def loop(index: int) -> None:
        nonlocal count
        cycle_once = client.cycle_async(f"{request.path}/{index}")
        while not stop:
            await cycle_once()
            count += 1

    tasks = [asyncio.create_task(loop(i)) for i in range(request.width)]
    await asyncio.sleep(request.warmup)
    before, start = count, time.perf_counter()
    await asyncio.sleep(request.seconds)
    result = {"count": count - before, "seconds": time.perf_counter() - start}
    stop = True
    await asyncio.gather(*tasks)
    return result


def serve(library: str) -> None:
    """Answer requests until stdin ends."""
    module = importlib.import_module(f"{library}_client")
    measures = {m.__name__: m for m in (cycle, parallel, handoff, parallel_tasks, semaphore, lead, add, items)}
    for line in sys.stdin:
        fields = json.loads(line)
        operation = fields.pop("op")
        try:
            if operation == "versions":
                answer = {library: module.VERSION, "Python": platform.python_version()}
            else:
                answer = measures[operation](module.Client, Request(**fields))
        except Exception as error:  # noqa: BLE001 - the other side decides what a failure means
            answer = {"error": repr(error)}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    serve(sys.argv[1])
