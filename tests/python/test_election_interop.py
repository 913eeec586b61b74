"""Curator's LeaderLatch, out of Spark's own jars, and kazoo's Election stand with us in one line."""

import threading

import pytest
from kazoo.recipe.election import Election as KazooElection
from kazoo.recipe.lock import Lock as KazooLock

import peer
from curator import Curator
from sparkeeper import exceptions
from waiting import wait_for


@pytest.fixture
def curator(spark, connect_string):
    with Curator(spark, connect_string) as running:
        yield running


@pytest.fixture
def kazoo(connect_string):
    client = peer.connect(connect_string)
    yield client
    client.stop()
    client.close()


@pytest.fixture
def path(namespace):
    """The election's absolute path, for those who know no namespace."""
    return f"/{namespace}/e"


@pytest.fixture
def latch(curator, path):
    """Start a LeaderLatch under a participant's id."""
    started = []

    def start(name):
        made = curator.jvm.org.apache.curator.framework.recipes.leader.LeaderLatch(curator.client, path, name)
        made.start()
        started.append(made)
        return made

    yield start
    for made in started:
        if made.getState().toString() == "STARTED":
            made.close()


def kazoo_election(client, path, name):
    """Return kazoo's election, told about names that are not its own."""
    election = KazooElection(client, path, name)
    election.lock = KazooLock(client, path, name, extra_lock_patterns=["-latch-"])
    return election


def lead(election):
    """Campaign in a thread; the term is in the list as soon as we lead."""
    terms = []
    threading.Thread(target=lambda: terms.append(election.campaign(timeout=60)), daemon=True).start()
    return terms


def test_a_leader_latch_leads_and_we_follow(latch, curator, coordinator):
    election = coordinator().election("e", id="a PySpark job")
    theirs = latch("a Scala job")
    wait_for(theirs.hasLeadership, 60, "the latch to lead")
    shown = election.leader()
    assert shown.id == "a Scala job"
    assert shown.session_id & 0xFFFFFFFFFFFFFFFF == curator.session_id
    with pytest.raises(exceptions.AcquireTimeout, match="a Scala job leads"):
        election.campaign(timeout=2)
    terms = lead(election)
    wait_for(lambda: [found.id for found in election.candidates()] == ["a Scala job", "a PySpark job"], 60, "our node")
    assert not terms
    participants = {found.getId(): found.isLeader() for found in theirs.getParticipants()}
    assert participants == {"a Scala job": True, "a PySpark job": False}
    theirs.close()
    wait_for(lambda: terms, 60, "us to lead")
    assert terms[0].token > shown.token


def test_we_lead_and_a_leader_latch_follows(latch, coordinator):
    election = coordinator().election("e", id="a PySpark job")
    term = election.campaign()
    theirs = latch("a Scala job")
    wait_for(lambda: len(election.candidates()) == 2, 60, "the latch to stand")
    assert not theirs.hasLeadership()
    assert theirs.getLeader().getId() == "a PySpark job"
    term.step_down()
    wait_for(theirs.hasLeadership, 60, "the latch to lead")
    assert election.leader().id == "a Scala job"
    with pytest.raises(exceptions.TermLost):
        term.checkpoint("late")


def test_in_order_of_arrival_with_leader_latches(latch, coordinator):
    first = coordinator().election("e", id="0")
    term = first.campaign()
    theirs, ours = latch("1"), None
    wait_for(lambda: len(first.candidates()) == 2, 60, "the latch to stand")
    ours = lead(coordinator().election("e", id="2"))
    wait_for(lambda: len(first.candidates()) == 3, 60, "us to stand")
    last = latch("3")
    wait_for(lambda: [found.id for found in first.candidates()] == list("0123"), 60, "all to stand")
    term.step_down()
    wait_for(theirs.hasLeadership, 60, "the first latch")
    assert not ours
    assert not last.hasLeadership()
    theirs.close()
    wait_for(lambda: ours, 60, "us")
    assert not last.hasLeadership()
    ours[0].step_down()
    wait_for(last.hasLeadership, 60, "the last latch")


@pytest.mark.parametrize("strategy", ["random", "priority", "vote"])
def test_whoever_is_elected_by_ballot_excludes_a_leader_latch_too(latch, coordinator, strategy):
    election = coordinator().election("e", id="ours", strategy=strategy)
    term = election.campaign(timeout=10)
    theirs = latch("theirs")
    wait_for(lambda: len(election.candidates()) == 2, 60, "the latch to stand")
    assert not theirs.hasLeadership()
    terms = lead(coordinator().election("e", id="next", strategy=strategy))
    wait_for(lambda: len(election.candidates()) == 3, 60, "the next to stand")
    term.step_down()
    wait_for(theirs.hasLeadership, 60, "the latch to lead, which stood in the line")
    assert not terms
    theirs.close()
    wait_for(lambda: terms, 60, "the next to be elected")


def test_kazoo_leads_and_we_follow(kazoo, coordinator, path):
    election = coordinator().election("e", id="a PySpark job")
    theirs = kazoo_election(kazoo, path, "a kazoo job")
    led, let_go = threading.Event(), threading.Event()

    def work():
        led.set()
        let_go.wait(60)

    thread = threading.Thread(target=theirs.run, args=(work,), daemon=True)
    thread.start()
    assert led.wait(60)
    assert election.leader().id == "a kazoo job"
    terms = lead(election)
    wait_for(lambda: len(election.candidates()) == 2, 60, "our node")
    assert theirs.contenders() == ["a kazoo job", "a PySpark job"]
    assert not terms
    let_go.set()
    wait_for(lambda: terms, 60, "us to lead")
    terms[0].check()
    thread.join(60)


def test_we_lead_and_kazoo_follows(kazoo, coordinator, path):
    election = coordinator().election("e", id="a PySpark job")
    term = election.campaign()
    led = threading.Event()
    thread = threading.Thread(target=kazoo_election(kazoo, path, "a kazoo job").run, args=(led.set,), daemon=True)
    thread.start()
    wait_for(lambda: [found.id for found in election.candidates()] == ["a PySpark job", "a kazoo job"], 60, "its node")
    assert not led.is_set()
    term.step_down()
    assert led.wait(60)
    thread.join(60)
    wait_for(lambda: election.candidates() == [], 60, "the line to be empty")
