"""The cache: a copy of a subtree that follows the server, its snapshots and its events."""

import asyncio
import pickle
import random
import re
import signal
import sys
import threading
import time

import pytest

from cancelling import cancel_between_result_and_task
from sparkeeper import exceptions
from sparkeeper.local import words
from trees import content, on_server
from waiting import wait_for

BOTH = pytest.mark.parametrize("persistent", [True, False], ids=["persistent", "plain"])


def watches(server, namespace):
    """How many watches the server keeps at and below a namespace."""
    return len(re.findall(rf"^/{re.escape(namespace)}(/|$)", words.ask(server.port, "wchp", 30), re.MULTILINE))


@BOTH
def test_it_reads_like_a_mapping(zk, persistent):
    zk.create("c/a/b", b"1")
    zk.create("c/a-z", b"2")
    with zk.cache("c", persistent=persistent) as cache:
        assert cache["a/b"] == cache["/a/b/"] == cache.get("a/b") == b"1"
        assert cache[""] == b""
        assert cache.get("missing") is None
        assert "a" in cache
        assert "a/x" not in cache
        assert list(cache) == ["", "a", "a-z", "a/b"]
        assert len(cache) == 4
        assert cache.children() == ["a", "a-z"]
        assert cache.children("a") == ["b"]
        assert cache.children("a/b") == []
        for refused in (lambda: cache["x/y"], lambda: cache.children("x/y")):
            with pytest.raises(exceptions.NoNode, match=r"'c'.*'x/y'"):
                refused()
        with pytest.raises(KeyError):
            cache["x/y"]
        assert repr(cache) == f"<Cache 'c' READY nodes=4 zxid={cache.snapshot().zxid}>"
    assert repr(cache) == "<Cache 'c' CLOSED>"
    for refused in (lambda: cache["a"], cache.snapshot, cache.events, lambda: len(cache)):
        with pytest.raises(exceptions.Closed, match="'c'"):
            refused()


@BOTH
def test_a_snapshot_is_as_of_its_zxid_and_stays_as_it_was(zk, persistent):
    zk.create("c/a", b"1")
    cache = zk.cache("c", persistent=persistent)
    before = cache.snapshot()
    stat = zk.set("c/a", b"2")
    wait_for(lambda: cache["a"] == b"2", 60, "the change")
    after = cache.snapshot()
    assert (after.zxid, after["a"][1].version, after["a"][1]) == (stat.mzxid, 1, stat)
    assert before["a"][0] == b"1"
    assert before.zxid == before["a"][1].mzxid < after.zxid
    assert after.children("") == ["a"]
    assert (len(after), list(after), "a" in after, after.keys()) == (2, ["", "a"], True, ["", "a"])
    assert repr(after) == f"<CacheSnapshot 'c' nodes=2 zxid={after.zxid}>"
    cache.close()
    assert after["a"][0] == b"2"


@BOTH
def test_events_come_in_order_with_their_zxids_and_data(zk, persistent):
    zk.create("c")
    cache = zk.cache("c", persistent=persistent)
    events = cache.events(timeout=5)
    zk.create("c/a/b", b"1")
    wait_for(lambda: "a/b" in cache, 60, "the nodes")
    mzxid = zk.set("c/a/b", b"2").mzxid
    wait_for(lambda: cache["a/b"] == b"2", 60, "the change")
    zk.delete("c/a", recursive=True)
    got = [next(events) for _ in range(5)]
    assert [(event.kind, event.path, event.data) for event in got] == [
        ("CREATED", "a", b""),
        ("CREATED", "a/b", b"1"),
        ("CHANGED", "a/b", b"2"),
        ("DELETED", "a/b", b"2"),
        ("DELETED", "a", b""),
    ]
    zxids = [event.zxid for event in got]
    assert zxids == sorted(set(zxids))
    assert (got[1].stat.czxid, got[2].stat.mzxid, mzxid) == (zxids[1], zxids[2], zxids[2])
    assert repr(got[2]) == f"CacheEvent(CHANGED 'a/b' zxid={mzxid} data_length=1)"
    assert got[0] == got[0] != got[1]


