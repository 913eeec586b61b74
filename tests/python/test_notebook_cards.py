"""What handles show in a notebook: cards, charts, a timeline, and whom a long wait waits for."""

from __future__ import annotations

import sys
import threading
from html.parser import HTMLParser

import nbformat
import pytest
from nbclient import NotebookClient

import sparkeeper
from sparkeeper import exceptions
from sparkeeper.notebook.card import LONGEST, card, table
from waiting import wait_for

EVIL = "<script>alert(1)</script>&\"'"


class Text(HTMLParser):
    """The text of a card, and its tags; what is not closed in order fails."""

    def __init__(self, html):
        super().__init__()
        self.open, self.tags, self.words = [], set(), []
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, _):
        self.tags.add(tag)
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return " | ".join(self.words)


def read(handle):
    seen = Text(handle._repr_html_())
    assert "script" not in seen.tags
    return seen.text


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
        assert "permits | 3" in read(semaphore)
        assert "has 2 | me" in read(semaphore)
        assert read(permits).startswith("Permits |   | s | state | HELD")
    election = zk.election("e", id=EVIL)
    assert "Nobody stands." in read(election)
    with election.campaign(timeout=60) as term:
        assert f"leads | {EVIL}" in read(election)
        assert read(term).startswith("Term |   | e | state | HELD")
    assert "LOST" in read(term) or "RELEASED" in read(term)


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
    group = zk.partitions("g", range(4))
    with group.join(id="m"):
        wait_for(lambda: group.assignment() and group.assignment().owners, 60, "an assignment")
        found = group.assignment()
        assert f"generation | {found.generation}" in read(found)
        assert found.plot().to_dict()["layer"][0]["data"]["values"] == [{"member": "m", "load": 4}]


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
    assert [row["version"] for row in drawn["hconcat"][0]["data"]["values"]] == [1, 2, 3]
    assert "table" in read(zk.table(spark, tmp_path / "none")).lower()


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
    assert [row["leader"] for row in timeline.plot().to_dict()["data"]["values"]] == ["a", EVIL]
    table = timeline.to_pandas()
    assert list(table.columns) == ["leader", "token", "since", "until"]
    assert str(table.since.dtype).endswith("UTC]")
    assert repr(timeline) == f"<Timeline of 'e', {len(reigns)} reigns>"


def test_charts_say_what_they_need(monkeypatch, zk):
    monkeypatch.setitem(sys.modules, "altair", None)
    with pytest.raises(exceptions.ConfigError, match=r"pip install 'sparkeeper\[viz\]'"):
        sparkeeper.assign(["x"], range(2)).plot()
    with zk.election("e").timeline() as timeline, pytest.raises(exceptions.ConfigError, match="altair"):
        timeline.plot()


def test_a_notebook_shows_it_below_its_cell(connect_string, namespace):
    cells = [
        f"import sparkeeper\nzk = sparkeeper.connect({connect_string!r}, namespace={namespace!r})",
        "held = zk.lock('l', owner='the holder').acquire()",
        "try:\n    zk.lock('l', owner='us').acquire(timeout=6)\nexcept TimeoutError:\n    pass",
        "zk.lock('l')",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    NotebookClient(notebook, timeout=120).execute()
    told = "".join(output.get("text", "") for output in notebook.cells[2].outputs)
    assert told == "waiting for 'l': the holder has it, 0 in line before us\n"
    assert "the holder" in notebook.cells[3].outputs[0]["data"]["text/html"]
