"""TLS and mutual TLS against a real server: who is let in, who is not, and what they are told."""

import pickle
import re
import time

import kazoo.client
import pytest

import sparkeeper
from secured import Authority, tls_server
from sparkeeper import exceptions
from sparkeeper.local import words
from waiters import Waiters
from waiting import wait_for

X509 = {"authProvider.x509": "org.apache.zookeeper.server.auth.X509AuthenticationProvider"}


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    """The authority that everybody here should trust."""
    return Authority(tmp_path_factory.mktemp("ours"))


@pytest.fixture(scope="module")
def theirs(tmp_path_factory):
    """An authority that nobody here should trust."""
    return Authority(tmp_path_factory.mktemp("theirs"))


@pytest.fixture(scope="module")
def client(ours):
    """Our client's certificate."""
    return ours.issue("client.test")


@pytest.fixture(scope="module")
def server(ours):
    """A server with TLS that lets in whoever trusts it."""
    with tls_server(ours.issue("localhost", "127.0.0.1"), ours.ca) as running:
        yield running


@pytest.fixture(scope="module")
def elsewhere(ours):
    """A server with the certificate of another host."""
    with tls_server(ours.issue("elsewhere.test"), ours.ca) as running:
        yield running


@pytest.fixture(scope="module")
def mutual(ours):
    """A server that wants to see a certificate."""
    with tls_server(ours.issue("127.0.0.1", "localhost"), ours.ca, client_auth="need", **X509) as running:
        yield running


def left(server):
    """What clients have left at a server: nodes, ephemeral nodes and sessions."""
    figures = dict(
        line.split("\t", 1) for line in words.ask(server.server.port, "mntr", 30).splitlines() if "\t" in line
    )
    return {key: int(figures[key]) for key in ("zk_znode_count", "zk_ephemerals_count", "zk_global_sessions")}


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_who_trusts_the_authority_comes_in_by_every_name_of_the_certificate(server, ours, namespace, host):
    with sparkeeper.connect(f"{host}:{server.port}", namespace=namespace, tls=ours.tls()) as zk:
        zk.create("a/b", b"x" * 100_000)
        assert zk.get("a/b")[0] == b"x" * 100_000
        with zk.lock("l") as held:
            zk.set("a/b", b"guarded", guard=held)
        assert zk.state == "CONNECTED"


def test_a_certificate_of_ours_is_an_identity(mutual, ours, client, namespace):
    with sparkeeper.connect(mutual.connect_string, namespace=namespace, tls=ours.tls(client), acl="creator") as zk:
        zk.create("mine", b"x")
        with zk.lock("l"):
            assert zk.get("mine")[0] == b"x"
        other = ours.tls(ours.issue("other.test"))
        with (
            sparkeeper.connect(mutual.connect_string, namespace=namespace, tls=other) as stranger,
            pytest.raises(exceptions.NotAuthorized, match="mine"),
        ):
            stranger.get("mine")


REFUSED = {
    "untrusted authority": ("server", lambda _, theirs: theirs.tls(), exceptions.AuthFailed, "not in ca"),
    "wrong host name": ("elsewhere", lambda ours, _: ours.tls(), exceptions.AuthFailed, r"elsewhere\.test"),
    "no certificate": ("mutual", lambda ours, _: ours.tls(), exceptions.AuthFailed, r"Tls\(cert=…, key=…\)"),
    "certificate of another authority": (
        "mutual",
        lambda ours, theirs: sparkeeper.Tls(ca=ours.ca, cert=(bad := theirs.issue("client.test")).cert, key=bad.key),
        exceptions.AuthFailed,
        "our certificate",
    ),
    "no TLS": ("server", lambda *_: None, exceptions.ConfigError, r"speaks TLS and we do not; give tls=Tls\("),
    "no TLS to a mutual server": ("mutual", lambda *_: None, exceptions.ConfigError, "speaks TLS and we do not"),
}


