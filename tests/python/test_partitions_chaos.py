"""FAULTS 27: members killed, stopped and joined at random never own a partition together."""

from __future__ import annotations

from partitions_chaos import run
from partitions_checker import World, check


def test_no_two_live_owners_whatever_is_killed_stopped_or_joined(connect_string):
    verdict = run(connect_string, seconds=15, seed=27)
    assert verdict.faults == []
    assert verdict.handovers > 5, "something has to happen"


def test_the_checker_finds_members_that_do_not_heed_their_lease(connect_string):
    verdict = run(connect_string, seconds=12, seed=3, heedless=True)
    assert any("still had it" in fault for fault in verdict.faults), verdict


def test_the_checker_finds_two_owners_and_long_gaps():
    def line(what, token, at):
        return {"what": what, "partition": 0, "token": token, "at": at}

    sound = {"a": [line("held", 1, 0.0), line("valid", 1, 5.0)], "b": [line("held", 2, 6.0)]}
    assert check(sound, 1, 4.0, World()).faults == []
    both = {"a": [line("held", 1, 0.0), line("valid", 1, 6.1)], "b": [line("held", 2, 6.0)]}
    assert "still had it" in check(both, 1, 4.0, World()).faults[0]
    late = {"a": [line("held", 1, 0.0)], "b": [line("held", 2, 9.0)]}
    assert "nobody's" in check(late, 1, 4.0, World()).faults[0]
    excused = World(faults=[(6.0, "c")], assigned=[(1.0, {0: "c"})])
    assert check(late, 1, 4.0, excused).faults == []
    assert check(late, 1, 4.0, World(faults=[(6.0, "d")], assigned=excused.assigned)).faults != []
    assert check(late, 1, 4.0, World(faults=[(6.0, "d")], led=[(0.0, "c"), (3.0, "d")])).faults == []
    assert check(late, 1, 4.0, World(faults=[(6.0, "c")], led=[(-2.0, "c"), (-1.0, "d")])).faults != []
