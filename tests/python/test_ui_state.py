"""What `sparkeeper ui` sends is what goes on, and what became of it."""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING

import pytest

from pages import Client, serving
from sparkeeper.survey import Contender, Line
from sparkeeper.ui.follow import Follower
from sparkeeper.ui.spans import Lane, Spans
from waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pyspark.sql import SparkSession

    import sparkeeper
    from commands import Shell


def test_who_held_before_is_known_to_a_browser_that_comes_later(
    url: str, client: Client, coordinator: Callable[..., sparkeeper.Coordinator]
) -> None:
    for owner in ("first", "second"):
        zk = coordinator(owner=owner)
        held = [zk.lock("a").acquire(), zk.semaphore("s", permits=3).acquire(2)]
        term = zk.election("e").campaign()
        tokens = {one.token for one in (*held, term)}
        client.until(
            lambda state, tokens=tokens: tokens <= {lane["spans"][-1]["token"] for lane in state["lanes"]}, 10, owner
        )
        term.step_down()
        for one in held:
            one.release()
    last = coordinator(owner="third").lock("a").acquire()
    seen = client.until(
        lambda state: [line["holders"][0]["token"] for line in state["locks"]] == [last.token], 10, "it"
    )
    with Client(url) as later:
        assert later.until(bool, 10, "the first state")["lanes"] == seen["lanes"]
    assert [(lane["path"], lane["kind"]) for lane in seen["lanes"]] == [
        ("e", "election"),
        ("a", "lock"),
        ("s", "semaphore"),
    ]
    spans = {lane["path"]: lane["spans"] for lane in seen["lanes"]}
    assert [span["owner"] for span in spans["a"]] == ["first", "second", "third"]
    assert [span["owner"] for span in spans["e"]] == [span["owner"] for span in spans["s"]] == ["first", "second"]
    assert spans["a"][-1]["token"] == last.token
    ends = [span["ended"] for span in spans["a"]]
    assert ends[-1] is None
    assert spans["a"][0]["began"] <= ends[0] <= spans["a"][1]["began"] <= ends[1]
    assert not any(span["early"] for span in spans["a"])


def test_who_held_before_anybody_watched_held_for_at_least_that_long(
    shell: Shell, tmp_path: Path, zk: sparkeeper.Coordinator
) -> None:
    held = zk.lock("a").acquire()
    with serving(shell, tmp_path) as (_, url), Client(url) as client:
        (span,) = client.until(bool, 10, "the first state")["lanes"][0]["spans"]
        assert (span["token"], span["early"], span["ended"]) == (held.token, True, None)


def test_holders_between_two_states_are_not_missed_and_no_browser_is_flooded(
    zk: sparkeeper.Coordinator, coordinator: Callable[..., sparkeeper.Coordinator]
) -> None:
    watcher, tokens = coordinator(), []
    with watcher.cache("/") as cache, Follower(watcher, cache) as follower:
        began = time.monotonic()
        for _ in range(50):
            with zk.lock("a").acquire() as held:
                tokens.append(held.token)
                wait_for(lambda: last_token(follower) == tokens[-1], 10, "it to be seen", 0.001)
        number, state = follower.after(0, 10)
        while (found := follower.after(number, 1)) is not None:
            number, state = found
        took = time.monotonic() - began
    (lane,) = json.loads(state)["lanes"]
    assert [span["token"] for span in lane["spans"]] == tokens[-20:]
    assert number <= took * 5 + 2


def last_token(follower: Follower) -> int | None:
    lanes = follower._past.spans.lanes
    return lanes[0].spans[-1].token if lanes else None


