"""Our own membership in a group that divides items, and the loop over its claims."""

from __future__ import annotations

import contextlib
import inspect
import json
from typing import TYPE_CHECKING, Any

from sparkeeper.exceptions import ClaimLost
from sparkeeper.partitions_state import frozen

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import timedelta

    from typing_extensions import Self

    from sparkeeper import _sparkeeper
    from sparkeeper._sparkeeper import Claim

# Integers that JSON readers everywhere keep as they are.
_INTEGERS = range(-(2**63), 2**64)


class PartitionMember:
    """Our own membership in a group: what `join` returns.

    It stands until it is left, or dropped, or the coordinator is closed: keep it.
    """

    def __init__(self, member: _sparkeeper.PartitionMember) -> None:
        """Word a native membership in Python's values."""
        self._member = member

    @property
    def id(self) -> str:
        """Who we are in the group."""
        return self._member.id

    @property
    def path(self) -> str:
        """The group's path, as it was given."""
        return self._member.path

    @property
    def state(self) -> str:
        """Say "JOINED", "AT_RISK" (unconfirmed), "ABSENT" (lost; it joins again by itself), "LEFT" (for good)."""
        return self._member.state

    @property
    def held(self) -> list[Any]:
        """The partitions that are ours now, whether the loop handed them out or not."""
        return [frozen(json.loads(text)) for text in self._member._held()]  # noqa: SLF001 - our other half

    def claims(self, *, hold: bool = False) -> Claims:
        """Return an iterator over our claims, as they are granted, until all items of the group are done.

        It is for `for` and for `async for`. Call `claim.done()` when a partition is finished. Taking the next turn
        lets go of the claim of the turn before where its release is requested; others stay ours until they are done
        or released.

        What `update` changed before the loop comes to its end counts, also where the news is still under way. Where the
        group is deleted, the membership ends, and the loop with `NoNode`.

        Args:
            hold: The claims are worked on beside the loop, in threads, say: no turn lets go of any.
        """
        return Claims(self._member, hold=hold)

    def run(self, work: Callable[[Claim], object]) -> int:
        """Call `work(claim)` for every claim, finish each with what it returns, and return how many that were.

        A claim that `work` finished or released itself is left as it is. One that is lost is no error: another member
        goes on from its checkpoint.

        Raises:
            Exception: Whatever `work` raised, after giving up the claim.
            NoNode: The group was deleted.
            TypeError: `work` is no plain function; nothing was claimed.
        """
        _check(work)
        if inspect.iscoroutinefunction(work):
            raise TypeError(f"run: {work!r} is a coroutine function, which run would never await; use run_async")
        finished = 0
        for claim in self.claims():
            with claim, _losing(claim):
                result = work(claim)
                if claim.state in ("HELD", "AT_RISK"):
                    claim.done(result)
                finished += claim.state == "DONE"
        return finished

    async def run_async(self, work: Callable[[Claim], Awaitable[object]]) -> int:
        """As `run`, for a coroutine function.

        Raises:
            TypeError: `work` is none: what it returned cannot be awaited, and its claim was given up.
        """
        _check(work)
        finished = 0
        async for claim in self.claims():
            with claim, _losing(claim):
                working = work(claim)
                if not inspect.isawaitable(working):
                    raise TypeError(f"run_async: {work!r} returned {working!r}, which cannot be awaited; use run")
                result = await working
                if claim.state in ("HELD", "AT_RISK"):
                    await claim.done_async(result)
                finished += claim.state == "DONE"
        return finished

    def update(
        self,
        *,
        capacity: float | None = None,
        limit: int | None = None,
        zone: str | None = None,
        priority: int | None = None,
        static: float | timedelta | None = None,
    ) -> None:
        """Change what we say of ourselves, and return once a server has it; what is not given stays.

        A `limit` below 0 takes the limit away, an empty `zone` the zone, `static=0` the reservation.

        Raises:
            NotOwner: We left.
            ConfigError: A value makes no sense, or the group's strategy does not look at it.
        """
        self._member._update(capacity, *_limit(limit), zone, priority, static)  # noqa: SLF001 - our other half

    async def update_async(
        self,
        *,
        capacity: float | None = None,
        limit: int | None = None,
        zone: str | None = None,
        priority: int | None = None,
        static: float | timedelta | None = None,
    ) -> None:
        """As `update`, to be awaited. Cancelled, the change is made all the same."""
        changing = self._member._update_async(capacity, *_limit(limit), zone, priority, static)  # noqa: SLF001
        await changing

    def leave(self, *, wait: bool = False) -> None:
        """Leave for good: all claims are given up, those that are worked on too. Once more is a no-op.

        Args:
            wait: Return only when nothing of it is left. Without it the requests are on their way.
        """
        self._member.leave(wait)

    async def leave_async(self, *, wait: bool = False) -> None:
        """As `leave`, to be awaited."""
        await self._member.leave_async(wait)

    def __enter__(self) -> Self:
        """Return the membership."""
        return self

    def __exit__(self, *_: object) -> None:
        """Leave."""
        self.leave()

    async def __aenter__(self) -> Self:
        """Return the membership."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Leave."""
        await self.leave_async()

    def __reduce__(self) -> tuple[Any, ...]:
        """Refuse to pickle, and say what does."""
        self._member.__reduce__()
        raise AssertionError

    def __repr__(self) -> str:
        """Say who it is, how it stands, and what it holds."""
        return f"<PartitionMember '{self.id}' of '{self.path}' {self.state} holds {len(self.held)}>"


class Claims:
    """The claims of a member, as they are granted. It ends when all items are done, or the member left."""

    def __init__(self, member: _sparkeeper.PartitionMember, *, hold: bool) -> None:
        """Iterate over what a native member is granted."""
        self._member = member
        self._hold = hold
        self._last: Claim | None = None

    def _let_go(self) -> None:
        last, self._last = self._last, None
        if last is not None and last.release_requested:
            last.release()

    def _hand_out(self, claim: Claim | None) -> Claim | None:
        if not self._hold:
            self._last = claim
        return claim

    def __iter__(self) -> Self:
        """Return the iterator."""
        return self

    def __next__(self) -> Claim:
        """Wait for the next claim."""
        self._let_go()
        claim = self._hand_out(self._member._next())  # noqa: SLF001 - our other half
        if claim is None:
            raise StopIteration
        return claim

    def __aiter__(self) -> Self:
        """Return the iterator."""
        return self

    async def __anext__(self) -> Claim:
        """Wait for the next claim."""
        self._let_go()
        claim = self._hand_out(await self._member._next_async())  # noqa: SLF001 - our other half
        if claim is None:
            raise StopAsyncIteration
        return claim


@contextlib.contextmanager
def _losing(claim: Claim) -> Any:  # noqa: ANN401 - a generator
    """Pass over the loss of this claim: the next owner goes on."""
    try:
        yield
    except ClaimLost:
        if claim.state != "LOST":
            raise


def _check(work: object) -> None:
    if not callable(work):
        raise TypeError(f"work={work!r}: give a function of the claim")


def _limit(limit: int | None) -> tuple[int | None, bool]:
    return (None, True) if limit is not None and limit < 0 else (limit, False)
