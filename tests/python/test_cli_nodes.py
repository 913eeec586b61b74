"""Single nodes from a shell."""

from __future__ import annotations

import base64
import json
import signal
import socketserver
import subprocess
import threading
from typing import TYPE_CHECKING

import pytest

from commands import CLI, Shell
from waiting import wait_for

if TYPE_CHECKING:
    from pathlib import Path

    import sparkeeper


def test_a_value_is_written_read_and_removed(shell: Shell) -> None:
    shell.run("set", "--create", "conf/a", "one")
    assert shell.run("get", "conf/a") == b"one"
    shell.run("set", "conf/a", "-", given=b"\x00\xff")
    assert shell.run("get", "conf/a") == b"\x00\xff"
    assert shell.run("ls", "conf") == b"a\n"
    assert shell.json("ls") == ["conf"]
    assert shell.json("stat", "conf/a")["version"] == 1
    shell.run("rm", "-r", "conf")
    assert shell.json("ls") == []


def test_a_version_that_is_not_the_newest_is_refused(shell: Shell) -> None:
    shell.run("set", "--create", "a", "one")
    assert shell.json("set", "a", "two", "--version", "0") == {"path": "a", "version": 1}
    assert "version" in shell.refused("set", "a", "three", "--version", "0", code=1)
    assert "version" in shell.refused("rm", "a", "--version", "0", code=1)
    assert shell.run("get", "a") == b"two"


def test_what_is_missing_full_or_too_large_is_said_in_a_line(shell: Shell) -> None:
    for command in (("get", "a"), ("set", "a", "x"), ("rm", "a"), ("ls", "a"), ("stat", "a")):
        said = shell.refused(*command, code=1)
        assert said.startswith("sparkeeper: ")
        assert "/a" in said
        assert said.count("\n") == 1
    shell.run("set", "--create", "a/b", "x")
    assert "children" in shell.refused("rm", "a", code=1)
    assert "2097152 bytes" in shell.refused("set", "a", "-", code=1, given=b"x" * 2**21)


def test_a_tree_is_drawn_with_what_it_holds(shell: Shell, zk: sparkeeper.Coordinator) -> None:
    zk.create("a/b/c", "grüße [bold]".encode())
    zk.create("a/raw", b"\x00\x01")
    zk.create("a/me", b"", ephemeral=True)
    drawn = shell.run("tree", "a").decode()
    assert "grüße [bold]" in drawn
    assert "(2 bytes)" in drawn
    assert "me  ephemeral" in drawn
    found = shell.json("tree", "a")
    assert set(found["children"]) == {"b", "raw", "me"}
    assert found["children"]["b"]["children"]["c"]["data"] == "grüße [bold]"
    assert set(shell.json("tree", "a", "--depth", "1")["children"]["b"]) == {"data", "version", "ephemeral"}


def test_changes_are_told_as_they_happen(shell: Shell, zk: sparkeeper.Coordinator, tmp_path: Path) -> None:
    zk.create("a")
    out = tmp_path / "out"
    with out.open("w") as sink, shell.start("watch", "a", "--json", stdout=sink) as running:
        # It has begun when it tells of one.
        wait_for(lambda: zk.set("a", b"again") and out.read_text(), 60, "the first change")
        zk.create("a/b", b"x")
        wait_for(lambda: "CREATED" in out.read_text(), 60, "the node to be told of")
        zk.delete("a/b")
        wait_for(lambda: "DELETED" in out.read_text(), 60, "its end to be told of")
        running.process.send_signal(signal.SIGINT)
        assert running.end()[0] == 130
    events = [json.loads(line) for line in out.read_text().splitlines()]
    assert [one["zxid"] for one in events] == sorted(one["zxid"] for one in events)
    assert [(one["kind"], one["path"]) for one in events[-2:]] == [("CREATED", "a/b"), ("DELETED", "a/b")]


