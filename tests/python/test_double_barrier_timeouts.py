"""Double barriers and timeouts: one that runs out breaks the barrier for all, and all agree."""

import threading
import time

import pytest

from parties import pool, there
from sparkeeper import exceptions
from waiting import wait_for


def test_when_one_times_out_all_agree(zk, coordinator):
    patient = [coordinator().double_barrier("stage", parties=3) for _ in range(1)]
    with pool() as threads:
        waiting = [threads.submit(barrier.enter) for barrier in patient]
        there(zk, 1)
        begun = time.monotonic()
        with pytest.raises(exceptions.AcquireTimeout, match="2 of 3"):
            coordinator().double_barrier("stage", parties=3).enter(timeout=1)
        assert 0.9 < time.monotonic() - begun < 2
        for run in waiting:
            with pytest.raises(exceptions.AcquireTimeout, match="broken for all"):
                run.result(60)
        there(zk, 0)
        # The next generation is whole again.
        enter = [threads.submit(coordinator().double_barrier("stage", parties=3).enter, 30) for _ in range(3)]
        assert len({run.result(60) for run in enter}) == 1


def test_timeouts_that_race_with_the_last_arrival_end_alike_for_all(coordinator):
    barriers = [coordinator().double_barrier("stage", parties=3) for _ in range(3)]
    outcomes = {"passed": 0, "broken": 0}

    def party(barrier, timeout, number):
        if number == 2:
            threading.Event().wait(0.3)
        try:
            generation = barrier.enter(timeout=timeout)
        except exceptions.AcquireTimeout:
            return None
        barrier.leave(timeout=30)
        return generation

    with pool() as threads:
        for turn in range(12):
            # The third comes at 0.3 s; the others give up about then.
            limits = (0.22 + turn * 0.02, 30, 30)
            runs = [threads.submit(party, barriers[n], limits[n], n) for n in range(2)]
            third = threads.submit(party, barriers[2], 2, 2)
            first_two = [run.result(60) for run in runs]
            assert len(set(first_two)) == 1, f"they do not agree: {first_two}"
            third = third.result(60)
            assert (third is None) == (first_two[0] is None)
            outcomes["passed" if third else "broken"] += 1
    assert min(outcomes.values()) > 0, outcomes


def test_a_timeout_in_leave_breaks_it_for_all_who_leave(zk, coordinator):
    barriers = [coordinator().double_barrier("stage", parties=3) for _ in range(3)]
    with pool() as threads:
        inside = threading.Barrier(3)

        def party(number):
            barriers[number].enter(timeout=30)
            inside.wait(30)
            if number == 2:
                threading.Event().wait(2.5)
            barriers[number].leave(timeout=1 if number == 0 else None)

        runs = [threads.submit(party, number) for number in range(3)]
        for run in runs:
            with pytest.raises(exceptions.AcquireTimeout, match="broken for all"):
                run.result(60)
    there(zk, 0)


def test_zero_passes_where_it_completes(zk, coordinator):
    alone = zk.double_barrier("alone", parties=1)
    for generation in range(1, 6):
        # What the generation before leaves behind for a moment is not in the way.
        assert alone.enter(timeout=0) == generation
        alone.leave(timeout=0)
    with pool() as threads:
        barriers = [coordinator().double_barrier("stage", parties=3) for _ in range(2)]
        entered = [threads.submit(barrier.enter, 30) for barrier in barriers]
        there(zk, 2)
        last = zk.double_barrier("stage", parties=3)
        assert [last.enter(timeout=0), *(run.result(60) for run in entered)] == [1, 1, 1]

        def cycle(barrier):
            barrier.enter(timeout=30)
            inside.wait(30)
            barrier.leave(timeout=30)

        other = [
            zk.double_barrier("leave", parties=3),
            *(c().double_barrier("leave", parties=3) for c in [coordinator] * 2),
        ]
        inside = threading.Barrier(3)
        left = [threads.submit(cycle, barrier) for barrier in other[1:]]
        other[0].enter(timeout=30)
        inside.wait(30)
        wait_for(
            lambda: sum(name.startswith("leaving-") for name in zk.children("leave/members")) == 2, 15, "two to leave"
        )
        other[0].leave(timeout=0)
        for run in left:
            run.result(60)


def test_zero_breaks_what_it_does_not_complete_as_any_timeout_does(zk, coordinator):
    barrier = zk.double_barrier("stage", parties=3)
    began = time.monotonic()
    with pytest.raises(exceptions.AcquireTimeout, match="gave up at once, when 1 of 3 were there"):
        barrier.enter(timeout=0)
    assert time.monotonic() - began < 0.9
    there(coordinator(), 0)
    with pool() as threads:
        waiting = threads.submit(coordinator().double_barrier("stage", parties=3).enter, 30)
        there(zk, 1)
        with pytest.raises(exceptions.AcquireTimeout, match="gave up at once, when 2 of 3 were there"):
            barrier.enter(timeout=0)
        with pytest.raises(exceptions.AcquireTimeout, match="gave up at once, when 2 of 3 were there"):
            waiting.result(60)
        there(zk, 0)
        pair = [coordinator().double_barrier("pair", parties=2) for _ in range(2)]
        inside = [threads.submit(each.enter, 30) for each in pair]
        assert inside[0].result(60) == inside[1].result(60)
        with pytest.raises(exceptions.AcquireTimeout, match="at once: the generation before is inside"):
            zk.double_barrier("pair", parties=2).enter(timeout=0)


def test_zero_in_leave_breaks_it_where_somebody_stays(coordinator):
    barriers = [coordinator().double_barrier("stage", parties=2) for _ in range(2)]
    with pool() as threads:
        inside = threading.Barrier(2)

        def party(number):
            barriers[number].enter(timeout=30)
            inside.wait(30)
            if number == 0:
                barriers[0].leave(timeout=0)
            over.wait(30)
            barriers[1].leave(timeout=30)

        over = threading.Event()
        first, second = (threads.submit(party, number) for number in range(2))
        with pytest.raises(exceptions.AcquireTimeout, match="gave up at once"):
            first.result(60)
        over.set()
        with pytest.raises(exceptions.AcquireTimeout, match="gave up at once"):
            second.result(60)


def test_who_times_out_as_somebody_deleted_its_node_is_told_so(zk, proxy, coordinator):
    frozen = coordinator(proxy.connect_string, session_timeout=20)
    frozen.sync()
    with pool() as threads:
        began = time.monotonic()
        waiting = threads.submit(frozen.double_barrier("stage", parties=2).enter, 2)
        there(zk, 1)
        proxy.freeze()
        zk.delete("stage", recursive=True)
        # It hears of the deletion in the second in which it agrees with the others.
        wait_for(lambda: time.monotonic() > began + 2.5, 60, "the timeout to end")
        proxy.thaw()
        with pytest.raises(exceptions.AcquireTimeout, match=r"not entered within 2s: somebody deleted our node"):
            waiting.result(60)
