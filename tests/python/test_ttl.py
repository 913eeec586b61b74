"""Nodes with a time to live: they go when nobody writes them, and servers without them say so."""

from datetime import timedelta

import pytest

from sparkeeper import exceptions
from sparkeeper.local import LocalServer
from sparkeeper.local.settings import ServerSettings
from waiting import wait_for
from wire import Op

_TTL = 1.0


@pytest.fixture(scope="module")
def reaping():
    """A server that looks for nodes past their time ten times a second."""
    with LocalServer(settings=ServerSettings(container_check=0.1)) as running:
        yield running


@pytest.fixture(scope="module")
def plain():
    """A server that was not told to allow TTL nodes, as is the default."""
    settings = ServerSettings(properties={"zookeeper.extendedTypesEnabled": "false"})
    with LocalServer(settings=settings) as running:
        yield running


def test_a_node_goes_when_its_time_is_up_and_not_while_it_is_written(coordinator, reaping):
    zk = coordinator(reaping.connect_string)
    zk.create("kept", b"0", ttl=timedelta(seconds=_TTL))
    zk.create("left", b"0", ttl=_TTL)
    zk.create("plain", b"0")
    zk.create("parent", ttl=_TTL)
    zk.create("parent/child")
    numbered = zk.create("numbered-", sequence=True, ttl=_TTL)
    assert numbered.startswith("/numbered-0")

    def only_the_written_one_stays():
        zk.set("kept", b"again")
        return zk.exists("left") is None and zk.exists(numbered) is None

    wait_for(only_the_written_one_stays, 60, "the nodes nobody writes to go")
    assert zk.get("kept")[0] == b"again"
    assert zk.exists("plain")
    assert zk.children("parent") == ["child"]
    wait_for(lambda: zk.exists("kept") is None, 60, "the other to go, now that nobody writes it")
    zk.delete("parent/child")
    wait_for(lambda: zk.exists("parent") is None, 60, "the parent to go after its child")


async def test_the_sibling_and_a_guard(coordinator, reaping):
    zk = coordinator(reaping.connect_string)
    with zk.lock("l") as held:
        assert await zk.create_async("guarded", ttl=60, guard=held) == "/guarded"
        assert await zk.create_async("box", container=True, guard=held) == "/box"
    assert await zk.create_async("alone", b"data", ttl=60) == "/alone"
    assert (await zk.get_async("alone"))[0] == b"data"
    with pytest.raises(exceptions.LockLost):
        await zk.create_async("stale", ttl=60, guard=held)
    with pytest.raises(exceptions.NodeExists, match="alone"):
        await zk.create_async("alone", ttl=60)
    with pytest.raises(exceptions.NoNode, match="deep"):
        await zk.create_async("deep/er", ttl=60, parents=False)
    assert await zk.create_async("deep/er", ttl=60) == "/deep/er"


def test_a_server_that_was_not_told_refuses_and_says_what_to_do(coordinator, plain):
    zk = coordinator(plain.connect_string)
    with pytest.raises(exceptions.Unsupported, match="extendedTypesEnabled"):
        zk.create("a", ttl=60)
    with pytest.raises(NotImplementedError):
        zk.create("a", ttl=60)
    with zk.lock("l") as held, pytest.raises(exceptions.Unsupported):
        zk.create("a", ttl=60, guard=held)
    assert zk.exists("a") is None
    assert zk.create("a", b"x", ttl=60, fallback=True) == "/a"
    assert zk.create("b-", ttl=60, fallback=True, sequence=True) == "/b-0000000002"
    assert zk.get("a")[0] == b"x"
    assert zk.state == "CONNECTED"


def test_a_server_that_does_not_know_the_request(coordinator, proxy):
    proxy.unknown.update({Op.CREATE_TTL, Op.CREATE_CONTAINER})
    zk = coordinator(proxy.connect_string)
    for refused in ({"ttl": 60}, {"container": True}):
        with pytest.raises(exceptions.Unsupported, match="'a'"):
            zk.create("a", **refused)
        # The server breaks the connection of whoever asks what it does not know; the next write is not lost with it.
        zk.create("a", fallback=True, **refused)
        zk.delete("a")
    # The recipes' own parents are plain nodes there: they have no meaning that this would change.
    with zk.lock("deep/lock") as held:
        held.check()
    assert zk.exists("deep/lock")
    assert proxy.requests[Op.CREATE_CONTAINER] > 0


@pytest.mark.parametrize(
    "asked",
    [
        {"ttl": 0},
        {"ttl": -1},
        {"ttl": float("nan")},
        {"ttl": 1e-9},
        {"ttl": 2e9},
        {"ttl": 1, "ephemeral": True},
        {"ttl": 1, "container": True},
        {"container": True, "ephemeral": True},
        {"container": True, "sequence": True},
    ],
)
def test_contradictions_are_refused_before_the_wire(zk, asked):
    with pytest.raises(exceptions.ConfigError, match=r"create 'a'|ttl"):
        zk.create("a", **asked)
    assert zk.exists("a") is None


def test_thirty_years(zk):
    zk.create("a", ttl=timedelta(days=30 * 365))
    assert zk.exists("a")
