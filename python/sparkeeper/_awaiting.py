"""Coroutines around native calls: what every `_async` method returns.

A call starts when it is first awaited, so a task that is cancelled before that leaves nothing behind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    import asyncio
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


async def answer(start: Callable[[], asyncio.Future[Any]]) -> Any:  # noqa: ANN401 - whatever the call answers
    """Start a native call and return its answer."""
    return await start()


async def grant(start: Callable[[], asyncio.Future[_Grant | None]]) -> _Grant | None:
    """Start a native call that grants something, and tell the grant when it has reached its task.

    A task may be cancelled when the grant is on its way to it already. Nobody has it then, so it gives itself back.
    """
    held = await start()
    if held is not None:
        held._arrive()  # noqa: SLF001 - ours
    return held


async def iterate(source: _Nexts[T]) -> AsyncIterator[T]:
    """Yield what `next_async` answers, until it answers None."""
    while (item := await source.next_async()) is not None:
        yield item
