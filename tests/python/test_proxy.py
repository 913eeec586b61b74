"""The faulty proxy does to a link what its methods say, before a real server."""

import contextlib
import threading
import time

import pytest
from kazoo.client import KazooState
from kazoo.exceptions import ConnectionLoss, OperationTimeoutError, SessionExpiredError

from peer import connect
from proxy import Proxy
from sparkeeper.local import words
from waiting import wait_for
from wire import Op, open_session


@pytest.fixture
def proxy(server):
    with Proxy(server.port) as running:
        yield running


@pytest.fixture
def client(proxy):
    """A kazoo client through the proxy; it never retries a command."""
    made = connect(proxy.connect_string)
    yield made
    made.stop()
    made.close()


@pytest.fixture
def direct(connect_string):
    """A kazoo client past the proxy."""
    made = connect(connect_string)
    yield made
    made.stop()
    made.close()


def test_passes_and_counts_requests_and_connections(proxy, client, direct, namespace):
    client.ensure_path(namespace)
    proxy.requests.clear()
    client.set(namespace, b"x" * 900_000)
    assert client.get(namespace)[0] == b"x" * 900_000
    with client.transaction() as batch:
        batch.check(namespace, 1)
        batch.create(f"{namespace}/child")
    client.delete(f"{namespace}/child")
    counted = {op: proxy.requests[op] for op in (Op.SET_DATA, Op.GET_DATA, Op.MULTI, Op.DELETE, Op.CREATE)}
    assert counted == {Op.SET_DATA: 1, Op.GET_DATA: 1, Op.MULTI: 1, Op.DELETE: 1, Op.CREATE: 0}
    assert (proxy.accepted, proxy.open) == (1, 1)
    assert direct.get(namespace)[1].version == 1
    client.stop()
    assert proxy.requests[Op.CLOSE] == 1
    wait_for(lambda: proxy.open == 0, 60, "the connection to be closed")


def test_four_letter_words_pass(proxy, server):
    assert words.ask(proxy.port, "ruok") == "imok"
    assert words.mode(proxy.port) == "standalone"
    assert f"clientPort={server.port}\n" in words.ask(proxy.port, "conf", 30)


def test_cut_resets_and_refuses_until_healed(proxy, client):
    states = []
    client.add_listener(states.append)
    session = client.client_id[0]
    proxy.cut()
    wait_for(lambda: KazooState.SUSPENDED in states, 60, "the client to learn of the cut")
    assert proxy.open == 0
    assert words.ask(proxy.port, "ruok") is None
    accepted = proxy.accepted
    proxy.heal()
    wait_for(lambda: client.connected, 60, "the client to connect again")
    assert client.client_id[0] == session
    assert proxy.accepted > accepted


def test_cut_leaves_the_session_to_expire_on_the_server(proxy, direct, namespace):
    victim = connect(proxy.connect_string, timeout=1.0)
    try:
        victim.create(namespace, ephemeral=True, makepath=True)
        lost = threading.Event()
        victim.add_listener(lambda state: state == KazooState.LOST and lost.set())
        proxy.cut()
        wait_for(lambda: not direct.exists(namespace), 60, "the session to expire")
        proxy.heal()
        assert lost.wait(60)
    finally:
        victim.stop()
        victim.close()


def test_frozen_link_is_silent_both_ways_and_delivers_after_the_thaw(proxy, client, direct, namespace):
    direct.ensure_path(namespace)
    fired = threading.Event()
    client.get(namespace, watch=lambda _event: fired.set())
    proxy.freeze()
    late = client.set_async(namespace, b"from the client")
    direct.set(namespace, b"past the proxy")
    assert not fired.wait(0.3)
    assert not late.ready()
    assert direct.get(namespace)[0] == b"past the proxy"
    assert proxy.open == 1
    assert words.ask(proxy.port, "ruok", 0.3) is None
    proxy.thaw()
    late.get(10)
    assert fired.wait(60)
    assert direct.get(namespace)[0] == b"from the client"


def test_frozen_link_hides_the_end_of_a_connection(proxy, server):
    link, _, session = open_session(proxy.port, 10.0)
    assert f"sid=0x{session:x}" in words.ask(server.port, "cons", 30)
    proxy.freeze()
    link.close()
    assert words.ask(proxy.port, "ruok", 0.5) is None
    # Half a second later the server has not heard of the end of the one, nor of the other.
    assert f"sid=0x{session:x}" in words.ask(server.port, "cons", 30)
    assert proxy.open >= 1
    proxy.thaw()
    wait_for(
        lambda: f"sid=0x{session:x}" not in words.ask(server.port, "cons", 30), 60, "the server to learn of the end"
    )


