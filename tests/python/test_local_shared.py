"""One server for all of a user's processes: started by the first, ended with the last, however they end."""

import os
import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from peer import connect
from sparkeeper.exceptions import ConfigError
from sparkeeper.local import shared_server, words
from users import User, gone
from waiting import wait_for


@pytest.fixture
def runtime(tmp_path, monkeypatch):
    """A runtime folder of our own, so that neither the user's server nor another test's is touched."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.delenv("SPARKEEPER_LOCAL_DATA", raising=False)
    return tmp_path


@pytest.fixture
def users(runtime):
    """Make user processes; all are killed in the end."""
    made = []

    def make(count=1, **environment):
        made.extend(User(runtime, **environment) for _ in range(count))
        return made[-count:]

    yield make
    for user in made:
        user.kill()
    card = runtime / "sparkeeper" / "server.json"
    wait_for(lambda: not card.exists(), 60, "the shared server to end with its users")


def port_of(card):
    return int(card["connect"].rpartition(":")[2])


def test_three_processes_share_one_server_until_the_last_is_killed(users):
    first, second, third = users(3)
    card = first.join()
    assert second.join() == third.join() == card
    first.leave()
    second.kill()
    assert words.mode(port_of(card)) == "standalone"
    third.kill()
    wait_for(lambda: gone(card["pid"]), 60, "the server to end after its last user was killed")
    wait_for(lambda: gone(card["supervisor"]), 60, "the supervisor to end")


def test_many_first_askers_at_once_start_one_server(users):
    askers = users(6)
    for user in askers:
        user.ask()
    cards = [user.answer() for user in askers]
    assert len({(card["connect"], card["pid"], card["supervisor"]) for card in cards}) == 1, cards


def test_killed_supervisor_takes_the_server_along_and_the_next_user_gets_another(users):
    witness, later = users(2)
    card = witness.join()
    os.kill(card["supervisor"], signal.SIGKILL)
    wait_for(lambda: gone(card["pid"]), 60, "the server to end with its supervisor")
    fresh = later.join()
    assert fresh["pid"] != card["pid"]
    assert words.mode(port_of(fresh)) == "standalone"
    later.leave()
    # The witness still uses "the" server, so the fresh one stays.
    assert words.mode(port_of(fresh)) == "standalone"


def test_killed_server_is_replaced_for_the_next_user(users):
    witness, later = users(2)
    card = witness.join()
    os.kill(card["pid"], signal.SIGKILL)
    fresh = later.join()
    assert fresh["pid"] != card["pid"]
    assert fresh["supervisor"] != card["supervisor"]


def test_newcomers_during_the_shutdown_get_a_server_that_lives(users):
    for _ in range(3):
        last, *newcomers = users(3)
        card = last.join()
        last.process.kill()
        for user in newcomers:
            user.ask()
        fresh = [user.answer() for user in newcomers]
        assert fresh[0] == fresh[1], (card, fresh)
        assert words.mode(port_of(fresh[0])) == "standalone"
        for user in newcomers:
            user.kill()
        wait_for(lambda pid=fresh[0]["pid"]: gone(pid), 60, "the server to end")


def test_starter_killed_in_the_middle_leaves_nothing_behind(users, runtime):
    starter, later = users(2)
    starter.ask()
    log = runtime / "sparkeeper" / "zookeeper.log"
    wait_for(log.exists, 60, "the start to be under way", interval=0.001)
    starter.kill()
    card = later.join()
    assert words.mode(port_of(card)) == "standalone"


def test_named_data_is_kept_and_other_data_is_not(users, tmp_path):
    for environment, kept in (({"SPARKEEPER_LOCAL_DATA": str(tmp_path / "kept")}, True), ({}, False)):
        for expected in (False, kept):
            (user,) = users(**environment)
            card = user.join()
            client = connect(card["connect"])
            assert bool(client.exists("/mine")) == expected
            client.ensure_path("/mine")
            client.stop()
            user.leave()
            wait_for(lambda pid=card["supervisor"]: gone(pid), 60, "the supervisor to end")


def test_failure_to_start_is_typed_and_says_why(users, tmp_path):
    java = tmp_path / "jdk" / "bin" / "java"
    java.parent.mkdir(parents=True)
    java.write_text("#!/bin/sh\necho out of luck\nexit 7\n")
    java.chmod(0o755)
    (user,) = users(JAVA_HOME=str(tmp_path / "jdk"))
    user.ask()
    answer = user.answer()
    assert answer["error"] == "ConnectionLost"
    assert "exited with code 7" in answer["text"]
    assert "out of luck" in answer["text"]
    # Nothing of the failure stays in the way.
    (other,) = users()
    other.join()


@pytest.mark.usefixtures("runtime")
def test_one_process_counts_its_references():
    with ThreadPoolExecutor(8) as pool:
        references = list(pool.map(lambda _: shared_server(), range(8)))
    assert len({reference.connect_string for reference in references}) == 1
    pid = references[0].pid
    for reference in references[1:]:
        reference.release()
        reference.release()
    assert words.mode(references[0].port) == "standalone"
    with references[0] as last, socket.create_connection(("127.0.0.1", last.port), 5):
        assert not gone(pid)
    wait_for(lambda: gone(pid), 60, "the server to end with the last reference")
    with shared_server() as again:
        assert again.pid != pid
        pid = again.pid
    wait_for(lambda: gone(pid), 60, "the second server to end")


@pytest.mark.usefixtures("runtime")
def test_forked_child_is_a_user_of_its_own():
    reference = shared_server()
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        # The child must not return into pytest, whatever happens.
        try:
            os.close(write)
            reference.release()
            os.read(read, 1)
        finally:
            os._exit(0)
    os.close(read)
    try:
        reference.release()
        assert words.mode(reference.port) == "standalone"
    finally:
        os.close(write)
        os.waitpid(child, 0)
    wait_for(lambda: gone(reference.pid), 60, "the server to end with the forked child")


def test_state_folder_that_others_can_enter_is_refused(runtime):
    (runtime / "sparkeeper").mkdir(mode=0o700)
    (runtime / "sparkeeper").chmod(0o755)
    with pytest.raises(ConfigError, match="only you can enter"):
        shared_server()


def test_supervisor_does_not_load_the_native_module(users):
    (user,) = users()
    loaded = Path(f"/proc/{user.join()['supervisor']}/maps").read_text()
    assert "libc" in loaded
    assert "_sparkeeper" not in loaded
