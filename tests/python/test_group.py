"""Group membership: who is there, under numbers that everybody shares, through every way of coming and going."""

import asyncio
import pickle
import random
import threading
import time

import pytest

import sparkeeper
from sparkeeper import exceptions
from waiting import wait_for


def test_members_say_who_they_are(zk, coordinator):
    group = zk.group("workers")
    assert (group.members(), len(group.view())) == ([], 0)
    with group.join(b"one", id="a") as me, coordinator().group("workers").join(id="b") as other:
        a, b = coordinator().group("workers").members()
        assert (a.id, a.data, a.incarnation, a.session_id) == ("a", b"one", me.incarnation, zk.session_id)
        assert (b.id, b.data, b.incarnation) == ("b", b"", other.incarnation)
        assert abs(a.since / 1000 - time.time()) < 60
        assert (me.state, me.id, me.path) == ("JOINED", "a", "workers")
        view = group.view()
        assert view.members == {"a": me.incarnation, "b": other.incarnation}
        assert (len(view), "a" in view, "c" in view) == (2, True, False)
        assert view == coordinator().group("workers").view()
        me.update(b"two")
        assert [member.data for member in group.members()] == [b"two", b""]
        assert group.view() == view, "what a member says is no part of the view"
        me.leave()
        # Asked on the same session: it is gone, although nobody waited.
        assert [member.id for member in group.members()] == ["b"]
        assert group.view().number > view.number
        assert me.state == "LEFT"
        with pytest.raises(exceptions.NotOwner, match="'a' of group 'workers'"):
            me.update(b"late")
        me.leave(wait=True)
    assert group.members() == []


def test_a_fresh_id_each_and_one_id_once(zk, coordinator):
    group = zk.group("g")
    ids = {group.join().id for _ in range(10)}
    assert len(ids) == 10
    group.join(id="a")
    begun = time.monotonic()
    with pytest.raises(exceptions.NodeExists, match="this coordinator has one"):
        group.join(id="a")
    with pytest.raises(exceptions.NodeExists, match=f"session {zk.session_id:#x}"):
        coordinator().group("g").join(id="a", timeout=0)
    assert time.monotonic() - begun < 1
    for name in ("x/y", "", "..", "a\0"):
        with pytest.raises(exceptions.InvalidPath):
            group.join(id=name)
    with pytest.raises(exceptions.PayloadTooLarge):
        group.join(bytes(2**21))
    assert len(group.members()) == 11


def test_a_duplicate_is_refused_after_one_and_a_half_session_timeouts(zk, coordinator):
    zk.group("g").join(id="a")
    other = coordinator(session_timeout=1).group("g")
    begun = time.monotonic()
    with pytest.raises(exceptions.NodeExists, match=r"did not end within 1\.5s"):
        other.join(id="a")
    assert 1.4 < time.monotonic() - begun < 3
    begun = time.monotonic()
    with pytest.raises(exceptions.NodeExists):
        other.join(id="a", timeout=0.3)
    assert 0.25 < time.monotonic() - begun < 1


def test_the_same_id_again_is_a_larger_incarnation(zk):
    group = zk.group("g")
    seen = []
    for _ in range(20):
        with group.join(id="a") as me:
            seen.append(me.incarnation)
    assert seen == sorted(set(seen))


def test_every_observer_sees_the_same_members_under_a_number(coordinator, proxy):
    told = []

    def observe(zk):
        views = []
        told.append(views)
        zk.group("g").on_change(lambda view: views.append((view.number, tuple(view.members.items()))))

    for _ in range(3):
        observe(coordinator())
    observe(coordinator(proxy.connect_string, session_timeout=1))
    chance = random.Random(5)
    groups = [coordinator().group("g") for _ in range(4)]
    standing = []
    for turn in range(150):
        if standing and (chance.random() < 0.5 or len(standing) > 8):
            standing.pop(chance.randrange(len(standing))).leave(wait=True)
        else:
            # Few ids, so that one goes and comes between two looks.
            free = [name for name in "abcdefghij" if name not in {member.id for member in standing}]
            standing.append(chance.choice(groups).join(id=chance.choice(free)))
        if turn == 50:
            proxy.cut()
        if turn == 100:
            proxy.heal()
    last = coordinator().group("g").view()
    final = tuple(last.members.items())
    wait_for(lambda: all(views and views[-1][1] == final for views in told), 60, "everybody to see the last view")
    meaning = {}
    for views in told:
        numbers = [number for number, _ in views]
        assert numbers == sorted(set(numbers)), "numbers grow"
        for number, members in views:
            assert meaning.setdefault(number, members) == members, "one number, two views"
    assert meaning[last.number] == final
    assert len(meaning) > 50