def test_a_watch_ends_after_so_many_changes_or_when_nothing_happens(shell: Shell, zk: sparkeeper.Coordinator) -> None:
    zk.create("a")
    with shell.start("watch", "a", "--count", "1") as running:
        wait_for(lambda: zk.set("a", b"again") and running.process.poll() is not None, 60, "the end")
        assert running.end()[0] == 0
    assert shell.run("watch", "a", "--timeout", "0.2") == b""


def test_help_and_version_are_there(shell: Shell) -> None:
    assert b"Exit codes" in shell.run("--help")
    assert shell.run("--version").startswith(b"sparkeeper 0.")
    for command in ("lock", "elect", "ls", "tree", "get", "set", "rm", "watch", "stat", "locks", "elections", "groups"):
        assert b"--connect" in shell.run(command, "--help")
        assert b"--json" in shell.run(command, "--help")


def test_a_version_to_write_over_and_a_node_to_make_contradict_each_other(
    shell: Shell, zk: sparkeeper.Coordinator
) -> None:
    assert "give one" in shell.refused("set", "--create", "a", "x", "--version", "9", code=2)
    assert zk.exists("a") is None


def test_a_tree_that_is_not_there_is_not_found(shell: Shell) -> None:
    for more in ((), ("--json",)):
        assert "nope" in shell.refused("tree", "nope", *more, code=1)


def test_bytes_that_are_no_text_go_both_ways(shell: Shell, zk: sparkeeper.Coordinator) -> None:
    subprocess.run([*CLI, "set", "--create", "a/b", b"\xff\x01"], env=shell.environment, check=True)
    assert zk.get("a/b")[0] == b"\xff\x01"
    assert base64.b64decode(shell.json("get", "a/b")["data"]["base64"]) == b"\xff\x01"
    assert shell.run("get", "a/b") == b"\xff\x01"


def test_names_that_the_terminal_cannot_write_are_written_otherwise(shell: Shell, zk: sparkeeper.Coordinator) -> None:
    zk.create("\u00e4", b"")
    shell.environment |= {"PYTHONIOENCODING": "ascii"}
    assert b"\\xe4" in shell.run("tree")


def test_a_tree_that_is_too_deep_says_so(shell: Shell, zk: sparkeeper.Coordinator) -> None:
    zk.create("/".join("d" * 1_200), b"")
    for more in ((), ("--json",)):
        assert "too deep to be drawn" in shell.refused("tree", *more, code=2)
    assert shell.run("tree", "--depth", "2").count(b"d") == 2


@pytest.mark.parametrize("command", [["ls"], ["tree"], ["tree", "--json"]])
def test_who_stops_to_read_is_no_error(shell: Shell, zk: sparkeeper.Coordinator, command: list[str]) -> None:
    wide = zk.multi()
    for number in range(3_000):
        wide.create(f"wide-{number:050}", b"")
    wide.commit()
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([*CLI, *command], env=shell.environment, **pipes) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.read(10)
        running.stdout.close()
        said = running.stderr.read()
    assert (running.returncode, said) == (0, b"")


def test_output_that_is_closed_is_no_crash(shell: Shell, zk: sparkeeper.Coordinator) -> None:
    zk.create("a", b"x")
    closed = ["sh", "-c", 'exec "$@" >&-', "sh", *CLI, "get", "a"]
    ended = subprocess.run(closed, env=shell.environment, check=False, stderr=subprocess.PIPE)
    assert (ended.returncode, ended.stderr) == (0, b"")


def test_why_no_server_answers_is_told_once(shell: Shell) -> None:
    with socketserver.TCPServer(("127.0.0.1", 0), socketserver.BaseRequestHandler) as hangs_up:
        threading.Thread(target=hangs_up.serve_forever, daemon=True).start()
        where = f"127.0.0.1:{hangs_up.server_address[1]}"
        *causes, last = shell.refused("ls", "--connect", where, code=5).splitlines()
        hangs_up.shutdown()
    assert last == f"sparkeeper: connect to '{where}': no server answered; check the address and that it runs"
    assert causes
    assert len(causes) == len(set(causes))
