"""Cancelling a task at the one moment that only chance would hit."""

import asyncio


async def cancel_between_result_and_task(task):
    """Cancel a task when asyncio knows that its call has ended and has scheduled the task to get the result."""
    loop = asyncio.get_running_loop()
    while task._fut_waiter is None:  # noqa: ASYNC110 - asyncio tells nobody
        await asyncio.sleep(0)
    waiter = task._fut_waiter

    def cancel_when_done():
        # Rescheduled at every turn of the loop, it runs before the task that the result has only just scheduled.
        task.cancel() if waiter.done() else loop.call_soon(cancel_when_done)

    cancel_when_done()
    await asyncio.wait([task])
    assert task.cancelled()
    assert not waiter.cancelled(), "the cancel came before the result"
