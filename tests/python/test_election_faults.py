"""Leaders and candidates that are stopped, killed, frozen, interrupted, or whose nodes somebody deletes."""

import signal
import threading
import time

import pytest

from program import Program
from sparkeeper import exceptions
from sparkeeper.local import words
from waiting import wait_for

_LEADER = """
zk = sparkeeper.connect(sys.argv[1], namespace=sys.argv[2], session_timeout=1.5, timeout=20)
term = zk.election("e", id="stopped", strategy=sys.argv[3]).campaign()
term.checkpoint("mine")
say({"token": term.token, "state": term.state})
hear()  # it is stopped here, and goes on after its session
outcome = {"state": term.state, "valid_for": term.valid_for(), "lost": term.lost.is_set()}
for name, call in {
    "check": term.check,
    "checkpoint": lambda: term.checkpoint("stale"),
    "set": lambda: zk.set("e.checkpoint", b"stale", guard=term),
}.items():
    try:
        call()
        outcome[name] = "done"
    except Exception as error:
        outcome[name] = type(error).__name__
term.step_down(wait=True)
outcome["token"] = zk.election("e", strategy=sys.argv[3]).campaign(timeout=30).token
say(outcome)
hear()
"""


@pytest.mark.parametrize("strategy", ["fair", "vote"])
def test_a_leader_stopped_past_its_session_and_continued_saves_nothing(
    coordinator, namespace, connect_string, strategy
):
    zk = coordinator()
    election = zk.election("e", strategy=strategy)
    with Program(_LEADER, connect_string, namespace, strategy) as stopped:
        first = stopped.answer()
        assert first["state"] == "HELD"
        stopped.send(signal.SIGSTOP)
        term = election.campaign(timeout=30)
        assert term.token > first["token"]
        assert term.restore() == "mine"
        term.checkpoint("the new leader's")
        stopped.send(signal.SIGCONT)
        stopped.tell()
        # Its stepping down must not have let it in beside us.
        wait_for(lambda: len(election.candidates()) == 2, 60, "the other to stand again")
        term.check()
        assert term.restore() == "the new leader's"
        term.step_down()
        outcome = stopped.answer()
        assert outcome.pop("token") > term.token
    refused = dict.fromkeys(["check", "checkpoint", "set"], "TermLost")
    assert outcome == {"state": "LOST", "valid_for": 0.0, "lost": True, **refused}


_RUNNER = """
zk = sparkeeper.connect(sys.argv[1], namespace=sys.argv[2], session_timeout=1.5, timeout=20)
def work(term):
    say([term.token, term.restore()])
    term.checkpoint(os.getpid())
    term.lost.wait()
zk.election("e", id=sys.argv[3]).run(work)
"""


def test_killed_leaders_are_followed_by_one_that_goes_on_where_they_were(zk, connect_string, namespace):
    election = zk.election("e")
    programs = [Program(_RUNNER, connect_string, namespace, str(number)) for number in range(4)]
    try:
        wait_for(lambda: len(election.candidates()) == 4, 60, "all to stand")
        saved, token = None, 0
        line = {found.id: found for found in election.candidates()}
        # One that waits in the middle is killed as well; nobody moves for that.
        order = sorted(line.values(), key=lambda found: found.position)
        middle = programs[int(order[1].id)]
        for position in (0, 2):
            leader = programs[int(order[position].id)]
            later, found = leader.answer(30)
            assert later > token
            assert found == saved
            wait_for(lambda pid=leader.pid: zk.get("e.checkpoint")[0] == str(pid).encode(), 60, "its checkpoint")
            token, saved = later, leader.pid
            if position == 0:
                middle.send(signal.SIGKILL)
                wait_for(lambda: len(election.candidates()) == 3, 60, "the one in the middle to be gone")
                assert election.leader().token == token
            leader.send(signal.SIGKILL)
        later, found = programs[int(order[3].id)].answer(30)
        assert later > token
        assert found == saved
    finally:
        for program in programs:
            program.__exit__()


@pytest.mark.parametrize("strategy", ["fair", "random", "priority", "vote"])
def test_a_frozen_leader_knows_before_the_next_campaign_returns(proxy, coordinator, strategy):
    frozen = coordinator(proxy.connect_string, session_timeout=2)
    term = frozen.election("e", strategy=strategy).campaign(timeout=10)
    told, terms = [], []
    term.on_lost(lambda error: told.append((time.monotonic(), error)))
    following = coordinator().election("e", strategy=strategy)
    thread = threading.Thread(target=lambda: terms.append((following.campaign(timeout=30), time.monotonic())))
    thread.start()
    wait_for(lambda: len(following.candidates()) == 2, 60, "the other to stand")
    proxy.freeze()
    wait_for(lambda: term.state == "LOST", 60, "the leader to know")
    assert not terms, "somebody led before the leader knew"
    wait_for(lambda: told, 1, "on_lost within a second")
    assert term.lost
    thread.join(60)
    ((led, at),) = terms
    ((lost_at, error),) = told
    assert lost_at < at
    assert isinstance(error, exceptions.TermLost)
    assert led.token > term.token
    # Given up late, over a link that works again, it must not touch its successor's node.
    term.step_down()
    proxy.thaw()
    wait_for(lambda: frozen.state == "CONNECTED", 60, "the next session")
    frozen.sync()
    assert frozen.election("e", strategy=strategy).leader().token == led.token
    led.check()


