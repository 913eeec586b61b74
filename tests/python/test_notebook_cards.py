"""What handles show in a notebook: cards and charts."""

from __future__ import annotations

import sys
import threading
import time

import pytest

import sparkeeper
from cards import EVIL, Text, read
from sparkeeper import exceptions
from sparkeeper.notebook import chart
from sparkeeper.notebook.card import LONGEST, card, table
from waiting import wait_for


def test_a_card_escapes_and_cuts():
    seen = Text(card(EVIL, EVIL, {EVIL: EVIL, "none": None}, table([EVIL], [[EVIL]] * (LONGEST + 5))))
    assert "script" not in seen.tags
    assert seen.words.count(EVIL) == 2 + 2 + 1 + LONGEST
    assert "and 5 more" in seen.words
    assert "none" not in seen.words


def test_a_coordinator_says_what_was_held_through_it(zk):
    assert "Nothing was acquired through it yet." in read(zk)
    with zk.lock("jobs/nightly"):
        assert "jobs/nightly | 1 | 1 | 0 | 0" in read(zk)
    for said in (zk.connect_string, zk.namespace, "CONNECTED", f"{zk.session_id:#x}"):
        assert said in read(zk)


def test_a_lock_says_who_holds_and_waits(zk, coordinator):
    lock = zk.lock("l", owner=EVIL)
    assert read(lock) == "Lock |   | l | Nobody holds it."
    other = coordinator().lock("l", owner="the other")
    waiting = threading.Thread(target=lambda: other.acquire(60).release())
    with lock as held:
        waiting.start()
        wait_for(lambda: len(lock.contenders()) == 2, 60, "the other to stand in line")
        seen = read(lock)
        assert f"holds | {EVIL} | 0 s | {held.token}" in seen
        assert seen.index("holds") < seen.index("waits | the other")
        shown = read(held)
        assert f"Held |   | l | state | HELD | token | {held.token} | provably ours for" in shown
    waiting.join()
    assert "Nobody holds it." in read(lock)


def test_sides_and_permits_and_terms(zk):
    pair = zk.read_write_lock("rw")
    with pair.read():
        assert "holds" in read(pair.write())
    semaphore = zk.semaphore("s", 3, owner="me")
    with semaphore.acquire(2) as permits:
        seen = read(semaphore)
        assert "permits | no number is stored: each handle goes by its own" in seen
        assert "has 2 | me" in seen
        semaphore.permits = 1234
        assert "permits | 1,234 |" in read(zk.semaphore("s"))
        assert read(permits).startswith("Permits |   | s | state | HELD")
    election = zk.election("e", id=EVIL)
    assert "Nobody stands." in read(election)
    with election.campaign(timeout=60) as term:
        assert f"leads | {EVIL}" in read(election)
        assert read(term).startswith("Term |   | e | state | HELD")
    assert "LOST" in read(term) or "RELEASED" in read(term)


def test_locks_of_several_kinds(zk, coordinator):
    pair = zk.read_write_lock("rw", owner="one")
    assert read(pair) == "Read/write lock |   | rw | Nobody reads or writes."
    with pair.read() as one, coordinator().read_write_lock("rw", owner=EVIL).read() as two:
        assert f"holds | one | 0 s | {one.token}" in read(pair)
        assert f"holds | {EVIL} | 0 s | {two.token}" in read(pair)
    locks = zk.multi_lock(["x", "y"], owner=EVIL)
    assert read(locks) == "Multi-lock |   | x, y | Nobody holds any of them."
    with zk.lock("y", owner="other"):
        seen = read(locks)
        assert "y | holds | other" in seen
        assert "x | holds" not in seen
    with locks as held:
        for path in ("x", "y"):
            assert f"{path} | holds | {EVIL} | 0 s | {held.token}" in read(locks)


def test_a_card_says_soon_that_there_is_no_answer(proxy, coordinator):
    lock = coordinator(proxy.connect_string, session_timeout=30).lock("l")
    assert "Nobody holds it." in read(lock)
    proxy.freeze()
    began = time.monotonic()
    assert "No answer within 5 s" in read(lock)
    assert time.monotonic() - began < 10
    proxy.thaw()
    wait_for(lambda: "Nobody holds it." in read(lock), 60, "an answer")


def test_a_card_does_not_fail_where_nobody_answers(proxy, coordinator):
    far = coordinator(proxy.connect_string, session_timeout=2)
    lock = far.lock("l")
    lock.contenders()
    proxy.cut()
    with pytest.raises(exceptions.ConnectionLost):
        lock.contenders()
    assert "l" in read(lock)
    assert far.state in read(far)


def test_an_assignment(zk):
    a = sparkeeper.assign(["x", EVIL], range(7), strategy="sticky")
    assert "7 partitions over 2 members" in read(a)
    assert f"x | 4 | {EVIL} | 3" in read(a)
    drawn = a.plot().to_dict()
    assert [row["load"] for row in drawn["layer"][0]["data"]["values"]] == [4, 3]
    assert drawn["layer"][1]["data"]["values"] == [{"mean": 3.5}]
    assert drawn["width"] >= 240
    assert drawn["layer"][0]["encoding"]["y"]["axis"]["titlePadding"] > 10
    weighted = sparkeeper.assign(["x"], range(3), weights=[112_373, 1, 1])
    assert "fullest | 112,375; no assignment can be below 112,375" in read(weighted)
    group = zk.partitions("g", range(4))
    with group.join(id="m"):
        wait_for(lambda: group.assignment() and group.assignment().owners, 60, "an assignment")
        found = group.assignment()
        assert f"generation | {found.generation}" in read(found)
        assert found.plot().to_dict()["layer"][0]["data"]["values"] == [{"member": "m", "load": 4}]


