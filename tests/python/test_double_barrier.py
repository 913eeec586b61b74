"""The double barrier: all begin together and end together, generation after generation."""

import asyncio
import concurrent.futures
import contextlib
import pickle
import signal
import threading
import time

import pytest

from parties import pool, there
from program import Program
from sparkeeper import exceptions
from waiting import wait_for

_MEMBER = """
zk = sparkeeper.connect(sys.argv[1], namespace=sys.argv[2], session_timeout=2, timeout=20)
barrier = zk.double_barrier("stage", parties=3)
say("up")
with barrier:
    say("inside")
    assert hear() != "fail"
"""


def test_nobody_passes_before_the_last_and_nobody_leaves_before_the_last(zk, coordinator):
    barriers = [coordinator(owner=f"party {n}").double_barrier("stage", parties=3) for n in range(3)]
    with pool() as threads:

        def party(barrier, inside, go):
            entered = barrier.enter(timeout=30)
            inside.append(time.monotonic())
            go.wait(30)
            barrier.leave(timeout=30)
            return entered, time.monotonic()

        inside, go = [], [threading.Event() for _ in range(3)]
        runs = [threads.submit(party, barriers[n], inside, go[n]) for n in range(2)]
        there(zk, 2)
        assert not inside
        assert [member.owner for member in barriers[2].members()] == [
            member.owner for member in sorted(barriers[2].members(), key=lambda member: member.position)
        ]
        last = time.monotonic()
        runs.append(threads.submit(party, barriers[2], inside, go[2]))
        wait_for(lambda: len(inside) == 3, 60, "all to be inside")
        assert min(inside) > last
        go[0].set()
        go[1].set()
        concurrent.futures.wait(runs, timeout=0.5)
        assert not any(run.done() for run in runs), "somebody left before the last"
        left = time.monotonic()
        go[2].set()
        outcomes = [run.result(60) for run in runs]
        assert {generation for generation, _ in outcomes} == {1}
        assert min(at for _, at in outcomes) > left
    wait_for(lambda: zk.children("stage/members") == [], 60, "the last to be gone: the state goes with their container")
    assert zk.double_barrier("stage", parties=3).members() == []


def test_many_generations_in_a_loop_stay_in_step(coordinator):
    rounds, parties = 10, 4
    counts, lock = [0] * rounds, threading.Lock()

    def party(barrier):
        seen = []
        for number in range(rounds):
            with barrier:
                with lock:
                    counts[number] += 1
                seen.append(number)
                # Nobody is a round ahead or behind.
                assert number == 0 or counts[number - 1] == parties
                assert number + 1 == rounds or counts[number + 1] == 0
        return seen

    barriers = [coordinator().double_barrier("stage", parties=parties, timeout=60) for _ in range(parties)]
    with pool() as threads:
        for run in [threads.submit(party, barrier) for barrier in barriers]:
            assert run.result(120) == list(range(rounds))
    assert counts == [parties] * rounds


def test_threads_share_a_handle_as_parties(zk):
    barrier = zk.double_barrier("stage", parties=3, timeout=30)

    def party():
        with barrier as generation:
            return generation, "inside generation" in repr(barrier)

    with pool() as threads:
        assert {run.result(60) for run in [threads.submit(party) for _ in range(3)]} == {(1, True)}
    assert "not inside" in repr(barrier)


def test_leftovers_of_a_crashed_run_do_not_count(coordinator, connect_string, namespace):
    zk = coordinator()
    with contextlib.ExitStack() as stack:
        crashed = [stack.enter_context(Program(_MEMBER, connect_string, namespace)) for _ in range(2)]
        assert [program.answer() for program in crashed] == ["up", "up"]
        there(zk, 2)
        for program in crashed:
            program.send(signal.SIGKILL)
            program.wait()
        assert len(zk.double_barrier("stage", parties=3).members()) == 2, "their nodes are still there"
        with pool() as threads:
            entered = []

            def party():
                generation = coordinator().double_barrier("stage", parties=3).enter(timeout=60)
                entered.append(time.monotonic())
                return generation

            first = threads.submit(party)
            # The crashed members' sessions end meanwhile; one live member is not three, nor are two.
            there(zk, 1)
            assert not entered
            second = threads.submit(party)
            there(zk, 2)
            assert not entered
            last = time.monotonic()
            third = threads.submit(party)
            assert first.result(60) == second.result(60) == third.result(60)
            assert min(entered) > last


