"""Elections: the native campaign, with the loops that call user code on top."""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING

from sparkeeper import _sparkeeper
from sparkeeper.exceptions import ConfigError, SessionExpired, TermLost
from sparkeeper.notebook import html
from sparkeeper.timeline import Timeline

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from typing_extensions import Self

    from sparkeeper._sparkeeper import Candidate, Term

# What work gets from its own calls when its term is lost: both are no error then.
_ENDED = (TermLost, SessionExpired)


class Election(_sparkeeper.Election):
    """The election at one path; `Coordinator.election` makes it.

    One candidate leads at a time. A leader stays until its term ends: a candidate that arrives with a higher
    priority or a better score waits for the next round. Every campaign is a candidate of its own. Curator's
    `LeaderLatch` on the path and a "fair" election exclude each other and are served in order of arrival; the
    other strategies elect among themselves whenever nobody stands in that line.

    It pickles as configuration and connects where it is used; a `score` pickles as functions do.
    """

    def run(self, work: Callable[[Term], object], terms: int | None = None) -> None:
        """Campaign, call `work(term)`, step down, campaign again.

        `work` should return soon after `term.lost` is set. A term that is lost, with the session or without, is no
        error: when `work` has returned, or raised the `TermLost` that it got, the next campaign begins.

        Args:
            work: What a leader does.
            terms: How many terms to serve; None goes on until `stop` is called.

        Raises:
            Exception: Whatever `work` raised, after stepping down.
            TypeError: `work` is no plain function; nothing was asked for.
            ConfigError: `terms` is no whole number, or less than 1.
            Closed: The coordinator was closed.
        """
        _check(work, terms)
        if _is_coroutine_function(work):
            raise TypeError(f"run: {work!r} is a coroutine function, which run would never await; use run_async")
        served = 0
        while terms is None or served < terms:
            term = self._next_term()
            if term is None:
                return
            with term:
                try:
                    done = work(term)
                    if inspect.iscoroutine(done):
                        done.close()
                        raise TypeError(f"run: {work!r} returned a coroutine, which run never awaits; use run_async")
                except _ENDED:
                    if term.state != "LOST":
                        raise
            served += 1

    async def run_async(self, work: Callable[[Term], Awaitable[object]], terms: int | None = None) -> None:
        """As `run`, for a coroutine function. Its task is cancelled when `term.lost` is set.

        The next campaign begins when that task has ended. Cancelling this call cancels it too; nothing is left behind.
        """
        _check(work, terms)
        served = 0
        while terms is None or served < terms:
            term = await self._next_term_async()
            if term is None:
                return
            with term:
                try:
                    await _while_it_lasts(term, work)
                except _ENDED:
                    if term.state != "LOST":
                        raise
            served += 1

    def observe(self) -> Leaders:
        """Return an iterator over the leaders: who leads now, then every change; None while nobody leads.

        It is for `for` and for `async for`, and goes on until it is closed, across lost connections and expiries.
        A leader that came and went between two looks is not shown.
        """
        return Leaders(self._observe(), self.path)

    def timeline(self) -> Timeline:
        """Follow the leaders in the background from now on, to see and draw who led when."""
        return Timeline(self.observe(), self.path)

    def _repr_html_(self) -> str:
        return html.election(self)


class Leaders:
    """The leaders of an election, one after the other. `close` ends the iteration, from any thread or task."""

    def __init__(self, observer: _sparkeeper.Observer, path: str) -> None:
        """Iterate over what a native observer sees of the election at `path`."""
        self._observer = observer
        self._path = path
        self._closed = False
        self._seen = "not looked at yet"

    def close(self) -> None:
        """End the iteration, also one that waits."""
        self._closed = True
        self._observer.close()

    def __enter__(self) -> Self:
        """Return the iterator."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the iteration."""
        self.close()

    def __iter__(self) -> Self:
        """Return the iterator."""
        return self

    def __next__(self) -> Candidate | None:
        """Wait for the next leader."""
        seen = self._observer.next()
        if seen is None:
            raise StopIteration
        return self._look(seen[0])

    def __aiter__(self) -> Self:
        """Return the iterator."""
        return self

    async def __anext__(self) -> Candidate | None:
        """Wait for the next leader."""
        seen = await self._observer.next_async()
        if seen is None:
            raise StopAsyncIteration
        return self._look(seen[0])

    def _look(self, leader: Candidate | None) -> Candidate | None:
        self._seen = f"last seen leader: {leader.id!r}" if leader else "last seen without a leader"
        return leader

    def __reduce__(self) -> str:
        """Refuse: what was seen is this process's."""
        raise TypeError(
            f"leaders that are observed ('{self._path}') belong to the process that observes them and do not pickle; "
            "send the election, and observe there"
        )

    def __repr__(self) -> str:
        """Say of which election, and who led last, without asking the server."""
        return f"<Leaders of '{self._path}' {'CLOSED' if self._closed else 'OPEN'}, {self._seen}>"


def _check(work: object, terms: int | None) -> None:
    """Refuse, before the campaign, what could never do its work as a leader."""
    if not callable(work):
        raise TypeError(f"work={work!r}: give a function of the term")
    if terms is not None and not (isinstance(terms, int) and terms >= 1):
        raise ConfigError(f"terms={terms!r}: give a whole number, 1 or more, or None to go on until stop is called")


def _is_coroutine_function(work: object) -> bool:
    """Tell one, also behind functools.partial, or an object whose call is one."""
    return inspect.iscoroutinefunction(work) or inspect.iscoroutinefunction(getattr(work, "__call__", None))  # noqa: B004


async def _while_it_lasts(term: Term, work: Callable[[Term], Awaitable[object]]) -> None:
    """Run `work` until it ends, or until the term is lost: then cancel it, and wait for its end."""
    # Only what it returns tells: a lambda around a coroutine function is a plain function.
    running = work(term)
    if not inspect.isawaitable(running):
        raise TypeError(f"run_async: {work!r} returned {running!r}, which cannot be awaited; use run")
    working = asyncio.ensure_future(running)
    losing = asyncio.ensure_future(term.lost.wait_async())
    try:
        await asyncio.wait([working, losing], return_when=asyncio.FIRST_COMPLETED)
    finally:
        losing.cancel()
        stopped = not working.done()
        if stopped:
            working.cancel()
            await asyncio.wait([working])
    if not (stopped and working.cancelled()):
        await working
