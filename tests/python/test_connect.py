"""`connect` by connect string, environment and "local": what it takes, and what it says of what it can't take."""

import socket
from datetime import timedelta

import pytest

import sparkeeper
from program import Program
from sparkeeper import exceptions
from sparkeeper.local import shared_server
from sparkeeper.local.ports import HOST, free_ports
from waiting import wait_for


def test_a_chroot_and_a_namespace_are_put_before_every_path(connect_string, namespace, coordinator):
    with sparkeeper.connect(f"{connect_string}/{namespace}/root", namespace="team-a") as zk:
        zk.create("a/b", b"x")
        with zk.lock("l"):
            assert coordinator().children("root/team-a/l")[0].startswith("_c_")
        assert zk.connect_string == f"{connect_string}/{namespace}/root"
        assert zk.namespace == "team-a"
        assert f"{namespace}/root/team-a CONNECTED" in repr(zk)
    assert coordinator().get("root/team-a/a/b")[0] == b"x"


def test_a_chroot_that_does_not_exist_is_said_in_the_log_once_it_is_connected_to(connect_string, namespace, caplog):
    for _ in range(2):
        with sparkeeper.connect(f"{connect_string}/{namespace}/mistyped") as zk:
            zk.sync()
            if zk.exists("a") is None:
                zk.create("a")
    wait_for(lambda: "does not exist yet" in caplog.text, 60, "the warning")
    assert caplog.text.count("does not exist yet") == 1
    assert f"/{namespace}/mistyped" in caplog.text


def test_of_several_hosts_one_that_answers_is_enough(connect_string):
    nobody = [f"{HOST}:{port}" for port in free_ports(2)]
    with sparkeeper.connect(f"{nobody[0]},{connect_string},{nobody[1]}", timeout=10) as zk:
        assert zk.state == "CONNECTED"


def test_from_the_environment(connect_string, namespace, monkeypatch):
    monkeypatch.setenv("SPARKEEPER_CONNECT", f"{connect_string}/{namespace}")
    with sparkeeper.connect() as zk:
        assert zk.connect_string == f"{connect_string}/{namespace}"
        zk.create("a")


def test_local_is_one_server_for_all(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    with Program('zk = sparkeeper.connect("local"); zk.create("theirs"); say(zk.connect_string); hear()') as other:
        address = other.answer()
        monkeypatch.setenv("SPARKEEPER_CONNECT", "local")
        with sparkeeper.connect() as zk:
            assert zk.exists("theirs").version == 0
            assert zk.connect_string == address == shared_server().connect_string


def test_the_session_timeout_is_seconds_or_a_timedelta_and_the_server_negotiates(connect_string):
    for asked, granted in ((3, 3), (2.5, 2.5), (timedelta(seconds=4), 4), (0.9, 1), (1000, 60)):
        with (
            sparkeeper.connect(connect_string, session_timeout=asked, timeout=20) as zk,
            zk.lock("t", timeout=10) as held,
        ):
            assert granted - 0.5 < held.valid_for() <= granted


def test_the_owner_says_who_we_are(connect_string):
    with sparkeeper.connect(connect_string) as zk:
        assert zk.owner.startswith(f"python @ {socket.gethostname()} / ")
    with sparkeeper.connect(connect_string, owner="app-42") as zk:
        assert zk.owner == zk.lock("l").acquire().owner == "app-42"


@pytest.mark.parametrize(
    ("target", "settings", "text"),
    [
        ("", {}, "names no host"),
        (",", {}, "names no host"),
        ("/only/chroot", {}, "names no host"),
        ("host:port", {}, "'port' is not a port"),
        ("host:0", {}, "'0' is not a port"),
        (42, {}, "SparkSession"),
        ("HOST", {"acl": "everybody"}, "acl 'everybody': use \"open\""),
        ("HOST", {"session_timeout": -1}, "session_timeout=-1"),
        ("HOST", {"session_timeout": timedelta(seconds=-1)}, "session_timeout=-1"),
        ("HOST", {"timeout": -1}, "timeout=-1"),
        ("HOST", {"auth": ("digest", "env:NO_SUCH_VARIABLE")}, "NO_SUCH_VARIABLE is not set"),
        ("HOST", {"auth": ("digest", "file:/no/such/file")}, "/no/such/file"),
        ("HOST", {"auth": ("sasl", "nobody")}, "user:password"),
        ("HOST", {"tls": sparkeeper.Tls(ca="/no/such.pem")}, "/no/such.pem"),
        ("HOST", {"tls": sparkeeper.Tls(cert=__file__)}, "cert and key go together"),
    ],
)
def test_settings_that_cannot_be_are_refused_with_a_reason(target, settings, text, connect_string):
    with pytest.raises(exceptions.ConfigError, match=text):
        sparkeeper.connect(connect_string if target == "HOST" else target, **settings)


@pytest.mark.parametrize("place", ["HOST/a//b", "HOST/../a"])
def test_a_chroot_that_is_no_path_is_refused(place, connect_string):
    with pytest.raises(exceptions.InvalidPath):
        sparkeeper.connect(place.replace("HOST", connect_string))


def test_a_namespace_that_is_no_path_is_refused(connect_string):
    with pytest.raises(exceptions.InvalidPath):
        sparkeeper.connect(connect_string, namespace="a//b")


def test_with_nothing_to_go_by_it_says_what_to_set(monkeypatch):
    monkeypatch.delenv("SPARKEEPER_CONNECT", raising=False)
    with pytest.raises(exceptions.ConfigError, match=r"SPARKEEPER_CONNECT.*pass a SparkSession or host:port"):
        sparkeeper.connect()


def test_an_argument_of_the_wrong_type_is_a_type_error(connect_string):
    with pytest.raises(TypeError, match=r"'soon': give seconds, 0 or more, or a timedelta"):
        sparkeeper.connect(connect_string, session_timeout="soon")
    with sparkeeper.connect(connect_string) as zk:
        for call in (zk.lock("l").acquire, lambda timeout: zk.lock("l", timeout=timeout)):
            with pytest.raises(TypeError, match=r"'5': give seconds, 0 or more, or a timedelta"):
                call(timeout="5")
    with pytest.raises(TypeError):
        sparkeeper.connect(connect_string, namespace=7)


def test_importing_us_imports_no_pyspark_and_starts_nothing():
    code = "import threading; say([m for m in sys.modules if m.split('.')[0] in ('pyspark', 'pyarrow', 'pandas')])"
    with Program(code) as program:
        assert program.answer() == []