def test_partitions_before_and_after_somebody_comes(
    client: Client, coordinator: Callable[..., sparkeeper.Coordinator]
) -> None:
    first = coordinator(owner="one").partitions("p", range(6), weights=[3, 1, 1, 1, 1, 1]).join("one")
    wait_for(lambda: len(first.held) == 6, 60, "the first to have all")
    client.until(lambda state: state["groups"] and state["groups"][0]["assignment"], 10, "the first assignment")
    second = coordinator(owner="two").partitions("p").join("two")
    wait_for(lambda: second.held and len(first.held) + len(second.held) == 6, 60, "the second to have its share")
    state = client.until(
        lambda state: sum(bool(one["owns"]) for one in state["groups"][0]["members"]) == 2, 60, "both to claim"
    )
    (group,) = state["groups"]
    found = group["assignment"]
    assert found["measure"] == "weight"
    assert {one["name"]: (one["before"], one["now"]) for one in found["members"]} == {"one": (8, 4), "two": (0, 4)}
    assert found["generation"] > found["before"]
    assert (found["certificate"]["max_load"], found["certificate"]["lower_bound"]) == (4, 4)
    # What a group is made of is not shown as another's.
    assert not state["lanes"]


def test_groups_work_and_sessions_are_as_top_has_them(client: Client, shell: Shell, zk: sparkeeper.Coordinator) -> None:
    zk.group("g").join(b"")
    zk.queue("q").put(b"1")
    zk.tasks("t").submit([1, 2])
    zk.lock("l").acquire()
    state = client.until(lambda state: state["locks"], 10, "the lock")
    top = shell.json("top", "--once")
    assert [{key: value for key, value in one.items() if key != "assignment"} for one in state["groups"]] == top[
        "gatherings"
    ]
    assert (state["work"], state["locks"], state["sessions"]) == (top["work"], top["lines"], top["sessions"])


def test_tables_have_their_newest_versions_and_plans_their_weights(
    client: Client, zk: sparkeeper.Coordinator, spark: SparkSession, tmp_path: Path
) -> None:
    table = tmp_path / "table"
    for number in range(22):
        zk.write(spark.range(10)).mode("overwrite" if number == 21 else "append").job_id(f"job/{number}").save(table)
    rows = spark.range(1000).selectExpr("if(id < 400, 'hub', concat('k', id % 7)) as key")
    plan = zk.partition_plan("routes", rows, by="key", partitions=4)
    state = client.until(
        lambda state: state["plans"] and state["tables"][0]["history"]["manifests"], 60, "the plan and the manifests"
    )
    kept = [row.asDict() for row in zk.table(spark, table).history().collect()][:1:-1]
    versions = client.until(
        lambda state: state["tables"][0]["history"]["versions"][0].get("operation") == "overwrite", 60, "the newest"
    )["tables"][0]["history"]["versions"]
    names = {"version": "version", "operation": "operation", "job": "job_id", "added": "added", "removed": "removed"}
    names |= {"files": "files", "bytes": "bytes"}
    assert [{to: one[to] for to in names} for one in versions] == [
        {to: one[name] for to, name in names.items()} for one in kept
    ]
    (found,) = state["plans"]
    assert (found["name"], found["version"], found["max_load"]) == ("routes", 1, plan.certificate.max_load)
    assert [bar["now"] for bar in found["bars"]] == plan.certificate.loads
    assert [bar["before"] for bar in found["bars"]] == list(plan.plain_loads)


def test_of_a_table_elsewhere_it_shows_what_zookeeper_has(
    client: Client, zk: sparkeeper.Coordinator, spark: SparkSession, tmp_path: Path
) -> None:
    table = tmp_path / "table"
    done = zk.write(spark.range(10)).job_id("a b").save(table)
    client.until(lambda state: state["tables"] and state["tables"][0]["history"]["manifests"], 60, "the manifests")
    table.rename(tmp_path / "elsewhere")
    (id,) = zk.children("tables")  # noqa: A001 - it is one
    # A head whose manifest is not there.
    data, _ = zk.get(f"tables/{id}/head")
    zk.set(f"tables/{id}/head", data.replace(b'"manifest":"1-', b'"manifest":"2-').replace(b'"v":1', b'"v":2'))
    (one,) = client.until(
        lambda state: state["tables"][0]["version"] == 2 and not state["tables"][0]["history"]["manifests"], 60, "it"
    )["tables"]
    (version,) = one["history"]["versions"]
    assert (version["job"], version["version"], version["added"]) == ("a b", 1, done.files)
    assert version["added_bytes"] == done.bytes


