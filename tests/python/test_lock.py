"""The lock as one process uses it: exclusion, tokens, reentrancy, time limits, guarded writes."""

import threading
import time
from datetime import timedelta

import pytest

import sparkeeper
from sparkeeper import exceptions
from waiting import wait_for


def in_a_thread(call):
    """Return what `call` returns in another thread."""
    answers = []
    thread = threading.Thread(target=lambda: answers.append(call()))
    thread.start()
    thread.join(60)
    (answer,) = answers
    return answer


def test_one_holder_at_a_time_and_tokens_that_grow(zk, coordinator):
    tokens, inside, most = [], [], []

    def work():
        lock = coordinator().lock("jobs/nightly")
        for _ in range(10):
            with lock as held:
                inside.append(held)
                most.append(len(inside))
                tokens.append(held.token)
                inside.remove(held)

    threads = [threading.Thread(target=work) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(tokens) == 50
    assert set(most) == {1}
    assert tokens == sorted(set(tokens))
    wait_for(lambda: zk.lock("jobs/nightly").contenders() == [], 60, "the line to be empty")


def test_what_a_held_lock_says(zk):
    lock = zk.lock("jobs/nightly", owner="app-42")
    assert lock.path == "jobs/nightly"
    with lock as held:
        assert (held.state, held.owner, held.path) == ("HELD", "app-42", "jobs/nightly")
        assert 5 < held.valid_for() <= 10
        held.check()
        (contender,) = lock.contenders()
        assert isinstance(contender, sparkeeper.Contender)
        assert (contender.owner, contender.token, contender.position) == ("app-42", held.token, 0)
        assert contender.session_id == zk.session_id
        assert abs(contender.since / 1000 - time.time()) < 60
        assert f"token={held.token}" in repr(held)
        assert "HELD" in repr(lock)
    assert (held.state, held.valid_for()) == ("LOST", 0.0)
    assert "RELEASED" in repr(held)
    with pytest.raises(exceptions.LockLost, match="released"):
        held.check()


def test_the_default_owner_names_the_process(zk):
    with zk.lock("l") as held:
        assert held.owner == zk.owner
        assert " @ " in held.owner


def test_a_timed_acquire_ends_in_time_and_names_the_holder(zk, coordinator):
    held = coordinator().lock("l", owner="the other one").acquire()
    lock = zk.lock("l")
    begun = time.monotonic()
    with pytest.raises(exceptions.AcquireTimeout, match="the other one") as ended:
        lock.acquire(timeout=1)
    assert 0.9 < time.monotonic() - begun < 1.1
    assert str(held.token) in str(ended.value)
    assert isinstance(ended.value, TimeoutError)
    assert len(lock.contenders()) == 1
    begun = time.monotonic()
    with pytest.raises(exceptions.AcquireTimeout), zk.lock("l", timeout=timedelta(milliseconds=300)):
        pytest.fail("let in beside the holder")
    with pytest.raises(exceptions.AcquireTimeout):
        lock.acquire(timeout=0)
    assert time.monotonic() - begun < 0.6
    held.release(wait=True)
    lock.acquire(timeout=0).release()


@pytest.mark.parametrize("timeout", [-1, float("nan"), timedelta(seconds=-1), -(2**2000)])
def test_a_negative_timeout_is_refused(zk, timeout):
    with pytest.raises(exceptions.ConfigError, match="0 or more"):
        zk.lock("l").acquire(timeout=timeout)


@pytest.mark.parametrize("timeout", [float("inf"), 2**70, 2**2000], ids=["inf", "2**70", "2**2000"])
def test_a_timeout_may_be_as_good_as_none(zk, timeout):
    zk.lock("l", timeout=timeout).acquire(timeout=timeout).release()


@pytest.mark.parametrize(
    "make", [lambda zk: zk.lock("l"), lambda zk: zk.multi_lock(["l", "m"]), lambda zk: zk.semaphore("l")]
)
def test_a_timeout_without_a_server_says_that_none_is_reached(proxy, coordinator, make):
    zk = coordinator(proxy.connect_string, session_timeout=20)
    handle = make(zk)
    handle.acquire(timeout=10).release(wait=True)
    proxy.cut()
    wait_for(lambda: zk.state == "SUSPENDED", 60, "it to know that the link is down")
    with pytest.raises(exceptions.AcquireTimeout, match=r"no server of \S+ is reached \(session SUSPENDED\)") as late:
        handle.acquire(timeout=0.3)
    assert "let go" not in str(late.value)


def test_try_acquire_answers_at_once(zk, coordinator):
    held = zk.lock("l").try_acquire()
    assert held.state == "HELD"
    other = coordinator().lock("l")
    assert other.try_acquire() is None
    assert len(other.contenders()) == 1
    held.release(wait=True)
    assert other.try_acquire().token > held.token


def test_one_thread_enters_again_and_another_does_not(zk):
    lock = zk.lock("l")
    with lock as outer:
        with lock as inner:
            assert inner.token == outer.token
        assert outer.state == "HELD"
        assert in_a_thread(lock.try_acquire) is None
        second = zk.lock("l")
        assert second.try_acquire() is None, "a second handle is another contender"
    wait_for(lambda: lock.contenders() == [], 60, "the node to go with the outermost release")
    assert in_a_thread(lock.try_acquire).state == "HELD"


def test_a_thread_may_release_what_another_acquired_but_only_once(zk):
    lock = zk.lock("l")
    held = in_a_thread(lock.acquire)
    held.release(wait=True)
    assert lock.contenders() == []
    with pytest.raises(exceptions.NotOwner, match="'l'"):
        held.release()


def test_leaving_a_with_whose_body_released_is_no_error(zk):
    lock = zk.lock("l")
    with lock as held:
        held.release()
    with lock.acquire() as held:
        held.release(wait=True)
    with lock.acquire() as held:
        pass
    assert held.state == "LOST"
    wait_for(lambda: lock.contenders() == [], 60, "the line to be empty")


@pytest.mark.parametrize(
    "make",
    [
        lambda zk: zk.lock("l"),
        lambda zk: zk.read_write_lock("l").write(),
        lambda zk: zk.read_write_lock("l").read(),
        lambda zk: zk.multi_lock(["l", "m"]),
    ],
    ids=["lock", "write", "read", "multi"],
)
def test_each_with_releases_what_it_began_with(zk, make):
    lock = make(zk)
    with lock as outer:
        with lock as inner:
            inner.release()
            kept = lock.acquire()
        outer.check()
        kept.check()
        with lock:
            pass
        outer.check()
        kept.check()
    assert outer.state == inner.state == "LOST"
    kept.check()
    kept.release(wait=True)
    with pytest.raises(exceptions.NotOwner, match="released before"):
        outer.release()


async def test_each_async_with_releases_what_it_began_with(zk):
    lock = zk.lock("l")
    async with lock as outer:
        async with lock as inner:
            inner.release()
            kept = await lock.acquire_async()
        outer.check()
        kept.check()
    kept.check()
    kept.release()
    assert outer.state == "LOST"


def test_an_exception_passes_through_and_the_lock_is_free(zk, coordinator):
    with pytest.raises(ZeroDivisionError), zk.lock("l") as held:
        raise ZeroDivisionError
    assert coordinator().lock("l").acquire(timeout=5).token > held.token


def test_dropping_the_object_does_not_release(zk, coordinator):
    zk.lock("l").acquire()
    assert coordinator().lock("l").try_acquire() is None


def test_a_guarded_write_lands_only_while_the_lock_stands(zk, coordinator):
    zk.create("state", b"old")
    held = zk.lock("l").acquire()
    zk.set("state", b"new", guard=held)
    zk.create("made", b"", guard=held)
    zk.delete("made", guard=held)
    held.release(wait=True)
    refused = [
        lambda: zk.set("state", b"late", guard=held),
        lambda: zk.create("made", b"", guard=held),
        lambda: zk.delete("state", guard=held),
    ]
    for write in refused:
        with pytest.raises(exceptions.LockLost, match="'l'"):
            write()
    assert coordinator().get("state")[0] == b"new"
    assert zk.exists("made") is None


def test_the_lock_of_the_root_is_refused(coordinator):
    with pytest.raises(exceptions.InvalidPath, match="path of its own"):
        coordinator(namespace="").lock("/").acquire()


def test_a_thousand_locks_in_one_session(zk):
    helds = [zk.lock(f"many/{number}").acquire() for number in range(1000)]
    assert len({held.token for held in helds}) == 1000
    for held in helds:
        held.release()
    wait_for(lambda: not any(zk.children(f"many/{n}") for n in (0, 500, 999)), 60, "all to be free")


def test_of_two_acquisitions_the_released_one_is_over(zk):
    zk.create("state", b"old")
    lock = zk.lock("l")
    first, second = lock.acquire(), lock.acquire()
    first.release()
    assert (first.state, first.valid_for()) == ("LOST", 0.0)
    assert "RELEASED" in repr(first)
    with pytest.raises(exceptions.LockLost, match="it was released"):
        first.check()
    with pytest.raises(exceptions.LockLost, match="it was released"):
        zk.set("state", b"late", guard=first)
    zk.set("state", b"new", guard=second)
    assert second.state == "HELD"
    with lock as third:
        pass
    assert (third.state, second.state) == ("LOST", "HELD")
    with pytest.raises(exceptions.NotOwner, match="released before"):
        third.release()
    second.release(wait=True)
    assert (zk.get("state")[0], lock.contenders()) == (b"new", [])


@pytest.mark.parametrize("handle", ["lock", "semaphore", "election", "queue"])
def test_a_guard_that_is_no_grant_is_refused(zk, handle):
    given = zk.semaphore("x", 1) if handle == "semaphore" else getattr(zk, handle)("x")
    name = type(given).__name__
    with pytest.raises(
        TypeError, match=rf"^guard: give what acquire\(\), campaign\(\), claims\(\) or get\(\) returned, not a {name}\b"
    ):
        zk.create("made", guard=given)
    assert zk.exists("made") is None