def wiped(zk, path):
    """Delete everything below a path, and say whether that went through: who stands anew meanwhile may prevent it."""
    try:
        zk.delete(path, recursive=True)
    except exceptions.SparkeeperError:
        return False
    return True


@pytest.mark.parametrize("strategy", ["fair", "random", "priority", "vote"])
def test_exactly_one_leads_again_when_an_operator_deleted_the_election(zk, coordinator, strategy):
    elections = [coordinator().election("e", id=str(number), strategy=strategy) for number in range(4)]
    terms = []

    def work(term):
        terms.append(term)
        term.checkpoint(len(terms))
        term.lost.wait()

    threads = [threading.Thread(target=election.run, args=(work,), daemon=True) for election in elections]
    for thread in threads:
        thread.start()
    try:
        wait_for(lambda: len(zk.election("e").candidates()) == 4 and terms, 60, "all to stand")
        for _ in range(5):
            before = terms[-1]
            begun = time.monotonic()
            wait_for(lambda: wiped(zk, "e") or terms[-1].state == "LOST", 60, "the operator to get through")
            wait_for(
                lambda before=before: (
                    terms[-1].token > before.token and [term.state for term in terms].count("HELD") == 1
                ),
                5,
                "exactly one to lead again",
            )
            assert time.monotonic() - begun < 5
            wait_for(lambda: len(zk.election("e").candidates()) == 4, 60, "all to stand again")
        tokens = [term.token for term in terms]
        assert tokens == sorted(set(tokens))
        assert [term.state for term in terms].count("HELD") == 1
        wait_for(lambda: terms[-1].restore() == len(terms), 60, "what was saved to have survived")
    finally:
        for election in elections:
            election.stop()
        for thread in threads:
            thread.join(60)


def below(port, namespace):
    """How many watches the server keeps below a namespace: a path, then a line for each session that watches it."""
    path, count = "", 0
    for line in words.ask(port, "wchp", 30).splitlines():
        if line.startswith("/"):
            path = line
        elif line:
            count += path.startswith(f"/{namespace}/")
    return count


@pytest.mark.parametrize("strategy", ["fair", "vote"])
def test_campaigns_that_time_out_leave_neither_nodes_nor_watches(zk, coordinator, server, namespace, strategy):
    election = zk.election("e", strategy=strategy)
    with election.campaign(timeout=10):
        wait_for(lambda: below(server.port, namespace) == 1, 60, "the leader's own watch")
        other = coordinator().election("e", strategy=strategy)
        for _ in range(20):
            with pytest.raises(exceptions.AcquireTimeout):
                other.campaign(timeout=0.05)
        wait_for(lambda: len(election.candidates()) == 1, 60, "the nodes to be gone")
        wait_for(lambda: below(server.port, namespace) == 1, 60, "the watches to be gone")


def test_a_campaign_that_times_out_while_disconnected_leaves_nothing(proxy, zk, coordinator):
    with zk.election("e").campaign():
        away = coordinator(proxy.connect_string, session_timeout=8)
        proxy.cut()
        begun = time.monotonic()
        with pytest.raises(exceptions.AcquireTimeout, match="'e'"):
            away.election("e").campaign(timeout=1)
        assert 0.9 < time.monotonic() - begun < 1.5
        proxy.heal()
        away.sync()
        wait_for(lambda: len(zk.election("e").candidates()) == 1, 60, "nothing to be left")


_WAITER = """
zk = sparkeeper.connect(sys.argv[1], namespace=sys.argv[2])
election = zk.election("e", id="interrupted")
say("ready")
try:
    if sys.argv[3] == "campaign":
        election.campaign()
    elif sys.argv[3] == "run":
        election.run(print)
    else:
        for leader in election.observe():
            pass
except KeyboardInterrupt:
    import time
    say(time.monotonic())
hear()
"""


@pytest.mark.parametrize("what", ["campaign", "run", "observe"])
def test_ctrl_c_ends_every_wait_and_leaves_nothing(zk, connect_string, namespace, server, what):
    with zk.election("e").campaign() as term:
        wait_for(lambda: below(server.port, namespace) == 1, 60, "the leader's own watch")
        with Program(_WAITER, connect_string, namespace, what) as waiter:
            assert waiter.answer() == "ready"
            wait_for(lambda: below(server.port, namespace) == 2, 60, "it to wait")
            begun = time.monotonic()
            waiter.send(signal.SIGINT)
            # Both clocks are the machine's.
            assert waiter.answer(5) - begun < 0.3
            wait_for(lambda: len(zk.election("e").candidates()) == 1, 60, "its node to be gone")
            wait_for(lambda: below(server.port, namespace) == 1, 60, "its watch to be gone")
            term.check()
