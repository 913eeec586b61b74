"""Members in processes of their own, killed, stopped, continued and joined at random; and what they logged, checked.

`python tests/python/partitions_chaos.py --minutes 10` is the long run.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sparkeeper
from partitions_checker import Verdict, World, check, check_records
from waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TIMEOUT = 2.0
SLACK = 2.0
MOST = 4
PAUSE = threading.Event()

# Looks at every claim some fifty times a second, and writes down what was provably so at the time of the look: the
# clock is read on both sides of it, and only the earlier reading counts as held.
_MEMBER = """
import json, os, sys, threading, time
import sparkeeper
from sparkeeper import exceptions

connect, namespace, name, log, heedless = sys.argv[1:]
out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
pause = threading.Event()

def now():
    return time.clock_gettime(time.CLOCK_BOOTTIME)

def note(what, claim, at):
    line = {"what": what, "partition": claim.partition, "token": claim.token, "at": at}
    os.write(out, (json.dumps(line) + "\\n").encode())

def record(claim):
    return json.dumps({"token": claim.token, "by": name}).encode()

def watch(claim):
    writes = 0
    while True:
        at = now()
        if heedless == "no":
            left = claim.valid_for()
            if left == 0.0:
                break
            # It was ours at `at`, by a clock that needs no network.
        elif claim.state in ("RELEASED", "DONE"):
            break
        note("valid", claim, at)
        if claim.release_requested:
            claim.release()
            break
        writes += 1
        if writes % 10 == 1:
            try:
                zk.set(f"records/{claim.partition}", record(claim), guard=claim)
            except exceptions.SparkeeperError:
                pass
        pause.wait(0.05)
    note("over", claim, now())

zk = sparkeeper.connect(connect, namespace=namespace, session_timeout=2, timeout=60)
stop = threading.Event()
member = zk.partitions("chaos").join(name)

def listen():
    sys.stdin.readline()
    member.leave(wait=True)

threading.Thread(target=listen, daemon=True).start()
threads = []
for claim in member.claims(hold=True):
    note("held", claim, now())
    thread = threading.Thread(target=watch, args=(claim,), daemon=True)
    thread.start()
    threads.append(thread)
for thread in threads:
    thread.join()
zk.close()
"""


class Member:
    """A member's process."""

    def __init__(self, connect: str, namespace: str, name: str, folder: Path, *, heedless: bool) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self.stopped = self.leaving = False
        self.process = subprocess.Popen(
            [sys.executable, "-c", _MEMBER, connect, namespace, name, str(self.log), "yes" if heedless else "no"],
            stdin=subprocess.PIPE,
            stderr=(folder / f"{name}.err").open("wb"),
        )

    def lines(self) -> Iterator[dict[str, Any]]:
        """Go through its log; the last line may be cut."""
        for line in self.log.read_text().splitlines() if self.log.exists() else []:
            with contextlib.suppress(json.JSONDecodeError):
                yield json.loads(line)

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)
        self.stopped = number == signal.SIGSTOP

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()


def boottime() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Chaos:
    """The members of one run, and what is done to them."""

    def __init__(self, group: sparkeeper.Partitions, make: Callable[[str], Member], world: World) -> None:
        self._group, self._make, self.world = group, make, world
        self.everybody: list[Member] = []
        self._frozen: list[tuple[float, Member]] = []

    def join(self) -> None:
        self.everybody.append(self._make(f"m{len(self.everybody)}"))

    def act(self) -> None:
        """Do one thing at random, to whoever leads as well; somebody who has joined is always left alone."""
        self.go_on()
        running = [one for one in self.everybody if one.process.poll() is None and not one.stopped]
        joined = self._group.members()
        able = [one for one in running if one.name in joined and not one.leaving]
        what = random.choice(["kill", "freeze", "leave", "join", "join"])
        if what == "join":
            if len(running) + len(self._frozen) < MOST:
                self.join()
        elif len(able) > 1:
            getattr(self, what)(random.choice(able))

    def kill(self, member: Member) -> None:
        self.world.faults.append((boottime(), member.name))
        member.kill()

    def freeze(self, member: Member) -> None:
        self.world.faults.append((boottime(), member.name))
        member.send(signal.SIGSTOP)
        self._frozen.append((time.monotonic() + random.uniform(0.5, 3) * TIMEOUT, member))

    def leave(self, member: Member) -> None:
        member.leaving = True
        with contextlib.suppress(BrokenPipeError):
            member.process.stdin.write(b"\n")
            member.process.stdin.flush()

    def go_on(self, *, all_of_them: bool = False) -> None:
        """Continue those whose time has come."""
        for due, member in list(self._frozen):
            if all_of_them or time.monotonic() >= due:
                self._frozen.remove((due, member))
                member.send(signal.SIGCONT)

    def end(self) -> None:
        for member in self.everybody:
            if member.process.poll() is None:
                member.kill()


