"""A coordinator's session: its states, plain access, sizes, closing, and what refuses it."""

import contextlib
import gc
import threading
import time
from datetime import timedelta

import pytest

import sparkeeper
from sparkeeper import exceptions
from sparkeeper.local import LocalServer, words
from sparkeeper.local.ports import HOST, free_ports
from sparkeeper.local.settings import ServerSettings
from waiting import wait_for


def test_plain_access_reads_what_was_written(zk):
    assert zk.create("a/b/c", b"one") == "/a/b/c"
    data, stat = zk.get("/a/b/c")
    assert (data, stat.version, stat.data_length, stat.ephemeral_owner) == (b"one", 0, 3, 0)
    assert zk.set("a/b/c", b"two", version=0).version == 1
    with pytest.raises(exceptions.BadVersion, match="a/b/c"):
        zk.set("a/b/c", b"three", version=0)
    assert zk.exists("a/b/c").version == 1
    assert zk.exists("a/b/d") is None
    zk.create("a/b/a", b"", ephemeral=True)
    assert zk.children("a/b") == ["a", "c"]
    assert zk.exists("a/b/a").ephemeral_owner == zk.session_id
    numbered = zk.create("a/n-", sequence=True)
    assert numbered == "/a/n-0000000001"
    zk.sync("a")
    with pytest.raises(exceptions.NodeExists, match="a/b/c"):
        zk.create("a/b/c")
    with pytest.raises(exceptions.NoNode, match="x/y"):
        zk.create("x/y", parents=False)
    with pytest.raises(exceptions.SparkeeperError, match="recursive=True"):
        zk.delete("a/b")
    zk.delete("a", recursive=True)
    with pytest.raises(exceptions.NoNode, match="a/b/c"):
        zk.get("a/b/c")


def test_a_recursive_delete_takes_what_comes_back_meanwhile(zk, coordinator):
    other = coordinator()
    zk.create("a/b/first")

    def come_back():
        # Fewer times than the deletion begins again.
        for _ in range(3):
            wait_for(lambda: other.exists("a/b/first") is None, 60, "all to be deleted", interval=0.0)
            other.create("a/b/first")

    for _ in range(3):
        thread = threading.Thread(target=come_back)
        thread.start()
        while thread.is_alive():
            with contextlib.suppress(exceptions.NoNode):
                zk.delete("a", recursive=True)
        thread.join()
        with contextlib.suppress(exceptions.NoNode):
            zk.delete("a", recursive=True)
        assert zk.exists("a") is None


def test_a_recursive_delete_gives_up_where_children_come_back_for_ever(zk, coordinator):
    others, end, said = [coordinator() for _ in range(3)], threading.Event(), set()

    def come_back(other):
        while not end.is_set():
            other.create("a/b/n-", sequence=True)

    def delete():
        try:
            zk.delete("a", recursive=True)
        except exceptions.NoNode:
            return False
        except exceptions.SparkeeperError as error:
            said.add(str(error))
        return bool(said)

    threads = [threading.Thread(target=come_back, args=(other,)) for other in others]
    for thread in threads:
        thread.start()
    try:
        wait_for(delete, 60, "the deletion to give up", interval=0.0)
    finally:
        end.set()
        for thread in threads:
            thread.join()
    assert all("each of the 8 times" in text for text in said)


def test_paths_that_zookeeper_would_refuse_are_not_sent(zk):
    for path in ("a//b", "a/../b", "a/\0"):
        with pytest.raises(exceptions.InvalidPath):
            zk.get(path)
    with pytest.raises(exceptions.InvalidPath):
        zk.lock("a/../b")


def test_a_value_of_2_mib_is_refused_at_once_and_the_connection_stays(proxy, zk, coordinator):
    through = coordinator(proxy.connect_string)
    through.create("a")
    session, accepted = through.session_id, proxy.accepted
    proxy.requests.clear()
    begun = time.monotonic()
    for write in (through.create, through.set):
        with pytest.raises(exceptions.PayloadTooLarge, match="2097152"):
            write("a", bytes(2 << 20))
    with pytest.raises(exceptions.PayloadTooLarge):
        through.lock("l", owner="x" * (2 << 20)).acquire()
    assert time.monotonic() - begun < 1
    assert through.get("a")[0] == b""
    assert (through.session_id, proxy.accepted, through.state) == (session, accepted, "CONNECTED")
    # Just below the limit it arrives.
    through.set("a", bytes(1_000_000))
    assert zk.exists("a").data_length == 1_000_000


