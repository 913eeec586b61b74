"""Streams of changes with the data source `zookeeper`: none missed and none repeated, over restarts too."""

from __future__ import annotations

import json
import random

import pytest

from sparkeeper import exceptions
from sparkeeper.spark.data_source_journal import NOTED_ROWS, NOTES
from streams import PATIENCE, read_on, run_maker, told
from trees import Writer, on_server
from waiting import wait_for


@pytest.fixture
def stream(connect_string, namespace):
    """Makes the reader of one run of a query, as Spark does."""
    return run_maker(connect_string, namespace)


def test_what_exists_comes_first_then_each_change_with_its_zxid(zk, stream):
    zk.create("t/a", b"1")
    run = stream()
    start = run.initialOffset()
    found, end = read_on(run, start)
    root, a = zk.exists("t"), zk.exists("t/a")
    assert found == [("CREATED", "/t", root.czxid, ""), ("CREATED", "/t/a", a.czxid, "1")]
    assert (end["batch"], end["zxid"], end["caught_up"]) == (1, a.czxid, False)
    assert run.read(end)[1] is end
    changed = zk.set("t/a", b"2").mzxid
    found, end = read_on(run, end)
    assert found == [("CHANGED", "/t/a", changed, "2")]
    zk.delete("t/a")
    found, end = read_on(run, end)
    assert found == [("DELETED", "/t/a", zk.exists("t").pzxid, None)]
    assert (end["batch"], end["caught_up"]) == (3, False)


def test_after_a_gap_it_compares_and_says_so(zk, stream):
    for name in ("kept", "set", "gone/leaf", "again"):
        zk.create(f"t/{name}", b"0")
    run = stream()
    _, end = read_on(run, run.initialOffset())
    zk.set("t/set", b"1")
    last = zk.set("t/set", b"2").mzxid
    zk.delete("t/gone", recursive=True)
    gone = zk.exists("t").pzxid
    zk.delete("t/again")
    zk.create("t/again", b"new")
    zk.create("t/fleeting", b"")
    zk.delete("t/fleeting")
    again = zk.exists("t/again").czxid
    found, end = read_on(stream(), end)
    assert sorted(found) == [
        ("CHANGED", "/t/set", last, "2"),
        ("CREATED", "/t/again", again, "new"),
        ("DELETED", "/t/again", again, None),
        # Nobody knows when it went: by then.
        ("DELETED", "/t/gone", zk.exists("t").pzxid, None),
        ("DELETED", "/t/gone/leaf", zk.exists("t").pzxid, None),
    ]
    assert gone < zk.exists("t").pzxid
    assert [zxid for _, _, zxid, _ in found] == sorted(zxid for _, _, zxid, _ in found)
    assert end["caught_up"]


def test_a_lost_link_is_a_gap_too(zk, stream, proxy):
    zk.create("t", b"0")
    run = stream(connect=proxy.connect_string, **{"session.timeout": "3s"})
    _, end = read_on(run, run.initialOffset())
    proxy.cut()
    zk.set("t", b"1")
    changed = zk.set("t", b"2").mzxid
    wait_for(lambda: run._follower._gap, PATIENCE, "the loss to be noticed")
    proxy.heal()
    found, end = read_on(run, end)
    assert found == [("CHANGED", "/t", changed, "2")]
    assert end["caught_up"]
    zk.set("t", b"3")
    assert not read_on(run, end)[1]["caught_up"]


def test_a_batch_that_is_asked_for_again_is_the_same(zk, stream):
    zk.create("t/a", b"1")
    run = stream()
    start = run.initialOffset()
    first, middle = read_on(run, start)
    zk.set("t/a", b"2")
    second, end = read_on(run, middle)
    zk.delete("t", recursive=True)
    # In a task; the first batch from an offset that Spark asked for anew.
    for after, rows in [(middle, second), (start, first + second), (stream().initialOffset(), first + second)]:
        assert told(stream().readBetweenOffsets(after, end)) == rows
    run.commit(middle)
    assert told(stream().readBetweenOffsets(middle, end)) == second


def test_a_batch_that_spark_did_not_hear_of_is_told_by_the_next_run(zk, stream):
    zk.create("t/a", b"1")
    run = stream()
    _, middle = read_on(run, run.initialOffset())
    zk.set("t/a", b"2")
    found, end = read_on(run, middle)
    zk.set("t/a", b"3")
    # The run died before Spark noted `end`.
    again = stream()
    assert read_on(again, middle) == (found, end)
    assert [row[3] for row in read_on(again, end)[0]] == ["3"]


def test_a_run_that_was_taken_over_is_fenced(zk, stream):
    zk.create("t/a", b"1")
    old = stream()
    _, end = read_on(old, old.initialOffset())
    new = stream()
    zk.set("t/a", b"2")
    read_on(new, end)
    with pytest.raises(exceptions.Fenced, match="another run of this query wrote it in between"):
        read_on(old, end)


def test_a_state_that_is_gone_is_no_beginning(zk, stream):
    zk.create("t/a", b"1")
    run = stream(state="/mine")
    _, middle = read_on(run, run.initialOffset())
    zk.set("t/a", b"2")
    _, end = read_on(run, middle)
    zk.delete("mine", recursive=True)
    with pytest.raises(exceptions.HistoryLost, match=r"state in /mine is at 0; .*new checkpoint"):
        stream(state="/mine").read(end)
    with pytest.raises(exceptions.HistoryLost, match=r"batch 2: its state at /mine/.* has it no more"):
        list(stream(state="/mine").readBetweenOffsets(middle, end))


