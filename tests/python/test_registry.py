"""The naming service: who registers is found, by weight and zone, and is gone when it says so or dies."""

import asyncio
import collections
import pickle
import threading
import time

import pytest

import sparkeeper
from program import Program
from sparkeeper import exceptions
from waiting import wait_for
from wire import Op

_READS = (Op.EXISTS, Op.GET_DATA, Op.GET_CHILDREN, Op.GET_CHILDREN2, Op.MULTI_READ, Op.SYNC)


def ids(instances):
    """Their ids, in order."""
    return [instance.id for instance in instances]


def test_register_discover_update_unregister(zk, coordinator):
    registry, user = zk.registry("services"), coordinator().registry("services")
    metadata = {"version": [1, 2], "name": "\N{GREEK SMALL LETTER ALPHA}", "none": None}
    handle = registry.register("api", "http://one", weight=3, zone="a", metadata=metadata, id="x")
    (found,) = user.instances("api")
    assert found == user.discover("api")
    assert (found.id, found.address, found.weight, found.zone) == ("x", "http://one", 3, "a")
    assert (found.metadata, found.session_id) == (metadata, zk.session_id)
    assert abs(found.since / 1000 - time.time()) < 60
    assert (handle.id, handle.service, handle.state) == ("x", "api", "JOINED")
    assert user.services() == ["api"]
    handle.update(address="http://two", metadata={})
    wait_for(lambda: user.discover("api").address == "http://two", 60, "the new address")
    found = user.discover("api")
    assert (found.weight, found.zone, found.metadata) == (3, "a", {})
    handle.update(weight=7, zone="")
    wait_for(lambda: user.discover("api").weight == 7, 60, "the new weight")
    assert user.discover("api").zone is None
    handle.unregister()
    # Asked on the same session, although nobody waited.
    with pytest.raises(exceptions.NoNode, match="'services': no instance of 'api' to offer: nobody"):
        coordinator().registry("services").discover("api")
    assert registry.services() == []
    wait_for(lambda: user.instances("api") == [], 60, "the view to follow")
    assert handle.state == "LEFT"
    with pytest.raises(exceptions.NotOwner, match="'x' of 'api'"):
        handle.update(weight=1)
    handle.unregister(wait=True)


def test_with_unregisters_and_who_asks_finds_what_was_there_before(zk):
    registry = zk.registry("r")
    for number in range(50):
        # The view is warm and says that there is nobody, until the watch's notification is through.
        with pytest.raises(exceptions.NoNode):
            registry.discover(f"s{number % 2}")
        with registry.register(f"s{number % 2}", "here") as handle:
            assert registry.discover(f"s{number % 2}").id == handle.id
        handle.unregister(wait=number % 3 > 0)
        assert registry.instances(f"s{number % 2}") == [], "what it withdrew itself is gone from its view at once"


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        ({"weight": -1}, exceptions.ConfigError),
        ({"weight": 2**32}, exceptions.ConfigError),
        ({"id": "a/b"}, exceptions.InvalidPath),
        ({"id": ""}, exceptions.InvalidPath),
        ({"service": "a/b"}, exceptions.InvalidPath),
        ({"service": ".."}, exceptions.InvalidPath),
        ({"metadata": object()}, TypeError),
        ({"metadata": float("nan")}, exceptions.ConfigError),
        ({"metadata": "x" * 2**21}, exceptions.PayloadTooLarge),
    ],
)
def test_what_cannot_be_is_refused(zk, asked, error):
    registry = zk.registry("r")
    with pytest.raises(error):
        registry.register(**{"service": "s", "address": "here", **asked})
    assert registry.services() == []
    with pytest.raises(exceptions.ConfigError, match="round_robin"):
        registry.discover("s", pick="best")


def test_an_update_that_is_too_large_changes_nothing(zk):
    handle = zk.registry("r").register("s", "here", metadata="small")
    with pytest.raises(exceptions.PayloadTooLarge):
        handle.update(metadata="x" * 2**21)
    handle.update(weight=2)
    assert zk.registry("r").discover("s").metadata == "small"


def test_two_with_one_id(zk, coordinator):
    registry = zk.registry("r")
    registry.register("s", "here", id="a")
    with pytest.raises(exceptions.NodeExists, match="this coordinator has one"):
        registry.register("s", "there", id="a")
    with pytest.raises(exceptions.NodeExists, match=f"session {zk.session_id:#x}"):
        coordinator().registry("r").register("s", "there", id="a", timeout=0)
    assert registry.discover("s").address == "here"
    registry.register("t", "there", id="a")


