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
zk = sparkeeper.connect(sys.argv[1], namespace=sys.argv[2], session_timeout=1.5)
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


@pytest.fixture(scope="module")
def shim(tmp_path_factory):
    """The library that moves the wall clock."""
    library = tmp_path_factory.mktemp("clock") / "wallclock.so"
    source = Path(__file__).with_name("wallclock.c")
    compiler = os.environ.get("CC", "cc")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
    return library


def test_an_hour_either_way_changes_nothing(shim, tmp_path, connect_string, namespace):
    offset = tmp_path / "offset"
    offset.write_text("0")
    environment = {"LD_PRELOAD": str(shim), "WALLCLOCK_OFFSET": str(offset)}
    with Program(_PROGRAM, connect_string, namespace, **environment) as program:
        rounds = []
        for hours in (0, 1, -1):
            assert program.answer() == "waiting"
            # Replaced whole: a reader must not see it half written.
            fresh = tmp_path / "fresh"
            fresh.write_text(str(hours * _HOUR))
            fresh.replace(offset)
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
