"""What a group does when members come, go, flap, freeze and die, and when replies are lost."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from sparkeeper import exceptions
from waiting import wait_for
from wire import Op


def take_all(member, count):
    wait_for(lambda: len(member.held) == count, 60, f"{member.id} to hold {count}, has {len(member.held)}")
    claims = member.claims(hold=True)
    return [next(claims) for _ in range(count)]


def settled(group, generation):
    return wait_for(
        lambda: (found := group.assignment()) and found.generation >= generation and found, 60, f"{generation}"
    )


def test_a_thousand_over_ten_move_as_few_as_can_be(zk):
    group = zk.partitions("p", items=range(1000), quiet=0.3)
    members = {f"m{at}": group.join(f"m{at}") for at in range(10)}
    wait_for(lambda: {len(member.held) for member in members.values()} == {100}, 60, "an even spread")
    hands = {name: take_all(member, 100) for name, member in members.items()}
    first = group.assignment()
    assert sorted(first.certificate.loads) == [100] * 10
    heard = []
    for claims in hands.values():
        for claim in claims:
            claim.on_release_requested(heard.append)
            claim.on_lost(lambda error: heard.append(str(error)))

    # A leader change without a membership change: nothing moves, nothing is published.
    election = zk.election("p/leader")
    before = election.leader()
    (name,) = [name for name in zk.children("p/leader") if zk.exists(f"p/leader/{name}").czxid == before.token]
    zk.delete(f"p/leader/{name}")
    wait_for(lambda: (now := election.leader()) is not None and now.token != before.token, 60, "another leader")

    # A leave: its hundred move, nobody else hears of it.
    members.pop("m3").leave(wait=True)
    its_own = {claim.partition for claim in hands.pop("m3")}
    left = settled(group, first.generation + 1)
    assert left.generation == first.generation + 1, "the change of leaders published nothing"
    assert left.certificate.moves == left.certificate.moves_lower_bound == 100
    wait_for(lambda: sum(len(member.held) for member in members.values()) == 1000, 60, "all to be claimed again")
    assert not set(heard) - its_own, "the others hear nothing"
    assert {claim.state for claims in hands.values() for claim in claims} == {"HELD"}
    heard.clear()
    assert max(left.certificate.loads) - min(left.certificate.loads) == 1

    # Two joins: what moves are the newcomers' shares, and nothing that its owner did not let go of.
    members["m3"] = group.join("m3")
    back = settled(group, left.generation + 1)
    assert back.certificate.moves == 100
    wait_for(lambda: {len(member.held) for member in members.values()} == {100}, 60, "an even spread")
    assert heard == [], "what nobody works on goes first"
    fresh = {entry.partition: entry.token for entry in group.progress()}
    members["m10"] = group.join("m10")
    joined = settled(group, back.generation + 1)
    assert joined.certificate.moves == 90
    moved = {item for item, owner in joined.owners.items() if back.owners[item] != owner}
    assert len(moved) == 90
    in_hand = {claim.partition: claim for claims in hands.values() for claim in claims}
    asked = moved & in_hand.keys()
    wait_for(lambda: sorted(heard) == sorted(asked), 60, "those that move to be asked for, and no other")
    assert all(in_hand[item].state == "HELD" for item in asked), "asked for is not taken away"
    for item in asked:
        in_hand[item].release()
    wait_for(lambda: len(members["m10"].held) == 90, 60, "the newcomer to have its share")
    after = {entry.partition: entry.token for entry in group.progress()}
    assert {item for item in after if after[item] != fresh[item]} == moved
    assert all(after[item] >= fresh[item] for item in after)
    for member in members.values():
        member.leave()


def test_a_static_member_back_in_time_finds_all_as_it_was(zk, coordinator):
    group = zk.partitions("p", items=range(12), quiet=0.1)
    with group.join("stays") as stays:
        away = coordinator()
        before_restart = away.partitions("p").join("away", static=3600)
        wait_for(lambda: len(stays.held) == 6, 60, "a half")
        before = group.assignment()
        tokens = {entry.partition: entry.token for entry in group.progress() if entry.owner == "stays"}
        assert len(before_restart.held) == 6
        away.close()
        wait_for(lambda: list(group.members()) == ["stays"], 60, "the other to be gone")
        wait_for(lambda: group.progress().counts["claimed"] == 6, 60, "its claims to be gone")
        back = coordinator().partitions("p").join("away", static=3600)
        wait_for(lambda: len(back.held) == 6, 60, "the same half")
        assert group.assignment() == before, "0 moves, and nothing published"
        assert tokens == {entry.partition: entry.token for entry in group.progress() if entry.owner == "stays"}
        # Past its delay its partitions go to who is there.
        back.update(static=0.2)
        wait_for(lambda: group.assignment().members["away"].static == 0.2, 60, "the leader to know")
        back.leave(wait=True)
        wait_for(lambda: len(stays.held) == 12, 60, "all of it")


def test_a_member_that_flaps_costs_one_rebalance_a_quiet_window_at_most(zk, coordinator):
    quiet = 0.3
    group = zk.partitions("p", items=range(30), quiet=quiet)
    with group.join("a") as steady:
        wait_for(lambda: len(steady.held) == 30, 60, "all")
        start, first = time.monotonic(), group.assignment().generation
        other, pause = coordinator().partitions("p"), threading.Event()
        for _ in range(10):
            flapping = other.join("b")
            pause.wait(0.15)
            flapping.leave(wait=True)
            pause.wait(0.15)
        windows = (time.monotonic() - start) / quiet
        wait_for(lambda: len(steady.held) == 30, 60, "all again")
        assert group.assignment().generation - first <= windows + 1


@pytest.mark.parametrize("what", ["claim", "checkpoint", "done", "release"])
def test_a_lost_reply_leaves_no_doubt(zk, coordinator, proxy, what):
    group = zk.partitions("p", items=["only"], quiet=0.05)
    faulty = coordinator(proxy.connect_string, session_timeout=6)

    def sends(*parts):
        return lambda request: request.op in (Op.MULTI, Op.DELETE) and all(part in request.body for part in parts)

    marks = {"claim": b"fences/", "checkpoint": b"progress/only", "done": b"done/only", "release": b"claims/only"}
    dropped = proxy.drop_reply(sends(marks[what])) if what == "claim" else None
    member = zk_member = faulty.partitions("p", items=["only"], quiet=0.05).join("a")
    claim = next(iter(member.claims()))
    if dropped is None:
        dropped = proxy.drop_reply(sends(marks[what]))
    if what == "checkpoint":
        claim.checkpoint([1])
        assert group.progress()["only"].checkpoint == [1]
    elif what == "done":
        claim.done("result")
        assert group.progress().results() == {"only": "result"}
    elif what == "release":
        token = claim.token
        claim.release(wait=True)
        again = next(iter(zk_member.claims()))
        assert again.token > token
        claim = again
    assert dropped.wait(60)
    if what != "done":
        assert (group.progress()["only"].owner, group.progress()["only"].token) == ("a", claim.token)
        claim.check()
        assert len(zk.children("p/fences")) == 1, "nothing is left of a first try"
        claim.done()
    assert zk.children("p/claims") == zk.children("p/fences") == []
    assert list(member.claims()) == []
    member.leave(wait=True)


def test_a_frozen_owner_knows_before_the_next_one_has_it(zk, coordinator, proxy):
    group = zk.partitions("p", items=range(4), quiet=0.05)
    frozen = coordinator(proxy.connect_string, session_timeout=2).partitions("p", items=range(4), quiet=0.05)
    slow = frozen.join("slow")
    claims = take_all(slow, 4)
    claims[0].checkpoint("half way")
    lost = {}
    for claim in claims:
        claim.on_lost(lambda _, item=claim.partition: lost.setdefault(item, time.monotonic()))
    with group.join("quick") as quick:
        wait_for(lambda: sum(claim.release_requested for claim in claims) == 2, 60, "two to be asked for")
        proxy.freeze()
        got = {}
        for claim in quick.claims(hold=True):
            got[claim.partition] = (time.monotonic(), claim)
            if len(got) == 4:
                break
        assert {claim.state for claim in claims} == {"LOST"}
        wait_for(lambda: len(lost) == 4, 60, "every loss to be told")
        for old in claims:
            new = got[old.partition][1]
            assert new.token > old.token
        assert got[claims[0].partition][1].restore() == "half way"
        proxy.thaw()
        with pytest.raises(exceptions.ClaimLost):
            claims[0].checkpoint("late")
        with pytest.raises(exceptions.ClaimLost):
            zk.create("p-late", guard=claims[0])
        # It joins again by itself, and gets what the other lets go of.
        wait_for(lambda: set(group.members()) == {"slow", "quick"}, 60, "it to join again")
        wait_for(lambda: sum(claim.release_requested for _, claim in got.values()) == 2, 60, "two to be asked for")
        for _, claim in got.values():
            if claim.release_requested:
                claim.release()
        wait_for(lambda: len(slow.held) == 2, 60, "its share")
        assert group.progress()[claims[0].partition].checkpoint == "half way"
        slow.leave()


def test_runtime_changes_keep_what_need_not_move(zk, coordinator):
    group = zk.partitions("p", items=range(10), quiet=0.05)
    with group.join("a") as one, coordinator().partitions("p").join("b") as two:
        wait_for(lambda: len(one.held) == len(two.held) == 5, 60, "halves")
        before = group.assignment()
        group.update(items=range(14))
        wait_for(lambda: len(one.held) == len(two.held) == 7, 60, "halves of more")
        after = group.assignment()
        assert all(after.owners[item] == owner for item, owner in before.owners.items())
        group.update(items=range(4, 14))
        wait_for(lambda: len(one.held) == len(two.held) == 5, 60, "halves of fewer")
        two.update(capacity=4.0)
        wait_for(lambda: (len(one.held), len(two.held)) == (2, 8), 60, "shares by size")
        group.update(weights={4: 100})
        # The larger member alone can carry it within a hundredth of the bound, 100 / 4, beside one other at most.
        wait_for(lambda: 4 in two.held and len(two.held) <= 2, 60, "the heavy one to be with the larger")
        assert group.assignment().certificate.max_load <= 25.25
        assert group.members()["b"].capacity == 4.0
        one.update(limit=0)
        wait_for(lambda: one.held == [], 60, "nothing for who wants nothing")


def test_a_long_assignment_is_paged(zk, coordinator):
    items = [f"{number:04d}" + "x" * 300 for number in range(2000)]
    group = zk.partitions("p", items=items, quiet=0.05)
    member = group.join("a", limit=10)
    wait_for(lambda: len(member.held) == 10, 60, "its share")
    assert not [name for name in zk.children("p") if "pages" in name]
    group.join("watcher", limit=1).leave()
    member.update(limit=-1)
    wait_for(lambda: len(group.assignment().owners) == 2000, 60, "all to be assigned")
    assert len([name for name in zk.children("p") if "pages" in name]) == 2
    assert len(zk.get("p/assignment")[0]) < 200
    # A part alone is nothing.
    (page, *_) = sorted(name for name in zk.children("p") if "pages" in name)
    data = zk.get(f"p/{page}")[0]
    zk.set(f"p/{page}", data[:-1])
    with pytest.raises((TimeoutError, asyncio.TimeoutError)):
        asyncio.run(asyncio.wait_for(coordinator().partitions("p").assignment_async(), 0.5))
    zk.set(f"p/{page}", data)
    assert len(group.assignment().owners) == 2000
    member.leave(wait=True)


async def test_asyncio_siblings_and_cancellation(zk):
    group = zk.partitions("p", items=range(6), quiet=0.05)
    async with await group.join_async("a") as member:
        waiting = asyncio.ensure_future(anext(aiter(member.claims())))
        await asyncio.sleep(0)
        waiting.cancel()
        async for claim in member.claims():
            await claim.checkpoint_async({"at": claim.partition})
            if claim.partition == 3:
                await claim.release_async(wait=True)
                break
            await claim.done_async(claim.partition)

        async def work(claim):
            assert claim.restore() in (None, {"at": claim.partition})
            return claim.partition

        await member.run_async(work)
        assert (await group.progress_async()).results() == {item: item for item in range(6)}
        assert (await group.assignment_async()).generation >= 1
        assert list(await group.members_async()) == ["a"]
    joining = asyncio.ensure_future(group.join_async("b"))
    await asyncio.sleep(0)
    joining.cancel()
    await asyncio.to_thread(wait_for, lambda: group.members() == {}, 10, "nobody to be left")
    assert zk.children("p/claims") == zk.children("p/fences") == []


def test_a_coordinator_that_is_closed_ends_the_loop(coordinator):
    zk = coordinator()
    member = zk.partitions("p", items=range(2), quiet=0.05).join("a")
    claims = member.claims()
    claim = next(claims)
    ended = []

    def wait():
        try:
            next(claims)
            next(claims)
        except exceptions.Closed as error:
            ended.append(error)

    waiter = threading.Thread(target=wait)
    waiter.start()
    zk.close()
    waiter.join(60)
    assert ended
    assert claim.state == "LOST"
    wait_for(lambda: member.state == "LEFT", 60, "the member to know that there will be no other session")
