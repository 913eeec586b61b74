"""What `sparkeeper lock` and `elect` leave to the command as it was, and what they give back when they are ended."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import time
from typing import TYPE_CHECKING

import pytest

from commands import CLI, Shell
from waiting import wait_for

if TYPE_CHECKING:
    from pathlib import Path

    import sparkeeper

KINDS = pytest.mark.parametrize("kind", ["lock", "elect"])


@KINDS
def test_what_we_are_told_to_ignore_the_command_ignores_too(shell: Shell, kind: str, tmp_path: Path) -> None:
    ready, go_on = tmp_path / "ready", tmp_path / "go_on"
    job = f"touch {ready}; while [ ! -e {go_on} ]; do sleep 0.05; done; exit 7"
    command = ["sh", "-c", 'trap "" HUP; exec "$@"', "sh", *CLI, kind, "jobs/a", "--", "sh", "-c", job]
    running = subprocess.Popen(command, env=shell.environment, stderr=subprocess.PIPE)
    wait_for(ready.exists, 60, "the command to run")
    running.send_signal(signal.SIGHUP)
    time.sleep(0.3)  # a signal that ends it ends it at once
    go_on.touch()
    assert running.wait(60) == 7
    assert running.stderr is not None
    running.stderr.close()


@KINDS
def test_a_pipe_that_is_closed_ends_a_writer_as_in_any_shell(shell: Shell, kind: str) -> None:
    pipe = "yes | head -1 > /dev/null; echo ${PIPESTATUS[0]}"
    assert shell.run(kind, "jobs/a", "--", "bash", "-c", pipe) == b"141\n"


@KINDS
@pytest.mark.parametrize("code", [0, 7])
def test_the_exit_code_stays_where_nobody_reads_what_we_say(shell: Shell, kind: str, code: int) -> None:
    job = ["sh", "-c", f"sleep 0.5; exit {code}"]
    running = subprocess.Popen([*CLI, kind, "jobs/a", "--", *job], env=shell.environment, stderr=subprocess.PIPE)
    assert running.stderr is not None
    running.stderr.close()
    assert running.wait(60) == code


@KINDS
def test_a_signal_is_not_lost_while_the_command_starts(shell: Shell, kind: str) -> None:
    for delay in (0, 0.001, 0.002, 0.005):
        with shell.start(kind, "jobs/a", "--", "sleep", "60") as running:
            assert running.process.stderr is not None
            assert "acquired" in running.process.stderr.readline()
            time.sleep(delay)
            running.process.terminate()
            assert running.end(30)[0] == 128 + signal.SIGTERM


@KINDS
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_who_is_ended_while_it_waits_leaves_no_place_in_line(
    shell: Shell, kind: str, number: int, zk: sparkeeper.Coordinator
) -> None:
    def in_line() -> int:
        return len(zk.lock("jobs/a").contenders() if kind == "lock" else zk.election("jobs/a").candidates())

    with shell.start(kind, "jobs/a", "--", "sleep", "60") as first:
        wait_for(lambda: in_line() == 1, 60, "the first to hold it")
        with shell.start(kind, "jobs/a", "--session-timeout", "40", "--", "true") as second:
            wait_for(lambda: in_line() == 2, 60, "the second to wait")
            second.process.send_signal(number)
            assert second.end()[0] == 128 + number
            wait_for(lambda: in_line() == 1, 20, "its place to be free, before its session would end")
        first.process.kill()


@KINDS
def test_the_command_and_what_it_asks_mean_the_same_namespace(shell: Shell, kind: str, namespace: str) -> None:
    ask = "import sparkeeper; print(sparkeeper.connect().namespace)"
    del shell.environment["SPARKEEPER_NAMESPACE"]
    said = shell.run(kind, "jobs/a", "--namespace", f"{namespace}/below", "--", sys.executable, "-c", ask)
    assert said.decode().strip() == f"{namespace}/below"


@KINDS
def test_an_empty_command_is_not_found(shell: Shell, kind: str) -> None:
    assert "sparkeeper: " in shell.refused(kind, "jobs/a", "--", "", code=127)


def test_an_interrupt_before_the_command_has_begun_is_no_traceback() -> None:
    early = """
        import os, signal, sys
        import sparkeeper.cli

        class Impatient:
            def find_spec(self, name, *_):
                if name == "typer":
                    os.kill(os.getpid(), signal.SIGINT)

        sys.meta_path.insert(0, Impatient())
        sparkeeper.cli.main()
    """
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(early), "ls"], capture_output=True, check=False, timeout=60
    )
    assert (ended.returncode, ended.stderr) == (128 + signal.SIGINT, b"")
