"""Handles travel as configuration and connect where they are used; grants and secrets do not travel."""

import copy
import pickle
import time

import pytest

import sparkeeper
from program import Program
from sparkeeper import CacheEvent, exceptions
from sparkeeper.local.ports import HOST, free_ports

_USER = """
import pickle
zk, lock = pickle.loads(bytes.fromhex(hear()))
say({"state": zk.state, "session": zk.session_id, "owner": zk.owner, "namespace": zk.namespace})
data = zk.get("a")[0].decode()
busy = lock.try_acquire() is None
say({"state": zk.state, "session": zk.session_id, "data": data, "busy": busy})
hear()
with lock as held:
    again = pickle.loads(pickle.dumps(zk))
    again.sync()
    say({"token": held.token, "owner": held.owner, "one session": again.session_id == zk.session_id})
zk.close()
say(zk.state)
"""


def test_handles_work_in_a_fresh_process(zk):
    zk.create("a", b"data")
    lock = zk.lock("l", timeout=20, owner="me")
    held = lock.acquire()
    with Program(_USER) as program:
        unused = program.ask(pickle.dumps((zk, lock)).hex())
        assert unused == {"state": "SUSPENDED", "session": 0, "owner": zk.owner, "namespace": zk.namespace}
        used = program.answer()
        assert (used["state"], used["data"], used["busy"]) == ("CONNECTED", "data", True)
        assert used["session"] not in (0, zk.session_id)
        held.release(wait=True)
        found = program.ask()
        assert found.pop("token") > held.token
        assert found == {"owner": "me", "one session": True}
        assert program.answer() == "CLOSED"
        assert program.wait() == 0


def test_a_pickle_keeps_every_setting(coordinator, connect_string, tmp_path):
    secret = tmp_path / "auth"
    secret.write_text("bob:hunter2\n")
    made = coordinator(
        f"{connect_string}/deep/er",
        session_timeout=7.5,
        auth=[("digest", f"file:{secret}")],
        acl="read_open",
        owner="x",
    )
    settings = made._settings()
    copied = pickle.loads(pickle.dumps(made))
    assert copied._settings() == settings
    assert (settings["session_timeout"], settings["acl"], settings["owner"]) == (7.5, "read_open", "x")
    assert settings["connect"] == f"{connect_string}/deep/er"


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_a_grant_does_not_pickle(zk, protocol):
    with zk.lock("l") as held:
        for refused in (lambda: pickle.dumps(held, protocol), lambda: copy.copy(held), lambda: copy.deepcopy(held)):
            with pytest.raises(TypeError, match=r"held lock.*'l'"):
                refused()
        held.check()


def test_what_goes_on_here_does_not_pickle(zk):
    batch = zk.multi()
    batch.create("a")
    for of, words in ((batch, "batch.*send the coordinator"), (zk.election("e").observe(), "'e'.*send the election")):
        for refused in (lambda of=of: pickle.dumps(of), lambda of=of: copy.copy(of)):
            with pytest.raises(TypeError, match=words):
                refused()


def test_a_literal_secret_refuses_to_travel_and_shows_nowhere(coordinator):
    zk = coordinator(auth=("digest", "bob:hunter2"))
    for handle in (zk, zk.lock("l")):
        with pytest.raises(exceptions.ConfigError, match="env:NAME") as refused:
            pickle.dumps(handle)
        assert "hunter2" not in str(refused.value)
        assert "hunter2" not in repr(handle)


_ACCESS = """
import pickle
zk = pickle.loads(bytes.fromhex(hear()))
try:
    say(zk.get("mine")[0].decode())
except Exception as error:
    say([type(error).__name__, str(error)])
"""


@pytest.mark.parametrize("kind", ["env", "file"])
def test_a_secret_travels_by_reference(coordinator, monkeypatch, tmp_path, kind):
    monkeypatch.setenv("OUR_ZK_AUTH", "bob:hunter2")
    file = tmp_path / "auth"
    file.write_text("bob:hunter2\n")
    zk = coordinator(auth=("digest", "env:OUR_ZK_AUTH" if kind == "env" else f"file:{file}"), acl="creator")
    zk.create("mine", b"seen")
    pickled = pickle.dumps(zk)
    assert b"hunter2" not in pickled
    with Program(_ACCESS) as program:
        assert program.ask(pickled.hex()) == "seen"
    monkeypatch.delenv("OUR_ZK_AUTH")
    file.unlink()
    with Program(_ACCESS) as program:
        name, text = program.ask(pickled.hex())
    assert name == "ConfigError"
    assert ("OUR_ZK_AUTH" if kind == "env" else str(file)) in text


