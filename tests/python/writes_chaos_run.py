"""Jobs that write tables while their drivers are killed and stopped, and readers that look on.

Each slot has a driver and gives it one job after the other. A job whose driver died, was deposed or failed is run again
under the same id, by whichever slot comes first, until it is done. One slot has a whole Spark of its own; the others
have clients of a Spark Connect server, whose jobs go on without them.
"""

from __future__ import annotations

import collections
import contextlib
import json
import random
import select
import signal
import subprocess
import sys
import threading
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from drivers import PATIENCE, Driver
from sparkeeper.spark.steps import Step
from tables import is_alive, transactions, uuid_of
from waiting import wait_for
from writes_chaos_checker import INFINITY, Job

if TYPE_CHECKING:
    import sparkeeper

TIMEOUT = 4
ROWS = 50
# What share of a table's jobs are overwrites.
TABLES = {"appended": 0.0, "overwritten": 0.8, "mixed": 0.2}
BEFORE_THE_COMMIT = (Step.BEGUN, Step.STAGED, Step.NAMED, Step.RELOCATED, Step.PROPOSED)
PAUSE = threading.Event()


@dataclass(frozen=True)
class Plan:
    """What is to happen to a driver in one attempt."""

    #: None lets it be.
    signal: signal.Signals | None
    #: After which step; None means at a moment.
    step: Step | None
    #: That moment, in seconds after the order.
    delay: float
    #: The JVM of its own too, where it has one; else it goes on as a zombie.
    whole: bool
    #: What others do while it is stopped: run the job again, recover the table, or nothing.
    meanwhile: str


class Slot:
    """A driver, and the next where that one died."""

    def __init__(self, chaos: Chaos, number: int) -> None:
        self.chaos = chaos
        self.settings = {"master": "local[1]"} if number == 0 else {"remote": chaos.remote}
        self.driver = self._start()

    def _start(self) -> Driver:
        return Driver(
            self.chaos.connect,
            self.chaos.folder / "drivers.log",
            namespace=self.chaos.zk.namespace,
            session_timeout=TIMEOUT,
            **self.settings,
        )

    def send(self, number: signal.Signals, *, whole: bool) -> None:
        """Send a signal to it, and to the JVM that it has."""
        with contextlib.suppress(psutil.NoSuchProcess):
            python = psutil.Process(self.driver.process.pid)
            for process in [*(python.children(recursive=True) if whole else ()), python]:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.send_signal(number)

    def happens(self, timeout: float) -> dict[str, Any] | str | None:
        """Wait for its answer, its end or its stop; None where it goes on."""
        process = psutil.Process(self.driver.process.pid)
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            ready, _, _ = select.select([self.driver.process.stdout], [], [], 0.02)
            if ready and (line := self.driver.process.stdout.readline()):
                return json.loads(line)
            # Its JVM may hold its output open.
            if self.driver.process.poll() is not None:
                return "ended"
            with contextlib.suppress(psutil.NoSuchProcess):
                if process.status() == psutil.STATUS_STOPPED:
                    return "stopped"
        return None

    def replace(self) -> None:
        """Start another."""
        self.driver.close()
        self.driver = self._start()