def test_picks_follow_weights(zk):
    registry = zk.registry("r")
    for name, weight in {"a": 1, "b": 3, "c": 6, "drained": 0}.items():
        registry.register("s", name, weight=weight, id=name)
    turns = [registry.discover("s", pick="round_robin").id for _ in range(40)]
    assert collections.Counter(turns) == {"a": 4, "b": 12, "c": 24}
    assert turns[:10] == turns[10:20], "a cycle"
    drawn = collections.Counter(registry.discover("s").id for _ in range(5000))
    assert drawn.keys() == {"a", "b", "c"}
    assert abs(drawn["a"] - 500) < 120
    assert abs(drawn["c"] - 3000) < 200
    stuck = {key: registry.discover("s", pick="sticky", key=str(key)).id for key in range(2000)}
    assert abs(collections.Counter(stuck.values())["c"] - 1200) < 150
    assert ids(registry.instances("s")) == ["a", "b", "c", "drained"]


def test_sticky_agrees_everywhere_and_moves_few(zk, coordinator):
    registry, other = zk.registry("r"), coordinator().registry("r")
    handles = [registry.register("s", "here", id=f"i{number}") for number in range(5)]

    def owners(of):
        return {key: of.discover("s", pick="sticky", key=f"k{key}").id for key in range(500)}

    before = owners(registry)
    assert owners(other) == before
    # Without a key, it is the caller who sticks.
    assert len({registry.discover("s", pick="sticky").id for _ in range(20)}) == 1
    handles[2].unregister(wait=True)
    wait_for(lambda: len(other.instances("s")) == 4, 60, "the view to follow")
    after = owners(other)
    assert {key for key in before if before[key] != after[key]} == {key for key in before if before[key] == "i2"}


def test_zones_are_preferred_and_not_required(zk):
    registry = zk.registry("r")
    near = registry.register("s", "near", zone="a", id="near")
    registry.register("s", "far", zone="b", id="far")
    for pick in ("random", "round_robin", "sticky"):
        assert {registry.discover("s", pick=pick, zone="a").id for _ in range(20)} == {"near"}
        assert {registry.discover("s", pick=pick, zone="c").id for _ in range(20)} <= {"near", "far"}
    near.update(weight=0)
    wait_for(lambda: registry.discover("s", zone="a").id == "far", 60, "the drained one to be passed over")
    registry.register("t", "x", weight=0, zone="a")
    with pytest.raises(exceptions.NoNode, match=r"'t' \(zone 'a' preferred\).*all 1.*weight 0"):
        registry.discover("t", zone="a")


def test_discovering_costs_no_request_once_warm(proxy, coordinator):
    coordinator().registry("r").register("s", "here")
    registry = coordinator(proxy.connect_string, session_timeout=60).registry("r")
    registry.discover("s")
    # A heartbeat may come in between: it is one look at a node.
    before = sum(proxy.requests[op] for op in _READS)
    for _ in range(2000):
        registry.discover("s")
    assert sum(proxy.requests[op] for op in _READS) - before <= 2


def test_it_goes_on_with_what_was_last_known(proxy, coordinator):
    handle = coordinator().registry("r").register("s", "here")
    zk = coordinator(proxy.connect_string, session_timeout=1)
    registry = zk.registry("r")
    assert registry.discover("s").id == handle.id
    proxy.cut()
    wait_for(lambda: zk.state == "SUSPENDED", 60, "the cut")
    begun = time.monotonic()
    assert registry.discover("s").id == handle.id
    with pytest.raises(exceptions.ConnectionLost, match="nothing is known of 'other'"):
        registry.discover("other")
    assert time.monotonic() - begun < 3
    wait_for(lambda: zk.session_id == 0 or time.monotonic() - begun > 4, 60, "the session to be long over")
    assert registry.discover("s").id == handle.id
    handle.unregister(wait=True)
    assert registry.discover("s").id == handle.id, "nobody could know"
    proxy.heal()
    wait_for(lambda: registry.instances("s") == [], 60, "the view of the next session")


def test_instances_are_back_after_a_reconnect_and_after_an_expiry(proxy, coordinator):
    zk = coordinator(proxy.connect_string, session_timeout=1)
    handle = zk.registry("r").register("s", "here", id="a", weight=5)
    user = coordinator().registry("r")
    before = user.discover("s")
    proxy.cut()
    wait_for(lambda: zk.state == "SUSPENDED", 60, "the cut")
    proxy.heal()
    wait_for(lambda: handle.state == "JOINED", 60, "it to be back")
    proxy.cut()
    wait_for(lambda: user.instances("s") == [], 60, "the session to be over")
    assert handle.state == "ABSENT"
    updating = threading.Thread(target=handle.update, kwargs={"address": "there"})
    updating.start()
    proxy.heal()
    wait_for(lambda: user.instances("s"), 60, "it to be back in the next session")
    updating.join(60)
    wait_for(lambda: user.discover("s").address == "there", 60, "what was changed meanwhile")
    after = user.discover("s")
    assert (after.id, after.weight) == ("a", 5)
    assert after.session_id != before.session_id


