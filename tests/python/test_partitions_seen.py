"""What whoever looks at a group is told: that there is none, why items have no owner, what is without effect."""

from __future__ import annotations

import pickle

import pytest

from sparkeeper import exceptions
from waiting import wait_for


async def test_looking_publishes_nothing(zk):
    group, other = zk.partitions("p", items=range(3), quiet=0.05), zk.partitions("p")
    for look in (group.progress, group.assignment, other.progress, other.assignment):
        with pytest.raises(exceptions.NoNode, match="'p': nobody published its items yet; give items= and join"):
            look()
    for look in (group.progress_async, group.assignment_async):
        with pytest.raises(exceptions.NoNode, match="nobody published"):
            await look()
    assert zk.exists("p/spec") is None
    assert other.members() == {}
    with group.join("a"):
        assert len(other.progress()) == 3
        wait_for(lambda: other.assignment() is not None, 60, "an assignment")


def test_why_items_have_no_owner_is_said(zk, coordinator):
    group = zk.partitions("p", items=range(8), quiet=0.05)
    with group.join("a", limit=0) as idle:
        found = wait_for(group.assignment, 60, "an assignment")
        why = "cannot assign 8 items: the limits of the 1 members hold 0 in all; raise a limit or add members"
        assert (found.unowned, found.owners, found.certificate) == (why, {}, None)
        assert (group.progress().unowned, str(group.progress())) == (why, f"0 of 8 done; 8 waiting ({why})")
        assert why in repr(found)
        idle.update(limit=3)
        wait_for(lambda: len(idle.held) == 3, 60, "as many as it takes")
        assert "hold 3 in all" in group.progress().unowned
        with coordinator().partitions("p").join("b") as all_others:
            wait_for(lambda: len(all_others.held) == 5, 60, "the others")
            assert (group.assignment().unowned, group.progress().unowned) == (None, None)
            idle.update(limit=0)
            wait_for(lambda: len(all_others.held) == 8, 60, "all of them")
            all_others.update(limit=0)
            wait_for(lambda: all_others.held == [], 60, "nothing for who wants nothing, though nobody else is there")
            assert "the 2 members hold 0 in all" in group.assignment().unowned


def test_what_cannot_be_divided_stays_and_says_why(zk, coordinator):
    group = zk.partitions("p", items=["x", "y"], weights=[1, 9], strategy="range", quiet=0.05)
    with group.join("a") as member, coordinator().partitions("p").join("b") as other:
        wait_for(lambda: sorted(member.held + other.held) == ["x", "y"], 60, "both")
        other.update(limit=9)
        why = 'the strategy "range" keeps neighbours together and cannot honour a limit on weights'
        wait_for(lambda: why in (group.assignment().unowned or ""), 60, "the leader to say why")
        assert sorted(member.held + other.held) == ["x", "y"]
        other.update(limit=-1)
        wait_for(lambda: group.assignment().unowned is None, 60, "the leader to say that it can")


@pytest.mark.parametrize(
    ("settings", "card", "text"),
    [
        ({"priorities": [1, 2, 3]}, {}, 'priorities have no effect under the strategy "sticky": leave them out'),
        ({}, {"priority": 1}, 'priority=1 has no effect under the group\'s strategy "sticky": leave it out'),
        (
            {"strategy": "round_robin"},
            {"capacity": 2.0},
            "capacity=2 has no effect under the group's strategy \"round_",
        ),
    ],
)
def test_what_has_no_effect_is_refused(zk, settings, card, text):
    with pytest.raises(exceptions.ConfigError, match=text):
        zk.partitions("p", items=range(3), **settings).join("a", **card)
    with zk.partitions("p", items=range(3), strategy=settings.get("strategy")).join("a") as member:
        with pytest.raises(exceptions.ConfigError, match=text):
            zk.partitions("p").update(**settings) if "priorities" in settings else member.update(**card)
        assert member.held is not None


def test_priorities_are_taken_away_with_their_strategy(zk):
    group = zk.partitions("p", items=range(3), strategy="priority", priorities=[1, 2, 3], quiet=0.05)
    with pickle.loads(pickle.dumps(group)).join("a", priority=2):
        group.join("b").leave()  # a copy that had lost them would have published other settings
        with pytest.raises(exceptions.ConfigError, match=r"in update, priorities=\[\] takes them away"):
            group.update(strategy="sticky")
        group.update(strategy="sticky", priorities=[])
        zk.partitions("p", strategy="sticky", priorities=[]).join("c").leave()


def test_what_waits_for_an_absent_member_says_for_whom(zk, coordinator):
    group = zk.partitions("p", items=range(4), quiet=0.05)
    with group.join("stays") as stays:
        away = coordinator().partitions("p").join("away", static=3600)
        wait_for(lambda: len(stays.held) == len(away.held) == 2, 60, "halves")
        assert group.progress().absent == []
        away.leave(wait=True)
        progress = wait_for(lambda: (found := group.progress()).absent and found, 60, "it to be missed")
        assert progress.absent == ["away"]
        assert str(progress).endswith("2 waiting (some kept for 'away', which is away)")


async def test_what_cannot_be_saved_or_awaited_is_refused_with_advice(zk, coordinator):
    group = zk.partitions("p", items=range(2), quiet=0.05)
    with group.join("a") as member:
        claim = next(member.claims())
        with pytest.raises(TypeError, match="type set is not JSON serializable: give what JSON can say"):
            claim.checkpoint({1, 2})
        claim.done()
        with pytest.raises(
            exceptions.NotOwner, match="claim on 0: it was finished before; save what later owners need"
        ):
            claim.checkpoint(1)
        with pytest.raises(TypeError, match="returned 5, which cannot be awaited; use run"):
            await member.run_async(lambda _: 5)
        assert group.progress().counts["done"] == 1
        with pytest.raises(exceptions.NodeExists, match=r"has had that id for \d+ s by the clocks"):
            coordinator().partitions("p").join("a", timeout=0)