def test_the_loop_ends_when_nothing_happens_or_the_cache_is_closed(zk):
    cache = zk.cache("c")
    begun = time.monotonic()
    assert list(cache.events(timeout=0.3)) == []
    assert 0.25 < time.monotonic() - begun < 2
    events = cache.events()
    zk.create("c", b"x")
    closer = threading.Timer(0.3, cache.close)
    closer.start()
    assert [event.path for event in events] == [""]
    closer.join()


def test_ctrl_c_ends_the_loop(zk):
    events = zk.cache("c").events()
    ended = threading.Event()

    def press():
        # Again: one that comes while Python collects garbage is lost there.
        while not ended.wait(0.3):
            signal.raise_signal(signal.SIGINT)

    def wait():
        try:
            next(events)
        finally:
            ended.set()

    threading.Thread(target=press).start()
    with pytest.raises(KeyboardInterrupt):
        wait()
    zk.create("c")
    assert next(events).kind == "CREATED"


def test_callbacks_hear_every_change(zk, monkeypatch):
    cache, told, failed = zk.cache("c"), [], []
    monkeypatch.setattr(sys, "unraisablehook", lambda found: failed.append(found.exc_type))

    def fail(_event):
        raise ValueError("mine")

    cache.on_change(fail)
    cache.on_change(lambda event: told.append((event.kind, event.path)))
    with pytest.raises(TypeError, match="callable"):
        cache.on_change("no function")
    zk.create("c/a")
    wait_for(lambda: len(told) == 2, 60, "the creations")
    zk.delete("c/a")
    wait_for(lambda: len(told) == 3, 60, "the deletion")
    assert told == [("CREATED", ""), ("CREATED", "a"), ("DELETED", "a")]
    wait_for(lambda: failed == [ValueError] * 3, 60, "the other callback to have been called as well")
    cache.close()


@BOTH
def test_the_server_has_no_watch_after_close(zk, server, namespace, persistent):
    for number in range(20):
        zk.create(f"c/{number}")
    cache = zk.cache("c", persistent=persistent)
    assert len(cache) == 21
    assert watches(server, namespace) == (1 if persistent else 21)
    cache.close()
    wait_for(lambda: watches(server, namespace) == 0, 60, "the watches to be gone")
    # One that is dropped is closed, too.
    cache = zk.cache("c", persistent=persistent)
    assert len(cache) == 21
    del cache
    wait_for(lambda: watches(server, namespace) == 0, 60, "the watches to be gone")
    assert zk.state == "CONNECTED"


@BOTH
def test_what_changed_while_the_link_was_down(proxy, coordinator, zk, persistent):
    far = coordinator(proxy.connect_string, session_timeout=20)
    zk.create("c/stays", b"1")
    zk.create("c/goes/deep", b"2")
    zk.create("c/returns", b"3")
    cache = far.cache("c", persistent=persistent)
    events = cache.events(timeout=3)
    before = content(cache)
    proxy.cut()
    wait_for(lambda: far.state == "SUSPENDED", 60, "the cut")
    zk.delete("c/goes", recursive=True)
    zk.delete("c/returns")
    zk.create("c/returns", b"4")
    zk.set("c/stays", b"5")
    zk.create("c/new", b"6")
    assert content(cache) == before
    proxy.heal()
    wait_for(lambda: content(cache) == on_server(zk, "c"), 60, "the cache to be equal to the server")
    got = list(events)
    assert [event.zxid for event in got] == sorted(event.zxid for event in got)
    assert sorted((event.path, event.kind, event.data) for event in got) == [
        ("goes", "DELETED", b""),
        ("goes/deep", "DELETED", b"2"),
        ("new", "CREATED", b"6"),
        ("returns", "CREATED", b"4"),
        ("returns", "DELETED", b"3"),
        ("stays", "CHANGED", b"5"),
    ]
    zk.set("c/stays", b"7")
    wait_for(lambda: cache["stays"] == b"7", 60, "the cache to follow again")


