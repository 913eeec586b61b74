"""The wall clock moves by an hour either way: leases, waits and callbacks don't care."""

import os
import subprocess
from pathlib import Path

import pytest

from program import Program

_HOUR = 3600

# The clock jumps in the middle of a wait and of a hold; the hold then goes on for more than a session timeout.
_PROGRAM = """
import threading, time
zk = sparkeeper.connect(sys.argv[1], namespace=sys.argv[2], session_timeout=1.5, timeout=20)
states, lost = [], []
zk.on_state(states.append)
held = zk.lock("l").acquire()
held.on_lost(lost.append)
session = zk.session_id

def wait(seconds, outcome):
    begun = time.monotonic()
    try:
        zk.lock("l").acquire(timeout=seconds)
    except exceptions.AcquireTimeout:
        outcome.append(time.monotonic() - begun)

while True:
    waited = []
    waiter = threading.Thread(target=wait, args=(2.5, waited))
    waiter.start()
    while len(zk.lock("l").contenders()) < 2:
        pass
    say("waiting")
    hear()
    jumped = time.time() - time.monotonic()
    seen = [(held.state, held.valid_for(), zk.state)]
    while waiter.is_alive():
        waiter.join(0.01)
        held.check()
        seen.append((held.state, held.valid_for(), zk.state))
    say({"epoch": jumped, "waited": waited, "states": states, "lost": len(lost), "same": zk.session_id == session,
         "held": sorted({state for state, _, _ in seen}), "link": sorted({state for _, _, state in seen}),
         "valid": [min(v for _, v, _ in seen), max(v for _, v, _ in seen)]})
    if hear() == "end":
        break
held.release(wait=True)
say({"lost": len(lost), "contenders": len(zk.lock("l").contenders())})
"""

# Each turn: an item that is held, one that is due in a second and one that is due in an hour; then the clock jumps.
_QUEUE = """
import time
zk = sparkeeper.connect(sys.argv[1], namespace=sys.argv[2])
queue = zk.queue("q")
while True:
    queue.put(b"held")
    held = queue.get(timeout=10, lease=60)
    begun = time.monotonic()
    queue.put_many([b"far"], delay=3000)
    queue.put(b"late", delay=1)
    say("put")
    hear()
    jumped = time.time() - time.monotonic()
    with queue.get(timeout=20) as item:
        waited = time.monotonic() - begun
        got = item.data.decode()
    held.check()
    held.ack()
    say({"epoch": jumped, "waited": waited, "got": got, "early": queue.try_get() is not None, "left": len(queue)})
    if hear() == "end":
        break
"""


@pytest.fixture(scope="module")
def shim(tmp_path_factory):
    """The library that moves the wall clock."""
    library = tmp_path_factory.mktemp("clock") / "wallclock.so"
    source = Path(__file__).with_name("wallclock.c")
    compiler = os.environ.get("CC", "cc")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
    return library


class _Clock:
    """The wall clock of programs that are started with its environment."""

    def __init__(self, shim, directory):
        self._offset, self._fresh = directory / "offset", directory / "fresh"
        self._offset.write_text("0")
        self.environment = {"LD_PRELOAD": str(shim), "WALLCLOCK_OFFSET": str(self._offset)}

    def jump(self, hours):
        # Replaced whole: a reader must not see it half written.
        self._fresh.write_text(str(hours * _HOUR))
        self._fresh.replace(self._offset)


@pytest.fixture
def clock(shim, tmp_path):
    return _Clock(shim, tmp_path)


def test_an_hour_either_way_changes_nothing(clock, connect_string, namespace):
    with Program(_PROGRAM, connect_string, namespace, **clock.environment) as program:
        rounds = []
        for hours in (0, 1, -1):
            assert program.answer() == "waiting"
            clock.jump(hours)
            rounds.append(program.ask())
            program.tell("end" if hours < 0 else "on")
        assert program.answer() == {"lost": 0, "contenders": 0}
        assert program.wait() == 0
    usual = rounds[0]["epoch"]
    assert [round(found["epoch"] - usual) for found in rounds] == [0, _HOUR, -_HOUR], "the clock did not move"
    for found in rounds:
        (waited,) = found["waited"]
        assert 2.4 < waited < 2.6
        assert (found["states"], found["lost"], found["same"]) == ([], 0, True)
        assert (found["held"], found["link"]) == (["HELD"], ["CONNECTED"])
        low, high = found["valid"]
        assert 0.5 < low <= high <= 1.5


def test_an_hour_either_way_changes_no_delay_and_no_lease_of_a_queue(clock, connect_string, namespace):
    with Program(_QUEUE, connect_string, namespace, **clock.environment) as program:
        turns = []
        for hours in (0, 1, -1):
            assert program.answer() == "put"
            clock.jump(hours)
            turns.append(program.ask())
            program.tell("end" if hours < 0 else "on")
        assert program.wait() == 0
    usual = turns[0]["epoch"]
    assert [round(turn["epoch"] - usual) for turn in turns] == [0, _HOUR, -_HOUR], "the clock did not move"
    for number, turn in enumerate(turns, 1):
        assert (turn["got"], turn["early"], turn["left"]) == ("late", False, number)
        assert 1 <= turn["waited"] < 10