def test_states_are_told_in_order_and_a_short_cut_keeps_the_session(proxy, coordinator):
    zk = coordinator(proxy.connect_string, session_timeout=8)
    states = []
    zk.on_state(states.append)
    session = zk.session_id
    proxy.cut()
    wait_for(lambda: states == ["SUSPENDED"], 60, "the news of the cut")
    assert zk.state == "SUSPENDED"
    proxy.heal()
    wait_for(lambda: states == ["SUSPENDED", "CONNECTED"], 8, "the news of the new link")
    assert (zk.state, zk.session_id) == ("CONNECTED", session)
    zk.close()
    wait_for(lambda: states == ["SUSPENDED", "CONNECTED", "CLOSED"], 60, "the news of the end")


def test_a_cut_right_after_connecting_is_not_missed(proxy, coordinator):
    for _ in range(20):
        zk = coordinator(proxy.connect_string, session_timeout=20)
        proxy.cut()
        wait_for(lambda zk=zk: zk.state == "SUSPENDED", 2, "the news of the cut")
        proxy.heal()
        wait_for(lambda zk=zk: zk.state == "CONNECTED", 60, "the link")
        zk.close()


def test_after_an_expiry_comes_a_new_session(proxy, coordinator):
    zk = coordinator(proxy.connect_string, session_timeout=1)
    states = []
    zk.on_state(states.append)
    first = zk.session_id
    zk.create("mine", ephemeral=True)
    proxy.cut()
    wait_for(lambda: "EXPIRED" in states, 60, "the news of the expiry")
    assert zk.state == "EXPIRED"
    assert zk.session_id == 0
    proxy.heal()
    wait_for(lambda: zk.state == "CONNECTED", 60, "the next session")
    wait_for(lambda: states == ["SUSPENDED", "EXPIRED", "CONNECTED"], 60, "the news of the next session")
    assert zk.session_id not in (0, first)
    wait_for(lambda: zk.exists("mine") is None, 60, "the server to end the first session")


def test_closed_says_so_at_once_for_every_call_and_may_be_closed_again(zk):
    lock = zk.lock("l")
    held = lock.acquire()
    zk.close()
    zk.close()
    assert zk.state == "CLOSED"
    assert held.state == "LOST"
    begun = time.monotonic()
    calls = [
        lambda: zk.get("a"),
        lambda: zk.set("a", b""),
        lambda: zk.create("a"),
        lambda: zk.delete("a"),
        lambda: zk.exists("a"),
        lambda: zk.children("a"),
        zk.sync,
        lambda: lock.acquire(timeout=5),
        lock.try_acquire,
        lock.contenders,
        lambda: zk.lock("m").acquire(),
    ]
    for call in calls:
        with pytest.raises(exceptions.Closed, match="closed"):
            call()
    assert time.monotonic() - begun < 1


def test_closing_wakes_every_waiter(zk, coordinator):
    coordinator().lock("l").acquire()
    raised = []

    def wait():
        try:
            zk.lock("l").acquire()
        except exceptions.Closed as closed:
            raised.append(closed)

    threads = [threading.Thread(target=wait) for _ in range(8)]
    for thread in threads:
        thread.start()
    wait_for(lambda: len(zk.lock("l").contenders()) == 9, 60, "everybody to stand in line")
    begun = time.monotonic()
    zk.close()
    for thread in threads:
        thread.join(60)
    assert len(raised) == 8
    assert time.monotonic() - begun < 1


def test_as_a_context_manager_it_closes(coordinator, connect_string):
    with coordinator() as zk:
        zk.create("mine", ephemeral=True)
        session = f"0x{zk.session_id:x}"
        assert session in words.ask(int(connect_string.rsplit(":", 1)[1]), "dump")
    assert zk.state == "CLOSED"
    assert coordinator().exists("mine") is None


def test_nobody_there_is_a_typed_error_at_once():
    begun = time.monotonic()
    with pytest.raises(exceptions.ConnectionLost, match=r"no server answered|connect"):
        sparkeeper.connect(f"{HOST}:{free_ports(1)[0]}")
    assert time.monotonic() - begun < 1


def test_with_a_timeout_it_keeps_trying_until_somebody_is_there():
    late = LocalServer(port=free_ports(1)[0])
    opened = []
    address = late.connect_string
    thread = threading.Thread(target=lambda: opened.append(sparkeeper.connect(address, timeout=30)))
    thread.start()
    with late:
        thread.join(60)
        assert [zk.state for zk in opened] == ["CONNECTED"]
        opened[0].close()