def test_a_handle_that_was_never_used_can_be_closed_and_stays_closed(zk):
    copied = pickle.loads(pickle.dumps(zk))
    copied.close()
    assert copied.state == "CLOSED"
    with pytest.raises(exceptions.Closed):
        copied.get("a")
    with pytest.raises(exceptions.Closed):
        copied.lock("l").acquire(timeout=5)
    assert zk.state == "CONNECTED"


def test_a_handle_to_nobody_fails_at_once_and_within_its_timeout(proxy, coordinator):
    gone = pickle.loads(pickle.dumps(coordinator(proxy.connect_string, session_timeout=30)))
    proxy.freeze()
    begun = time.monotonic()
    with pytest.raises(exceptions.AcquireTimeout, match="no server"):
        gone.lock("l").acquire(timeout=1)
    assert 0.9 < time.monotonic() - begun < 1.1
    proxy.cut()
    begun = time.monotonic()
    with pytest.raises(exceptions.ConnectionLost):
        gone.get("a")
    assert time.monotonic() - begun < 1
    proxy.thaw()
    proxy.heal()
    assert gone.lock("l").acquire(timeout=10).state == "HELD"
    gone.close()


def test_contenders_and_stats_compare_by_value(zk):
    zk.create("a")
    assert zk.get("a")[1] == zk.exists("a")
    with zk.lock("l"):
        assert zk.lock("l").contenders() == zk.lock("l").contenders()


def test_nothing_is_connected_by_unpickling():
    nobody = sparkeeper.Coordinator(f"{HOST}:{free_ports(1)[0]}")
    assert pickle.loads(pickle.dumps(nobody)).state == "SUSPENDED"


_VALUES = (
    sparkeeper.Stat(2**40, 2, 3, 4, 5, 6, 7, 8, 2**62, 10, 11),
    sparkeeper.Contender("me", 1, 2, 2**62, 4),
    sparkeeper.Candidate("me", None, 2, 3, 4, -5),
    sparkeeper.Tally(3, 2, 1.5, "me", 9),
    sparkeeper.PathMetrics(5, 4, 1, 2, 3, 0.5, 0.25, 1.5, 1.25),
    sparkeeper.Member("me", b"\x00data", 2, 3, 4),
    sparkeeper.View(7, {"a": 1, "b": 2}),
    sparkeeper.Instance("i", "host:1", 3, None, {"deep": [1, None, "x"]}, 5, 6),
    sparkeeper.QueueWorker("item", "me", 3, 4, 5),
    sparkeeper.QueueDepth(3, 2, 1),
    sparkeeper.DeadLetter("item", b"\x00data", 3, "ValueError", -4, 5),
    sparkeeper.PermitHolder("me", 2, 3, 4, 5),
    *(
        CacheEvent(kind, "a/b", 2**40, b"\x00data", sparkeeper.Stat(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11))
        for kind in ("CREATED", "CHANGED", "DELETED")
    ),
)


@pytest.mark.parametrize("value", _VALUES, ids=lambda value: type(value).__name__)
def test_values_travel_whole(value):
    for again in (pickle.loads(pickle.dumps(value)), copy.deepcopy(value)):
        assert again == value
        assert repr(again) == repr(value)
        assert {name: getattr(again, name) for name in _fields(value)} == {
            name: getattr(value, name) for name in _fields(value)
        }


def _fields(value):
    return [name for name in dir(value) if not name.startswith("_")]


def test_what_a_cache_tells_travels(zk):
    zk.create("tree/a", b"\x00data")
    with zk.cache("tree") as cache:
        cache.wait_ready(10)
        snapshot, events = cache.snapshot(), cache.events(timeout=10)
        zk.create("tree/b", b"new")
        event = next(events)
    for again in (pickle.loads(pickle.dumps(snapshot)), copy.deepcopy(snapshot)):
        assert repr(again) == repr(snapshot)
        assert again.zxid == snapshot.zxid
        assert {path: again[path] for path in again} == {path: snapshot[path] for path in snapshot}
        assert again.children() == ["a"]
    assert pickle.loads(pickle.dumps(event)) == event
    with pytest.raises(exceptions.ConfigError, match="kind='GONE'"):
        type(event)("GONE", "a", 1, b"", event.stat)


def test_what_a_coordinator_tells_travels(zk):
    with zk.lock("l", owner="me"):
        told = zk.metrics(), zk.lock("l").contenders(), zk.get("l")[1]
    assert pickle.loads(pickle.dumps(told)) == told