def run(connect: str, seconds: float, seed: int, *, partitions: int = 12, heedless: bool = False) -> Verdict:
    """Let members live and die for so long, and check what they wrote down.

    `heedless` members do not look at their lease: the checker has to find them out.
    """
    random.seed(seed)
    namespace, world = f"chaos/{uuid.uuid4().hex[:8]}", World()
    with (
        tempfile.TemporaryDirectory() as folder,
        sparkeeper.connect(connect, namespace=namespace, timeout=30) as zk,
    ):
        group = zk.partitions("chaos", items=range(partitions), quiet=0.2)
        # The first to join publishes it.
        group.join("publisher").leave(wait=True)
        for partition in range(partitions):
            zk.create(f"records/{partition}")
        records = _follow(zk, partitions)
        threading.Thread(target=_quietly, args=(lambda: _observe(zk, group, world),), daemon=True).start()

        def make(name: str) -> Member:
            return Member(connect, namespace, name, Path(folder), heedless=heedless)

        chaos = Chaos(group, make, world)

        def claimed() -> bool:
            return group.progress().counts["claimed"] == partitions

        try:
            for _ in range(3):
                chaos.join()
            wait_for(claimed, 60, "all to be claimed")
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                chaos.act()
                PAUSE.wait(random.uniform(0.2, 1.5))
            chaos.go_on(all_of_them=True)
            wait_for(claimed, 60, "all to be claimed in the end")
        finally:
            chaos.end()
        logs = {member.name: list(member.lines()) for member in chaos.everybody}
        verdict = check(logs, partitions, TIMEOUT + SLACK, world)
        check_records(records, verdict)
        return verdict


def _observe(zk: sparkeeper.Coordinator, group: sparkeeper.Partitions, world: World) -> None:
    """Note every assignment, about when it was made, and every leader."""
    line = zk.election("chaos/leader")
    while True:
        at, found, leader = boottime(), group.assignment(), line.leader()
        if found is not None and (not world.assigned or world.assigned[-1][1] != found.owners):
            world.assigned.append((at, found.owners))
        if leader is not None and (not world.led or world.led[-1][1] != leader.id):
            world.led.append((at, leader.id))
        PAUSE.wait(0.05)


def _follow(zk: sparkeeper.Coordinator, partitions: int) -> dict[int, list[dict[str, Any]]]:
    """Collect every record, in the order in which the server has them."""
    records: dict[int, list[dict[str, Any]]] = {partition: [] for partition in range(partitions)}
    cache = zk.cache("records")

    def follow() -> None:
        for event in cache.events():
            if event.data:
                records[int(event.path.rsplit("/", 1)[-1])].append(json.loads(event.data))

    threading.Thread(target=_quietly, args=(follow,), daemon=True).start()
    return records


def _quietly(work: Any) -> None:
    """Run it until its coordinator is closed."""
    try:
        work()
    except sparkeeper.exceptions.Closed:
        return


def main() -> int:
    """Run for as long as asked, against a server of our own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "big"))
    parser.add_argument("--heedless", action="store_true", help="plant a bug: members do not look at their lease")
    arguments = parser.parse_args()
    from sparkeeper.local import LocalServer  # noqa: PLC0415 - the test brings one of its own

    with LocalServer() as server:
        verdict = run(server.connect_string, arguments.minutes * 60, arguments.seed, heedless=arguments.heedless)
    say = sys.stdout.write
    say(f"seed {arguments.seed}: {verdict.tenures} tenures, {verdict.handovers} handovers, ")
    say(f"nobody's for {verdict.worst_gap:.2f} s at most, {len(verdict.faults)} faults\n")
    for fault in verdict.faults[:20]:
        say(f"  {fault}\n")
    return 1 if verdict.faults else 0


if __name__ == "__main__":
    sys.exit(main())