@pytest.fixture
def pick(ours, theirs):
    """What a case of `REFUSED` gives to `connect`."""
    return lambda tls: tls(ours, theirs)


@pytest.mark.parametrize("timeout", [None, 30])
@pytest.mark.parametrize("case", REFUSED)
def test_who_is_refused_learns_why_at_once_and_leaves_nothing(request, pick, case, timeout):
    where, tls, kind, text = REFUSED[case]
    server = request.getfixturevalue(where)
    wait_for(lambda: left(server)["zk_global_sessions"] == 0, 60, "earlier sessions to end")
    before = left(server)
    begun = time.monotonic()
    with pytest.raises(kind, match=text):
        sparkeeper.connect(server.connect_string, tls=pick(tls), timeout=timeout)
    taken = time.monotonic() - begun
    assert taken < 2
    assert left(server) == before


def test_a_handle_from_elsewhere_is_refused_as_quickly(server, theirs):
    handle = pickle.loads(
        pickle.dumps(sparkeeper.Coordinator(server.connect_string, tls=(theirs.ca, None, None, True)))
    )
    begun = time.monotonic()
    with pytest.raises(exceptions.AuthFailed, match="not in ca"):
        handle.lock("l").acquire(timeout=30)
    with pytest.raises(exceptions.AuthFailed, match="not in ca"):
        handle.get("a")
    assert time.monotonic() - begun < 4


def test_the_host_name_is_not_checked_when_told_so_and_all_else_is(elsewhere, ours, theirs):
    with sparkeeper.connect(elsewhere.connect_string, tls=ours.tls(check_hostname=False)) as zk:
        zk.create("here")
    with pytest.raises(exceptions.AuthFailed, match="not in ca"):
        sparkeeper.connect(elsewhere.connect_string, tls=theirs.tls(check_hostname=False))


def test_a_port_without_tls_is_a_lost_connection_that_says_what_to_look_at(server, ours):
    begun = time.monotonic()
    with pytest.raises(exceptions.ConnectionLost, match=r"no server answered.*speaks TLS"):
        sparkeeper.connect(f"localhost:{server.server.port}", tls=ours.tls())
    assert time.monotonic() - begun < 2


def test_of_several_hosts_one_that_is_fine_is_enough(server, elsewhere, ours):
    hosts = f"{elsewhere.connect_string},{server.connect_string},{elsewhere.connect_string}"
    with sparkeeper.connect(hosts, tls=ours.tls()) as zk:
        assert zk.state == "CONNECTED"


def test_a_certificate_refused_on_a_reconnect_ends_every_wait(ours, theirs, namespace):
    shown, stranger = ours.issue("localhost"), theirs.issue("localhost")
    with (
        tls_server(shown, ours.ca) as server,
        sparkeeper.connect(server.connect_string, namespace=namespace, session_timeout=40, tls=ours.tls()) as zk,
    ):
        held = zk.lock("l").acquire()
        refused = []
        zk.on_state(lambda state: refused.append(time.monotonic()) if state == "CLOSED" else None)
        waiters = Waiters(lambda: zk.lock("l"))
        wait_for(lambda: len(held_line(zk)) == 1 + waiters.in_line, 60, "everybody to stand in line")
        shown.store.write_bytes(stranger.store.read_bytes())
        server.restart()
        # Tries come further apart the longer a server takes to start; the first to reach it ends all waits.
        wait_for(lambda: refused, 60, "the refusal, long before the session would be over")
        waiters.join(60)
        for error, at in waiters.ended:
            assert type(error) is exceptions.AuthFailed
            assert "not in ca" in str(error)
            assert at - refused[0] < 2
        assert (zk.state, held.state) == ("CLOSED", "LOST")
        with pytest.raises(exceptions.AuthFailed, match="not in ca"):
            zk.get("l")


def held_line(zk):
    return zk.lock("l").contenders()