def test_numbers_grow_when_the_group_vanishes_in_between(zk, coordinator):
    group = zk.group("deep/g")
    views = []
    coordinator().group("deep/g").on_change(views.append)
    wait_for(lambda: views, 60, "the view before anybody came")
    for _ in range(5):
        with group.join(id="a"):
            numbers = [group.view().number]
            wait_for(lambda: views and len(views[-1]) == 1, 60, "it to be seen")
        wait_for(lambda: len(views[-1]) == 0, 60, "it to be seen to go")
        # As the server does with empty containers.
        zk.delete("deep", recursive=True)
        numbers.append(group.view().number)
        assert len(group.view()) == 0
        assert numbers == sorted(set(numbers))
    told = [view.number for view in views]
    assert told == sorted(set(told))
    assert len(told) == 11


def test_waiting_for_members(zk, coordinator):
    group, joined = zk.group("g"), []
    assert len(group.wait_for(0, timeout=0)) == 0
    with pytest.raises(exceptions.AcquireTimeout, match=r"'g': no 1 members.*has 0"):
        group.wait_for(1, timeout=0)
    waiter = threading.Thread(target=lambda: joined.append(coordinator().group("g").wait_for(3, timeout=30)))
    waiter.start()
    members = [group.join(id=name) for name in "abc"]
    waiter.join(60)
    assert joined[0].members == {member.id: member.incarnation for member in members}
    begun = time.monotonic()
    with pytest.raises(exceptions.AcquireTimeout, match=r"has 3 \(a, b, c\)"):
        group.wait_for(4, timeout=2)
    assert 1.95 < time.monotonic() - begun < 3


async def test_the_siblings(zk, coordinator):
    group = zk.group("g")
    async with await group.join_async(b"x", id="a") as me:
        await me.update_async(b"y")
        assert [member.data for member in await group.members_async()] == [b"y"]
        assert await group.view_async() == group.view()
        waiting = asyncio.create_task(group.wait_for_async(2, timeout=10))
        other = await coordinator().group("g").join_async()
        assert len(await waiting) == 2
        await other.leave_async(wait=True)
    assert await group.members_async() == []
    with pytest.raises(exceptions.AcquireTimeout):
        await group.wait_for_async(1, timeout=0.1)


async def test_a_cancelled_join_leaves_nothing(zk, coordinator):
    chance, group = random.Random(3), zk.group("g")
    await group.join_async(id="keeps")
    # The moments gather around the one at which a join is through, however fast the machine is now.
    longest = 0.004
    outcomes = {"joined": 0, "cancelled": 0}
    for number in range(200):
        task = asyncio.create_task(group.join_async(id=f"{number}"))
        end = time.perf_counter() + chance.uniform(0, longest)
        while time.perf_counter() < end:  # noqa: ASYNC110 - any moment will do
            await asyncio.sleep(0)
        task.cancel()
        try:
            (await task).leave()
            outcomes["joined"] += 1
            longest *= 0.8
        except asyncio.CancelledError:
            outcomes["cancelled"] += 1
            longest *= 1.2
    assert min(outcomes.values()) > 10, outcomes
    observer = coordinator().group("g")
    await asyncio.to_thread(wait_for, lambda: len(observer.members()) == 1, 10, "nobody but the one that stays")


def test_handles_travel_and_memberships_do_not(zk):
    group = zk.group("g")
    me = group.join(id="a")
    copied = pickle.loads(pickle.dumps(group))
    assert copied.members() == group.members()
    with pytest.raises(TypeError, match="'a' in 'g'"):
        pickle.dumps(me)
    assert repr(group) == f"<Group 'g' last seen view {me.incarnation} of 1: 'a'>"
    assert repr(me) == f"<Membership 'a' in 'g' JOINED incarnation={me.incarnation}>"
    assert f"number={group.view().number}" in repr(group.view())
    assert "data=<0 bytes>" in repr(group.members()[0])
    with pytest.raises(TypeError, match="callable"):
        group.on_change("not a function")


def test_closing_the_coordinator_ends_it(coordinator):
    zk = coordinator()
    me = zk.group("g").join(id="a")
    zk.close()
    wait_for(lambda: me.state == "LEFT", 2, "the member to know")
    with pytest.raises(exceptions.Closed):
        me.update(b"x")
    with pytest.raises(exceptions.Closed):
        zk.group("g").join(id="b")
    me.leave(wait=True)
    wait_for(lambda: coordinator().group("g").members() == [], 60, "the node to go with the session")


def test_dropping_the_coordinator_ends_it_too(coordinator, connect_string, namespace):
    zk = sparkeeper.connect(connect_string, namespace=namespace)
    zk.group("g").join(id="a")
    zk.group("g").on_change(lambda _: None)
    observer = coordinator().group("g")
    assert len(observer.members()) == 1
    del zk
    wait_for(lambda: observer.members() == [], 60, "the session to be closed")
