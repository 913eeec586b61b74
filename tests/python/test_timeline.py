"""The timeline of an election: who led when, until it is closed."""

from __future__ import annotations

import re
import time

import pytest

from cards import EVIL, read
from sparkeeper.timeline import Reign, Timeline
from waiting import wait_for


def test_a_timeline(zk, coordinator):
    with zk.election("e").timeline() as timeline:
        wait_for(lambda: timeline.reigns, 60, "the first look")
        assert [one.leader for one in timeline.reigns] == [None]
        tokens = []
        for name in ("a", EVIL):
            with coordinator().election("e", id=name).campaign(timeout=60) as term:
                tokens.append(term.token)
                wait_for(lambda: timeline.reigns[-1].leader == name, 60, "the leader to be seen")  # noqa: B023
            wait_for(lambda: timeline.reigns[-1].leader is None, 60, "its end to be seen")
        reigns = timeline.reigns
    led = [one for one in reigns if one.leader]
    assert [one.leader for one in led] == ["a", EVIL]
    assert [one.token for one in led] == tokens
    assert all(one.since <= one.until for one in led)
    assert reigns[-1].until is None
    assert EVIL in read(timeline)
    drawn = timeline.plot().to_dict()["data"]["values"]
    assert [row["leader"] for row in drawn] == ["a", EVIL]
    table = timeline.to_pandas()
    assert list(table.columns) == ["leader", "token", "since", "until"]
    assert str(table.since.dtype).endswith("UTC]")
    assert repr(timeline) == f"<Timeline of 'e', {len(reigns)} reigns>"


@pytest.mark.parametrize("ends", ["timeline", "coordinator"])
def test_a_timeline_that_is_closed_goes_on_no_longer(zk, coordinator, ends):
    watching = coordinator()
    timeline = watching.election("e").timeline()
    with zk.election("e", id="a").campaign(timeout=60):
        wait_for(lambda: timeline.reigns and timeline.reigns[-1].leader == "a", 60, "the leader to be seen")
        assert " s so far" in read(timeline)
        (timeline if ends == "timeline" else watching).close()
        wait_for(lambda: "so far" not in read(timeline), 60, "the end of the looking")
        lasted = re.search(r"[\d.]+ s when it was closed", read(timeline)).group()
        end = timeline.plot().to_dict()["data"]["values"][-1]["to"]
    later = time.monotonic() + 0.3
    wait_for(lambda: time.monotonic() > later, 60, "time to pass")
    assert lasted in read(timeline)
    assert timeline.plot().to_dict()["data"]["values"][-1]["to"] == end
    assert timeline.reigns[-1].leader == "a"


def test_how_long_a_leader_leads_and_since_when_are_told_alike():
    timeline = Timeline(iter(()), "e")
    now = int(time.time() * 1000)
    timeline._reigns.append(Reign("a", 1, now - 55_970, None))
    assert "a | 1 | 55 s | 55.9 s" in read(timeline)
    timeline._reigns.append(Reign("b", 2, now + 60_000, None))
    assert "b | 2 | 0 s | 0.0 s" in read(timeline)
