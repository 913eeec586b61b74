"""Digest and SASL against a real server: refused at once, for good, and everybody who waits is told."""

import contextlib
import pickle
import time

import pytest

import sparkeeper
from proxy import Proxy
from secured import jaas, sasl_settings
from sparkeeper import exceptions
from sparkeeper.local import LocalServer, words
from sparkeeper.local.ports import HOST, free_ports
from sparkeeper.local.settings import ServerSettings
from waiters import Waiters
from waiting import wait_for

ENFORCED = {"enforce.auth.enabled": "true", "sessionRequireClientSASLAuth": "false"}


@pytest.fixture(scope="module", params=["required", "enforced"])
def sasl_server(request, tmp_path_factory):
    """A server that lets in nobody without SASL, by either of its two settings for that."""
    users = jaas(tmp_path_factory.mktemp("jaas") / "server.conf", {"bob": "secret", "eve": "other"})
    settings = {**ENFORCED, "enforce.auth.schemes": "sasl"} if request.param == "enforced" else {}
    with LocalServer(settings=sasl_settings(users, **settings)) as running:
        yield running


@contextlib.contextmanager
def changeable(tmp_path):
    """A server whose users can be changed: `change(users)` restarts it."""
    file = jaas(tmp_path / "server.conf", {"bob": "secret"})
    with LocalServer(settings=sasl_settings(file)) as running:

        def change(users):
            jaas(file, users)
            running.restart()

        yield running, change


def left(server):
    """What clients have left at a server: nodes and ephemeral nodes."""
    figures = dict(line.split("\t", 1) for line in words.ask(server.port, "mntr", 30).splitlines() if "\t" in line)
    return {key: int(figures[key]) for key in ("zk_znode_count", "zk_ephemerals_count")}


def test_who_has_the_password_comes_in_and_owns_what_it_creates(sasl_server, namespace):
    where = sasl_server.connect_string
    with (
        sparkeeper.connect(where, namespace=namespace, auth=("sasl", "bob:secret"), acl="creator") as bob,
        sparkeeper.connect(where, namespace=namespace, auth=("sasl", "eve:other")) as eve,
    ):
        bob.create("mine", b"x")
        with bob.lock("l") as held:
            bob.set("mine", b"y", guard=held)
        for call in (lambda: eve.get("mine"), lambda: eve.create("mine/hers"), eve.lock("l").try_acquire):
            begun = time.monotonic()
            with pytest.raises(exceptions.NotAuthorized, match="check auth and acl"):
                call()
            assert time.monotonic() - begun < 2
        assert bob.get("mine")[0] == b"y"
        assert bob.children("") == ["mine"] or bob.children("") == ["l", "mine"]
        assert bob.lock("l").contenders() == []


@pytest.mark.parametrize("timeout", [None, 30])
@pytest.mark.parametrize(
    "auth", [("sasl", "bob:wrong"), ("sasl", "nobody:secret"), None, ("digest", "bob:secret")], ids=str
)
def test_who_has_not_is_refused_at_once_reads_nothing_and_leaves_nothing(sasl_server, auth, timeout):
    before = left(sasl_server)
    begun = time.monotonic()
    with pytest.raises(exceptions.AuthFailed, match=r"refused the credentials.*check auth") as refused:
        sparkeeper.connect(sasl_server.connect_string, auth=auth, timeout=timeout)
    assert time.monotonic() - begun < 2
    assert auth is None or auth[1].split(":")[1] not in str(refused.value)
    # A server opens a session before it asks for a name, and lets the empty session run out.
    assert left(sasl_server) == before


def test_a_server_may_want_any_identity(namespace):
    settings = ServerSettings(extra={"enforce.auth.enabled": "true", "enforce.auth.schemes": "digest"})
    with LocalServer(settings=settings) as server:
        begun = time.monotonic()
        with pytest.raises(exceptions.AuthFailed):
            sparkeeper.connect(server.connect_string, timeout=30)
        assert time.monotonic() - begun < 2
        with sparkeeper.connect(server.connect_string, namespace=namespace, auth=("digest", "bob:secret")) as zk:
            assert zk.lock("l").acquire().state == "HELD"


def test_a_wrong_digest_password_is_another_identity_that_may_do_nothing(coordinator):
    """A server keeps no list of digest users: it has nothing to refuse, but everything to protect."""
    mine = coordinator(auth=("digest", "bob:secret"), acl="creator")
    mine.create("a/b", b"x")
    held = mine.lock("l").acquire()
    wrong = coordinator(auth=("digest", "bob:hunter2"), acl="creator")
    begun = time.monotonic()
    calls = (
        lambda: wrong.get("a/b"),
        lambda: wrong.children("a"),
        lambda: wrong.set("a/b", b"y"),
        lambda: wrong.create("a/c"),
        lambda: wrong.delete("a/b"),
        lambda: wrong.lock("l").acquire(),
        lambda: wrong.lock("l").acquire(timeout=30),
        lambda: wrong.lock("l").contenders(),
        lambda: wrong.cache("a").wait_ready(timeout=30),
        lambda: wrong.cache("a").get("b"),
        lambda: wrong.cache("a", persistent=False).snapshot(),
        lambda: wrong.cache("a").events(),
    )
    for call in calls:
        with pytest.raises(exceptions.NotAuthorized, match="check auth and acl") as refused:
            call()
        assert "hunter2" not in str(refused.value)
    assert time.monotonic() - begun < 2
    assert mine.get("a/b")[0] == b"x"
    assert mine.children("a") == ["b"]
    assert [contender.token for contender in mine.lock("l").contenders()] == [held.token]


