"""Coroutines around native calls: what every `_async` method returns.

A call starts when it is first awaited, so a task that is cancelled before that leaves nothing behind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from sparkeeper import _sparkeeper


async def answer(start: Callable[[], asyncio.Future[Any]]) -> Any:  # noqa: ANN401 - whatever the call answers
    """Start a native call and return its answer."""
    return await start()


async def grant(start: Callable[[], asyncio.Future[_sparkeeper.Held | None]]) -> _sparkeeper.Held | None:
    """Start a native call that grants something, and tell the grant when it has reached its task.

    A task may be cancelled when the grant is on its way to it already. Nobody has it then, so it gives itself back.
    """
    held = await start()
    if held is not None:
        held._arrive()  # noqa: SLF001 - ours
    return held
