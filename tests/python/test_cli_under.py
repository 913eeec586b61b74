"""`sparkeeper lock` and `sparkeeper elect`: a command run by one at a time, ended before the grant is lost."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from typing import TYPE_CHECKING

import pytest

from commands import STUBBORN, Running, Shell, ticks
from waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import sparkeeper
    from proxy import Proxy

KINDS = pytest.mark.parametrize("kind", ["lock", "elect"])
PYTHON = sys.executable


@KINDS
def test_the_command_finds_its_token_and_its_exit_code_is_ours(shell: Shell, kind: str) -> None:
    show = "import os; print(os.environ['SPARKEEPER_TOKEN'], os.environ['SPARKEEPER_PATH']); raise SystemExit(7)"
    tokens = []
    for _ in range(2):
        token, path = shell.run(kind, "jobs/nightly", "--", PYTHON, "-c", show, code=7).decode().split()
        tokens.append(int(token))
        assert path == "jobs/nightly"
    assert 0 < tokens[0] < tokens[1]


@KINDS
def test_what_is_given_goes_to_the_command_and_its_output_is_all_there_is(shell: Shell, kind: str) -> None:
    assert shell.run(kind, "jobs/cat", "--", "cat", given=b"a\0b\n") == b"a\0b\n"


@KINDS
def test_the_exit_codes_of_commands_that_do_not_run_are_a_shells(shell: Shell, kind: str, tmp_path: Path) -> None:
    plain = tmp_path / "plain.txt"
    plain.write_text("no program")
    assert "No such file" in shell.refused(kind, "jobs/a", "--", "no-such-command", code=127)
    assert "Permission denied" in shell.refused(kind, "jobs/a", "--", str(plain), code=126)
    shell.run(kind, "jobs/a", "--", "sh", "-c", "kill -9 $$", code=128 + signal.SIGKILL)


@KINDS
def test_who_does_not_get_it_in_time_is_told_who_has_it(shell: Shell, kind: str, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    with shell.start(kind, "jobs/a", "--owner", "the first", "--", "sleep", "100") as first:
        wait_for(lambda: "the first" in str(shell.json("locks") + shell.json("elections")), 60, "the first to have it")
        said = shell.refused(kind, "jobs/a", "--timeout", "3", "--", "touch", str(ran), code=3)
        assert "waiting for the first" in said
        first.process.terminate()
        assert first.end()[0] == 128 + signal.SIGTERM
    assert not ran.exists()
    shell.run(kind, "jobs/a", "--timeout", "30", "--", "touch", str(ran))
    assert ran.exists()


@KINDS
def test_two_at_once_run_one_after_the_other(shell: Shell, kind: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    once = f"for i in 1 2 3 4 5; do echo $$ >> {log}; sleep 0.05; done"
    running = [shell.start(kind, "jobs/a", "--", "sh", "-c", once) for _ in range(4)]
    assert [one.end()[0] for one in running] == [0] * 4
    lines = log.read_text().split()
    assert len(lines) == 20
    assert all(len(set(lines[at : at + 5])) == 1 for at in range(0, 20, 5))


@KINDS
def test_signals_are_passed_on_and_the_end_gives_it_back(shell: Shell, kind: str, tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    command = f"trap 'exit 5' TERM; touch {ready}; while :; do sleep 0.05; done"
    with shell.start(kind, "jobs/a", "--", "sh", "-c", command) as running:
        wait_for(ready.exists, 60, "the command to run")
        running.process.send_signal(signal.SIGTERM)
        assert running.end()[0] == 5
    began = time.monotonic()
    shell.run(kind, "jobs/a", "--timeout", "30", "--", "true")
    # Not after a session timeout.
    assert time.monotonic() - began < 9


@KINDS
@pytest.mark.parametrize("obeys", [False, True], ids=["stubborn", "obedient"])
def test_a_command_whose_grant_is_lost_is_dead_before_the_next_begins(  # noqa: PLR0917 - fixtures
    proxy: Proxy,
    shell: Shell,
    namespace: str,
    kind: str,
    obeys: bool,  # noqa: FBT001 - a parameter
    tmp_path: Path,
) -> None:
    """The first ignores SIGTERM, or obeys it; it has children that ignore it and would outlive it."""
    first_log, second_log = tmp_path / "first", tmp_path / "second"
    family = (
        f"import subprocess, sys; sys.argv[1:] = [{str(first_log)!r}]\n"
        f"one = [sys.executable, '-c', {STUBBORN!r}, sys.argv[1]]\n"
        f"children = [subprocess.Popen(one) for _ in range({1 + obeys})]\n"
        + ("children[0].wait()" if obeys else STUBBORN)
    )
    timeouts = ("--session-timeout", "4", "--grace", "1")
    far = Shell(f"127.0.0.1:{proxy.port}", namespace)
    with far.start(kind, "jobs/a", *timeouts, "--", PYTHON, "-c", family) as first:
        wait_for(lambda: len({process for _, process in ticks(first_log)}) == 2, 60, "both of the first")
        with shell.start(kind, "jobs/a", *timeouts, "--", PYTHON, "-c", STUBBORN, str(second_log)) as second:
            wait_for(lambda: _waiting(shell), 60, "the second in line")
            proxy.freeze()
            code, said = first.end()
            assert code == 4, said
            assert "lost" in said
            wait_for(lambda: ticks(second_log), 60, "the second to run")
            second.process.terminate()
    last, began = ticks(first_log)[-1][0], ticks(second_log)[0][0]
    assert last < began
    # All were asked first, while there was the grace to end in.
    asked = ticks(first_log, "term")
    assert len({process for _, process in asked}) == 2
    assert last - asked[0][0] > 0.8


@KINDS
def test_a_link_that_is_back_in_time_costs_the_command_nothing(
    proxy: Proxy, namespace: str, kind: str, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    far = Shell(f"127.0.0.1:{proxy.port}", namespace)
    with far.start(
        kind, "jobs/a", "--session-timeout", "10", "--grace", "2", "--", PYTHON, "-c", STUBBORN, str(log)
    ) as one:
        wait_for(lambda: ticks(log), 60, "it to run")
        before = proxy.accepted
        proxy.cut()
        proxy.heal()
        wait_for(lambda: proxy.accepted > before, 10, "it to reconnect")
        count = len(ticks(log))
        wait_for(lambda: len(ticks(log)) > count + 300, 60, "it to go on")
        assert one.process.poll() is None
        assert not ticks(log, "term")
        one.process.kill()


@KINDS
def test_a_command_and_what_it_started_die_with_us(shell: Shell, kind: str, tmp_path: Path) -> None:
    """A kill of ours ends the session: a command that went on would run beside the next one's."""
    log = tmp_path / "log"
    family = f'"{PYTHON}" -c "$1" "$2" & "{PYTHON}" -c "$1" "$2"'
    with shell.start(kind, "jobs/a", "--", "sh", "-c", family, "sh", STUBBORN, str(log)) as running:
        wait_for(lambda: len({process for _, process in ticks(log)}) == 2, 60, "both to run")
        running.process.kill()
        running.end()
    processes = {process for _, process in ticks(log)}
    wait_for(lambda: not any(map(_alive, processes)), 5, "the command and its child to be gone")


