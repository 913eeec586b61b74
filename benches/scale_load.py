"""The loads of scale.py: each runs in a process of its own, so that its memory is the load's alone.

A load takes the connect string, its size, and `look`, which marks a moment: what the servers hold and have used is
noted there, while everything that is measured stands. It returns its figures, and what was done between which moments.
"""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil

import sparkeeper
from quiet_spark import session
from task_workers import Crew, serve_tasks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.connection import Connection

    Look = Callable[[str], None]
    Done = tuple["dict[str, float]", "list[Work]"]


@dataclass(frozen=True)
class Work:
    """So many of something, done or standing, between two moments."""

    what: str
    count: float
    since: str
    until: str


CONNECTING = 16
IDLE = 10.0
CYCLES = 8_000
MIN_CYCLES = 4
CHANGES = 20
HANDOVERS = 100
CREW = 4


def resident() -> float:
    """Return this process's megabytes."""
    return psutil.Process().memory_info().rss / 2**20


@contextlib.contextmanager
def opened(connect: str, count: int) -> Iterator[list[sparkeeper.Coordinator]]:
    """Open so many sessions, of the usual 10 s."""
    with ThreadPoolExecutor(CONNECTING) as pool:
        sessions = list(pool.map(lambda _: sparkeeper.connect(connect, timeout=60), range(count)))
        try:
            yield sessions
        finally:
            list(pool.map(lambda zk: zk.close(), sessions))


