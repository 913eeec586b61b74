"""A cache while its link is cut, its session ends and the server itself is killed: FAULTS 24."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from proxy import Proxy
from sparkeeper.local import LocalServer
from trees import Record, Writer, content, on_server
from waiting import wait_for

_FAULTS = ("cut", "kill", "cut", "expire", "kill", "cut", "kill", "cut")
# After so many more changes were followed: another moment in every round.
_LATER = (3, 50, 1, 200, 120, 7, 80, 20)
_WRITERS = 4
_CHANGES = 320
# Of those, so many once the fault has begun.
_LAST = 80


@pytest.fixture
def own_server():
    """A server that the test may kill."""
    with LocalServer() as running:
        yield running


def strike(fault, server, proxy, follower):
    """Let one fault happen, and end."""
    if fault == "kill":
        server.kill()
        wait_for(lambda: follower.state != "CONNECTED", 60, "the news that the server is gone")
        server.start()
        return
    proxy.cut()
    wait_for(lambda: follower.state == ("EXPIRED" if fault == "expire" else "SUSPENDED"), 60, f"the {fault}")
    proxy.heal()


def change(writer, struck):
    """Make most changes, and the last once the fault is there, however far behind the follower is."""
    writer.change(_CHANGES - _LAST)
    assert struck.wait(60), "the fault never came"
    writer.change(_LAST)


def check(events, record, before, after):
    """Every event is a change that was made, in the order of zxids, and together they lead from one to the other."""
    found, last, last_of = dict(before), 0, {}
    for event in events:
        assert event.zxid >= last, event
        last, path, stat = event.zxid, event.path, event.stat
        if event.kind == "DELETED":
            # Where the link was down, it is dated by when it was noticed.
            assert any(last_of.get(path, 0) <= at <= last for at in record.deleted[path]), f"never deleted: {event}"
            assert found.pop(path, None) is not None, f"deleted twice: {event}"
        else:
            assert record.written.get((path, stat.mzxid)) == event.data, f"never written: {event}"
            if event.kind == "CREATED":
                assert (path, last) in record.created, f"never created: {event}"
                assert path not in found, f"created twice: {event}"
            else:
                assert path in found, f"changed before it was created: {event}"
            assert last == (stat.czxid if event.kind == "CREATED" else stat.mzxid)
            found[path] = (event.data, stat.czxid, stat.mzxid)
        last_of[path] = last
    assert found == after


@pytest.mark.parametrize("persistent", [True, False], ids=["persistent", "plain"])
def test_ten_thousand_changes_while_the_server_is_killed_and_started_again(own_server, coordinator, persistent):
    with Proxy(own_server.port) as proxy:
        direct = [coordinator(own_server.connect_string, session_timeout=60) for _ in range(_WRITERS)]
        follower = coordinator(proxy.connect_string, session_timeout=6)
        zk = direct[0]
        zk.create("c", b"root")
        cache, events = follower.cache("c", persistent=persistent), []
        before = content(cache)
        reader = threading.Thread(target=events.extend, args=(cache.events(),), daemon=True)
        reader.start()
        writers = [Writer(writer, "c", f"w{number}") for number, writer in enumerate(direct)]
        record = Record()
        with ThreadPoolExecutor(_WRITERS) as threads:
            for fault, later in zip(_FAULTS, _LATER, strict=True):
                wait_for(lambda: follower.state == "CONNECTED", 60, "the end of the fault before")
                struck = threading.Event()
                work = [threads.submit(change, writer, struck) for writer in writers]
                known = cache.snapshot().zxid + later
                wait_for(lambda: cache.snapshot().zxid > known, 60, "changes to be followed", 0.002)  # noqa: B023 - called at once
                struck.set()
                strike(fault, own_server, proxy, follower)
                for writing in work:
                    writing.result(120)
        for writer in writers:
            record.merge(writer.record)
        assert len(record) > 10_000
        assert sum(writer.doubts for writer in writers) > 0, "writes were under way when the server was killed"
        wait_for(lambda: content(cache) == on_server(zk, "c"), 60, "the cache to be equal to the server")
        after = on_server(zk, "c")
        cache.close()
        reader.join(60)
        assert len(events) > 1_000
        check(events, record, before, after)
