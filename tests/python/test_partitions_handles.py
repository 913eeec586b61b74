"""A group's handles at their edges: joins whose reply is lost, and what travels to other processes."""

from __future__ import annotations

import copy
import pickle

import pytest

from waiting import wait_for
from wire import Op


@pytest.mark.parametrize("what", ["spec", "members/a"])
def test_a_lost_reply_to_a_join_leaves_one_member(zk, coordinator, proxy, what):
    faulty = coordinator(proxy.connect_string, session_timeout=6)
    mark = f"/p/{what}".encode()
    dropped = proxy.drop_reply(lambda request: request.op in (Op.MULTI, Op.CREATE, Op.CREATE2) and mark in request.body)
    with faulty.partitions("p", items=range(3), quiet=0.05).join("a", timeout=10) as member:
        assert dropped.is_set()
        assert list(zk.partitions("p").members()) == ["a"]
        assert zk.exists("p/members/a").ephemeral_owner == faulty.session_id
        assert member.run(str) == 3
        # What was made under a lost reply is also what is given back.
        member.leave(wait=True)
        assert zk.children("p/members") == []


def test_a_timed_out_join_under_a_lost_reply_leaves_nobody(zk, coordinator, proxy):
    zk.partitions("p", items=range(3), quiet=0.05).join("first").leave()
    faulty = coordinator(proxy.connect_string, session_timeout=6)
    group = faulty.partitions("p")
    group.members()
    dropped = proxy.drop_reply(
        lambda request: request.op in (Op.MULTI, Op.CREATE, Op.CREATE2) and b"members/a" in request.body,
        stay_down=True,
    )
    with pytest.raises(TimeoutError, match="no server answered"):
        group.join("a", timeout=0.5)
    assert dropped.is_set()
    proxy.heal()
    wait_for(lambda: zk.partitions("p").members() == {}, 60, "nobody to be left")
    with group.join("a", timeout=10) as member:
        assert member.run(str) == 3


def test_a_group_travels_as_configuration(zk):
    items = [("2024-01", day) for day in range(4)]
    settings = {
        "items": items,
        "weights": {items[0]: 3},
        "zones": [None, "here", None, None],
        "strategy": "weighted",
        "quiet": 0.05,
    }
    group = zk.partitions("p", **settings)
    copied = pickle.loads(pickle.dumps(group))
    assert type(copied) is type(group)
    with group.join("a") as member:
        assert member.held is not None
        # Other settings would be refused.
        with copied.join("b"):
            assert set(group.members()) == {"a", "b"}
        assert member.run(lambda claim: claim.partition[1]) == 4
    assert copied.progress().results() == {item: item[1] for item in items}
    unset = pickle.loads(pickle.dumps(zk.partitions("p")))
    assert unset.progress().finished


def test_a_member_and_a_claim_do_not_travel(zk):
    with zk.partitions("p", items=["x"], quiet=0.05).join("a") as member:
        claim = next(member.claims())
        for stays, why in ((member, "membership .*'a' in 'p'"), (claim, "claim .*'p'")):
            for travel in (pickle.dumps, copy.copy, copy.deepcopy):
                with pytest.raises(TypeError, match=f"{why}.* does not pickle"):
                    travel(stays)
        claim.check()