def test_the_living_pass_while_leftovers_are_still_there(coordinator, connect_string, namespace):
    zk = coordinator()
    with Program(_MEMBER, connect_string, namespace) as crashed, pool() as threads:
        assert crashed.answer() == "up"
        there(zk, 1)
        crashed.send(signal.SIGSTOP)  # as one that died: its node stays until its session ends
        enter = [threads.submit(coordinator().double_barrier("stage", parties=3).enter, 60) for _ in range(3)]
        assert len({run.result(60) for run in enter}) == 1
        crashed.send(signal.SIGKILL)


def test_leftovers_of_a_run_that_died_inside_are_waited_out(coordinator, connect_string, namespace):
    zk = coordinator()
    with contextlib.ExitStack() as stack:
        crashed = [stack.enter_context(Program(_MEMBER, connect_string, namespace)) for _ in range(3)]
        assert [program.answer() for program in crashed] == ["up"] * 3
        assert [program.answer() for program in crashed] == ["inside"] * 3
        for program in crashed:
            program.send(signal.SIGKILL)
        with pool() as threads:
            barriers = [coordinator().double_barrier("stage", parties=3) for _ in range(3)]
            enter = [threads.submit(barrier.enter, 60) for barrier in barriers]
            assert {run.result(60) for run in enter} == {2}
        there(zk, 3)
        # Who can call leave no more has left.
        barriers.pop()
        enter.pop()
        there(zk, 2)


def test_a_member_that_dies_inside_is_not_waited_for(coordinator, connect_string, namespace):
    with Program(_MEMBER, connect_string, namespace) as doomed, pool() as threads:
        barriers = [coordinator().double_barrier("stage", parties=3, timeout=30) for _ in range(2)]

        def party(barrier):
            with barrier:
                pass
            return True

        runs = [threads.submit(party, barrier) for barrier in barriers]
        assert [doomed.answer(), doomed.answer()] == ["up", "inside"]
        concurrent.futures.wait(runs, timeout=0.3)
        assert not any(run.done() for run in runs)
        doomed.send(signal.SIGKILL)
        assert all(run.result(60) for run in runs)


@pytest.mark.parametrize("how", ["killed", "fails"])
def test_where_all_or_none_leave_one_that_is_lost_ends_it_for_the_others(coordinator, connect_string, namespace, how):
    with Program(_MEMBER, connect_string, namespace) as doomed, pool() as threads:
        barriers = [coordinator().double_barrier("stage", parties=3, timeout=30, all_or_none=True) for _ in range(2)]

        def party(barrier):
            with pytest.raises(exceptions.MemberLost, match=r"generation 1 .*1 of 3 members are gone"), barrier:
                pass
            return True

        runs = [threads.submit(party, barrier) for barrier in barriers]
        assert [doomed.answer(), doomed.answer()] == ["up", "inside"]
        concurrent.futures.wait(runs, timeout=0.3)
        assert not any(run.done() for run in runs)
        if how == "killed":
            doomed.send(signal.SIGKILL)
        else:
            doomed.tell("fail")
        assert all(run.result(60) for run in runs)
        # It is over for that generation only.
        copies = [pickle.loads(pickle.dumps(barrier)) for barrier in barriers]
        third = coordinator().double_barrier("stage", parties=3, timeout=30, all_or_none=True)

        def again(barrier):
            with barrier as generation:
                return generation

        assert {run.result(60) for run in [threads.submit(again, one) for one in (*copies, third)]} == {2}