@BOTH
def test_an_expired_session(proxy, coordinator, zk, persistent):
    far = coordinator(proxy.connect_string, session_timeout=1.5)
    zk.create("c/a", b"1")
    cache = far.cache("c", persistent=persistent)
    events = cache.events(timeout=3)
    assert cache["a"] == b"1"
    proxy.cut()
    wait_for(lambda: far.state == "EXPIRED", 60, "the end of the session")
    zk.set("c/a", b"2")
    assert cache["a"] == b"1"
    proxy.heal()
    wait_for(lambda: cache["a"] == b"2", 60, "the new session")
    assert [(event.kind, event.path) for event in events] == [("CHANGED", "a")]


def test_every_change_is_in_a_copy_made_of_a_snapshot_and_events(zk, coordinator):
    writer, chance = coordinator(), random.Random(3)
    cache = zk.cache("c")
    writer.create("c")
    stop = threading.Event()

    def write():
        while not stop.is_set():
            name = f"c/{chance.randrange(20)}"
            if writer.exists(name):
                writer.delete(name) if chance.random() < 0.3 else writer.set(name, str(chance.random()).encode())
            else:
                writer.create(name, str(chance.random()).encode())

    thread = threading.Thread(target=write)
    thread.start()
    try:
        wait_for(lambda: len(cache) > 10, 60, "some nodes")
        for _ in range(20):
            events, snapshot = cache.events(timeout=1), cache.snapshot()
            copy, seen = {path: data for path, (data, _) in dict(snapshot).items()}, 0
            for event in events:
                if event.zxid <= snapshot.zxid:
                    continue
                if event.kind == "DELETED":
                    copy.pop(event.path)
                else:
                    copy[event.path] = event.data
                seen += 1
                if seen == 50:
                    break
            assert seen == 50
            assert set(copy) <= {"", *map(str, range(20))}
    finally:
        stop.set()
        thread.join()
    wait_for(lambda: content(cache) == on_server(writer, "c"), 60, "the cache to be equal to the server")


def test_a_slow_reader_gets_what_it_amounts_to(zk):
    zk.create("c")
    cache = zk.cache("c")
    events = cache.events(timeout=2)

    async def write():
        await asyncio.gather(*(zk.create_async(f"c/{number}", b"1") for number in range(200)))
        for _ in range(5):
            await asyncio.gather(*(zk.set_async(f"c/{number}", b"2") for number in range(200)))

    asyncio.run(write())
    wait_for(lambda: content(cache) == on_server(zk, "c"), 60, "the cache to be equal to the server")
    copy = {"": b""}
    for event in events:
        copy[event.path] = event.data
    assert copy == {path: data for path, (data, _) in dict(cache.snapshot()).items()}


async def test_awaited(zk):
    async with zk.cache("c") as cache:
        assert await cache.get_async("a") is None
        events = await cache.events_async(timeout=5)
        await zk.create_async("c/a", b"1")
        kinds = []
        async for event in events:
            kinds.append((event.kind, event.path))
            if len(kinds) == 2:
                break
        assert kinds == [("CREATED", ""), ("CREATED", "a")]
        assert await cache.children_async() == ["a"]
        assert (await cache.snapshot_async())["a"][0] == b"1"
        task = asyncio.create_task(events.next_async())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await zk.set_async("c/a", b"2")
        assert (await events.next_async()).data == b"2"
        # Nor does a wait that is cancelled with its event in hand lose that.
        task = asyncio.create_task(events.next_async())
        cancelling = asyncio.create_task(cancel_between_result_and_task(task))
        await asyncio.sleep(0)
        await zk.set_async("c/a", b"3")
        await cancelling
        assert (await events.next_async()).data == b"3"
        silent = await cache.events_async(timeout=0.1)
        assert [event async for event in silent] == []
    with pytest.raises(exceptions.Closed):
        await cache.get_async("a")