class Chaos:
    """The jobs of one run, and what is done to their drivers."""

    def __init__(
        self,
        zk: sparkeeper.Coordinator,
        connect: str,
        remote: str,
        folder: Path,
        *,
        slots: int,
        kills: int,
        seed: int,
        plain: bool,
    ) -> None:
        self.zk, self.connect, self.remote, self.folder = zk, connect, remote, folder
        self.kills, self.plain = kills, plain
        self.random = random.Random(seed)
        self.counts: collections.Counter[str] = collections.Counter()
        #: How often which signal was sent after which step.
        self.moments: collections.Counter[str] = collections.Counter()
        self.jobs: list[Job] = []
        #: What is wrong, as far as drivers tell.
        self.faults: list[str] = []
        self._changed = threading.Condition()
        self._asking = threading.Lock()
        self._again: collections.deque[Job] = collections.deque()
        self._running: collections.Counter[int] = collections.Counter()
        self._overlapped: set[int] = set()
        #: Somebody has to be left to take over.
        self._stopped = threading.Semaphore(slots - 2)
        self._typical = 2.0
        self.slots = [Slot(self, number) for number in range(slots)]
        self.janitor = Slot(self, slots)
        for table in TABLES:
            self.counts["attempts"] += 1
            self.attempt(self.janitor, self._new_job(table, "append"), Plan(None, None, 0, whole=False, meanwhile=""))

    def path(self, table: str) -> Path:
        """Return where a table is."""
        return self.folder / table

    def run(self) -> None:
        """Run jobs until so many drivers were killed and every job is done."""
        threads = [threading.Thread(target=self._work, args=(slot,), daemon=True) for slot in self.slots]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def ask(self, do: str, table: str) -> dict[str, Any]:
        """Ask a driver that nobody touches."""
        with self._asking:
            answer = self.janitor.driver.ask(do, path=str(self.path(table)))
        assert "error" not in answer, f"{do} of {table}: {answer}"
        return answer

    def close(self) -> None:
        """End every driver."""
        for slot in [*self.slots, self.janitor]:
            slot.driver.close()

    @property
    def draining(self) -> bool:
        """Whether enough happened."""
        return self.counts["kills"] >= self.kills and (self.plain or self.counts["stops"] >= self.kills // 3)

    def _new_job(self, table: str, mode: str) -> Job:
        job = Job(len(self.jobs), table, mode, blind=self.random.random() < 0.5)
        self.jobs.append(job)
        return job

    def _work(self, slot: Slot) -> None:
        try:
            while (job := self._take()) is not None:
                self.counts["attempts"] += 1
                self.attempt(slot, job, self._plan())
                self._put_back(job)
        except Exception:  # noqa: BLE001 - a slot that ends must not look like one that is done
            self.faults.append(f"the harness itself: {traceback.format_exc()}")

    def _take(self) -> Job | None:
        with self._changed:
            while True:
                while self._again:
                    job = self._again.popleft()
                    if job.acked == INFINITY:
                        return self._enter(job)
                if not self.draining:
                    table = self.random.choice(list(TABLES))
                    overwrite = self.random.random() < TABLES[table]
                    return self._enter(self._new_job(table, "overwrite" if overwrite else "append"))
                if self.faults or not +self._running:
                    return None
                self._changed.wait(1)

    def _enter(self, job: Job) -> Job:
        self._running[job.number] += 1
        if self._running[job.number] > 1:
            self._overlapped.add(job.number)
        job.began = min(job.began, time.monotonic())
        return job

    def _put_back(self, job: Job) -> None:
        with self._changed:
            self._running[job.number] -= 1
            if job.acked == INFINITY and job not in self._again:
                self._again.append(job)
            self._changed.notify_all()

    def _plan(self) -> Plan:
        with self._changed:
            what = self.random.choices([signal.SIGKILL, signal.SIGSTOP, None], [0.5, 0.25, 0.25])[0]
            at_a_step = not self.plain and self.random.random() < 0.5
            return Plan(
                signal=None if self.draining else what,
                step=self.random.choice(list(Step)[1:]) if at_a_step else None,
                delay=self.random.uniform(0, 1.2 * self._typical),
                whole=self.random.random() < 0.5,
                meanwhile=self.random.choice(["again", "again", "recover", "nothing"]),
            )

    def attempt(self, slot: Slot, job: Job, plan: Plan) -> None:
        """Give a job to a driver once, and let happen what is planned."""
        slot.driver.ready()
        rows = job.ids(ROWS)
        order: dict[str, Any] = {"path": str(self.path(job.table)), "rows": [rows.start, rows.stop], "mode": job.mode}
        if not self.plain:
            order |= {"job_id": job.name, "blind": job.blind}
            if plan.signal is not None and plan.step is not None:
                order["at"] = [plan.step.name, plan.signal.name]
        began = time.monotonic()
        job.began = min(job.began, began)
        slot.driver.tell("plain_write" if self.plain else "write", **order)
        if plan.signal is not None and plan.step is None:
            found = slot.happens(plan.delay)
            if found is None:
                slot.send(plan.signal, whole=plan.whole)
                found = slot.happens(PATIENCE)
        else:
            found = slot.happens(PATIENCE)
        deposed = None
        if found == "stopped":
            deposed = self._leave_stopped(slot, job, plan)
            found = slot.happens(PATIENCE)
        if found == "ended" and plan.signal == signal.SIGKILL:
            self._note("kills", plan)
            slot.replace()
        elif isinstance(found, dict):
            self._answered(job, found, deposed=deposed)
            if deposed is None:
                self._typical += (time.monotonic() - began - self._typical) / 10
        else:
            self.faults.append(f"{job.name}: its driver {found or 'hangs'}")
            slot.replace()

    def _leave_stopped(self, slot: Slot, job: Job, plan: Plan) -> bool:
        """Leave a driver stopped until it is taken for dead and others did what they do; say whether it is deposed."""
        self._note("stops", plan)
        until = time.monotonic() + self.random.uniform(1.25, 2) * TIMEOUT
        wait_for(lambda: time.monotonic() > until, PATIENCE, "a random moment")
        mine = [] if self.plain else self._transactions_of(slot, job)
        for tx in mine:
            wait_for(lambda tx=tx: not is_alive(self.zk, self.path(job.table), tx), 60, "a session to expire")
        if plan.meanwhile == "recover" and not self.plain:
            self.ask("recover", job.table)
        elif plan.meanwhile == "again" and self._stopped.acquire(blocking=False):
            try:
                self._let_others_run(job)
            finally:
                self._stopped.release()
        deposed = (
            bool(mine) and plan.step in BEFORE_THE_COMMIT and (plan.meanwhile == "recover" or job.acked < INFINITY)
        )
        slot.send(signal.SIGCONT, whole=True)
        return deposed

    def _note(self, what: str, plan: Plan) -> None:
        with self._changed:
            self.counts[what] += 1
            self.moments[f"{what} {'at a moment' if plan.step is None else plan.step.name}"] += 1

    def _let_others_run(self, job: Job) -> None:
        with self._changed:
            self._again.append(job)
            self._changed.notify_all()
            # They may be killed at it, or stopped: then this one goes on beside them.
            self._changed.wait_for(lambda: job.acked < INFINITY, 5 * TIMEOUT)

    def _transactions_of(self, slot: Slot, job: Job) -> list[str]:
        path = self.path(job.table)
        found = []
        for tx in transactions(self.zk, path):
            data, _ = self.zk.get(f"tables/{uuid_of(path)}/tx/{tx}")
            if json.loads(data)["writer"]["pid"] == slot.driver.process.pid:
                found.append(tx)
        return found

    def _answered(self, job: Job, answer: dict[str, Any], *, deposed: bool | None) -> None:
        """Note an answer; `deposed` is None for a driver that was never stopped."""
        with self._changed:
            error = answer.get("error")
            if deposed and error != "Fenced" and not answer.get("replayed"):
                self.faults.append(f"{job.name}: was taken over, and answered {answer}")
            if error is None:
                self._done(job, answer)
            elif error == "Fenced":
                self.counts["fenced"] += 1
                if deposed is None and job.number not in self._overlapped:
                    self.faults.append(f"{job.name}: fenced, and it was never stopped: {answer}")
            elif error == "CommitConflict" and job.mode == "overwrite" and not job.blind:
                self.counts["conflicts"] += 1
            else:
                self.counts["failures"] += 1
                if not self.plain:
                    self.faults.append(f"{job.name}: failed: {answer}")

    def _done(self, job: Job, answer: dict[str, Any]) -> None:
        self.counts["replayed"] += bool(answer.get("replayed"))
        if job.acked == INFINITY:
            job.acked, job.version = time.monotonic(), answer.get("version", 0)
        elif job.version != answer.get("version", 0):
            self.faults.append(f"{job.name}: is version {job.version}, and answered {answer}")


class Reader:
    """A process that reads tables without us."""

    def __init__(self, kind: str, log: Path, tables: list[Path]) -> None:
        self.log = log
        program = [sys.executable, str(Path(__file__).with_name("writes_chaos_reader.py")), kind, str(log), str(ROWS)]
        self.process = subprocess.Popen(
            [*program, *map(str, tables)], stdin=subprocess.PIPE, stderr=log.with_suffix(".err").open("wb")
        )

    def looks(self) -> list[dict[str, Any]]:
        """Let it look a last time, and return what it saw."""
        self.process.stdin.close()
        assert self.process.wait(PATIENCE) == 0, f"a reader ended with {self.process.returncode}; see {self.log}"
        return [json.loads(line) for line in self.log.read_text().splitlines()]
