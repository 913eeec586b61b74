"""The checker: legal histories pass, illegal ones of every model do not, and it agrees with trying every order."""

import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linearizable import NotLinearizable, Operation, check
from linearizable_models import Counter, FencedRegister, Fifo, LeasedItem, Mutex, Register, Semaphore

SWAPPED = True


def op(kind, argument, result, start, end):
    return Operation("a", kind, argument, result, start, end)


def unknown(kind, argument, start):
    return op(kind, argument, None, start, math.inf)


LEGAL = {
    "a read beside a write sees either": (
        Register(),
        [op("write", 1, None, 0, 9), op("read", None, None, 1, 2), op("read", None, 1, 3, 4)],
    ),
    "an unknown write may land late": (
        Register(),
        [unknown("write", 1, 0), op("read", None, None, 5, 6), op("read", None, 1, 7, 8)],
    ),
    "an unknown write may never land": (Register(), [unknown("write", 1, 0), op("read", None, None, 5, 6)]),
    "the lock changes hands": (
        Mutex(),
        [op("acquire", None, 1, 0, 1), op("release", 1, None, 2, 3), op("acquire", None, 4, 0, 5)],
    ),
    "a holder that crashed lets go some time": (
        Mutex(),
        [op("acquire", None, 1, 0, 1), unknown("release", 1, 0), op("acquire", None, 4, 3, 5)],
    ),
    "permits up to the limit": (
        Semaphore(3),
        [op("acquire", ("a", 1), None, 0, 1), op("acquire", ("b", 2), None, 0, 1)],
    ),
    "adds in some order": (
        Counter(),
        [op("add", 1, 3, 0, 9), op("add", 2, 2, 0, 9), op("read", None, 2, 0, 9), op("swap", (3, 7), SWAPPED, 8, 12)],
    ),
    "an unknown add that did": (Counter(), [unknown("add", 5, 0), op("add", 1, 6, 1, 2)]),
    "an unknown add that did not": (Counter(), [unknown("add", 5, 0), op("add", 1, 1, 1, 2)]),
    "blocks of a reserve follow each other": (Counter(), [op("reserve", 9, 0, 0, 5), op("reserve", 9, 9, 0, 5)]),
    "an item comes back after its consumer crashed": (
        LeasedItem(),
        [
            op("put", None, None, 0, 1),
            op("get", None, 1, 2, 3),
            unknown("back", 1, 2),
            op("get", None, 2, 4, 5),
            op("ack", 2, None, 6, 7),
        ],
    ),
    "first in, first out": (
        Fifo(),
        [
            op("put", "x", None, 0, 9),
            op("put", "y", None, 0, 9),
            op("get", None, "y", 1, 2),
            op("get", None, "x", 3, 4),
        ],
    ),
    "a deposed holder's write that was refused is no operation": (
        FencedRegister(),
        [op("write", (5, "new"), None, 0, 1), op("read", None, "new", 2, 3)],
    ),
}

