"""What clients will do and what will be done to them, drawn from a seed: the same seed is the same plan.

How threads, sockets and the server interleave is not in the plan, so a seed makes a failure likely again, not certain.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

# A session of the clients, in seconds; a fault that lasts longer ends it.
SESSION_TIMEOUT = 1.0
PERMITS = 3


@dataclass(frozen=True)
class Fault:
    """Something that breaks for one client.

    Attributes:
        kind: "cut", "freeze", "delay" (the link), "drop" (the reply to its next write), "stop", "kill" (its process).
        granted: Whether it waits until the step's first operation was answered: a lock is held then.
        after: Seconds after that, or after the step began.
        lasting: Seconds until it is mended; a "drop" keeps the link down for so long.
    """

    kind: str
    granted: bool
    after: float
    lasting: float


@dataclass(frozen=True)
class Step:
    """One step of a client, as `history_client` takes it, and the fault that comes with it, if any."""

    name: str
    arguments: dict[str, Any]
    fault: Fault | None = None


LINK_FAULTS = ("cut", "freeze", "delay", "drop", "drop")
# Steps that are granted something, and hold it for a while.
_HOLDING = {"hold", "lead", "consume", "permits"}
ALL_FAULTS = (*LINK_FAULTS, "stop", "kill")


def draw(
    seed: int,
    *,
    clients: int,
    steps: int,
    names: tuple[str, ...],
    faults: tuple[str, ...] = ALL_FAULTS,
    every: int = 5,
) -> list[list[Step]]:
    """Draw a plan: every client's steps, as many of each name, about one in `every` with a fault of these kinds."""
    dice = random.Random(seed)
    # Nobody's first and last steps are broken: everybody is there at the beginning, and at the end.
    calm = {0, steps - 1}

    def step(name: str, client: int, index: int) -> Step:
        broken = index not in calm and dice.random() < 1 / every
        return _step(dice, name, f"{seed}.{client}.{index}", faults if broken else ())

    def deal() -> list[str]:
        dealt = [names[index % len(names)] for index in range(steps)]
        dice.shuffle(dealt)
        return dealt

    return [[step(name, client, index) for index, name in enumerate(deal())] for client in range(clients)]


def _step(dice: random.Random, name: str, number: str, faults: tuple[str, ...]) -> Step:
    fault = _fault(dice, name, faults) if faults else None
    arguments: dict[str, Any] = {"number": number}
    if name in _HOLDING:
        arguments |= {"looks": dice.randrange(1, 5), "pause": round(dice.uniform(0, 0.04), 4)}
        if fault and fault.granted and fault.lasting > SESSION_TIMEOUT:
            # It looks on, past the end of its session.
            arguments |= {"looks": round((fault.lasting + 0.5) / 0.04), "pause": 0.04}
    if name == "permits":
        arguments["permits"] = dice.randrange(1, PERMITS)
    if name in {"add", "reserve"}:
        arguments["amount"] = dice.randrange(1, 100)
    return Step(name, arguments, fault)


def _fault(dice: random.Random, name: str, faults: tuple[str, ...]) -> Fault:
    kind = dice.choice(faults)
    # A fault in three outlives the session.
    lasting = dice.uniform(2.2, 2.8) * SESSION_TIMEOUT if dice.random() < 1 / 3 else dice.uniform(0, 0.3)
    if kind == "delay":
        lasting = dice.uniform(0.2, 1)
    granted = name in _HOLDING and kind != "drop" and dice.random() < 2 / 3
    after = dice.uniform(0, 0.02 if granted else 0.004)
    return Fault(kind, granted, round(after, 4), round(lasting, 4))