def test_it_may_begin_with_what_happens_from_now_on(zk, stream):
    zk.create("t/a", b"1")
    run = stream(starting="now")
    batches, end = run.read(run.initialOffset())
    assert (told(batches), end["batch"]) == ([], 1)
    # Between two runs.
    zk.create("t/b", b"2")
    assert [row[:2] for row in read_on(stream(starting="now"), end)[0]] == [("CREATED", "/t/b")]


def test_depth_and_glob_and_the_streams_own_state(zk, stream):
    for path in ("s/api/leader", "s/api/x/leader", "s/web/leader"):
        zk.create(path, b"")
    run = stream("/s", glob="*/leader")
    found, end = read_on(run, run.initialOffset())
    assert [row[1] for row in found] == ["/s/api/leader", "/s/web/leader"]
    zk.set("s/api/x/leader", b"")
    zk.set("s/web/leader", b"1")
    assert [row[1] for row in read_on(run, end)[0]] == ["/s/web/leader"]
    everything = stream("/", depth=1)
    found, end = read_on(everything, everything.initialOffset())
    assert {row[1] for row in found} == {"/", "/s"}
    zk.create("z", b"")
    # Not its own notes.
    assert [row[1] for row in read_on(everything, end)[0]] == ["/z"]


def test_the_notes_stay_few(zk, stream):
    zk.create("t", b"")
    for n in range(NOTED_ROWS // 8):
        zk.create(f"t/{n}", b"x" * 1000)
    run = stream()
    _, end = read_on(run, run.initialOffset())
    for n in range(2 * NOTES + 5):
        zk.set("t/0", str(n).encode())
        _, end = read_on(run, end)
        run.commit(end)
    notes = zk.children(f"streams/{end['stream']}")
    assert len(notes) <= NOTES + 2
    zk.set("t/1", b"1")
    zk.delete("t/2")
    found, _ = read_on(stream(), end)
    assert {row[:2] for row in found} == {("CHANGED", "/t/1"), ("DELETED", "/t/2")}


def test_a_query_runs_stops_and_goes_on(zk, registered, tmp_path):
    zk.create("t/a", b"1")

    def start(**trigger):
        frame = registered.readStream.format("zookeeper").option("path", "/t").load()
        assert frame.columns[-2:] == ["event", "zxid"]
        writer = frame.select("event", "path", "text", "zxid").writeStream.format("parquet")
        return writer.option("checkpointLocation", str(tmp_path / "c")).trigger(**trigger).start(str(tmp_path / "out"))

    def rows():
        return registered.read.parquet(str(tmp_path / "out")).orderBy("zxid").collect()

    query = start(processingTime="100 milliseconds")
    wait_for(lambda: query.lastProgress and query.lastProgress["batchId"] >= 0 and len(rows()) == 2, PATIENCE, "2 rows")
    zk.set("t/a", b"2")
    wait_for(lambda: len(rows()) == 3, PATIENCE, "the change")
    query.stop()
    zk.set("t/a", b"3")
    zk.set("t/a", b"4")
    query = start(availableNow=True)
    query.awaitTermination(PATIENCE)
    ends = [json.loads(progress["sources"][0]["endOffset"]) for progress in query.recentProgress]
    assert [end["caught_up"] for end in ends if end["batch"] == 3][:1] == [True]
    assert [row[:3] for row in rows()] == [
        ("CREATED", "/t", ""),
        ("CREATED", "/t/a", "1"),
        ("CHANGED", "/t/a", "2"),
        ("CHANGED", "/t/a", "4"),
    ]
    start(availableNow=True).awaitTermination(PATIENCE)
    assert len(rows()) == 4


def batches(output):
    """What was told in each batch, by each run that told it."""
    found = {}
    for file in output.glob("*.json"):
        number = int(file.name.partition("-")[0])
        found.setdefault(number, []).append(json.loads(file.read_text()))
    return found


def test_killed_in_a_batch_and_at_random_it_misses_nothing_and_repeats_nothing(zk, start_driver, tmp_path):
    output = tmp_path / "out"
    output.mkdir()
    query = {"path": "/t", "checkpoint": str(tmp_path / "c"), "output": str(output)}
    zk.create("t", b"")
    writer, chance = Writer(zk, "/t", "top"), random.Random(4)
    writer.change(20)
    driver = start_driver(classic=True)
    # The first batch is the one whose start Spark does not remember.
    driver.tell("changes", die_in=0, **query)
    driver.wait_killed()
    # What it told is not so any more.
    writer.change(20)
    driver = start_driver(classic=True)
    driver.tell("changes", every="50 milliseconds", **query)
    assert driver.answer() == {"started": True}
    wait_for(lambda: len(batches(output)) > 1, PATIENCE, "the second batch", interval=0.2)
    for _ in range(20):
        writer.change(chance.randrange(1, 20))
    driver.kill()
    writer.change(20)
    assert start_driver(classic=True).ask("changes", **query) == {"done": True}
    found = batches(output)
    assert len(found[0]) == 2
    assert sorted(found) == list(range(len(found)))
    known, seen = {}, set()
    for _, runs in sorted(found.items()):
        assert all(run == runs[0] for run in runs)
        for event, path, zxid, text, mzxid in runs[0]:
            assert (event, path, zxid) not in seen, "told twice"
            seen.add((event, path, zxid))
            below = path.removeprefix("/t").removeprefix("/")
            if event == "DELETED":
                del known[below]
            else:
                assert (below in known) == (event == "CHANGED")
                known[below] = text
                if below:
                    assert writer.record.written[below, mzxid] == text.encode(), "was never written there"
    assert known == {below: data.decode() for below, (data, _, _) in on_server(zk, "/t").items()}
