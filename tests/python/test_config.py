"""Configurations: typed, in versions, with a history, watched."""

import asyncio
import dataclasses
import datetime as dt
import json
import pickle
import threading
import time

import pytest

from sparkeeper import ConfigVersion, exceptions
from sparkeeper.local import words
from waiting import wait_for


@dataclasses.dataclass(frozen=True)
class Database:
    url: str
    port: int = 5432


@dataclasses.dataclass(frozen=True)
class App:
    name: str
    rate: float = 1.0
    databases: list[Database] = dataclasses.field(default_factory=list)
    limits: dict[str, int] | None = None


FULL = App("a", 2.5, [Database("x"), Database("y", 1)], {"cpu": 4})


def watches(server, namespace):
    """How many watches the server keeps below a namespace."""
    return sum(line.startswith(f"/{namespace}/") for line in words.ask(server.port, "wchp", 30).splitlines())


def test_versions_values_and_history(zk, connect_string):
    config = zk.config("app", App)
    assert (config.get(), config.version, config.history()) == (None, 0, [])
    with pytest.raises(exceptions.NoNode, match=r"'app'.*default"):
        _ = config.value
    assert config.set(FULL) == 1
    assert config.set(App("b")) == 2
    assert (config.value, config.version) == (App("b"), 2)
    assert [(old.version, old.value, old.by, old.restored) for old in config.history()] == [
        (1, FULL, zk.owner, None),
        (2, App("b"), zk.owner, None),
    ]
    assert config.rollback(1) == 3
    newest = config.get()
    assert (newest.value, newest.version, newest.restored) == (FULL, 3, 1)
    assert abs(dt.datetime.now(dt.timezone.utc) - newest.at) < dt.timedelta(minutes=1)
    assert repr(newest).startswith(f"<ConfigVersion 3 of 'app' by '{zk.owner}' at 20")
    assert repr(config) == f"<Config 'app' schema=App last seen version 3 by '{zk.owner}'>"
    with pytest.raises(exceptions.NoNode, match="version 7 is not kept; there are 1 to 3"):
        config.rollback(7)
    assert connect_string in zk.connect_string


def test_it_is_json_that_an_operator_reads(zk):
    zk.config("app", App).set(App("ü"))
    head = json.loads(zk.get("app")[0])
    assert head.pop("op")
    assert head == {
        "version": 1,
        "by": zk.owner,
        "value": {"name": "ü", "rate": 1.0, "databases": [], "limits": None},
    }
    assert zk.children("app") == ["v0000000001"]
    assert zk.get("app/v0000000001")[0] == zk.get("app")[0]


def test_expected_versions(zk):
    config = zk.config("app")
    assert config.set({"a": 1}, expect=0) == 1
    with pytest.raises(
        exceptions.BadVersion, match=rf"'app': expected version 0, found version 1, written by {zk.owner}"
    ):
        config.set({"a": 2}, expect=0)
    assert config.set({"a": 2}, expect=1) == 2
    with pytest.raises(exceptions.BadVersion, match="expected version 1, found version 2"):
        config.rollback(1, expect=1)
    assert config.value == {"a": 2}
    with pytest.raises(exceptions.BadVersion, match="expected version 5, found none"):
        zk.config("other").set(1, expect=5)


def test_of_those_who_expect_the_same_version_one_wins(zk, coordinator):
    others = [coordinator().config("app") for _ in range(8)]
    zk.config("app").set(0)

    def wins(config, number, version):
        try:
            config.set(number, expect=version)
        except exceptions.BadVersion:
            return False
        return True

    def attempt(config, number, won):
        for version in range(1, 11):
            if wins(config, number, version):
                won.append(version)
            wait_for(lambda version=version: config.version > version, 60, "the winner's version")

    won = []
    threads = [threading.Thread(target=attempt, args=(config, number, won)) for number, config in enumerate(others)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won) == list(range(1, 11))
    assert [old.version for old in zk.config("app").history()] == list(range(1, 12))