def test_a_server_that_comes_back_with_a_new_certificate_of_ours_is_the_same_session(ours, namespace):
    shown = ours.issue("localhost")
    with (
        tls_server(shown, ours.ca) as server,
        sparkeeper.connect(server.connect_string, namespace=namespace, session_timeout=40, tls=ours.tls()) as zk,
    ):
        session, held = zk.session_id, zk.lock("l").acquire()
        shown.store.write_bytes(ours.issue("localhost", "127.0.0.1").store.read_bytes())
        server.restart()
        wait_for(lambda: zk.state == "CONNECTED" and held.state == "HELD", 60, "the session")
        assert zk.session_id == session


def test_keys_travel_by_path(mutual, ours, client, namespace):
    content = re.search(rb"-----\s+(\S+)\s", client.key.read_bytes()).group(1)
    with sparkeeper.connect(mutual.connect_string, namespace=namespace, tls=ours.tls(client)) as zk:
        pickled = pickle.dumps((zk, zk.lock("l")))
        assert client.key.name.encode() in pickled
        assert content not in pickled
        copy, _ = pickle.loads(pickled)
        copy.create("from", b"the copy")
        assert zk.get("from")[0] == b"the copy"
        copy.close()


def test_files_that_are_none_are_refused_with_their_names_and_without_their_content(server, ours, client, tmp_path):
    torn = tmp_path / "torn.pem"
    torn.write_text("-----BEGIN PRIVATE KEY-----\nhunter2hunter2\n")
    for tls in (
        sparkeeper.Tls(ca=torn),
        sparkeeper.Tls(ca=ours.ca, cert=client.cert, key=torn),
        sparkeeper.Tls(ca=ours.ca, cert=torn, key=client.key),
        sparkeeper.Tls(ca=ours.ca, cert=client.cert, key=tmp_path / "torn.pem.none"),
        # Somebody else's key.
        sparkeeper.Tls(ca=ours.ca, cert=client.cert, key=ours.issue("x.test").key),
    ):
        with pytest.raises(exceptions.ConfigError, match="tls: ") as refused:
            sparkeeper.connect(server.connect_string, tls=tls)
        assert "hunter2" not in str(refused.value)
    with pytest.raises(exceptions.ConfigError, match=r"torn\.pem"):
        sparkeeper.connect(server.connect_string, tls=sparkeeper.Tls(ca=ours.ca, cert=client.cert, key=torn))


def test_a_spark_session_brings_its_files(spark, mutual, ours, client):
    settings = {
        "connect": mutual.connect_string,
        "tls.ca": str(ours.ca),
        "tls.cert": str(client.cert),
        "tls.key": str(client.key),
        "acl": "x509:CN=nobody:r,world:anyone:rwcda",
    }
    try:
        for key, value in settings.items():
            spark.conf.set(f"spark.zookeeper.{key}", value)
        with sparkeeper.connect(spark) as zk:
            zk.create("from-spark")
        spark.conf.set("spark.zookeeper.tls.check_hostname", "perhaps")
        with pytest.raises(exceptions.ConfigError, match="give true or false"):
            sparkeeper.connect(spark)
    finally:
        for key in (*settings, "tls.check_hostname"):
            spark.conf.unset(f"spark.zookeeper.{key}")


def test_kazoo_sees_the_identity_that_our_certificate_gave_the_node(mutual, ours, client, namespace):
    with sparkeeper.connect(mutual.connect_string, namespace=namespace, tls=ours.tls(client), acl="creator") as zk:
        zk.create("mine")
        peer = kazoo.client.KazooClient(
            mutual.connect_string, use_ssl=True, ca=str(ours.ca), certfile=str(client.cert), keyfile=str(client.key)
        )
        peer.start(timeout=20)
        try:
            acls, _ = peer.get_acls(f"/{namespace}/mine")
        finally:
            peer.stop()
            peer.close()
    assert [(acl.id.scheme, acl.perms) for acl in acls] == [("x509", 31)]
