"""From what clients said to a verdict: histories of objects, and the times for which grants were said to stand."""

from __future__ import annotations

import dataclasses
import json
import math
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from history_client import CHECKPOINT, COUNTER, ELECTION, LOCK, QUEUE, REGISTER, SEMAPHORE
from history_plan import PERMITS
from linearizable import Operation, check
from linearizable_models import Counter, FencedRegister, LeasedItem, Mutex, Semaphore

if TYPE_CHECKING:
    from collections.abc import Iterable

    from linearizable import Model

_NANO = 1e-9
_MODELS: dict[str, Model] = {
    LOCK: Mutex(),
    ELECTION: Mutex(),
    SEMAPHORE: Semaphore(PERMITS),
    COUNTER: Counter(),
    REGISTER: FencedRegister(),
    CHECKPOINT: FencedRegister(),
    QUEUE: LeasedItem(),
}
_LIMITS = {LOCK: 1, ELECTION: 1, SEMAPHORE: PERMITS, QUEUE: 1}


@dataclasses.dataclass(frozen=True)
class Claim:
    """A time for which a client was told that a grant of this weight is its own."""

    who: str
    weight: int
    since: float
    until: float


class Overlap(AssertionError):
    """More was granted at one instant than there is."""


def verify(said: list[dict[str, Any]]) -> dict[str, int]:
    """Check everything that clients said; return how many operations of each recipe were checked.

    Raises:
        NotLinearizable: An object's history has no legal order.
        Overlap: Grants stood at one instant that exclude each other.
    """
    checked: dict[str, int] = defaultdict(int)
    for key, history in histories(said).items():
        recipe = key.partition("/")[0]
        try:
            check(history, _MODELS[recipe])
        except AssertionError as error:
            error.add_note(f"in the history of {key}")
            raise
        checked[recipe] += sum(operation.known for operation in history)
    for key, claims in claims_by_key(said).items():
        exclude(key, claims, _LIMITS[key.partition("/")[0]])
    return dict(checked)


def exclude(key: str, claims: Iterable[Claim], limit: int) -> None:
    """Check that claims which stood at one instant never weigh more than the limit."""
    standing: list[Claim] = []
    for claim in sorted(claims, key=lambda claim: claim.since):
        standing = [other for other in standing if other.until > claim.since] + [claim]
        if sum(other.weight for other in standing) > limit:
            raise Overlap(f"at {claim.since:.6f} more than {limit} of '{key}' was out: {standing}")


def claims_by_key(said: list[dict[str, Any]]) -> dict[str, list[Claim]]:
    """Collect the claims; the last word on each counts."""
    last = {value["claim"]: value for value in said if "claim" in value}
    claims: dict[str, list[Claim]] = defaultdict(list)
    for name, value in last.items():
        claim = Claim(name, value["weight"], value["from"] * _NANO, value["until"] * _NANO)
        claims[value["key"]].append(claim)
    return claims


def histories(said: list[dict[str, Any]]) -> dict[str, list[Operation]]:
    """Collect the operations of every object."""
    objects: dict[str, list[Operation]] = defaultdict(list)
    gets = []
    for operation, key, void in _operations(said):
        if operation.kind == "get":
            gets.append((operation, void))
        elif operation.kind == "acquire" and not operation.known:
            # Whoever asked and never learned of the grant held nothing that anybody could see.
            continue
        elif not void:
            objects[key].append(operation)
    for history in objects.values():
        _add_releases(history)
    _add_gets(objects, gets)
    return dict(objects)


def _operations(said: list[dict[str, Any]]) -> list[tuple[Operation, str, bool]]:
    """Join what was said before and after each operation; True for one that certainly had no effect."""
    open_ones: dict[str, dict[str, Any]] = {}
    for value in said:
        if "kind" in value:
            open_ones[value["id"]] = {**value, "result": None, "end": math.inf, "void": False}
        elif "result" in value:
            open_ones[value["id"]] |= {"result": _frozen(value["result"]), "end": value["at"] * _NANO}
        elif "void" in value:
            open_ones[value["id"]]["void"] = True
    stood = {value["of"]: value["until"] for value in said if "claim" in value}
    found = []
    for name, value in open_ones.items():
        value["at"] = max(value["at"], stood.get(name, 0))
        start, argument = value["at"] * _NANO, _frozen(value["argument"])
        client = name.rpartition(":")[0]
        operation = Operation(client, value["kind"], argument, value["result"], start, value["end"])
        found.append((operation, value["key"], value["void"]))
    return found


def _add_releases(history: list[Operation]) -> None:
    """Give a release to each grant whose client was killed before it could say that it would release it."""
    released = {(operation.client, operation.argument) for operation in history if operation.kind == "release"}
    for grant in [operation for operation in history if operation.kind == "acquire"]:
        what = grant.result if grant.argument is None else grant.argument
        if (grant.client, what) not in released:
            history.append(Operation(grant.client, "release", what, None, grant.start, math.inf))


def _add_gets(objects: dict[str, list[Operation]], gets: list[tuple[Operation, bool]]) -> None:
    """Give every get to the item it returned; one that never answered may have leased any item, which came back."""
    for get, void in gets:
        if get.known:
            item, attempt = get.result
            history = objects[f"{QUEUE}/{item}"]
            history.append(dataclasses.replace(get, result=attempt))
            acknowledged = any(
                operation.kind == "ack" and operation.known and operation.argument == attempt for operation in history
            )
            if not acknowledged:
                history.append(Operation(get.client, "back", attempt, None, get.start, math.inf))
        elif not void:
            for key in [key for key in objects if key.startswith(f"{QUEUE}/")]:
                objects[key].append(get)
                objects[key].append(Operation(get.client, "back", None, None, get.start, math.inf))


def _frozen(value: Any) -> Any:
    """Return what JSON gave, lists as tuples."""
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else value


def missing(said: list[dict[str, Any]], remaining: set[str]) -> set[str]:
    """Return the items that were put and are gone, though nobody was asked to acknowledge them, and the reverse."""
    put, asked, done = set(), set(), set()
    for operation, key, void in _operations(said):
        item = key.partition("/")[2]
        if operation.kind == "put" and operation.known:
            put.add(item)
        if operation.kind == "ack" and not void:
            asked.add(item)
            if operation.known:
                done.add(item)
    return (put - asked - remaining) | (done & remaining)


def transcript(said: Iterable[dict[str, Any]], seed: int) -> str:
    """Write down everything that was said, for whoever has to find the reason."""
    return "\n".join([f"seed {seed}", *(json.dumps(value) for value in said)])