def test_a_closed_coordinator_ends_everything(coordinator):
    zk = coordinator()
    cache = zk.cache("c")
    events = cache.events()
    threading.Timer(0.3, zk.close).start()
    with pytest.raises(exceptions.Closed):
        next(events)
    with pytest.raises(exceptions.Closed):
        cache.get("a")
    assert repr(cache) == "<Cache 'c' CLOSED>"


def test_not_ready_in_time(proxy, coordinator):
    zk = coordinator(proxy.connect_string, session_timeout=20)
    proxy.freeze()
    begun = time.monotonic()
    with pytest.raises(exceptions.AcquireTimeout, match="'c'"):
        zk.cache("c").wait_ready(timeout=0.5)
    assert 0.4 < time.monotonic() - begun < 1
    cache = zk.cache("c")
    assert repr(cache) == "<Cache 'c' not read yet>"
    proxy.thaw()
    cache.wait_ready(timeout=10)


@pytest.mark.parametrize("persistent", [True, False])
def test_who_may_not_read_its_root_is_told_and_reads_it_once_it_may(coordinator, caplog, persistent):
    mine = coordinator(auth=("digest", "bob:secret"), acl="creator")
    mine.create("c/open", b"1", acl="open")
    other = coordinator(auth=("digest", "eve:secret"))
    cache = other.cache("c", persistent=persistent)
    for refused in (cache.snapshot, cache.events, cache.wait_ready, lambda: cache.get("open"), lambda: list(cache)):
        with pytest.raises(exceptions.NotAuthorized, match="check auth and acl"):
            refused()
    mine.delete("c", recursive=True)
    mine.create("c", acl="open")
    mine.create("c/hidden", b"2")
    mine.create("c/open", b"3", acl="open")
    wait_for(lambda: told(cache) == ["", "open"], 60, "it to read what it may")
    # The first one may have read its root before that was there, of which a persistent watch does not tell.
    snapshot = other.cache("c", persistent=persistent).snapshot()
    assert snapshot.hidden == pickle.loads(pickle.dumps(snapshot)).hidden == ["hidden"]
    # Records cross on a thread of their own: one of the test before may come in this one.
    ours = [said for said in caplog.records if "cannot follow" in said.message and other.namespace in said.message]
    assert len(ours) == 1
    begun = time.monotonic()
    refused = coordinator(auth=("digest", "eve:secret")).cache("c/hidden", persistent=persistent)
    with pytest.raises(exceptions.NotAuthorized):
        refused.snapshot()
    refused.close()
    assert time.monotonic() - begun < 1


def told(cache):
    """The paths in it; nothing while its root may not be read."""
    try:
        return list(cache)
    except exceptions.NotAuthorized:
        return None


def test_it_pickles_as_configuration(zk):
    zk.create("c/a", b"1")
    cache = pickle.loads(pickle.dumps(zk.cache("c", persistent=False)))
    assert repr(cache) == "<Cache 'c' not read yet>"
    assert (cache.path, cache["a"]) == ("c", b"1")
    cache.close()


def test_a_large_tree_is_read_side_by_side(zk, proxy, coordinator):
    async def fill():
        await asyncio.gather(*(zk.create_async(f"c/{number % 50}/{number}", b"x" * 100) for number in range(2_000)))

    asyncio.run(fill())
    far = coordinator(proxy.connect_string, session_timeout=30)
    proxy.delay(0.02)
    begun = time.monotonic()
    cache = far.cache("c")
    cache.wait_ready(timeout=60)
    # One after the other, this would be three minutes.
    assert time.monotonic() - begun < 20
    assert content(cache) == on_server(zk, "c")
