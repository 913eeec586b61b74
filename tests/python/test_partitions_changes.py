"""What a change of what a group divides does to its members, its certificate and its end; and what a deletion does."""

from __future__ import annotations

import logging
import threading

import pytest

from sparkeeper import exceptions
from waiting import wait_for


def test_what_is_taken_out_is_dropped_and_asked_back(zk):
    group = zk.partitions("p", items=range(4), quiet=0.05)
    with group.join("a") as member:
        wait_for(lambda: member.held == [0, 1, 2, 3], 60, "all")
        generation = group.assignment().generation
        claim, heard = next(member.claims(hold=True)), []
        claim.on_release_requested(heard.append)
        group.update(items=[2, 3])
        wait_for(lambda: sorted(member.held) == [0, 2, 3], 60, "what nobody works on to be let go of")
        wait_for(lambda: heard == [0], 60, "what is worked on to be asked back")
        assert (claim.release_requested, claim.state) == (True, "HELD")
        assert (group.assignment().generation, group.assignment().owners) == (generation + 1, {2: "a", 3: "a"})
        claim.release(wait=True)
        worked = []
        assert member.run(lambda claim: worked.append(claim.partition)) == 2
        assert worked == [2, 3]


def test_of_two_members_only_the_one_that_had_it_hears_of_it(zk):
    group = zk.partitions("p", items=range(4), quiet=0.05)
    with group.join("a") as one, group.join("b") as other:
        wait_for(lambda: len(one.held) == len(other.held) == 2, 60, "halves")
        first, *rest = one.held
        group.update(items=[item for item in range(4) if item != first])
        wait_for(lambda: one.held == rest, 60, "it to be let go of")
        assert len(other.held) == 2


def test_a_certificate_speaks_of_the_weights_that_are(zk):
    group = zk.partitions("p", items=range(4), weights=[1, 1, 1, 1], quiet=0.05)
    with group.join("a"):
        first = wait_for(group.assignment, 60, "an assignment")
        group.update(weights=[9, 1, 1, 1])
        now = wait_for(lambda: (now := group.assignment()).generation > first.generation and now, 60, "another")
        assert (first.certificate.loads, now.certificate.loads) == ([4], [12])
        assert now.certificate.digest != first.certificate.digest
        assert (now.owners, now.certificate.moves) == (first.owners, 0)
        # When to divide is nothing that is divided.
        group.update(quiet=0.06)
        group.update(weights=[8, 1, 1, 1])
        last = wait_for(lambda: (last := group.assignment()).generation > now.generation and last, 60, "another")
        assert (last.generation, last.certificate.loads) == (now.generation + 1, [11])


def test_a_loop_sees_what_was_added_before_it_ends(zk, coordinator):
    group = zk.partitions("p", items=range(2), quiet=0.05)
    with group.join("a") as member:
        assert member.run(lambda claim: claim.partition) == 2
        for size in range(3, 8):
            changing = group if size % 2 else coordinator().partitions("p")
            changing.update(items=range(size))
            assert member.run(lambda claim: claim.partition) == 1
        assert group.progress().finished


@pytest.mark.parametrize("finished", [False, True])
def test_a_deleted_group_ends_its_members_and_stays_deleted(zk, coordinator, caplog, finished):
    caplog.set_level(logging.WARNING, "sparkeeper")
    group, stop, raised = zk.partitions("p", items=range(4), quiet=0.05), threading.Event(), []
    member = group.join("a")
    others = [] if finished else [coordinator().partitions("p").join(name) for name in "bc"]

    def work(claim):
        stop.wait(20)
        return claim.partition

    def loop(member):
        try:
            member.run(work)
        except exceptions.NoNode as why:
            raised.append(str(why))

    if finished:
        stop.set()
        assert member.run(work) == 4
        zk.delete("p", recursive=True)
        loop(member)
    else:
        everybody = [member, *others]
        wait_for(lambda: sum(len(one.held) for one in everybody) == 4, 60, "all to be held")
        loops = [threading.Thread(target=loop, args=(one,), daemon=True) for one in everybody]
        for each in loops:
            each.start()
        zk.delete("p", recursive=True)
        wait_for(lambda: not member.held, 60, "the claims to be lost")
        stop.set()
        for each in loops:
            each.join(60)
    assert len(raised) == 1 + len(others)
    assert "partitions 'p': the group was deleted" in raised[0]
    wait_for(lambda: {one.state for one in [member, *others]} == {"LEFT"}, 60, "all to have left")
    with pytest.raises(exceptions.NoNode):
        next(member.claims())
    member.leave(wait=True)
    assert zk.exists("p") is None
    assert len(caplog.records) < 20, [record.message for record in caplog.records]
    # It can be published anew, with other items.
    with zk.partitions("p", items=range(2), quiet=0.05).join("a") as member:
        assert member.run(work) == 2


def test_a_group_that_was_deleted_while_its_member_was_away_stays_deleted(zk, coordinator, proxy):
    away = coordinator(proxy.connect_string, session_timeout=4)
    member = away.partitions("p", items=range(4), quiet=0.05).join("a")
    wait_for(lambda: len(member.held) == 4, 60, "all")
    proxy.cut()
    wait_for(lambda: zk.partitions("p").members() == {}, 60, "the session to be over")
    zk.delete("p", recursive=True)
    proxy.heal()
    with pytest.raises(exceptions.NoNode, match="the group was deleted"):
        member.run(lambda claim: claim.partition)
    assert zk.exists("p") is None
