"""`locks`, `elections`, `groups`, `tasks`, `queues` and `top`, from a shell, while things go on."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from commands import CLI, Shell
from waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import sparkeeper

SEQUENCES = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")


@pytest.fixture
def busy(coordinator: Callable[..., sparkeeper.Coordinator]) -> sparkeeper.Coordinator:
    """Somebody who has one of each."""
    zk = coordinator(owner="busy [one]")
    zk.lock("etl/lock").acquire()
    zk.election("etl/leader", id="me").campaign()
    zk.group("etl/group").join(b"")
    zk.queue("etl/queue").put(b"1")
    zk.tasks("etl/tasks").submit([1, 2])
    return zk


@pytest.mark.usefixtures("busy")
def test_each_command_shows_its_kind(shell: Shell) -> None:
    shown = {name: shell.json(name) for name in ("locks", "elections", "groups", "tasks", "queues")}
    assert {name: [one["path"] for one in found] for name, found in shown.items()} == {
        "locks": ["etl/lock"],
        "elections": ["etl/leader"],
        "groups": ["etl/group"],
        "tasks": ["etl/tasks"],
        "queues": ["etl/queue"],
    }
    assert shown["tasks"][0]["queued"] == 2
    drawn = shell.run("locks").decode()
    assert "busy [one]" in drawn
    assert "holds" in drawn
    assert "leads" in shell.run("elections", "etl").decode()
    assert shell.json("locks", "other") == []


@pytest.mark.usefixtures("busy")
def test_top_shows_everything_once(shell: Shell) -> None:
    drawn = shell.run("top", "--once").decode()
    for part in ("locks", "elections", "groups", "tasks and queues", "sessions", "busy [one]", "CONNECTED"):
        assert part in drawn
    assert shell.json("top", "--once")["work"][0]["path"] == "etl/queue"


def test_top_writes_a_line_for_what_changes(shell: Shell, zk: sparkeeper.Coordinator, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with out.open("w") as sink, shell.start("top", "--json", stdout=sink) as running:
        wait_for(out.read_text, 60, "the first line")
        held = zk.lock("a").acquire()
        wait_for(lambda: _last(out)["lines"], 10, "the lock to be seen")
        held.release()
        wait_for(lambda: not _last(out)["lines"], 10, "the release to be seen")
        running.process.kill()


def test_top_follows_in_a_terminal_until_ctrl_c(shell: Shell, zk: sparkeeper.Coordinator) -> None:
    """A change is on the screen within a second."""
    screen, terminal = pty.openpty()
    environment = {**shell.environment, "TERM": "xterm", "COLUMNS": "120", "LINES": "40"}
    process = subprocess.Popen(
        [*CLI, "top"], stdin=terminal, stdout=terminal, stderr=terminal, env=environment, start_new_session=True
    )
    os.close(terminal)
    try:
        _read_until(screen, b"Nobody holds", 60)
        zk.lock("seen-at-once").acquire()
        began = time.monotonic()
        _read_until(screen, b"seen-at-once", 10)
        assert time.monotonic() - began < 1
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
    finally:
        process.kill()
        process.wait()
        os.close(screen)


def _read_until(screen: int, wanted: bytes, timeout: float) -> None:
    seen, deadline = b"", time.monotonic() + timeout
    while wanted not in SEQUENCES.sub(b"", seen):
        assert time.monotonic() < deadline, f"waited for {wanted!r}: {seen[-2000:]!r}"
        if select.select([screen], [], [], 0.1)[0]:
            seen += os.read(screen, 65_536)


def _last(out: Path) -> dict[str, list[object]]:
    # The last line may be half written.
    return json.loads(out.read_text().rpartition("\n")[0].splitlines()[-1])