def test_what_is_none_of_ours_hurts_nobody(client: Client, zk: sparkeeper.Coordinator) -> None:
    client.until(bool, 10, "the first state")
    for path, data in {
        "plans/empty": b"",
        "plans/odd": b'{"versions": [{"sha256": "x", "node": "y", "pages": 1}]}',
        "plans/odd2": b'{"versions": [1]}',
        "plans/odd3": b'{"versions": {"a": 1}}',
        "g/assignment": b'{"owners": 1, "generation": 1, "members": []}',
        "g/spec": b'{"items": [1]}',
        "g/members": b"\xff",
        "tables/t": b"[]",
        "tables/t/head": b"{",
        "tables/t/floor": b"x",
        "tables/u": b'{"uri": "file:///nowhere"}',
        "tables/u/head": b'{"v": "x", "manifest": "m"}',
        "tables/v": b'{"uri": "file:///nowhere"}',
        "tables/v/head": b'{"v": 1, "manifest": "m"}',
        "tables/t/jobs/00/j": b'{"version": "1"}',
        "odd/x-lock-0000000000": b"\xff\n<script>",
    }.items():
        zk.create(path, data) if zk.exists(path) is None else zk.set(path, data)
    zk.lock("after").acquire()
    state = client.until(lambda state: any(line["path"] == "after" for line in state["locks"]), 10, "what came after")
    assert state["plans"] == []
    assert [one["history"]["versions"] for one in state["tables"]] == [[], [], []]


def test_odd_nodes_of_anybody_do_not_end_it(
    client: Client, zk: sparkeeper.Coordinator, coordinator: Callable[..., sparkeeper.Coordinator]
) -> None:
    for path, said in (
        ("workers/me", b"[" * 3000),
        ("odd/spec", b'{"items":5}'),
        ("odd/assignment", b'{"owners":{"a":5},"generation":1}'),
        ("odd/members", b""),
        ("tables/x/head", b'{"v":NaN}'),
    ):
        zk.create(path, said, ephemeral=path == "workers/me")
    zk.lock("a").acquire()
    coordinator(owner="line one\nline two").lock("b").acquire()
    state = client.until(lambda state: len(state["locks"]) == 2, 60, "the locks after them")
    assert [line["holders"][0]["asked"] for line in state["locks"]] == [False, False]
    assert state["locks"][1]["holders"][0]["owner"] == "line one\nline two"


def test_what_ends_it_ends_the_command(
    zk: sparkeeper.Coordinator, coordinator: Callable[..., sparkeeper.Coordinator], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> bytes:
        raise ZeroDivisionError

    watcher = coordinator()
    with watcher.cache("/") as cache, Follower(watcher, cache) as follower:
        monkeypatch.setattr("sparkeeper.ui.follow.document", fail)
        zk.create("anything")
        with pytest.raises(ZeroDivisionError):
            follower.wait(threading.Event())
        assert follower.stopped


def test_what_is_not_kept_of_a_path_is_known_by_its_end() -> None:
    spans = Spans()

    def see(path: str, tokens: tuple[int, ...], now: int) -> None:
        holders = tuple(Contender(f"owner-{token}", "0x1", now, token) for token in tokens)
        spans.see(path, [Line(path, "semaphore", holders, ())] if holders else [], now)

    def lane(path: str) -> Lane:
        return next(lane for lane in spans.lanes if lane.path == path)

    for number in range(1, 21):
        see("a", (0, number), number)
    assert (lane("a").older, len(lane("a").spans)) == (2, 20)
    # Who still holds is kept, however many came after.
    assert [span.token for span in lane("a").spans] == [0, *range(2, 21)]
    see("a", tuple(range(100, 130)), 30)
    assert (lane("a").older, [span.token for span in lane("a").spans]) == (30, list(range(100, 130)))
    # A path whose lane was forgotten is not said to have been free until it comes back.
    for number in range(60):
        see(f"other/{number}", (number,), 40 + number)
        see(f"other/{number}", (), 41 + number)
    assert "other/0" not in {lane.path for lane in spans.lanes}
    see("other/0", (1,), 200)
    assert lane("other/0").older == 41