def test_cut_ends_a_frozen_link(proxy, client, server):
    session = f"{client.client_id[0]:x}"
    proxy.freeze()
    proxy.cut()
    wait_for(lambda: not client.connected, 60, "the client to learn of the cut")
    wait_for(lambda: session not in words.ask(server.port, "cons", 30), 60, "the server to learn of the cut")
    proxy.thaw()
    proxy.heal()
    wait_for(lambda: client.connected, 60, "the client to connect again")


def test_delay_adds_latency_each_way_without_limiting_throughput(proxy, client, namespace):
    client.ensure_path(namespace)
    for to_server, to_client in ((0.05, 0.05), (0.1, 0.0), (0.0, 0.1)):
        proxy.delay(to_server, to_client)
        assert 0.1 <= round_trip(client, namespace) < 1.0
    start = time.monotonic()
    for pending in [client.exists_async(namespace) for _ in range(200)]:
        pending.get(10)
    # One after the other they would take 20 s.
    assert 0.1 <= time.monotonic() - start < 2.0
    proxy.delay(0.0)
    assert min(round_trip(client, namespace) for _ in range(20)) < 0.05


def round_trip(client, path):
    start = time.monotonic()
    client.exists(path)
    return time.monotonic() - start


def test_dropped_reply_hides_work_that_was_done(proxy, client, direct, namespace):
    client.ensure_path(namespace)
    session = client.client_id[0]
    dropped = proxy.drop_reply(Op.CREATE)
    with pytest.raises((ConnectionLoss, OperationTimeoutError)):
        client.create(f"{namespace}/once")
    assert dropped.is_set()
    assert direct.exists(f"{namespace}/once")
    wait_for(lambda: client.connected, 60, "the client to connect again")
    assert client.client_id[0] == session
    # It was the next one only.
    client.create(f"{namespace}/twice")


def test_dropped_reply_can_be_chosen_by_a_predicate(proxy, client, direct, namespace):
    client.ensure_path(namespace)
    dropped = proxy.drop_reply(lambda request: request.op == Op.CREATE and b"/chosen" in request.body)
    client.create(f"{namespace}/other")
    assert not dropped.is_set()
    with pytest.raises(ConnectionLoss):
        client.create(f"{namespace}/chosen")
    assert dropped.is_set()
    assert sorted(direct.get_children(namespace)) == ["chosen", "other"]


def test_dropped_multi_landed_whole(proxy, client, direct, namespace):
    client.ensure_path(namespace)
    dropped = proxy.drop_reply(Op.MULTI)
    batch = client.transaction()
    batch.create(f"{namespace}/a")
    batch.create(f"{namespace}/b")
    with pytest.raises(ConnectionLoss):
        batch.commit()
    assert dropped.is_set()
    assert sorted(direct.get_children(namespace)) == ["a", "b"]


def test_replies_before_the_dropped_one_arrive(proxy, client, namespace):
    client.ensure_path(namespace)
    proxy.delay(0.0, 0.1)
    proxy.drop_reply(Op.CREATE)
    before = [client.exists_async(namespace) for _ in range(20)]
    lost = client.create_async(f"{namespace}/lost")
    assert all(pending.get(10) for pending in before)
    with pytest.raises(ConnectionLoss):
        lost.get(10)
    proxy.delay(0.0)


def test_dropped_reply_with_the_session_expired_in_between(proxy, direct, namespace):
    victim = connect(proxy.connect_string, timeout=1.0)
    try:
        victim.ensure_path(namespace)
        dropped = proxy.drop_reply(Op.CREATE, stay_down=True)
        pending = victim.create_async(f"{namespace}/mine", ephemeral=True)
        with pytest.raises((ConnectionLoss, SessionExpiredError)):
            pending.get(10)
        assert dropped.is_set()
        assert words.ask(proxy.port, "ruok") is None
        wait_for(lambda: not direct.get_children(namespace), 60, "the session to expire")
        session = victim.client_id
        proxy.heal()
        wait_for(lambda: victim.connected and victim.client_id != session, 60, "a new session")
    finally:
        victim.stop()
        victim.close()


def test_closing_twice_is_closing_once(server):
    proxy = Proxy(server.port)
    with contextlib.closing(proxy):
        assert words.ask(proxy.port, "ruok") == "imok"
    proxy.close()
    assert words.ask(proxy.port, "ruok") is None
