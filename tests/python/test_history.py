"""Histories of concurrent clients under random faults have a legal order, and bugs put in on purpose are found.

`SPARKEEPER_SEED=<number>` runs that seed alone: the same steps, and the same faults at the same steps.
"""

import os
import random

import pytest

from history_bodies import ThreadBody
from history_check import Overlap, missing, transcript, verify
from history_plan import draw
from history_run import run
from linearizable import NotLinearizable

RECIPES = ("hold", "look", "permits", "lead", "add", "reserve", "swap", "put", "put", "consume", "consume", "consume")


def seeds(fixed):
    """Return the seeds to run: SPARKEEPER_SEED alone where it is set, else the fixed ones and a fresh one.

    The fresh one's number is no part of the test's name, which parallel workers must agree on; a failure tells it.
    """
    given = os.environ.get("SPARKEEPER_SEED")
    if given:
        return [pytest.param(int(given), id=given)]
    fresh = random.SystemRandom().randrange(1_000_000)
    return [*(pytest.param(seed, id=str(seed)) for seed in fixed), pytest.param(fresh, id="fresh")]


@pytest.fixture
def checked(server, zk, namespace, tmp_path):
    """Run a plan, check what the clients said, and say how to run it again where that is not legal."""
    zk.create("register", b"null")

    def check(seed, plan, **how):
        said = run(plan, server.port, namespace, **how)
        try:
            operations = verify(said)
            assert not missing(said, set() if how else drain(zk)), "items were lost, or came back"
        except AssertionError as error:
            kept = tmp_path / "transcript"
            kept.write_text(transcript(said, seed))
            error.add_note(f"SPARKEEPER_SEED={seed} runs it again; what was said is in {kept}")
            raise
        return operations

    return check


def drain(zk):
    """Take out what is left in the queue."""
    queue, left = zk.queue("queue", max_attempts=1000), set()
    while len(queue):
        with queue.get(timeout=20) as item:
            left.add(item.data.decode())
    return left


@pytest.mark.parametrize("seed", seeds(fixed=(1,)))
def test_every_history_has_a_legal_order(checked, seed):
    operations = checked(seed, draw(seed, clients=4, steps=36, names=RECIPES))
    assert all(
        operations[recipe] > 5
        for recipe in ("lock", "register", "semaphore", "election", "checkpoint", "counter", "queue")
    )


@pytest.mark.parametrize(
    ("broken", "names", "faults", "others"),
    [
        ("BlindCounter", ("add",), ("drop",), 10),
        ("TrustingLock", ("hold",), ("freeze",), 20),
        ("HastySemaphore", ("permits",), ("delay",), 60),
        ("UnguardedQueue", ("put", "consume", "consume"), ("freeze",), 120),
    ],
)
def test_a_bug_put_in_on_purpose_is_found(checked, broken, names, faults, others):
    seed = 8
    plan = draw(seed, clients=3, steps=10, names=names, faults=faults, every=3)
    # Somebody whom nothing befalls, and who takes over from those whom it does.
    plan += draw(seed + 1, clients=1, steps=others, names=names, faults=())
    with pytest.raises((NotLinearizable, Overlap)) as found:
        checked(seed, plan, body=ThreadBody, broken=broken)
    assert f"SPARKEEPER_SEED={seed}" in found.value.__notes__[-1]


def test_who_was_killed_as_it_was_told_of_its_grant_may_have_lost_it_since():
    said = [
        {"id": "a:0", "key": "lock", "kind": "acquire", "argument": None, "at": 1},
        {"id": "a:0", "result": 5, "at": 2},
        {"id": "b:0", "key": "lock", "kind": "acquire", "argument": None, "at": 3},
        {"id": "b:0", "result": 6, "at": 4},
    ]
    assert verify(said) == {"lock": 2}
    with pytest.raises(NotLinearizable):
        # It was seen to stand after the other had it.
        verify([*said, {"id": "a:1", "key": "lock", "kind": "release", "argument": 5, "at": 5}])


def test_a_seed_is_a_plan():
    plans = [draw(seed, clients=4, steps=36, names=RECIPES) for seed in (5, 5, 6)]
    assert plans[0] == plans[1]
    assert plans[0] != plans[2]
    kinds = {step.fault.kind for steps in draw(1, clients=8, steps=50, names=RECIPES) for step in steps if step.fault}
    assert kinds == {"cut", "freeze", "delay", "drop", "stop", "kill"}
