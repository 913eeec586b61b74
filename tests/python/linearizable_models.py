"""The sequential models that histories are checked against: pure functions of a state and one operation.

A mutex, a semaphore, a counter, a register, a queue that leases its items. Each is as its recipe promises it and no
stricter: where a promise says "at least once", the model lets an item come back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from linearizable import Operation


class Register:
    """`read() -> value`, `write(value)`; it starts with None."""

    def initial(self) -> object:
        return None

    def after(self, state: object, operation: Operation) -> list[object]:
        if operation.kind == "write":
            return [operation.argument]
        return [state] if not operation.known or operation.result == state else []


@dataclass(frozen=True)
class FencedRegister:
    """A register whose writes carry the fencing token of a lock: `write((token, value))`, `read() -> value`.

    A write lands only while its token is the newest that wrote: whoever was deposed is too late.
    """

    def initial(self) -> tuple[int, object]:
        return (0, None)

    def after(self, state: tuple[int, object], operation: Operation) -> list[tuple[int, object]]:
        newest, value = state
        if operation.kind == "write":
            token, _ = operation.argument
            return [tuple(operation.argument)] if token >= newest else []
        return [state] if not operation.known or operation.result == value else []


class Mutex:
    """`acquire() -> token`, `release(token)`: one holder, and tokens that grow."""

    def initial(self) -> tuple[int, int]:
        return (0, 0)

    def after(self, state: tuple[int, int], operation: Operation) -> list[tuple[int, int]]:
        holder, newest = state
        if operation.kind == "release":
            return [(0, newest)] if holder == operation.argument else []
        token = operation.result
        return [(token, token)] if holder == 0 and token > newest else []


@dataclass(frozen=True)
class Semaphore:
    """`acquire((who, permits))`, `release((who, permits))`: never more than `permits` out."""

    permits: int

    def initial(self) -> frozenset[tuple[str, int]]:
        return frozenset()

    def after(self, state: frozenset[tuple[str, int]], operation: Operation) -> list[frozenset[tuple[str, int]]]:
        entry = tuple(operation.argument)
        if operation.kind == "release":
            return [state - {entry}] if entry in state else []
        out = sum(permits for _, permits in state)
        return [state | {entry}] if out + entry[1] <= self.permits else []


class Counter:
    """`add(n) -> value after it`, `read() -> value`, `swap((old, new)) -> whether`, `reserve(n) -> first of n`."""

    def initial(self) -> int:
        return 0

    def after(self, state: int, operation: Operation) -> list[int]:
        reply, after = self._outcome(state, operation)
        return [after] if not operation.known or operation.result == reply else []

    def _outcome(self, state: int, operation: Operation) -> tuple[object, int]:
        match operation.kind:
            case "add":
                return state + operation.argument, state + operation.argument
            case "reserve":
                return state, state + operation.argument
            case "swap":
                old, new = operation.argument
                return state == old, new if state == old else state
        return state, state


class LeasedItem:
    """One item of a queue: `put()`, `get() -> attempt`, `ack(attempt)`, `back(attempt)`.

    It is put once, leased to one consumer at a time, each time as a later attempt, and acknowledged once, by the
    consumer that has it. `back` is a lease that ended without an acknowledgement; None is whichever it was.
    Items are independent of each other, so a queue is checked item by item; their order is checked by `Fifo`.
    """

    def initial(self) -> tuple[str, int]:
        return ("absent", 0)

    def after(self, state: tuple[str, int], operation: Operation) -> list[tuple[str, int]]:
        where, attempt = state
        match operation.kind:
            case "put":
                return [("waiting", 0)] if where == "absent" else []
            case "get":
                # A claim whose reply was lost, and then its session, counts though nobody was told of it.
                number = operation.result if operation.known else attempt + 1
                return [("leased", number)] if where == "waiting" and number > attempt else []
            case "ack":
                return [("done", attempt)] if state == ("leased", operation.argument) else []
            case "back":
                fits = operation.argument in {None, attempt}
                return [("waiting", attempt)] if where == "leased" and fits else []
        raise ValueError(operation.kind)


class Fifo:
    """`put(item)`, `get() -> item`, or None when it is empty; for queues whose consumers all acknowledge."""

    def initial(self) -> tuple[object, ...]:
        return ()

    def after(self, state: tuple[object, ...], operation: Operation) -> list[tuple[object, ...]]:
        if operation.kind == "put":
            return [(*state, operation.argument)]
        if not operation.known:
            return [state[1:]]
        first = state[0] if state else None
        return [state[1:]] if operation.result == first else []