@KINDS
def test_who_was_stopped_past_its_session_ends_the_command_at_once(shell: Shell, kind: str, tmp_path: Path) -> None:
    log, second_log = tmp_path / "log", tmp_path / "second"
    timeouts = ("--session-timeout", "2", "--grace", "0.4")
    with shell.start(kind, "jobs/a", *timeouts, "--", PYTHON, "-c", STUBBORN, str(log)) as first:
        wait_for(lambda: ticks(log), 60, "it to run")
        first.process.send_signal(signal.SIGSTOP)
        with shell.start(kind, "jobs/a", "--", PYTHON, "-c", STUBBORN, str(second_log)) as second:
            wait_for(lambda: ticks(second_log), 60, "the second to run")
            first.process.send_signal(signal.SIGCONT)
            assert first.end(10)[0] == 4
            second.process.kill()
    assert not _alive(ticks(log)[0][1])


def test_a_standby_takes_over_from_a_killed_leader_with_a_larger_token(shell: Shell, tmp_path: Path) -> None:
    log = tmp_path / "log"
    command = ("elect", "stream", "--session-timeout", "4", "--grace", "1", "--", PYTHON, "-c", STUBBORN, str(log))
    with shell.start(*command) as leader:
        wait_for(lambda: ticks(log), 60, "the leader")
        with shell.start(*command) as standby:
            wait_for(lambda: _waiting(shell), 60, "a standby")
            leader.process.kill()
            wait_for(lambda: len({process for _, process in ticks(log)}) == 2, 30, "the standby to lead")
            standby.process.terminate()
    tokens = [int(line.split()[3]) for line in log.read_text().splitlines() if line.startswith("tick")]
    assert tokens == sorted(tokens)
    assert len(set(tokens)) == 2


