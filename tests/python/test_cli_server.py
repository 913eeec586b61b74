"""`sparkeeper server`: a real ZooKeeper until Ctrl-C."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from typing import TYPE_CHECKING, Any

import pytest

import sparkeeper
from commands import Shell
from sparkeeper.local.ports import free_ports
from waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from commands import Running


@pytest.fixture
def shell() -> Shell:
    return Shell("", "")


@contextlib.contextmanager
def serving(shell: Shell, folder: Path, *options: str) -> Iterator[tuple[Running, dict[str, Any]]]:
    """Start a server on a free port; another one where somebody takes that meanwhile."""
    for turn in range(5):
        port, out = str(free_ports(1)[0]), folder / f"out-{turn}"
        with out.open("w") as sink, shell.start("server", "--port", port, "--json", *options, stdout=sink) as running:
            wait_for(lambda out=out, running=running: out.read_text() or running.process.poll(), 60, "it to serve")
            if out.read_text():
                said = json.loads(out.read_text())
                assert said["connect"] == f"127.0.0.1:{port}"
                yield running, said
                return
            assert "another process" in running.end()[1]
    raise AssertionError("no port was free")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_it_is_told_to_end_and_keeps_its_data(shell: Shell, tmp_path: Path, number: int) -> None:
    for turn in range(2):
        with serving(shell, tmp_path, "--data", str(tmp_path / "data")) as (one, said):
            with sparkeeper.connect(said["connect"], timeout=10) as zk:
                assert (zk.exists("kept") is not None) == bool(turn)
                zk.create("kept") if not turn else zk.delete("kept")
            one.process.send_signal(number)
            assert one.end()[0] == 0
            with pytest.raises(ProcessLookupError):
                os.kill(said["pids"][0], 0)


def test_three_form_an_ensemble(shell: Shell, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with out.open("w") as sink, shell.start("server", "--nodes", "3", stdout=sink) as running:
        text = wait_for(out.read_text, 120, "them to serve")
        where = text.split("SPARKEEPER_CONNECT=")[1].strip()
        assert where.count(",") == 2
        with sparkeeper.connect(where, timeout=10) as zk:
            zk.create("a")
        running.process.terminate()
        assert running.end()[0] == 0


def test_a_port_that_is_taken_is_said(shell: Shell, connect_string: str) -> None:
    port = connect_string.rpartition(":")[2]
    assert port in shell.refused("server", "--port", port, code=2)


def test_a_folder_that_cannot_keep_the_data_is_said(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "give a folder that can be written" in shell.refused("server", "--data", str(tmp_path / "file"), code=2)


def test_a_server_that_ends_by_itself_is_said(shell: Shell, tmp_path: Path) -> None:
    with serving(shell, tmp_path) as (running, said):
        os.kill(said["pids"][0], signal.SIGKILL)
        code, errors = running.end()
    assert code == 1
    assert "log is" in errors


def test_an_ensemble_takes_no_port_and_no_folder(shell: Shell) -> None:
    assert "leave out" in shell.refused("server", "--nodes", "3", "--port", "2181", code=2)
