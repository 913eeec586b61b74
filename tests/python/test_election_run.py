"""The loop that leads again and again, watching who leads, and handles that travel."""

import asyncio
import functools
import pickle
import threading
import time

import pytest

import sparkeeper
from program import Program
from sparkeeper import exceptions
from waiting import wait_for


def lose(zk, path):
    """Take the term away by deleting its node."""
    (name,) = [name for name in zk.children(path) if "-latch-" in name]
    zk.delete(f"{path}/{name}")


def in_a_thread(call):
    """Start a call in a thread; the list gets what it returns or raises."""
    ended = []

    def work():
        try:
            ended.append(call())
        except Exception as error:  # noqa: BLE001 - the test looks at it
            ended.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread, ended


def test_run_campaigns_again_when_the_callable_returns_and_ends_after_so_many_terms(zk):
    tokens = []
    zk.election("e").run(lambda term: tokens.append(term.token), terms=5)
    assert len(tokens) == 5
    assert tokens == sorted(set(tokens))
    wait_for(lambda: zk.election("e").candidates() == [], 60, "nobody to stand any more")


def test_run_gives_others_their_turn(zk, coordinator):
    order = []
    note = lambda term: order.append(term.id)  # noqa: E731 - short
    runs = [in_a_thread(lambda name=name: coordinator().election("e", id=name).run(note, terms=3)) for name in "ab"]
    for thread, ended in runs:
        thread.join(60)
        assert ended == [None]
    assert sorted(order) == ["a"] * 3 + ["b"] * 3
    assert zk.metrics() == {}


@pytest.mark.parametrize("polite", [True, False])
def test_run_campaigns_again_when_the_term_is_lost(zk, coordinator, polite):
    tokens = []

    def work(term):
        tokens.append(term.token)
        if len(tokens) < 3:
            lose(zk, "e")
            assert term.lost.wait(timeout=60)
            if not polite:
                term.check()

    coordinator(session_timeout=4).election("e").run(work, terms=3)
    assert len(tokens) == 3
    assert tokens == sorted(set(tokens))


def test_run_campaigns_again_after_an_expiry(proxy, coordinator):
    tokens = []

    def work(term):
        tokens.append(term.token)
        if len(tokens) == 1:
            proxy.cut()
            assert term.lost.wait(timeout=60)
            proxy.heal()

    coordinator(proxy.connect_string, session_timeout=1).election("e").run(work, terms=2)
    assert tokens == sorted(set(tokens))
    assert len(tokens) == 2


def test_what_the_callable_raises_ends_run_after_stepping_down(zk, coordinator):
    with pytest.raises(ZeroDivisionError):
        zk.election("e").run(lambda _: 1 / 0)
    with coordinator().election("e").campaign(timeout=5) as term:
        term.check()
    # The loss of something else is not the loss of the term.
    held = zk.lock("l").acquire()
    held.release()
    with pytest.raises(exceptions.LockLost):
        zk.election("e").run(lambda _: held.check())


def test_stop_ends_a_run_that_waits_and_asks_one_that_leads(zk, coordinator):
    election, other = zk.election("e"), coordinator().election("e")
    seen = []

    def work(term):
        seen.append(term)
        assert term.lost.wait(timeout=60)
        # Asked to stop, it leads still: what it saves lands, and nobody leads beside it.
        seen.append((term.state, other.leader().token))
        term.checkpoint("last words")

    leads, led = in_a_thread(lambda: election.run(work))
    wait_for(lambda: seen, 60, "the first to lead")
    waits, waited = in_a_thread(lambda: other.run(work))
    wait_for(lambda: len(election.candidates()) == 2, 60, "the second to wait")
    other.stop()
    waits.join(60)
    assert waited == [None]
    wait_for(lambda: len(election.candidates()) == 1, 60, "the second to be gone")
    assert not seen[0].lost
    election.stop()
    leads.join(60)
    assert led == [None]
    assert seen[1] == ("HELD", seen[0].token)
    with other.campaign(timeout=5) as term:
        assert term.restore() == "last words"
    # Once stopped, always stopped.
    election.run(work)


def test_a_run_ends_with_its_coordinator(zk, coordinator):
    zk.election("e").campaign()
    closing = coordinator()
    waits, waited = in_a_thread(lambda: closing.election("e").run(print))
    wait_for(lambda: len(zk.election("e").candidates()) == 2, 60, "it to wait")
    closing.close()
    waits.join(2)
    assert isinstance(waited[0], exceptions.Closed)


