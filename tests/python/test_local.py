"""The embedded server: found, started, killed and started again, and clear about what went wrong."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from peer import connect
from sparkeeper.exceptions import ConfigError, ConnectionLost
from sparkeeper.local import LocalServer, ServerSettings, words
from sparkeeper.local.jars import find_jars
from sparkeeper.local.java import find_java
from sparkeeper.local.ports import HOST, free_ports, is_free
from users import gone
from waiting import wait_for
from wire import negotiate

# The running environment's own PySpark, and any other whose jars the runner names.
JARS = [None, *filter(None, [os.environ.get("SPARKEEPER_TEST_JARS_35")])]


def shell(server, *words):
    command = [find_java(), "-cp", server._jars.class_path, "org.apache.zookeeper.ZooKeeperMain"]
    done = subprocess.run([*command, "-server", server.connect_string, *words], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


@pytest.fixture(scope="module", params=JARS, ids=lambda jars: f"jars-{find_jars(jars).version}")
def jars(request):
    return request.param


def test_serves_on_loopback_the_version_of_the_jars(jars):
    with LocalServer(jars=jars) as server:
        assert server.mode == "standalone"
        assert f"Zookeeper version: {find_jars(jars).version}-" in words.ask(server.port, "srvr", 30)
        assert words.ask(server.port, "ruok") == "imok"
        assert server.connect_string == f"{HOST}:{server.port}"
        assert "Starting server" in server.log.read_text()
        pid, home = server.pid, server.data
    assert gone(pid)
    assert not home.exists()
    assert is_free(server.port)


def test_containers_and_nodes_with_a_time_to_live_are_collected(jars):
    with LocalServer(jars=jars, settings=ServerSettings(container_check=0.2)) as server:
        client = connect(server.connect_string)
        try:
            # kazoo can make neither, ZooKeeper's own shell can.
            shell(server, "create", "-t", "300", "/mortal")
            shell(server, "create", "-c", "/container")
            client.create("/container/child")
            client.delete("/container/child")
            wait_for(lambda: not client.exists("/mortal"), 60, "the node's time to live to end")
            wait_for(lambda: not client.exists("/container"), 60, "the empty container to be collected")
        finally:
            client.stop()


def test_negotiates_session_timeouts_from_one_second(jars):
    with LocalServer(jars=jars, settings=ServerSettings(session_timeouts=(1.0, 4.0))) as server:
        assert negotiate(server.port, 0.1) == 1.0
        assert negotiate(server.port, 2.5) == 2.5
        assert negotiate(server.port, 60.0) == 4.0


def test_kept_data_outlives_the_server_object(tmp_path):
    home = tmp_path / "kept \u00e9\u4e2d data"
    with LocalServer(home) as server:
        client = connect(server.connect_string)
        client.create("/kept", b"here")
        client.stop()
    with LocalServer(home) as again:
        client = connect(again.connect_string)
        assert client.get("/kept")[0] == b"here"
        client.stop()


def test_killed_server_starts_again_on_its_port_with_its_session(jars):
    with LocalServer(jars=jars) as server:
        # A starting server may forget a connection without closing it (ZooKeeperServer.removeCnxn has no database
        # yet). The peer gives a silent host up after timeout / hosts: named twice, well before its session ends.
        client = connect(f"{server.connect_string},{server.connect_string}", timeout=20)
        session = client.client_id[0]
        client.create("/before", b"kill", ephemeral=True)
        port, pid = server.port, server.pid
        server.kill()
        assert gone(pid)
        assert not server.running
        assert server.mode is None
        server.start()
        assert server.port == port
        wait_for(lambda: client.connected, 60, "the client to connect again")
        assert client.get("/before")[0] == b"kill"
        assert client.client_id[0] == session
        client.stop()


def test_paused_server_keeps_its_connections_and_says_nothing(server_of_my_own):
    server = server_of_my_own
    with socket.create_connection((HOST, server.port), 5) as link:
        server.pause()
        assert server.running
        link.sendall(b"ruok")
        link.settimeout(0.3)
        with pytest.raises(TimeoutError):
            link.recv(4)
        server.resume()
        link.settimeout(10)
        assert link.recv(4) == b"imok"
    server.pause()
    server.stop()
    assert not server.running


@pytest.fixture
def server_of_my_own():
    with LocalServer() as server:
        yield server


def test_a_taken_port_is_named(server_of_my_own):
    with pytest.raises(ConfigError, match=rf"{server_of_my_own.port}: another process listens"):
        LocalServer(port=server_of_my_own.port).start()


def test_loses_the_race_for_a_port_and_takes_another(tmp_path):
    """A Java that lets a thief onto the port before it starts, the first time."""
    thief = tmp_path / "thief.py"
    thief.write_text(
        "import os, re, socket, sys\n"
        "os.setsid()  # it is no part of the server\n"
        "os.closerange(3, 256)  # nor is the lock on the data the thief's\n"
        "port = int(re.search(r'clientPort=(\\d+)', open(sys.argv[1]).read()).group(1))\n"
        f"s = socket.create_server(('{HOST}', port))\n"
        "open(sys.argv[2], 'w').write(f'{port} {os.getpid()}')\n"
        "while True: s.accept()[0].close()\n"
    )
    stolen = tmp_path / "stolen"
    java = tmp_path / "java"
    java.write_text(
        f"#!/bin/sh\nfor last; do :; done\n"
        f'if [ ! -e {stolen} ]; then {sys.executable} {thief} "$last" {stolen} & '
        f"while [ ! -s {stolen} ]; do :; done; fi\n"
        f'exec {find_java()} "$@"\n'
    )
    java.chmod(0o755)
    try:
        with LocalServer(settings=ServerSettings(java=java)) as server:
            port, _ = stolen.read_text().split()
            assert server.port != int(port)
            assert server.mode == "standalone"
            assert "Address already in use" in server.log.read_text()
    finally:
        os.kill(int(stolen.read_text().split()[1]), signal.SIGKILL)


def test_two_servers_never_share_a_folder(tmp_path):
    with LocalServer(tmp_path) as server:
        with pytest.raises(ConfigError, match="another server uses it"):
            LocalServer(tmp_path, timeout=0.5).start()
        assert server.mode == "standalone"


def test_death_at_start_shows_the_end_of_the_log():
    with pytest.raises(ConnectionLost, match=r"exited with code \d+ before it served(.|\n)*For input string: .lots"):
        LocalServer(settings=ServerSettings(extra={"tickTime": "lots"})).start()


def test_a_start_that_takes_too_long_ends(tmp_path):
    java = tmp_path / "java"
    child = tmp_path / "child"
    java.write_text(f"#!/bin/sh\necho thinking\ntail -f /dev/null &\necho $! > {child}\nwait\n")
    java.chmod(0o755)
    server = LocalServer(settings=ServerSettings(java=java), timeout=2)
    with pytest.raises(
        ConnectionLost,
        match=r"did not serve in time; see that .*/java -version answers(.|\n)*its log ends.*\n  thinking",
    ):
        server.start()
    assert not server.running
    wait_for(lambda: gone(int(child.read_text())), 60, "what the script began to end with it")


def test_without_java_the_installing_command_is_named(tmp_path):
    installer = tmp_path / "apt-get"
    installer.touch(mode=0o755)
    with pytest.raises(ConfigError, match="install one with: sudo apt-get install -y openjdk-17-jre-headless"):
        find_java(environ={"PATH": str(tmp_path)}, folders=[tmp_path / "jvm"])


def fake_jdk(home, version):
    (home / "bin").mkdir(parents=True)
    (home / "bin" / "java").touch(mode=0o755)
    (home / "release").write_text(f'IMPLEMENTOR="x"\nJAVA_VERSION="{version}"\n')
    return home / "bin" / "java"


def test_java_is_taken_from_home_then_path_then_folders(tmp_path):
    jvm = tmp_path / "jvm"
    oldest, newest = fake_jdk(jvm / "a", "1.8.0_402"), fake_jdk(jvm / "b", "25.0.1")
    assert find_java(environ={}, folders=[jvm]) == newest
    preferred = fake_jdk(jvm / "c", "17.0.9")
    assert find_java(environ={}, folders=[jvm]) == preferred
    on_path = {"PATH": str(newest.parent)}
    assert find_java(environ=on_path, folders=[jvm]) == newest
    assert find_java(environ={**on_path, "JAVA_HOME": str(jvm / "a")}, folders=[jvm]) == oldest
    assert find_java(environ={**on_path, "JAVA_HOME": str(tmp_path)}, folders=[jvm]) == newest
    assert find_java(jvm / "a", environ=on_path) == find_java(oldest, environ=on_path) == oldest
    with pytest.raises(ConfigError, match="no executable bin/java"):
        find_java(tmp_path)


def test_without_jars_the_installing_command_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"pip install 'pyspark>=3\.5'"):
        LocalServer(jars=tmp_path)


def test_closed_server_and_bad_settings_are_refused():
    server = LocalServer()
    with pytest.raises(ConfigError, match="not started yet"):
        _ = server.port
    server.close()
    with pytest.raises(ConfigError, match="was closed"):
        server.start()
    with pytest.raises(ConfigError, match="shortest <= longest"):
        ServerSettings(session_timeouts=(5, 1))


def test_free_ports_differ_and_lie_below_those_of_outgoing_connections():
    ports = free_ports(50)
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert len(set(ports)) == 50
    assert max(ports) < first


def test_what_a_script_began_ends_with_a_killed_parent(tmp_path):
    java, child = tmp_path / "java", tmp_path / "child"
    java.write_text(f"#!/bin/sh\ntail -f /dev/null &\necho $! > {child}.draft\nmv {child}.draft {child}\nwait\n")
    java.chmod(0o755)
    code = (
        "import sys; from sparkeeper.local import LocalServer, ServerSettings; "
        "s = LocalServer(settings=ServerSettings(java=sys.argv[1])).start(wait=False); print(s.data, flush=True)"
    )
    parent = subprocess.Popen([sys.executable, "-c", f"{code}; sys.stdin.read()", str(java)], stdin=-1, stdout=-1)
    with parent:
        home = parent.stdout.readline().decode().strip()
        wait_for(child.exists, 60, "the script to begin another")
        parent.kill()
    wait_for(lambda: gone(int(child.read_text())), 60, "what the script began to end with the parent")
    assert not Path(home).exists()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_server_and_its_data_end_with_a_killed_parent(number):
    code = (
        "import sys; from sparkeeper.local import LocalServer as L; s = L().start(); print(s.pid, s.data, flush=True)"
    )
    parent = subprocess.Popen([sys.executable, "-c", f"{code}; sys.stdin.read()"], stdin=-1, stdout=-1)
    with parent:
        pid, home = parent.stdout.readline().decode().split()
        assert not gone(int(pid))
        parent.send_signal(number)
    wait_for(lambda: gone(int(pid)), 60, "the server to end with its parent")
    wait_for(lambda: not Path(home).exists(), 60, "the temporary data to be removed")