@pytest.mark.parametrize("over", [False, True], ids=["suspended", "expired"])
def test_unregistered_without_a_connection_it_never_comes_back(proxy, coordinator, over):
    zk = coordinator(proxy.connect_string, session_timeout=1 if over else 20)
    registry, user = zk.registry("r"), coordinator().registry("r")
    stays, goes = registry.register("s", "here", id="stays"), registry.register("s", "here", id="goes")
    assert ids(user.instances("s")) == ["goes", "stays"]
    proxy.cut()
    wait_for(lambda: user.instances("s") == [] if over else zk.state == "SUSPENDED", 60, "the fault")
    goes.unregister()
    proxy.heal()
    wait_for(lambda: ids(user.instances("s")) == ["stays"], 60, "only the other one")
    wait_for(lambda: stays.state == "JOINED", 60, "the other to know")
    goes.unregister(wait=True)
    # Whatever was on its way is through once a later write on the same session is.
    stays.update(weight=2)
    assert zk.children("r/s") == ["stays"]


_INSTANCE = """
zk = sparkeeper.connect(sys.argv[1], namespace=sys.argv[2], session_timeout=1.5, timeout=20)
handle = zk.registry("r").register("s", "here", id="a")
say(zk.session_id)
hear()
"""


def test_a_killed_process_is_gone_at_its_timeout(zk, namespace, connect_string):
    registry = zk.registry("r")
    changes = []
    registry.on_change("s", changes.append)
    wait_for(lambda: changes == [[]], 60, "the list as it is")
    with Program(_INSTANCE, connect_string, namespace) as process:
        session = process.answer()
        wait_for(lambda: len(changes) == 2, 60, "the instance")
        assert [instance.session_id for instance in changes[1]] == [session]
        process.process.kill()
        begun = time.monotonic()
        wait_for(lambda: changes[-1] == [], 60, "it to be gone")
        assert time.monotonic() - begun < 4
    with pytest.raises(exceptions.NoNode):
        registry.discover("s")


def test_changes_are_told_in_order(zk, coordinator):
    registry, told = coordinator().registry("r"), []
    registry.on_change("s", told.append)
    handle = zk.registry("r").register("s", "0", id="a")
    for number in range(1, 30):
        handle.update(address=str(number))
    handle.unregister()
    wait_for(lambda: told and told[-1] == [] and len(told) > 2, 60, "the last change")
    seen = [int(instances[0].address) for instances in told if instances]
    assert seen == sorted(set(seen))


def test_strangers_in_the_directory_are_passed_over(zk):
    registry = zk.registry("r")
    registry.register("s", "here", id="a")
    zk.create("r/s/text", b"not ours", ephemeral=True)
    zk.create("r/s/other", b'{"name": "s"}', ephemeral=True)
    zk.create("r/s/plain", b'{"address": "never left"}')
    zk.create("r/s/partial", b'{"address": "there"}', ephemeral=True)
    wait_for(lambda: len(registry.instances("s")) == 2, 60, "those that can be read")
    partial = registry.instances("s")[1]
    assert (partial.id, partial.weight, partial.zone, partial.metadata) == ("partial", 1, None, None)


async def test_the_siblings(zk):
    registry = zk.registry("r")
    async with await registry.register_async("s", "here", id="a") as handle:
        assert (await registry.discover_async("s")).id == "a"
        await handle.update_async(weight=2)
        assert await registry.services_async() == ["s"]
        assert len(await registry.instances_async("s")) == 1
    await handle.unregister_async(wait=True)
    assert await registry.services_async() == []
    task = asyncio.create_task(registry.register_async("s", "here"))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await registry.services_async() == []


def test_handles_travel_and_registrations_do_not(zk):
    registry = zk.registry("r")
    handle = registry.register("s", "here", id="a", zone="z")
    assert pickle.loads(pickle.dumps(registry)).discover("s") == registry.discover("s")
    with pytest.raises(TypeError, match="'a' of 's'"):
        pickle.dumps(handle)
    assert repr(registry) == "<Registry 'r' last seen instances: 's': 1>"
    assert repr(handle) == "<Registration 'a' of 's' JOINED address='here' weight=1 zone='z'>"
    assert "id='a', address='here', weight=1, zone='z'" in repr(registry.discover("s"))


def test_closing_ends_it(coordinator):
    zk = coordinator()
    registry = zk.registry("r")
    handle = registry.register("s", "here")
    registry.discover("s")
    zk.close()
    wait_for(lambda: handle.state == "LEFT", 2, "the handle to know")

    def ends():
        try:
            registry.discover("s")
        except exceptions.Closed:
            return True
        return False

    wait_for(ends, 2, "discovering to say so")
    with pytest.raises(exceptions.Closed):
        registry.register("s", "here")
    assert isinstance(zk, sparkeeper.Coordinator)