def test_observers_see_every_change(zk, coordinator):
    watching = coordinator().election("e")
    leaders, seen = watching.observe(), []
    thread, ended = in_a_thread(lambda: seen.extend(iter(leaders)) or "ended")

    def last(count):
        return wait_for(lambda: len(seen) == count and seen[-1:], 60, f"change {count}")[0]

    assert last(1) is None
    first = zk.election("e", id="one").campaign()
    assert (last(2).id, last(2).token) == ("one", first.token)
    first.step_down(wait=True)
    assert last(3) is None
    second = zk.election("e", id="two").campaign()
    assert (last(4).id, last(4).token) == ("two", second.token)
    zk.close()
    assert last(5) is None
    leaders.close()
    thread.join(60)
    assert ended == ["ended"]
    assert "last seen leader" in repr(watching)


def furthest():
    """A score."""
    return 42.0


_ELSEWHERE = """
import pickle
election = pickle.loads(bytes.fromhex(sys.argv[1]))
with election.campaign(timeout=20) as term:
    say([election.id, election.strategy, election.path, term.token, term.restore()])
    hear()
"""


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"id": "x"},
        {"strategy": "priority", "priority": 3},
        {"strategy": "random"},
        {"strategy": "vote", "score": max},
    ],
)
def test_a_handle_pickles_as_configuration(zk, settings):
    election = zk.election("e", **settings)
    copy = pickle.loads(pickle.dumps(election))
    assert repr(copy) == repr(election)
    assert isinstance(copy, sparkeeper.Election)


def test_a_handle_leads_in_another_process(zk):
    election = zk.election("e", id="driver", strategy="vote", score=time.time)
    with election.campaign() as term:
        term.checkpoint(1)
        token = term.token
    with Program(_ELSEWHERE, pickle.dumps(election).hex()) as program:
        identity, strategy, path, later, saved = program.answer()
        assert (identity, strategy, path, saved) == ("driver", "vote", "e", 1)
        assert later > token
        assert zk.election("e").leader().token == later
        assert zk.election("e").tally().winner == "driver"


def test_what_does_not_pickle_says_so(zk):
    with zk.election("e").campaign() as term, pytest.raises(TypeError, match="belongs to the session"):
        pickle.dumps(term)
    with pytest.raises((AttributeError, pickle.PicklingError), match="lambda"):
        pickle.dumps(zk.election("e", strategy="vote", score=lambda: 1.0))
    assert pickle.loads(pickle.dumps(zk.election("e", strategy="vote", score=furthest))).strategy == "vote"


def test_a_score_may_use_the_coordinator(zk):
    zk.create("progress", b"7")
    election = zk.election("e", strategy="vote", score=lambda: int(zk.get("progress")[0]))
    with election.campaign(timeout=10):
        assert election.tally().valid_votes == 1


async def coroutine_function(_term):
    """Do nothing."""


@pytest.mark.parametrize(
    ("work", "terms", "refusal"),
    [
        (coroutine_function, None, (TypeError, "use run_async")),
        (functools.partial(coroutine_function), None, (TypeError, "use run_async")),
        (None, None, (TypeError, "give a function")),
        (print, 0, (exceptions.ConfigError, "terms=0")),
        (print, -1, (exceptions.ConfigError, "terms=-1")),
        (print, 1.5, (exceptions.ConfigError, "terms=1.5")),
        (print, "x", (exceptions.ConfigError, "terms='x'")),
    ],
)
def test_run_refuses_before_it_campaigns(zk, work, terms, refusal):
    zk.create("e")
    created = zk.exists("e").cversion
    with pytest.raises(refusal[0], match=refusal[1]):
        zk.election("e").run(work, terms=terms)
    assert zk.exists("e").cversion == created


def test_run_does_not_spin_over_a_lambda_that_makes_a_coroutine(zk):
    with pytest.raises(TypeError, match="use run_async"):
        zk.election("e").run(lambda _: coroutine_function(None))
    assert zk.election("e").candidates() == []


async def test_run_async_takes_whatever_can_be_awaited_and_refuses_the_rest(zk):
    await zk.election("e").run_async(lambda _: coroutine_function(None), terms=1)
    for work, terms, (kind, message) in (
        (lambda _: None, None, (TypeError, "use run")),
        (None, None, (TypeError, "give a function")),
        (coroutine_function, 0, (exceptions.ConfigError, "terms=0")),
    ):
        with pytest.raises(kind, match=message):
            await zk.election("e").run_async(work, terms=terms)
    assert await zk.election("e").candidates_async() == []


async def test_run_cancels_the_callable_when_its_term_is_lost(zk, coordinator):
    tokens, cancelled = [], []

    async def work(term):
        tokens.append(term.token)
        if len(tokens) == 3:
            return
        try:
            await asyncio.to_thread(lose, zk, "e")
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.append(term.state)
            raise

    await asyncio.wait_for(coordinator(session_timeout=4).election("e").run_async(work, terms=3), 30)
    assert tokens == sorted(set(tokens))
    assert cancelled == ["LOST", "LOST"]
