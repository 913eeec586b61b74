"""The election as processes use it: one leader, tokens, hand-over, what leaders save, how strategies choose."""

import threading
import time

import pytest

import sparkeeper
from sparkeeper import exceptions
from waiting import wait_for


def test_what_a_term_says(zk):
    election = zk.election("streaming", id="driver-1")
    assert (election.path, election.id, election.strategy) == ("streaming", "driver-1", "fair")
    assert "not leading" in repr(election)
    assert election.leader() is None
    with election.campaign(timeout=60) as term:
        assert (term.state, term.id, term.path) == ("HELD", "driver-1", "streaming")
        assert 5 < term.valid_for() <= 10
        term.check()
        assert not term.lost
        assert not term.lost.is_set()
        assert not term.lost.wait(timeout=0)
        leader = election.leader()
        assert isinstance(leader, sparkeeper.Candidate)
        assert (leader.id, leader.token, leader.position, leader.priority) == ("driver-1", term.token, 0, None)
        assert leader.session_id == zk.session_id
        assert abs(leader.since / 1000 - time.time()) < 60
        assert election.candidates() == [leader]
        assert f"token={term.token}" in repr(term)
        assert "leading (HELD" in repr(election)
        assert "'streaming'" in repr(election)
    assert (term.state, term.valid_for()) == ("LOST", 0.0)
    assert term.lost
    assert term.lost.wait()
    assert "OVER" in repr(term)
    with pytest.raises(exceptions.TermLost, match="released"):
        term.check()
    wait_for(lambda: election.candidates() == [], 60, "the line to be empty")
    assert zk.election("streaming").id == zk.owner


def test_the_first_leads_and_the_next_follows_with_a_larger_token(zk, coordinator):
    first = zk.election("e", id="one").campaign()
    other = coordinator().election("e", id="two")
    with pytest.raises(exceptions.AcquireTimeout, match="one leads") as refused:
        other.campaign(timeout=2)
    assert str(first.token) in str(refused.value)
    with pytest.raises(exceptions.AcquireTimeout):
        other.campaign(timeout=0)
    wait_for(lambda: len(other.candidates()) == 1, 60, "nothing to be left of those campaigns")
    terms = []
    thread = threading.Thread(target=lambda: terms.append(other.campaign()))
    thread.start()
    wait_for(lambda: [found.id for found in other.candidates()] == ["one", "two"], 60, "both to stand")
    assert not terms
    first.step_down(wait=True)
    thread.join(60)
    (second,) = terms
    assert second.token > first.token
    first.step_down()
    second.check()


@pytest.mark.parametrize("state", [{"offset": 42, "naïve": [1.5, None, True, 2**70]}, [], "text", 0, None])
def test_what_one_leader_saves_the_next_restores(zk, coordinator, state):
    with zk.election("e").campaign() as term:
        assert term.restore() is None
        term.checkpoint({"offset": 1})
        term.checkpoint(state)
        assert term.restore() == state
    with coordinator().election("e").campaign(timeout=10) as term:
        assert term.restore() == state
    zk.delete("e", recursive=True)
    with zk.election("e").campaign(timeout=10) as term:
        assert term.restore() == state


def test_a_deposed_leader_saves_nothing(zk, coordinator):
    term = zk.election("e").campaign()
    term.checkpoint("old")
    zk.set("e.checkpoint", b'"guarded"', guard=term)
    term.step_down(wait=True)
    for write in (lambda: term.checkpoint("late"), lambda: zk.set("e.checkpoint", b"late", guard=term)):
        with pytest.raises(exceptions.TermLost, match="'e'"):
            write()
    assert coordinator().election("e").campaign().restore() == "guarded"


def test_a_checkpoint_is_json_and_has_a_mebibyte(zk):
    with zk.election("e").campaign() as term:
        for wrong, error in ((object(), TypeError), (float("nan"), ValueError), ({1: b""}, TypeError)):
            with pytest.raises(error):
                term.checkpoint(wrong)
        with pytest.raises(exceptions.PayloadTooLarge):
            term.checkpoint("x" * (2 << 20))
        assert term.restore() is None
        term.checkpoint("x" * 1_000_000)
        assert len(term.restore()) == 1_000_000


def test_terms_are_counted(zk):
    for _ in range(3):
        zk.election("e").campaign().step_down(wait=True)
    counted = zk.metrics()["e"]
    assert (counted.acquired, counted.released, counted.held) == (3, 3, 0)


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ({"strategy": "first"}, "vote"),
        ({"priority": 1}, 'strategy="priority"'),
        ({"strategy": "priority", "score": float}, 'strategy="vote"'),
        ({"strategy": "vote", "score": 3}, "function"),
    ],
)
def test_arguments_that_contradict_each_other_are_refused(zk, wrong, match):
    with pytest.raises(exceptions.ConfigError, match=match):
        zk.election("e", **wrong)


def test_the_root_is_refused(coordinator):
    with pytest.raises(exceptions.InvalidPath, match="path of its own"):
        coordinator(namespace="").election("/").campaign()


class Standing:
    """A candidate that campaigns in a thread, leads, and steps down when told."""

    def __init__(self, election):
        self.election, self.term, self.error = election, None, None
        self._let_go = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        try:
            with self.election.campaign() as term:
                self.term = term
                self._let_go.wait(60)
        except exceptions.SparkeeperError as error:
            self.error = error

    def step_down(self):
        self._let_go.set()
        self._thread.join(60)