def sessions(connect: str, count: int, look: Look) -> Done:
    """Sessions that first do nothing, and then each take and release a lock of their own, again and again."""
    look("empty")
    empty, began = resident(), time.perf_counter()
    with opened(connect, count) as found:
        opening, standing = time.perf_counter() - began, resident()
        look("open")
        # Nothing is sent meanwhile but heartbeats.
        time.sleep(IDLE)
        look("idle")
        locks = [zk.lock(f"scale/{at}") for at, zk in enumerate(found)]
        cycles = max(MIN_CYCLES, CYCLES // count)
        began = time.perf_counter()
        waits = asyncio.run(_cycle(locks, cycles))
        took = time.perf_counter() - began
        look("locked")
    waits.sort()
    figures = {
        "opened/s": count / opening,
        "client KB each": 1024 * (standing - empty) / count,
        "locks/s": count * cycles / took,
        "wait p50 ms": 1e3 * statistics.median(waits),
        "wait p99 ms": 1e3 * waits[int(0.99 * len(waits))],
    }
    return figures, [
        Work("session", count, "empty", "open"),
        Work("second of a session", count * IDLE, "open", "idle"),
        Work("lock", count * cycles, "idle", "locked"),
    ]


async def _cycle(locks: list[sparkeeper.Lock], cycles: int) -> list[float]:
    async def one(lock: sparkeeper.Lock) -> list[float]:
        waits = []
        for _ in range(cycles):
            began = time.perf_counter()
            held = await lock.acquire_async()
            waits.append(time.perf_counter() - began)
            await held.release_async()
        return waits

    return [wait for waits in await asyncio.gather(*map(one, locks)) for wait in waits]


def caches(connect: str, count: int, look: Look) -> Done:
    """Sessions that all follow one subtree: how long a change takes until the last has it."""
    with opened(connect, count) as found:
        found[0].create("scale/followed", b"")
        look("open")
        readers = [zk.cache("scale/followed") for zk in found]
        for cache in readers:
            len(cache)
        look("followed")
        waits = asyncio.run(_fan_out(found[0], readers))
        look("changed")
        found[0].delete("scale/followed")
    figures = {
        "first to know, ms": 1e3 * statistics.median(first for first, _ in waits),
        "last to know, ms": 1e3 * statistics.median(last for _, last in waits),
    }
    return figures, [
        Work("watcher", count, "open", "followed"),
        Work("notice", CHANGES * count, "followed", "changed"),
    ]


async def _fan_out(zk: sparkeeper.Coordinator, caches: list[sparkeeper.Cache]) -> list[tuple[float, float]]:
    events = [await cache.events_async() for cache in caches]
    waits = []

    async def heard(reader: sparkeeper.CacheEvents) -> float:
        await reader.next_async()
        return time.perf_counter()

    for change in range(CHANGES):
        began = time.perf_counter()
        listening = [asyncio.ensure_future(heard(reader)) for reader in events]
        await zk.set_async("scale/followed", str(change).encode())
        moments = await asyncio.gather(*listening)
        waits.append((min(moments) - began, max(moments) - began))
    return waits


def line(connect: str, count: int, look: Look) -> Done:
    """Sessions that all wait for one lock: how long it takes from hand to hand."""
    with opened(connect, count) as found:
        look("open")
        waits = asyncio.run(_stand_in_line(found, look))
    return {"hand-over p50 ms": 1e3 * statistics.median(waits)}, [
        Work("waiter", count, "open", "standing"),
        Work("hand-over", len(waits), "standing", "handed"),
    ]


async def _stand_in_line(found: list[sparkeeper.Coordinator], look: Look) -> list[float]:
    held = await found[0].lock("scale/line").acquire_async()
    granted: asyncio.Queue[tuple[float, sparkeeper.Held]] = asyncio.Queue()

    async def wait(zk: sparkeeper.Coordinator) -> None:
        grant = await zk.lock("scale/line").acquire_async()
        granted.put_nowait((time.perf_counter(), grant))

    waiting = [asyncio.ensure_future(wait(zk)) for zk in found[1:]]
    # They are in other sessions, which tell us nothing.
    while len(await found[0].lock("scale/line").contenders_async()) < len(found):  # noqa: ASYNC110
        await asyncio.sleep(0.2)
    look("standing")
    waits = []
    for _ in range(min(HANDOVERS, len(found) - 1)):
        began = time.perf_counter()
        await held.release_async()
        moment, held = await granted.get()
        waits.append(moment - began)
    look("handed")
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    return waits


def tasks(connect: str, count: int, look: Look) -> Done:
    """Tasks that do nothing, submitted at once and done by four processes."""
    path = f"scale/tasks-{count}"
    look("empty")
    empty = resident()
    with sparkeeper.connect(connect, timeout=60) as zk, Crew(CREW, serve_tasks, connect, path) as crew:
        todo = zk.tasks(path, strategy="priority")
        began = time.perf_counter()
        todo.submit(range(count))
        submitting = time.perf_counter() - began
        look("submitted")
        crew.go()
        began, seen = time.perf_counter(), 0
        for result in todo.results():
            seen += result.ok
        took = time.perf_counter() - began
        memory = resident()
        look("done")
    if seen != count:
        raise RuntimeError(f"{seen} results for {count} tasks")
    return {"submitted/s": count / submitting, "tasks/s": count / took, "driver MB": memory - empty}, [
        Work("submitted task", count, "empty", "submitted"),
        Work("task", count, "submitted", "done"),
    ]


def commits(connect: str, count: int, look: Look) -> Done:
    """Appends of one file to one table, one after the other, by a Spark job each."""
    with tempfile.TemporaryDirectory() as folder, sparkeeper.connect(connect, timeout=60) as zk:
        spark = session(folder, "scale")
        rows = spark.range(0, 10, 1, 1)
        zk.write(rows).save(f"{folder}/table")
        look("empty")
        began = time.perf_counter()
        for _ in range(count):
            zk.write(rows).mode("append").save(f"{folder}/table")
        took = time.perf_counter() - began
        look("committed")
        spark.stop()
    return {"commits/s": count / took}, [Work("commit", count, "empty", "committed")]


LOADS: dict[str, Callable[[str, int, Look], Done]] = {
    "sessions": sessions,
    "caches": caches,
    "line": line,
    "tasks": tasks,
    "commits": commits,
}


def serve(load: str, connect: str, count: int, pipe: Connection) -> None:
    """Run a load in this process. Moments, and at last what it found, go through the pipe."""

    def look(moment: str) -> None:
        pipe.send(moment)
        pipe.recv()

    pipe.send(LOADS[load](connect, count, look))
