"""An ensemble of real servers: it elects, it survives its leader, and a member that comes back joins again."""

import pytest

from peer import connect
from sparkeeper.exceptions import ConfigError, ConnectionLost
from sparkeeper.local import LocalEnsemble, ServerSettings
from waiting import wait_for
from wire import negotiate


@pytest.fixture(scope="module")
def ensemble():
    with LocalEnsemble(3) as running:
        yield running


def test_all_nodes_serve_and_one_leads(ensemble):
    assert sorted(node.mode for node in ensemble.nodes) == ["follower", "follower", "leader"]
    assert ensemble.nodes[ensemble.leader()].mode == "leader"
    assert len(set(ensemble.connect_string.split(","))) == 3


def test_another_leads_when_the_leader_is_killed_and_it_joins_again(ensemble):
    client = connect(ensemble.connect_string, timeout=30)
    try:
        client.create("/before", b"1")
        leader = ensemble.leader()
        ensemble.nodes[leader].kill()
        successor = ensemble.wait_quorum(30)
        assert successor != leader
        wait_for(lambda: client.connected, 60, "the client to connect to the quorum")
        client.create("/meanwhile", b"2")
        ensemble.nodes[leader].start()
        assert ensemble.nodes[leader].mode == "follower"
        assert ensemble.leader() == successor
    finally:
        client.stop()
    alone = connect(ensemble.nodes[leader].connect_string)
    try:
        alone.sync("/")
        assert alone.get("/before")[0] == b"1"
        assert alone.get("/meanwhile")[0] == b"2"
    finally:
        alone.stop()


def test_paused_leader_is_replaced_and_follows_when_continued(ensemble):
    leader = ensemble.wait_quorum()
    ensemble.nodes[leader].pause()
    try:
        assert wait_for(lambda: others_lead(ensemble, leader), 60, "another leader")
    finally:
        ensemble.nodes[leader].resume()
    wait_for(lambda: ensemble.nodes[leader].mode == "follower", 60, "the old leader to follow")


def others_lead(ensemble, paused):
    return any(node.mode == "leader" for index, node in enumerate(ensemble.nodes) if index != paused)


def test_without_a_quorum_nobody_serves(ensemble):
    first, second, third = ensemble.nodes
    first.stop()
    second.stop()
    wait_for(lambda: third.mode is None, 60, "the last node to stop serving")
    with pytest.raises(ConnectionLost, match="quorum of 3"):
        ensemble.wait_quorum(0.2)
    ensemble.start()
    ensemble.wait_quorum(30)
    assert all(node.mode for node in ensemble.nodes)


def test_one_node_is_no_ensemble_and_settings_reach_the_nodes():
    with pytest.raises(ConfigError, match="at least 2"):
        LocalEnsemble(1)
    with LocalEnsemble(2, settings=ServerSettings(session_timeouts=(1.0, 3.0))) as pair:
        assert [negotiate(node.port, 30.0) for node in pair.nodes] == [3.0, 3.0]