def test_the_timeout_of_connect_is_kept():
    begun = time.monotonic()
    with pytest.raises(exceptions.ConnectionLost):
        sparkeeper.connect(f"{HOST}:{free_ports(1)[0]}", timeout=timedelta(seconds=1.5))
    assert 1.4 < time.monotonic() - begun < 2.5


def test_an_unknown_scheme_is_refused_by_the_server_at_once(connect_string):
    begun = time.monotonic()
    with pytest.raises(exceptions.AuthFailed, match="credentials"):
        sparkeeper.connect(connect_string, auth=("nonsense", "user:secret"), timeout=30)
    assert time.monotonic() - begun < 1


@pytest.fixture(scope="module")
def guarded_server(tmp_path_factory):
    """A server that checks passwords by SASL."""
    jaas = tmp_path_factory.mktemp("jaas") / "server.conf"
    jaas.write_text('Server { org.apache.zookeeper.server.auth.DigestLoginModule required user_bob="secret"; };\n')
    settings = ServerSettings(
        extra={"authProvider.1": "org.apache.zookeeper.server.auth.SASLAuthenticationProvider"},
        properties={"java.security.auth.login.config": str(jaas)},
    )
    with LocalServer(settings=settings) as running:
        yield running


def test_a_wrong_password_is_refused_at_once_and_never_retried(guarded_server):
    begun = time.monotonic()
    with pytest.raises(exceptions.AuthFailed, match="credentials") as refused:
        sparkeeper.connect(guarded_server.connect_string, auth=("sasl", "bob:wrong"), timeout=30)
    assert time.monotonic() - begun < 1
    assert "wrong" not in str(refused.value)
    with sparkeeper.connect(guarded_server.connect_string, auth=("sasl", "bob:secret"), acl="creator") as zk:
        zk.create("mine", b"x")
        with (
            sparkeeper.connect(guarded_server.connect_string) as stranger,
            pytest.raises(exceptions.NotAuthorized, match="mine"),
        ):
            stranger.get("mine")


def test_an_acl_keeps_strangers_out(coordinator):
    mine = coordinator(auth=("digest", "bob:secret"), acl="creator")
    open_to_read = coordinator(auth=[("digest", "bob:secret")], acl="read_open")
    stranger = coordinator()
    mine.create("mine/deep", b"x")
    open_to_read.create("ours", b"y")
    for call in (lambda: stranger.get("mine/deep"), lambda: stranger.create("mine/other")):
        with pytest.raises(exceptions.NotAuthorized, match="check auth"):
            call()
    assert stranger.get("ours")[0] == b"y"
    with pytest.raises(exceptions.NotAuthorized):
        stranger.set("ours", b"z")
    assert coordinator(auth=("digest", "bob:secret")).get("mine/deep")[0] == b"x"


def ephemeral_owners(zk, path):
    """Return the sessions that have a node at `path` or below."""
    stat = zk.exists(path)
    if stat is None:
        return set()
    try:
        names = zk.children(path)
    except exceptions.NoNode:
        return set()
    return {stat.ephemeral_owner}.union(*(ephemeral_owners(zk, f"{path}/{name}") for name in names)) - {0}


@pytest.mark.parametrize(
    "take",
    [
        lambda zk: zk.lock("a").acquire(),
        lambda zk: zk.multi_lock(["a", "b"]).acquire(),
        lambda zk: zk.read_write_lock("a").read().acquire(),
        lambda zk: zk.read_write_lock("a").write().acquire(),
        lambda zk: zk.semaphore("a", 2).acquire(),
        lambda zk: zk.election("a").campaign(),
        lambda zk: zk.group("a").join(),
        lambda zk: zk.registry("a").register("s", "host:1"),
    ],
    ids=["lock", "multi-lock", "read", "write", "permits", "term", "membership", "registration"],
)
def test_what_is_held_keeps_its_session_open(zk, connect_string, namespace, take):
    kept = [take(sparkeeper.connect(connect_string, namespace=namespace))]
    gc.collect()
    with pytest.raises(AssertionError, match="waited"):
        wait_for(lambda: kept[0].state not in {"HELD", "JOINED"}, 0.5, "a loss")
    assert len(ephemeral_owners(zk, "a")) == 1
    kept.clear()
    wait_for(lambda: not ephemeral_owners(zk, "a"), 60, "the session to end with the last that is held")
