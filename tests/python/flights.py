"""How many round trips something takes: the time through a delayed link, and the requests that went over it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wire import Op

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy import Proxy

# Each way. Long beside what a loaded machine adds to one call, short beside the patience of whoever runs the tests.
DELAY = 0.05
ROUND_TRIP = 2 * DELAY

# What a session sends by itself, whoever uses it.
_OWN = {Op.PING, Op.EXISTS}


@dataclass(frozen=True)
class Flight:
    """What the fastest of several runs took.

    Attributes:
        round_trips: How many times somebody waited for the other side.
        requests: How many requests were sent until the answer was there, heartbeats not counted.
    """

    round_trips: int
    requests: int


def flight(proxy: Proxy, call: Callable[[], object], before: Callable[[], object] = lambda: None) -> Flight:
    """Measure a call through the proxy; `before` is called before each run, and not measured.

    Load only ever adds to the time, so the fastest of five runs is the closest.
    """
    found = []
    try:
        for _ in range(5):
            proxy.delay(0.0)
            before()
            proxy.delay(DELAY)
            requests, start = _requests(proxy), time.monotonic()
            call()
            found.append(Flight(int((time.monotonic() - start) / ROUND_TRIP), _requests(proxy) - requests))
    finally:
        proxy.delay(0.0)
    return min(found, key=lambda one: (one.round_trips, one.requests))


def _requests(proxy: Proxy) -> int:
    return sum(count for op, count in proxy.requests.items() if op not in _OWN)