def ids(election):
    """Who stands, the leader first."""
    return [found.id for found in election.candidates()]


def leading(standing):
    """Those that lead now."""
    return [one for one in standing if one.term is not None and one.term.state == "HELD"]


def stand(coordinator, candidates, strategy):
    """Let all stand, one after the other; the first leads when the others arrive."""
    standing = []
    for count, (name, settings) in enumerate(candidates, 1):
        standing.append(Standing(coordinator().election("e", id=name, strategy=strategy, **settings)))
        wait_for(lambda count=count: len(ids(standing[0].election)) == count, 60, "all to stand")
        wait_for(lambda: standing[0].term, 60, "the first to lead")
    return standing


def succession(coordinator, candidates, strategy):
    """Let each candidate lead once, and return their ids in that order."""
    standing = stand(coordinator, candidates, strategy)
    order, tokens = [], []
    for _ in candidates:
        (leader,) = wait_for(lambda: leading(standing), 60, "a leader")
        order.append(leader.election.id)
        tokens.append(leader.term.token)
        # Whoever leads is first, with the token of its term.
        assert leader.election.leader().token == leader.term.token
        assert ids(leader.election)[0] == leader.election.id
        assert len(leading(standing)) == 1
        leader.step_down()
    assert tokens == sorted(set(tokens))
    assert not any(one.error for one in standing)
    return order


def test_priority_elects_the_highest_and_ties_in_order_of_arrival(coordinator):
    candidates = [
        ("a", {"priority": 1}),
        ("b", {"priority": 5}),
        ("c", {}),
        ("d", {"priority": 5}),
        ("e", {"priority": 9}),
    ]
    # The first leads when those above it arrive, and stays until its term ends.
    assert succession(coordinator, candidates, "priority") == ["a", "e", "b", "d", "c"]


def test_fair_elects_in_order_of_arrival(coordinator):
    assert succession(coordinator, [(name, {}) for name in "abcd"], "fair") == list("abcd")


def test_random_elects_everybody_once(coordinator):
    assert sorted(succession(coordinator, [(name, {}) for name in "abcd"], "random")) == list("abcd")


def test_a_vote_elects_the_best_score_of_the_day(coordinator):
    scores = {"a": 0.0, "b": 1.0, "c": 2.0}
    candidates = [(name, {"score": lambda name=name: scores[name]}) for name in scores]
    a, b, c = stand(coordinator, candidates, "vote")
    tally = a.election.tally()
    assert (tally.total_votes, tally.valid_votes, tally.turnout, tally.winner) == (1, 1, 1.0, "a")
    # What counts is the score when the ballot is held, not on arrival.
    scores["b"] = 3.0
    a.step_down()
    wait_for(lambda: b.term, 60, "the furthest to lead")
    assert c.term is None
    tally = c.election.tally()
    assert isinstance(tally, sparkeeper.Tally)
    assert (tally.total_votes, tally.valid_votes, tally.turnout, tally.winner) == (2, 2, 1.0, "b")
    assert tally.token == b.term.token
    b.step_down()
    wait_for(lambda: c.term, 60, "the last to lead")
    c.step_down()


@pytest.mark.parametrize("score", [lambda: 1 / 0, lambda: "much", lambda: float("nan")])
def test_a_score_that_fails_ends_the_campaign_with_its_reason(zk, score):
    election = zk.election("e", strategy="vote", score=score)
    with pytest.raises(exceptions.ConfigError, match=r"ZeroDivisionError|TypeError|NaN"):
        election.campaign(timeout=10)
    wait_for(lambda: election.candidates() == [], 60, "nothing to be left")


@pytest.mark.parametrize(("here", "late"), [("priority", "vote"), ("random", "fair"), ("vote", "random")])
def test_mixed_strategies_are_refused_to_who_comes_later(zk, coordinator, here, late):
    with zk.election("e", id="one", strategy=here).campaign(timeout=10) as term:
        other = coordinator().election("e", strategy=late)
        with pytest.raises(exceptions.ConfigError, match=f'one stands in it with strategy "{here}"'):
            other.campaign(timeout=10)
        wait_for(lambda: ids(other) == ["one"], 60, "nothing to be left")
        term.check()


@pytest.mark.parametrize("strategy", ["fair", "random", "priority", "vote"])
def test_a_campaign_that_is_given_up_leaves_nothing(zk, coordinator, strategy):
    with zk.election("e", strategy=strategy).campaign(timeout=10) as term:
        other = coordinator()
        for timeout in (0, 0.05, 0.3):
            with pytest.raises(exceptions.AcquireTimeout):
                other.election("e", strategy=strategy).campaign(timeout=timeout)
        below = lambda: sum(len(zk.children(path)) for path in ("e", "e/candidates") if zk.exists(path))  # noqa: E731
        own = 1 if strategy == "fair" else 3
        wait_for(lambda: below() == own, 60, "only the leader's nodes")
        term.check()


@pytest.mark.parametrize("strategy", ["fair", "random", "priority", "vote"])
def test_trying_once_wins_where_nobody_stands(zk, strategy):
    with zk.election("e", strategy=strategy).campaign(timeout=0) as term:
        assert term.state == "HELD"
