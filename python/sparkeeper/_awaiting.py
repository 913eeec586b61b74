"""Coroutines around native calls: what every `_async` method returns.

A call starts when it is first awaited, so a task that is cancelled before that leaves nothing behind. It ends with its
coroutine: cancelling the task ends the call at once, and a result that was on its way is dropped. What gives back
something held goes on all the same.
"""

from __future__ import annotations

import asyncio
import weakref
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from sparkeeper import _sparkeeper

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable


T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class _Nexts(Protocol[T_co]):
    """Something native to iterate over."""

    def next_async(self) -> Awaitable[T_co | None]:
        """Return what comes next."""


class _Grant(Protocol):
    """Something native that gives itself back unless it arrives."""

    def _arrive(self) -> None: ...


class _Waiting:
    """The calls of one event loop that have not ended. The loop owns it, as it watches the inbox."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.inbox = _sparkeeper.Inbox()
        self.calls: dict[int, asyncio.Future[None]] = {}
        loop.add_reader(self.inbox.fileno(), self._wake)

    def _wake(self) -> None:
        for number in self.inbox.take():
            ended = self.calls.pop(number, None)
            if ended is not None and not ended.done():
                ended.set_result(None)


# Held weakly on both sides: a closed loop takes its calls with it.
_LOOPS: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, weakref.ref[_Waiting]] = weakref.WeakKeyDictionary()


def _waiting(loop: asyncio.AbstractEventLoop) -> _Waiting:
    known = _LOOPS.get(loop)
    waiting = known() if known is not None else None
    if waiting is None:
        waiting = _Waiting(loop)
        _LOOPS[loop] = weakref.ref(waiting)
    return waiting


async def answer(begin: Callable[[_sparkeeper.Inbox], _sparkeeper.Call]) -> Any:  # noqa: ANN401 - whatever the call answers
    """Begin a native call and return its answer."""
    loop = asyncio.get_running_loop()
    waiting = _waiting(loop)
    call = begin(waiting.inbox)
    number = call.number
    try:
        waiting.calls[number] = ended = loop.create_future()
        await ended
        return call.result()
    finally:
        waiting.calls.pop(number, None)
        call.close()


async def grant(begin: Callable[[_sparkeeper.Inbox], _sparkeeper.Call]) -> _Grant | None:
    """Begin a native call that grants something, and tell the grant that it has reached its task.

    A task may be cancelled when the grant is on its way to it already. Nobody has it then, so it gives itself back.
    """
    held: _Grant | None = await answer(begin)
    if held is not None:
        held._arrive()  # noqa: SLF001 - ours
    return held


async def present(value: T) -> T:
    """Return what is there already, without giving way to any other task."""
    return value


async def iterate(source: _Nexts[T]) -> AsyncIterator[T]:
    """Yield what `next_async` answers, until it answers None."""
    while (item := await source.next_async()) is not None:
        yield item