def test_an_assignment_to_members_of_several_sizes(zk):
    a = sparkeeper.assign(["a", "b"], range(30), capacity={"a": 1, "b": 9})
    seen = read(a)
    assert "fullest | 3 for each unit of capacity; no assignment can be below 3" in seen
    assert "dashed: in proportion to capacity" in seen
    marks = a.plot().to_dict()["layer"][1]
    assert marks["mark"]["type"] == "tick"
    assert [row["share"] for row in marks["data"]["values"]] == [3, 27]
    even = read(sparkeeper.assign(["a", "b"], range(4), capacity={"a": 2, "b": 2}))
    assert "fullest | 1 for each unit of capacity" in even
    assert "dashed: the mean" in even
    group = zk.partitions("g", range(8))
    with group.join(id="one"), group.join(id="three", capacity=3.0):
        wait_for(lambda: len(getattr(group.assignment(), "members", ())) == 2, 60, "both in an assignment")
        found = group.assignment()
        assert "one | 2 | three | 6 | dashed: in proportion to capacity" in read(found)
        assert {row["share"] for row in found.plot().to_dict()["layer"][1]["data"]["values"]} == {2.0, 6.0}


def test_large_loads_are_written_out():
    a = sparkeeper.assign(["x"], range(2), weights=[1_234_567, 1], capacity=[2])
    seen = read(a)
    assert "fullest | 617,284 for each unit of capacity; no assignment can be below 617,284" in seen
    assert "x | 1,234,568" in seen


def test_charts_of_nothing_say_so(zk):
    assert said(sparkeeper.assign(["x"], [])) == "Nobody has any."
    with zk.election("e").timeline() as timeline:
        assert said(timeline) == "Nobody led so far."
    assert chart.history("t", []).to_dict()["encoding"]["text"]["value"] == "It has no version."


def said(handle):
    drawn = handle.plot().to_dict()
    assert drawn["mark"]["type"] == "text"
    return drawn["encoding"]["text"]["value"]


def test_what_two_plans_differ_in(zk, spark):
    numbers = spark.range(90)
    plan = zk.partition_plan("p", numbers, by=["id % 3"], partitions=3)
    newer = zk.partition_plan("p", numbers.where("id % 3 = 0").union(numbers), by=["id % 3"], partitions=3, replan=True)
    assert plan.compare(newer).moved == ()
    seen = read(plan.compare(newer))
    assert "Comparison |   | p 1 → p 2 | keys moved | 0" in seen
    assert "heaviest before | 1.00 x the mean | heaviest after | 1.50 x the mean; no plan can be below 1.50" in seen
    other = zk.partition_plan("q", spark.range(9).selectExpr("id + 2 AS id"), by=["id % 3"], partitions=1)
    seen = read(plan.compare(other))
    for (key,), ((part, _),), _ in plan.document.keys:
        assert (f"{key} | 3 | {part} | 0" in seen) == (part != 0)


def test_a_plan_a_commit_and_a_table(zk, spark, tmp_path):
    numbers = spark.range(100)
    plan = zk.partition_plan("p", numbers, by=["id % 2"], partitions=2)
    assert "heaviest partition | 1.00 x the mean" in read(plan)
    assert "with Spark's own hash | 2.00 x the mean" in read(plan)
    path = tmp_path / "t"
    commit = zk.write(numbers).job_id(EVIL).count_rows().save(path)
    assert f"version 1 | files | {commit.files} | bytes" in read(commit)
    assert "rows | 100" in read(commit)
    assert "the job had been committed before" in read(zk.write(numbers).job_id(EVIL).save(path))
    for _ in range(2):
        zk.write(numbers).mode("append").save(path)
    table = zk.table(spark, path)
    seen = read(table)
    assert seen.index("| 3 | append") < seen.index("| 2 | append") < seen.index(f"| 1 | append | {EVIL}")
    drawn = table.plot().to_dict()
    assert [side["encoding"]["y"]["title"] for side in drawn["hconcat"]] == ["bytes", "files"]
    assert drawn["hconcat"][0]["encoding"]["y"]["axis"]["titlePadding"] > 10
    assert drawn["hconcat"][0]["encoding"]["x"]["axis"]["labelOverlap"] is True
    assert [row["version"] for row in drawn["hconcat"][0]["data"]["values"]] == [1, 2, 3]
    assert "table" in read(zk.table(spark, tmp_path / "none")).lower()


def test_charts_say_what_they_need(monkeypatch, zk):
    monkeypatch.setitem(sys.modules, "altair", None)
    with pytest.raises(exceptions.ConfigError, match=r"pip install 'sparkeeper\[viz\]'"):
        sparkeeper.assign(["x"], range(2)).plot()
    with zk.election("e").timeline() as timeline, pytest.raises(exceptions.ConfigError, match="altair"):
        timeline.plot()
