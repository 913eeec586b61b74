"""A client moves between a server that is up to date and one that lags: its protected create still makes one node."""

import threading
import time

import pytest

import sparkeeper
from ensemble_lag import LaggingEnsemble
from proxy import Proxy
from waiting import wait_for
from wire import Op

LAG = 1.0


@pytest.fixture(scope="module")
def ensemble():
    with LaggingEnsemble() as running:
        assert running.leader() != 0, "the server that lags must follow"
        yield running


@pytest.fixture
def ways(ensemble):
    """Two ways into the ensemble: to the server that lags, and to a follower or leader that does not."""
    with Proxy(ensemble.nodes[0].port) as late, Proxy(ensemble.nodes[1].port) as prompt:
        yield late, prompt
        ensemble.lag(0, 0)


@pytest.fixture
def client(ways, namespace):
    late, prompt = ways
    late.cut()
    with sparkeeper.connect(
        f"{late.connect_string},{prompt.connect_string}", namespace=namespace, session_timeout=10, timeout=20
    ) as zk:
        zk.lock("l").acquire().release(wait=True)
        yield zk


@pytest.fixture
def witness(ensemble, namespace):
    """A session with the leader, which knows what is there."""
    with sparkeeper.connect(
        ensemble.nodes[ensemble.leader()].connect_string, namespace=namespace, session_timeout=10, timeout=20
    ) as zk:
        yield zk


def in_background(call):
    answers = []
    thread = threading.Thread(target=lambda: answers.append(call()), daemon=True)
    thread.start()
    return thread, answers


def created(request):
    return request.op in {Op.CREATE, Op.CREATE2} and b"-lock-" in request.body


def test_the_follower_does_lag(ensemble, namespace, witness):
    with sparkeeper.connect(
        ensemble.nodes[0].connect_string, namespace=namespace, session_timeout=10, timeout=20
    ) as behind:
        witness.create("seen", b"before")
        behind.sync("seen")
        ensemble.lag(0, LAG)
        try:
            witness.set("seen", b"after")
            assert behind.get("seen")[0] == b"before", "it answers from what it has"
            begun = time.monotonic()
            behind.sync("seen")
            assert behind.get("seen")[0] == b"after"
            assert time.monotonic() - begun > LAG / 2
        finally:
            ensemble.lag(0, 0)


def test_a_reply_is_lost_and_the_next_server_does_not_know_of_the_node_yet(ensemble, ways, client, witness):
    late, prompt = ways
    dropped = prompt.drop_reply(created, stay_down=True)
    ensemble.lag(0, LAG)
    late.heal()
    accepted = late.accepted
    thread, answers = in_background(lambda: client.lock("l").acquire(timeout=30))
    assert dropped.wait(60)
    thread.join(60)
    (held,) = answers
    assert late.accepted > accepted, "it moved to the server that lags"
    ensemble.lag(0, 0)
    witness.sync("l")
    # The one that the lost reply spoke of, adopted: its token is its creation.
    (name,) = witness.children("l")
    assert witness.exists(f"l/{name}").czxid == held.token
    assert witness.exists(f"l/{name}").ephemeral_owner == client.session_id
    held.check()
    held.release(wait=True)
    wait_for(lambda: not witness.exists("l") or not witness.children("l"), 60, "nothing to be left")


def test_a_create_is_still_on_its_way_when_the_client_moves_on(ensemble, ways, client, witness):
    late, prompt = ways
    # The client goes over to the server that lags, and asks there; what it asks takes long to reach the leader.
    late.heal()
    prompt.cut()
    client.sync("/")
    asked = late.requests[Op.CREATE] + late.requests[Op.CREATE2]
    ensemble.lag(LAG, 0)
    thread, answers = in_background(lambda: client.lock("l").acquire(timeout=30))
    wait_for(lambda: late.requests[Op.CREATE] + late.requests[Op.CREATE2] > asked, 60, "the create to be sent")
    sent = time.monotonic()
    # The server has it now; the leader does not.
    wait_for(lambda: time.monotonic() - sent > LAG / 10, 60, "the create to be with the server")
    prompt.heal()
    late.cut()
    thread.join(60)
    (held,) = answers
    # Whatever was still under way has arrived after that.
    ensemble.lag(0, 0)
    late.heal()
    with sparkeeper.connect(ensemble.nodes[0].connect_string, timeout=20) as behind:
        behind.sync("/")
    witness.sync("l")
    (name,) = witness.children("l")
    assert witness.exists(f"l/{name}").czxid == held.token
    held.check()
    held.release(wait=True)
    wait_for(lambda: not witness.exists("l") or not witness.children("l"), 60, "nothing to be left")