def test_an_expired_session_inside_has_left(proxy, coordinator):
    far, near = coordinator(proxy.connect_string, session_timeout=1.5), coordinator()
    with pool() as threads:
        enter = [threads.submit(zk.double_barrier("stage", parties=2).enter, 30) for zk in (near,)]
        barrier = far.double_barrier("stage", parties=2)
        barrier.enter(timeout=30)
        enter[0].result(60)
        proxy.cut()
        wait_for(lambda: far.state == "EXPIRED", 60, "its session to end")
        proxy.heal()
        with pytest.raises(exceptions.SessionExpired, match=r"enter again|ended"):
            barrier.leave(timeout=10)
        with pytest.raises(exceptions.NotOwner, match="did not enter"):
            barrier.leave(timeout=10)


def test_an_exception_inside_leaves_at_once(zk, coordinator):
    barriers = [coordinator().double_barrier("stage", parties=2, timeout=30) for _ in range(2)]

    def fails():
        with pytest.raises(ZeroDivisionError), barriers[0]:
            raise ZeroDivisionError
        return True

    def works():
        with barriers[1]:
            pass
        return True

    with pool() as threads:
        assert all(run.result(60) for run in [threads.submit(fails), threads.submit(works)])
    there(zk, 0)


async def test_a_cancelled_enter_leaves_nothing_and_breaks_nothing(zk, coordinator):
    barrier = zk.double_barrier("stage", parties=2)
    other = coordinator().double_barrier("stage", parties=2)
    patient = asyncio.create_task(other.enter_async())
    await asyncio.to_thread(wait_for, lambda: len(barrier.members()) == 1, 10, "the patient one")
    lone = coordinator().double_barrier("other", parties=2)
    task = asyncio.create_task(lone.enter_async())
    await asyncio.to_thread(wait_for, lambda: len(lone.members()) == 1, 10, "the one to cancel")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.to_thread(wait_for, lambda: lone.members() == [], 10, "its nodes to be gone")
    assert await barrier.enter_async(timeout=20) == await patient
    assert len(await barrier.members_async()) == 2


def test_what_makes_no_sense_is_refused(zk):
    with pytest.raises(exceptions.ConfigError, match="parties"):
        zk.double_barrier("stage", parties=0)
    barrier = zk.double_barrier("stage", parties=1)
    with pytest.raises(exceptions.NotOwner, match="did not enter"):
        barrier.leave()
    barrier.enter(timeout=10)
    with pytest.raises(exceptions.NotOwner, match="inside already"):
        barrier.enter(timeout=10)
    barrier.leave(timeout=10)
    copy = pickle.loads(pickle.dumps(barrier))
    assert (copy.path, copy.parties) == ("stage", 1)


def test_who_asks_for_another_number_of_parties_is_told(zk, coordinator):
    with pool() as threads:
        three = threads.submit(coordinator().double_barrier("stage", parties=3).enter, 60)
        there(zk, 1)
        two = threads.submit(coordinator().double_barrier("stage", parties=2).enter, 60)
        with pytest.raises(exceptions.ConfigError, match=r"parties=3.*parties=2"):
            three.result(60)
        there(zk, 1)
        assert coordinator().double_barrier("stage", parties=2).enter(timeout=30) == two.result(60)


def test_who_waits_joins_again_where_somebody_deleted_everything(zk, coordinator):
    with pool() as threads:
        waiting = threads.submit(coordinator().double_barrier("dd", parties=2).enter, 60)
        there(zk, 1, "dd")
        before = zk.children("dd/members")
        # It joins again as soon as its node is gone, perhaps before what is above it went: then that is repeated.
        zk.delete("dd", recursive=True)
        barrier = zk.double_barrier("dd", parties=2)
        wait_for(lambda: len(barrier.members()) == 1, 60, "the waiter to join again")
        assert zk.children("dd/members") != before
        assert coordinator().double_barrier("dd", parties=2).enter(timeout=30) == waiting.result(60)