ILLEGAL = {
    "a read of what was overwritten": (
        Register(),
        [op("write", 1, None, 0, 1), op("write", 2, None, 2, 3), op("read", None, 1, 4, 5)],
    ),
    "two reads that see an unknown write come and go": (
        Register(),
        [unknown("write", 1, 0), op("read", None, 1, 5, 6), op("read", None, None, 7, 8)],
    ),
    "two holders at once": (
        Mutex(),
        [op("acquire", None, 1, 0, 1), op("acquire", None, 2, 2, 3), op("release", 1, None, 4, 5)],
    ),
    "a token that does not grow": (
        Mutex(),
        [op("acquire", None, 7, 0, 1), op("release", 7, None, 2, 3), op("acquire", None, 6, 4, 5)],
    ),
    "a release by somebody who does not hold": (
        Mutex(),
        [op("acquire", None, 7, 0, 1), op("release", 6, None, 2, 3)],
    ),
    "a permit too many": (
        Semaphore(3),
        [op("acquire", ("a", 2), None, 0, 1), op("acquire", ("b", 2), None, 2, 3)],
    ),
    "an add that counted twice": (Counter(), [op("add", 1, 1, 0, 1), op("add", 1, 3, 2, 3)]),
    "an add that was lost": (Counter(), [op("add", 1, 1, 0, 1), op("read", None, 0, 2, 3)]),
    "one block reserved twice": (Counter(), [op("reserve", 9, 0, 0, 5), op("reserve", 9, 0, 0, 5)]),
    "a swap that should have failed": (Counter(), [op("swap", (4, 5), SWAPPED, 0, 1)]),
    "an unknown add that counted twice": (Counter(), [unknown("add", 5, 0), op("read", None, 10, 1, 2)]),
    "an item leased to two": (
        LeasedItem(),
        [op("put", None, None, 0, 1), op("get", None, 1, 2, 3), op("get", None, 2, 4, 5), op("ack", 1, None, 6, 7)],
    ),
    "an acknowledgement that came too late and was accepted": (
        LeasedItem(),
        [
            op("put", None, None, 0, 1),
            op("get", None, 1, 2, 3),
            unknown("back", 1, 2),
            op("get", None, 2, 4, 5),
            op("ack", 1, None, 6, 7),
            op("ack", 2, None, 8, 9),
        ],
    ),
    "an attempt that was before": (
        LeasedItem(),
        [
            op("put", None, None, 0, 1),
            op("get", None, 2, 2, 3),
            unknown("back", 2, 2),
            op("get", None, 2, 4, 5),
        ],
    ),
    "an item that was never put": (LeasedItem(), [op("get", None, 1, 2, 3)]),
    "an item after it was acknowledged": (
        LeasedItem(),
        [
            op("put", None, None, 0, 1),
            op("get", None, 1, 2, 3),
            op("ack", 1, None, 4, 5),
            unknown("back", 1, 2),
            op("get", None, 2, 6, 7),
        ],
    ),
    "last in, first out": (
        Fifo(),
        [op("put", "x", None, 0, 1), op("put", "y", None, 2, 3), op("get", None, "y", 4, 5)],
    ),
    "empty while something waits": (Fifo(), [op("put", "x", None, 0, 1), op("get", None, None, 2, 3)]),
    "a deposed holder's write that landed": (
        FencedRegister(),
        [op("write", (5, "new"), None, 0, 1), op("write", (4, "old"), None, 2, 3)],
    ),
}


@pytest.mark.parametrize("name", LEGAL)
def test_passes(name):
    model, history = LEGAL[name]
    order = check(history, model)
    assert {operation for operation in history if operation.known} <= set(order)
    assert replay(order, model), "the order it found is a run of the model"


@pytest.mark.parametrize("name", ILLEGAL)
def test_refuses(name):
    model, history = ILLEGAL[name]
    with pytest.raises(NotLinearizable, match="none of these fits"):
        check(history, model)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_agrees_with_trying_every_order(data):
    adds = st.tuples(st.just("add"), st.integers(1, 2), st.integers(0, 5) | st.none())
    reads = st.tuples(st.just("read"), st.none(), st.integers(0, 5) | st.none())
    history = []
    for kind, argument, result in data.draw(st.lists(adds | reads, max_size=5)):
        start = data.draw(st.integers(0, 9))
        end = math.inf if result is None else start + data.draw(st.integers(1, 9))
        history.append(op(kind, argument, result, start, end))
    try:
        check(history, Counter())
        found = True
    except NotLinearizable:
        found = False
    assert found == any_order(history, Counter())


def any_order(history, model):
    """Try every order of the known operations and every choice of the others, the slow and obvious way."""
    known = [operation for operation in history if operation.known]
    others = [operation for operation in history if not operation.known]
    for size in range(len(others) + 1):
        for chosen in itertools.combinations(others, size):
            for order in itertools.permutations(known + list(chosen)):
                late = any(second.end < first.start for at, first in enumerate(order) for second in order[at + 1 :])
                if not late and replay(order, model):
                    return True
    return False


def replay(order, model):
    states = {model.initial()}
    for operation in order:
        states = {after for state in states for after in model.after(state, operation)}
    return bool(states)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 9), st.floats(0, 3), st.floats(0, 3)), min_size=100, max_size=100))
def test_a_long_run_that_was_stretched_is_legal_and_one_wrong_answer_in_it_is_found(steps):
    history, total = [], 0
    for at, (amount, before, after) in enumerate(steps):
        total += amount
        history.append(op("add", amount, total, at - before, at + after + 0.001))
    check(history, Counter())
    history.append(op("read", None, total + 1, 0, 1000))
    with pytest.raises(NotLinearizable):
        check(history, Counter())
