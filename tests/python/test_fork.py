"""A fork with an open coordinator: the child is told so, the parent notices nothing, both end."""

import pytest

from program import Program

# What a child tries, with the parent's coordinator and with one of its own.
_TRIES = """
import multiprocessing, time
zk = sparkeeper.connect(sys.argv[1], namespace=sys.argv[2], session_timeout=2, timeout=20)
zk.create("a", b"x")
lock = zk.lock("l")
held = lock.acquire()
session = zk.session_id

def entered():
    with lock:
        pass

CALLS = {
    "get": lambda: zk.get("a"), "set": lambda: zk.set("a", b"child"), "create": lambda: zk.create("child"),
    "delete": lambda: zk.delete("a"), "children": lambda: zk.children(""), "state": lambda: zk.state,
    "close": zk.close, "acquire": lambda: lock.acquire(timeout=5), "try": lock.try_acquire, "with": entered,
    "contenders": lock.contenders, "release": held.release, "check": held.check, "valid": held.valid_for,
    "held": lambda: held.state, "guard": lambda: zk.set("a", b"child", guard=held),
    "on_lost": lambda: held.on_lost(print), "on_state": lambda: zk.on_state(print),
    "connect": lambda: sparkeeper.connect(sys.argv[1]),
}

def attempt():
    outcome = {}
    for name, call in CALLS.items():
        begun = time.monotonic()
        try:
            call()
            outcome[name] = "no error"
        except exceptions.ForkedProcessError as error:
            outcome[name] = "refused" if time.monotonic() - begun < 1 and "process" in str(error) else str(error)
        except BaseException as error:
            outcome[name] = repr(error)
    return outcome

def report(ended):
    # The session must outlive its timeout after the child's end, too.
    end = time.monotonic() + 3
    states = set()
    while time.monotonic() < end:
        states.add(held.state)
        time.sleep(0.02)
    held.check()
    say({"ended": ended, "states": sorted(states), "same": zk.session_id == session, "data": zk.get("a")[0].decode(),
         "line": len(lock.contenders())})
    held.release(wait=True)
    zk.close()
"""

_OS_FORK = """
child = os.fork()
if child == 0:
    say(attempt())
    sys.exit(7)  # by way of the interpreter's usual end, not os._exit
begun = time.monotonic()
ended = None
while ended is None and time.monotonic() < begun + 30:
    pid, status = os.waitpid(child, os.WNOHANG)
    ended = os.waitstatus_to_exitcode(status) if pid else None
    time.sleep(0.01)
report(ended)
"""

_MULTIPROCESSING = """
def work():
    say(attempt())

child = multiprocessing.get_context("fork").Process(target=work)
child.start()
child.join(60)
report(child.exitcode)
"""

_POOL_OF_FRESH_CHILDREN = """
def fresh(number):
    with sparkeeper.connect(sys.argv[1], namespace=sys.argv[2]) as zk, zk.lock("fresh", timeout=30) as held:
        return held.token

if __name__ == "__main__":
    # Nothing was connected before these forks, so each child may.
    with multiprocessing.get_context("fork").Pool(3) as pool:
        tokens = pool.map(fresh, range(6))
    say(len(set(tokens)))
"""


@pytest.mark.parametrize(("fork", "code"), [(_OS_FORK, 7), (_MULTIPROCESSING, 0)], ids=["os.fork", "multiprocessing"])
def test_the_child_is_refused_and_the_parent_goes_on(fork, code, connect_string, namespace):
    with Program(_TRIES + fork, connect_string, namespace) as program:
        refusals = program.answer()
        report = program.answer()
        assert program.wait(60) == 0
    assert len(refusals) == 19
    assert set(refusals.values()) == {"refused"}, refusals
    assert report == {"ended": code, "states": ["HELD"], "same": True, "data": "x", "line": 1}


def test_children_of_a_process_that_never_connected_may_connect(connect_string, namespace):
    with Program("import multiprocessing\n" + _POOL_OF_FRESH_CHILDREN, connect_string, namespace) as program:
        assert program.answer() == 6
        assert program.wait(60) == 0