def test_those_who_expect_nothing_all_write(zk, coordinator):
    configs = [coordinator().config("app") for _ in range(4)]
    versions = []

    def write(config):
        versions.extend(config.set(number) for number in range(25))

    threads = [threading.Thread(target=write, args=(config,)) for config in configs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(versions) == list(range(1, 101))
    assert zk.config("app").version == 100


def test_the_history_is_bounded(zk):
    config = zk.config("app", keep=5)
    for number in range(1, 13):
        assert config.set(number) == number
    assert [old.value for old in config.history()] == [8, 9, 10, 11, 12]
    # Another that keeps fewer, and one that finds a gap.
    zk.delete("app/v0000000009")
    assert zk.config("app", keep=3).set("x") == 13
    assert [old.version for old in config.history()] == [11, 12, 13]
    assert config.set("y") == 14
    assert [old.version for old in config.history()] == [11, 12, 13, 14]
    one = zk.config("one", keep=1)
    assert [one.set(number) for number in "abc"] == [1, 2, 3]
    assert [old.value for old in one.history()] == ["c"]
    with pytest.raises(exceptions.ConfigError, match="keep=0"):
        zk.config("app", keep=0)


def test_a_head_put_back_by_hand(zk):
    config = zk.config("app")
    config.set("first")
    old = zk.get("app")[0]
    config.set("second")
    zk.set("app", old)
    assert config.version == 1
    assert config.set("third") == 3
    assert [(kept.version, kept.value) for kept in config.history()] == [(1, "first"), (2, "second"), (3, "third")]


def test_defaults(zk):
    config = zk.config("app", App, default=App("d"))
    assert (config.value, config.version) == (App("d"), 0)
    config.set(App("e"))
    assert config.value == App("e")
    assert zk.config("none", default=None).value is None
    with pytest.raises(exceptions.ConfigError, match="field 'name': found int 1, expected str"):
        zk.config("app", App, default=App(1))


def test_what_others_wrote_and_does_not_fit(zk):
    anything, config = zk.config("app"), zk.config("app", App)
    anything.set({"name": "a", "rate": "fast"})
    for read in (lambda: config.value, lambda: config.get().value, lambda: config.rollback(1)):
        with pytest.raises(
            exceptions.ConfigError,
            match=r"'app', version 1, written by .*field 'rate': found str 'fast', expected float",
        ):
            read()
    assert config.version == 1
    config.set(App("a"))
    first, second = config.history()
    assert isinstance(first, ConfigVersion)
    assert second.value == App("a")
    with pytest.raises(exceptions.ConfigError, match="version 1"):
        _ = first.value
    zk.set("app", b"no version at all")
    with pytest.raises(exceptions.ConfigError, match=r"'app'.*holds no version"):
        _ = config.value


def test_too_large(zk):
    config = zk.config("app")
    with pytest.raises(exceptions.PayloadTooLarge, match=r"'app'.*600002 bytes"):
        config.set("x" * 600_000)
    assert config.set("x" * 500_000) == 1
    assert config.set("y" * 500_000) == 2
    assert zk.state == "CONNECTED"


def test_guarded(zk):
    config = zk.config("app")
    held = zk.lock("l").acquire()
    assert config.set(1, guard=held) == 1
    held.release(wait=True)
    for write in (lambda: config.set(2, guard=held), lambda: config.rollback(1, guard=held)):
        with pytest.raises(exceptions.LockLost):
            write()
    assert config.version == 1


def test_callbacks_see_every_final_state_in_order(zk, coordinator, server, namespace):
    config, writer = zk.config("app", App), coordinator().config("app")
    config.set(App("before"))
    told, wrong = [], []
    config.on_change(told.append, wrong.append)
    with pytest.raises(TypeError, match="callable"):
        config.on_change("no")
    writer.set({"name": "1"})
    wait_for(lambda: told == [App("1")], 60, "the first change")
    writer.set({"name": 2})
    wait_for(lambda: wrong, 60, "the error")
    assert "version 3" in str(wrong[0])
    assert "'name': found int 2" in str(wrong[0])
    for number in range(50):
        writer.set({"name": "n", "rate": number})
    wait_for(lambda: told[-1].rate == 49.0, 60, "the last")
    rates = [value.rate for value in told[1:]]
    assert rates == sorted(set(rates))
    zk.delete("app", recursive=True)
    writer.set({"name": "again"})
    wait_for(lambda: told[-1].name == "again", 60, "the new one")
    assert len(wrong) == 1
    config.close()
    wait_for(lambda: watches(server, namespace) == 0, 60, "the watch to be gone")
    heard = len(told)
    writer.set({"name": "unheard"})
    assert config.value == App("unheard")
    assert len(told) == heard


def test_an_invalid_value_is_logged_where_nobody_asks_for_it(zk, caplog):
    config, told = zk.config("app", {"port": int}), []
    config.on_change(told.append)
    zk.config("app").set({"port": "x"})
    wait_for(lambda: "version 1" in caplog.text, 60, "the log")
    config.set({"port": 1})
    wait_for(lambda: told == [{"port": 1}], 60, "the next value")
    config.close()


def test_callbacks_survive_cuts_and_an_expiry(proxy, coordinator, zk):
    far = coordinator(proxy.connect_string, session_timeout=1.5)
    config, told = zk.config("app"), []
    far.config("app").on_change(told.append)
    for round_ in range(3):
        config.set(round_)
        wait_for(lambda: told and told[-1] == round_, 60, "the change")  # noqa: B023 - called at once
        proxy.cut()
        state = "EXPIRED" if round_ == 1 else "SUSPENDED"
        wait_for(lambda: far.state == state, 60, "the fault")  # noqa: B023 - called at once
        config.set(f"missed {round_}")
        config.set(f"final {round_}")
        proxy.heal()
        wait_for(lambda: told[-1] == f"final {round_}", 60, "what was final")  # noqa: B023 - called at once
    assert not [value for value in told if str(value).startswith("missed")]


_MULTI = 14


@pytest.mark.parametrize("expire", [False, True], ids=["reconnect", "expiry"])
def test_a_lost_reply_is_one_version(proxy, coordinator, zk, expire):
    far = coordinator(proxy.connect_string, session_timeout=1.5 if expire else 20)
    config = far.config("app")
    for version in (1, 2):
        dropped = proxy.drop_reply(_MULTI, stay_down=expire)
        result = []
        thread = threading.Thread(target=lambda: result.append(config.set("value")))  # noqa: B023 - joined below
        thread.start()
        assert dropped.wait(60)
        if expire:
            wait_for(lambda: far.state == "EXPIRED", 60, "the end of the session")
            over = time.monotonic()
            # Away for longer than a session lasts: how long that is says nothing of how long a caller can wait.
            wait_for(lambda: time.monotonic() - over > 2, 60, "time to pass")  # noqa: B023 - called at once
            proxy.heal()
        thread.join(60)
        assert result == [version]
        assert [old.version for old in zk.config("app").history()] == list(range(1, version + 1))


def test_a_lost_reply_and_a_writer_that_expects(proxy, coordinator, zk):
    config = coordinator(proxy.connect_string, session_timeout=20).config("app")
    config.set("first")
    dropped = proxy.drop_reply(_MULTI)
    assert config.set("mine", expect=1) == 2
    assert dropped.is_set()
    assert zk.config("app").value == "mine"


async def test_awaited(zk):
    async with zk.config("app", App, default=App("d")) as config:
        assert await config.get_async() is None
        assert await config.value_async() == App("d")
        assert await config.set_async(FULL, 0) == 1
        with pytest.raises(exceptions.BadVersion):
            await config.set_async(FULL, expect=0)
        assert await config.rollback_async(1) == 2
        assert [old.value for old in await config.history_async()] == [FULL, FULL]
        await asyncio.gather(*(config.set_async(App(str(number))) for number in range(20)))
        assert (await config.get_async()).version == 22


def test_it_pickles_as_configuration(zk):
    config = zk.config("app", App, default=App("d"), keep=2)
    copied = pickle.loads(pickle.dumps(config))
    assert copied.value == App("d")
    copied.set(FULL)
    assert config.value == FULL
    plain = pickle.loads(pickle.dumps(zk.config("none")))
    with pytest.raises(exceptions.NoNode):
        _ = plain.value