@pytest.mark.parametrize("cut", [False, True], ids=["server restarted", "link cut meanwhile"])
def test_a_password_refused_on_a_reconnect_ends_every_wait(tmp_path, namespace, cut):
    with changeable(tmp_path) as (server, change), Proxy(server.port) as proxy:
        zk = sparkeeper.connect(
            proxy.connect_string, namespace=namespace, session_timeout=40, auth=("sasl", "bob:secret"), acl="creator"
        )
        states, lost = [], []
        zk.on_state(states.append)
        held = zk.lock("l").acquire()
        held.on_lost(lost.append)
        zk.semaphore("s", permits=1).acquire()
        term = zk.election("e", id="leader").campaign()
        other = zk.election("e", id="other")
        waiters = Waiters(lambda: zk.lock("l"), zk.semaphore("s", permits=1).acquire, other.campaign)
        wait_for(lambda: len(other.candidates()) == 2, 10, "the other to be a candidate")
        wait_for(lambda: len(zk.lock("l").contenders()) == 1 + waiters.in_line, 10, "everybody to stand in line")
        if cut:
            proxy.cut()
        change({"bob": "another"})
        begun = time.monotonic()
        if cut:
            proxy.heal()
        waiters.join(10)
        for error, at in waiters.ended:
            assert type(error) is exceptions.AuthFailed
            assert "another" not in str(error)
            assert at - begun < 2
        wait_for(lambda: len(lost) == 1 and states[-1] == "CLOSED", 2, "the callbacks")
        assert (zk.state, held.state, held.valid_for(), term.state) == ("CLOSED", "LOST", 0.0, "LOST")
        refuses_everything(zk, exceptions.AuthFailed)
        with sparkeeper.connect(server.connect_string, namespace=namespace, auth=("sasl", "bob:another")) as again:
            wait_for(lambda: again.lock("l").contenders() == [], 60, "the server to forget the refused session")


def test_a_password_refused_after_an_expiry_ends_every_wait(tmp_path, namespace):
    with changeable(tmp_path) as (server, change), Proxy(server.port) as proxy:
        bob = {"auth": ("sasl", "bob:secret"), "acl": "creator"}
        zk = sparkeeper.connect(proxy.connect_string, namespace=namespace, session_timeout=1, timeout=20, **bob)
        other = sparkeeper.connect(
            server.connect_string, namespace=namespace, session_timeout=40, auth=("sasl", "bob:secret")
        )
        other.lock("l").acquire()
        waiters = Waiters(lambda: zk.lock("l"))
        wait_for(lambda: len(other.lock("l").contenders()) == 1 + waiters.in_line, 10, "everybody to stand in line")
        proxy.cut()
        wait_for(lambda: zk.state == "EXPIRED", 10, "the end of the session")
        assert waiters.ended == []
        change({"bob": "another"})
        proxy.heal()
        begun = time.monotonic()
        waiters.join(10)
        for error, at in waiters.ended:
            assert type(error) is exceptions.AuthFailed
            # The tries for a new session are up to 2 s apart by then.
            assert at - begun < 4
        refuses_everything(zk, exceptions.AuthFailed)
        other.close()


def refuses_everything(zk, kind):
    """Every call on it raises that, within a second for all of them."""
    begun = time.monotonic()
    batch = zk.multi()
    batch.set("a", b"")
    calls = (
        lambda: zk.get("a"),
        lambda: zk.set("a", b""),
        lambda: zk.create("a"),
        lambda: zk.delete("a"),
        lambda: zk.exists("a"),
        lambda: zk.children("a"),
        zk.sync,
        batch.commit,
        lambda: zk.lock("m").acquire(),
        lambda: zk.lock("m").acquire(timeout=5),
        zk.lock("m").try_acquire,
        zk.lock("m").contenders,
        zk.semaphore("s", permits=1).acquire,
        zk.election("e").campaign,
    )
    for call in calls:
        with pytest.raises(kind):
            call()
    assert time.monotonic() - begun < 2


def test_a_handle_that_reaches_nobody_says_so_at_once():
    handle = pickle.loads(pickle.dumps(sparkeeper.Coordinator(f"{HOST}:{free_ports(1)[0]}")))
    refuses_everything(handle, exceptions.ConnectionLost)


def test_a_handle_that_was_closed_before_its_first_use_says_so_at_once(connect_string):
    handle = sparkeeper.Coordinator(connect_string)
    handle.close()
    refuses_everything(handle, exceptions.Closed)


def test_a_refused_handle_says_so_at_once(sasl_server):
    handle = sparkeeper.Coordinator(sasl_server.connect_string, auth=[("sasl", "bob:wrong")])
    begun = time.monotonic()
    for call in (
        lambda: handle.get("a"),
        lambda: handle.lock("l").acquire(),
        lambda: handle.lock("l").acquire(timeout=9),
    ):
        with pytest.raises(exceptions.AuthFailed):
            call()
    assert time.monotonic() - begun < 2
