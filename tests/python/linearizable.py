"""Whether a history of concurrent operations has a legal order: the search of Wing and Gong, remembered as by Lowe.

An operation took effect at one instant between its start and its end. One whose outcome nobody knows (its client
was killed, its reply lost) may have taken effect at any later instant, or never. A history is linearizable when
instants can be chosen so that the operations, in that order, are a run of the sequential model.

J. Wing, C. Gong: Testing and Verifying Concurrent Objects (1993); G. Lowe: Testing for Linearizability (2017).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Sequence


@dataclass(frozen=True)
class Operation:
    """What a client asked of an object, when, and what it was told.

    Attributes:
        client: Who asked.
        kind: What was asked, such as "add".
        argument: With what.
        result: What came back; None where the outcome is unknown.
        start: When it was asked, on a clock that all clients share.
        end: When the answer was there; `math.inf` where the outcome is unknown.
    """

    client: str
    kind: str
    argument: Any
    result: Any
    start: float
    end: float

    @property
    def known(self) -> bool:
        """Whether it certainly took effect, with this result."""
        return self.end < math.inf

    def __str__(self) -> str:
        """Say it in a line of a report."""
        outcome = f"-> {self.result!r}, {self.start:.6f} to {self.end:.6f}" if self.known else f"-> ? {self.start:.6f}"
        return f"{self.client}: {self.kind}({self.argument!r}) {outcome}"


class Model(Protocol):
    """What an object does when operations come one at a time."""

    def initial(self) -> Hashable:
        """Return the state before the first operation."""

    def after(self, state: Any, operation: Operation) -> Iterable[Hashable]:
        """Return the states the operation may lead to; none where it cannot have had this result here."""


class NotLinearizable(AssertionError):
    """No legal order exists; the text says how far the longest legal one comes."""


def check(history: Iterable[Operation], model: Model) -> list[Operation]:
    """Return a legal order of the history; operations of unknown outcome are left out where they had no effect.

    Raises:
        NotLinearizable: There is none.
    """
    operations = sorted(history, key=lambda operation: operation.start)
    needed = sum(1 << index for index, operation in enumerate(operations) if operation.known)
    start = (0, model.initial())
    seen = {start}
    # Each entry: what took effect already (a bit each), the state then, and the order that led there.
    stack: list[tuple[int, Hashable, tuple[Any, ...]]] = [(*start, ())]
    longest: tuple[int, Hashable, tuple[Any, ...]] = stack[0]
    while stack:
        done, state, order = stack.pop()
        if done & needed == needed:
            return _unfold(order)
        if (done & needed).bit_count() > (longest[0] & needed).bit_count():
            longest = (done, state, order)
        # The stack serves the last first: what is known to have happened is tried before what may have.
        for index in sorted(_next(operations, done), key=lambda index: (operations[index].known, -index)):
            for state_after in model.after(state, operations[index]):
                step = (done | 1 << index, state_after)
                if step not in seen:
                    seen.add(step)
                    stack.append((*step, (operations[index], order)))
    raise NotLinearizable(_report(operations, longest))


def _next(operations: Sequence[Operation], done: int) -> list[int]:
    """Return what may take effect next: whatever started before the first end of those that are still due."""
    first_end = math.inf
    candidates = []
    for index, operation in enumerate(operations):
        if operation.start > first_end:
            break
        if not done >> index & 1:
            first_end = min(first_end, operation.end)
            candidates.append(index)
    return [index for index in candidates if operations[index].start <= first_end]


def _unfold(order: tuple[Any, ...]) -> list[Operation]:
    """Turn the chain, last operation first, into a list."""
    unfolded = []
    while order:
        operation, order = order
        unfolded.append(operation)
    return unfolded[::-1]


def _report(operations: Sequence[Operation], longest: tuple[int, Hashable, tuple[Any, ...]]) -> str:
    done, state, order = longest
    legal = _unfold(order)
    return "\n  ".join(
        [
            f"no legal order of {len(operations)} operations; the longest legal one has {len(legal)}, and ends with",
            *(str(operation) for operation in legal[-8:]),
            f"after which the state is {state!r}, and none of these fits:",
            *(str(operations[index]) for index in _next(operations, done)),
        ]
    )
