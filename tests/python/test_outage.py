"""The ensemble away for a minute, and an ensemble that comes back empty."""

import shutil
import threading
import time

import pytest

import sparkeeper
from proxy import Proxy
from recipes import Recipes
from sparkeeper import exceptions
from sparkeeper.local import LocalServer
from waiting import wait_for

_AWAY = 60


@pytest.fixture
def own_server():
    """A server that the test may stop."""
    with LocalServer() as running:
        yield running


class Witness:
    """A coordinator with a lock that it holds, a waiter for another, and what they were told."""

    def __init__(self, server, timeout, name):
        self.zk = sparkeeper.connect(server.connect_string, namespace="outage", session_timeout=timeout)
        self.session = self.zk.session_id
        self.states, self.lost, self.granted = [], [], []
        self.zk.on_state(self.states.append)
        self.lock = self.zk.lock(name)
        self.held = self.lock.acquire()
        self.held.on_lost(lambda error: self.lost.append((time.monotonic(), error)))

    def wait_in_line(self, name):
        """Wait for a lock that another holds, in a thread; it must be granted in the end."""
        lock = self.zk.lock(name)

        def wait():
            with lock as held:
                self.granted.append(held.state)

        before = len(lock.contenders())
        self.waiter = threading.Thread(target=wait, daemon=True)
        self.waiter.start()
        wait_for(lambda: len(lock.contenders()) == before + 1, 10, "the waiter to stand in line")


def test_a_minute_away_is_the_same_session_or_a_clean_loss(own_server):
    short, long = Witness(own_server, 4, "short"), Witness(own_server, 60, "long")
    recipes = [Recipes(witness.zk) for witness in (short, long)]
    for handles in recipes:
        handles.use()
    short.wait_in_line("long")
    long.wait_in_line("short")
    own_server.kill()
    away = time.monotonic()
    wait_for(lambda: short.held.state == "AT_RISK" and long.held.state == "AT_RISK", 5, "both to know of the cut")
    wait_for(lambda: short.lost, 6, "the short session's lock to be lost, with nobody to say so")
    ((at, error),) = short.lost
    # Not before the lease was over at the earliest, and at its end at the latest.
    assert 2 < at - away < 4.5
    assert isinstance(error, exceptions.LockLost)
    with pytest.raises(exceptions.AcquireTimeout, match="not acquired"):
        short.zk.lock("third").acquire(timeout=1)
    wait_for(lambda: time.monotonic() - away > _AWAY, _AWAY + 5, "the minute to pass", interval=0.5)
    assert short.zk.state == "EXPIRED"
    assert [state for state in short.states if state != "SUSPENDED"] == ["EXPIRED"]
    own_server.start()
    for witness in (short, long):
        # A starting server may take a connection and forget it; that is given up after two fifths of a timeout.
        wait_for(lambda zk=witness.zk: zk.state == "CONNECTED", 45, f"the session after the outage: {witness.zk}")
    assert short.zk.session_id != short.session
    assert short.held.state == "LOST"
    if long.zk.session_id == long.session:
        wait_for(lambda: long.held.state in {"HELD", "LOST"}, 10, "the long session's lock to be verified")
    else:
        assert long.held.state == "LOST"
    for witness in (short, long):
        assert len(witness.lost) == (witness.held.state == "LOST")
        # Released or lost, it leaves nobody shut out.
        witness.held.release(wait=True)
    for witness in (short, long):
        # A server that starts gives the sessions that it knows a whole timeout, also one that its client gave up.
        witness.waiter.join(60 + 30)
        assert witness.granted == ["HELD"]
        with witness.zk.lock("short", timeout=30) as one, witness.zk.lock("long", timeout=30) as other:
            assert one.state == other.state == "HELD"
    for handles in recipes:
        handles.use()
        handles.zk.close()


def test_a_server_that_is_back_in_time_finds_the_session_again(own_server):
    # Away for half of the session timeout: pauses between tries must not have grown past the rest. The server starts
    # behind a link that is down: how long a JVM takes to start is no part of what we promise.
    with Proxy(own_server.port) as proxy:
        witness = Witness(proxy, 24, "l")
        proxy.cut()
        away = time.monotonic()
        own_server.kill()
        own_server.start()
        wait_for(lambda: witness.zk.state == "SUSPENDED", 5, "the cut")
        wait_for(lambda: time.monotonic() - away > 13, 15, "half of the session timeout to pass", interval=0.1)
        proxy.heal()
        wait_for(lambda: witness.held.state == "HELD", 24, "the lock to be verified in time")
        assert (witness.zk.session_id, witness.lost) == (witness.session, [])
        assert witness.states == ["SUSPENDED", "CONNECTED"]
        witness.zk.close()


def test_an_ensemble_that_was_wiped_ends_the_session_and_a_new_one_begins(own_server):
    witness = Witness(own_server, 4, "l")
    witness.zk.create("kept", b"x")
    recipes = Recipes(witness.zk)
    recipes.use()
    member = witness.zk.partitions("stays", items=["a", "b"], quiet=0.05).join("me")
    before = next(member.claims())
    before.checkpoint("gone with the server")
    first_token = witness.held.token
    own_server.kill()
    shutil.rmtree(own_server.data / "data" / "version-2")
    own_server.start()
    wait_for(lambda: "EXPIRED" in witness.states, 20, "the news that the session is over")
    wait_for(lambda: witness.zk.state == "CONNECTED", 20, "the next session")
    wait_for(lambda: witness.lost, 1, "on_lost")
    assert witness.held.state == "LOST"
    with pytest.raises(exceptions.LockLost):
        witness.held.check()
    assert witness.zk.exists("kept") is None
    # Tokens count the ensemble's changes, so they begin anew with it.
    with witness.lock as held:
        assert held.state == "HELD"
        assert held.token < first_token + 100
    recipes.use()
    # A member that stayed publishes its group again, and begins from nothing.
    with pytest.raises(exceptions.ClaimLost):
        before.check()
    assert member.run(lambda claim: claim.restore()) == 2
    assert witness.zk.partitions("stays").progress().results() == {"a": None, "b": None}
    witness.zk.close()
