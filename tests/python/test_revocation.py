"""Asking a holder to let go, and taking it by force from no other than the one that was meant."""

import threading

import pytest

from sparkeeper import exceptions
from waiting import wait_for
from wire import Op


def test_a_request_arrives_at_once_with_its_reason_and_once(coordinator):
    # A beat is five seconds here: the request must not wait for it.
    holder, other = coordinator(session_timeout=30), coordinator()
    held = holder.lock("l", owner="the nightly job").acquire()
    heard = []
    held.on_release_requested(heard.append)
    (asked,) = other.lock("l").request_release("maintenance at noon")
    assert (asked.owner, asked.token) == ("the nightly job", held.token)
    wait_for(lambda: heard == ["maintenance at noon"], 2, "the request")
    other.lock("l").request_release("now\nplease")
    wait_for(lambda: heard == ["maintenance at noon", "now\nplease"], 2, "the second")
    assert held.release_requested == "now\nplease"
    assert [shown.owner for shown in other.lock("l").contenders()] == ["the nightly job"]
    held.check()


def test_a_request_from_before_the_callback_is_told_too(coordinator):
    held = coordinator(session_timeout=30).lock("l").acquire()
    coordinator().lock("l").request_release("early")
    heard = []
    held.on_release_requested(heard.append)
    wait_for(lambda: heard == ["early"], 2, "what was asked before")


def test_a_holder_that_lets_go_when_asked(zk, coordinator):
    held = coordinator().lock("l").acquire()
    held.on_release_requested(lambda _: held.release())
    waiter = threading.Thread(target=zk.lock("l").acquire)
    waiter.start()
    wait_for(lambda: len(zk.lock("l").contenders()) == 2, 60, "the waiter")
    zk.lock("l").request_release("my turn")
    waiter.join(60)
    assert not waiter.is_alive()


def test_nobody_is_asked_where_it_is_free(zk):
    assert zk.lock("l").request_release() == []


def test_all_readers_are_asked_and_a_multi_lock_once(zk, coordinator):
    heard = []
    for name in ("one", "two"):
        held = coordinator().read_write_lock("p", owner=name).read().acquire()
        held.on_release_requested(lambda reason, name=name: heard.append((name, reason)))
    assert {asked.owner for asked in zk.read_write_lock("p").write().request_release("writing")} == {"one", "two"}
    wait_for(lambda: sorted(heard) == [("one", "writing"), ("two", "writing")], 60, "both")
    both = coordinator().multi_lock(["a", "b"]).acquire()
    told = []
    both.on_release_requested(told.append)
    assert len(zk.multi_lock(["b", "a", "c"]).request_release("first")) == 1
    zk.lock("a").request_release("second")
    wait_for(lambda: told == ["first", "second"], 60, "each request once")


def test_a_break_takes_it_from_who_was_meant_and_nobody_else(zk, coordinator):
    held = coordinator(session_timeout=1.5).lock("l", owner="stuck").acquire()
    with pytest.raises(exceptions.NotOwner, match=f"stuck \\(token {held.token}\\)"):
        zk.lock("l").break_(held.token - 1)
    held.check()
    lost = []
    held.on_lost(lost.append)
    assert zk.lock("l").break_(held.token).owner == "stuck"
    with pytest.raises(exceptions.LockLost):
        zk.create("late", guard=held)
    wait_for(lambda: lost, 60, "the old holder to learn it")
    assert held.state == "LOST"
    with zk.lock("l", timeout=5) as mine:
        with pytest.raises(exceptions.NotOwner):
            zk.lock("l").break_(held.token)
        mine.check()


async def test_the_asyncio_siblings(zk, coordinator):
    held = await coordinator().lock("l").acquire_async()
    assert [asked.token for asked in await zk.lock("l").request_release_async("x")] == [held.token]
    assert (await zk.lock("l").break_async(held.token)).token == held.token


def test_rights_forbid_both(coordinator):
    auth = {"auth": ("digest", "owner:secret"), "acl": "read_open"}
    held = coordinator(**auth).lock("guarded/l").acquire()
    other = coordinator().lock("guarded/l")
    with pytest.raises(exceptions.NotAuthorized):
        other.request_release("please")
    with pytest.raises(exceptions.NotAuthorized):
        other.break_(held.token)
    held.check()


def _asked_behind(proxy, operation, stay_down, call, meanwhile=lambda: None):
    """Make a call whose request arrives and whose reply is lost, and return what the call returned."""
    returned = []
    dropped = proxy.drop_reply(operation, stay_down=stay_down)
    thread = threading.Thread(target=lambda: returned.append(call()))
    thread.start()
    assert dropped.wait(60)
    meanwhile()
    if stay_down:
        wait_for(lambda: proxy.open == 0, 60, "the link to be down")
        proxy.heal()
    thread.join(60)
    (found,) = returned
    return found


@pytest.mark.parametrize("stay_down", [False, True])
def test_a_lost_reply_to_a_request_asks_once(proxy, coordinator, stay_down):
    asking, other = coordinator(proxy.connect_string, session_timeout=10), coordinator()
    held = coordinator(session_timeout=30).lock("l", owner="holder").acquire()
    heard = []
    held.on_release_requested(heard.append)
    lock = asking.lock("l")
    assert [shown.token for shown in lock.contenders()] == [held.token]
    (asked,) = _asked_behind(proxy, Op.SET_DATA, stay_down, lambda: lock.request_release("lost"))
    assert (asked.owner, asked.token) == ("holder", held.token)
    other.lock("l").request_release("last")
    wait_for(lambda: "last" in heard, 60, "the request after it")
    assert heard == ["lost", "last"]
    held.check()


@pytest.mark.parametrize("stay_down", [False, True])
def test_a_lost_reply_to_a_break_breaks_nobody_else(proxy, coordinator, stay_down):
    breaking, other = coordinator(proxy.connect_string, session_timeout=10), coordinator()
    held = coordinator().lock("l", owner="stuck").acquire()
    lock, after = breaking.lock("l"), []
    assert [shown.token for shown in lock.contenders()] == [held.token]
    take = lambda: after.append(other.lock("l").acquire(10))  # noqa: E731 - while the reply is lost
    broken = _asked_behind(proxy, Op.DELETE, stay_down, lambda: lock.break_(held.token), take)
    assert (broken.owner, broken.token) == ("stuck", held.token)
    wait_for(lambda: held.state == "LOST", 60, "the old holder to learn it")
    with after[0] as mine:
        mine.check()
        assert [shown.token for shown in lock.contenders()] == [mine.token]