@pytest.mark.parametrize("obeys", [False, True], ids=["stubborn", "obedient"])
def test_who_stands_again_leads_again_after_a_loss(proxy: Proxy, namespace: str, obeys: bool, tmp_path: Path) -> None:  # noqa: FBT001 - a parameter
    log = tmp_path / "log"
    far = Shell(f"127.0.0.1:{proxy.port}", namespace)
    options = ("--again", "--session-timeout", "6", "--grace", "1")
    body = STUBBORN.replace("signal.signal", "0 and signal.signal") if obeys else STUBBORN
    with far.start("elect", "stream", *options, "--", PYTHON, "-c", body, str(log)) as one:
        wait_for(lambda: ticks(log), 60, "it to lead")
        proxy.freeze()
        process = ticks(log)[0][1]
        wait_for(lambda: not _alive(process), 20, "the command to be stopped")
        proxy.thaw()
        wait_for(lambda: ticks(log)[-1][1] != process, 60, "it to lead again")
        one.process.kill()


def test_the_highest_priority_of_those_who_wait_leads_next(shell: Shell, tmp_path: Path) -> None:
    log = tmp_path / "log"

    def stand(priority: int) -> Running:
        return shell.start(
            "elect",
            "stream",
            "--priority",
            str(priority),
            "--owner",
            str(priority),
            "--",
            "sh",
            "-c",
            f"echo {priority} >> {log}",
        )

    with shell.start("elect", "stream", "--priority", "0", "--", "sleep", "100") as first:
        wait_for(lambda: shell.json("elections"), 60, "a leader")
        with stand(1) as low, stand(2) as high:
            wait_for(lambda: len(shell.json("ls", "stream/candidates")) == 3, 60, "all to stand")
            first.process.terminate()
            assert low.end()[0] == high.end()[0] == 0
    assert log.read_text().split() == ["2", "1"]


def test_events_are_json_where_asked_for(shell: Shell) -> None:
    said = [
        json.loads(line)
        for line in shell.refused("lock", "jobs/a", "--json", "--", "sh", "-c", "exit 3", code=3).splitlines()
    ]
    assert [one["event"] for one in said] == ["acquired", "released"]
    assert said[1]["code"] == 3
    assert said[0]["token"] > 0


@KINDS
def test_wrong_usage_is_said_before_anything_is_tried(shell: Shell, kind: str) -> None:
    assert "0 to 4.5 s" in shell.refused(kind, "jobs/a", "--grace", "9", "--", "true", code=2)
    assert "CMD" in shell.refused(kind, "jobs/a", code=2)
    assert "jobs//a" in shell.refused(kind, "jobs//a", "--", "true", code=2)
    assert "no server" in shell.refused(kind, "jobs/a", "--connect", "127.0.0.1:1", "--", "true", code=5)


def test_a_holder_that_is_asked_to_let_go_says_so_to_whoever_looks(
    shell: Shell, coordinator: Callable[..., sparkeeper.Coordinator]
) -> None:
    with shell.start("lock", "jobs/a", "--", "sleep", "100") as holder:
        wait_for(lambda: shell.json("locks"), 60, "a holder")
        coordinator().lock("jobs/a").request_release("please")
        assert shell.json("locks")[0]["holders"][0]["asked"] is True
        holder.process.kill()


def _waiting(shell: Shell) -> bool:
    return any(line["waiters"] for line in shell.json("locks") + shell.json("elections"))


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True
