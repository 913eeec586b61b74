"""A client whose operations are recorded: it takes steps as JSON lines and says what it does, as it does it.

Run as a program it is a process of its own; `serve` runs one in a thread. What it says, one value a line:
`{"id", "key", "kind", "argument", "at"}` before an operation, `{"id", "result", "at"}` after it, `{"id", "void"}`
where it certainly had no effect, `{"id", "failed"}` where nobody knows; `{"claim", "key", "weight", "of", "from",
"until"}` each time a grant, which the release `of` ends, was looked at and stood; `{"done": true}` after a step.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import sys
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sparkeeper
from history_plan import PERMITS, SESSION_TIMEOUT
from sparkeeper import exceptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

LOCK, SEMAPHORE, COUNTER, QUEUE, ELECTION = "lock", "semaphore", "counter", "queue", "election"
# What the holder of the lock writes, and what the leader saves.
REGISTER, CHECKPOINT = "register", "checkpoint"

# How long a step may wait for what others hold: longer than any fault and the session that ends with it.
PATIENCE = 30.0
# A consumer looks for an item for so long.
GLANCE = 0.3

_IDLE = threading.Event()


class Client:
    """One client: a coordinator, and somebody to tell.

    Args:
        name: Its name, unlike that of any other client, killed ones included.
        zk: A coordinator, or what looks like one and is broken.
        say: Called with every line's value.
    """

    def __init__(self, name: str, zk: Any, say: Callable[[dict[str, Any]], None]) -> None:
        self._name = name
        self._zk = zk
        self._say = say
        self._numbers = itertools.count()
        self._asked_at = 0
        self._release: str | None = None

    def take(self, step: str, arguments: dict[str, Any]) -> None:
        """Do one step."""
        # A step that fails is a part of the history like any other.
        with contextlib.suppress(exceptions.SparkeeperError):
            getattr(self, step)(**arguments)

    def hold(self, number: str, looks: int, pause: float) -> None:
        """Take the lock, write under its guard, and let go."""
        lock = self._zk.lock(LOCK)
        with self._operation(LOCK, "acquire") as acquire:
            held = acquire.after(lambda: lock.acquire(timeout=PATIENCE), lambda held: held.token)
        with self._claimed(LOCK, held.release, held.token):
            self._look(LOCK, held, looks, pause)
            with self._operation(REGISTER, "write", [held.token, number]) as write:
                write.after(lambda: self._zk.set(REGISTER, json.dumps(number).encode(), guard=held))
            self._look(LOCK, held, 1, 0)

    def lead(self, number: str, looks: int, pause: float) -> None:
        """Win the election, read what the last leader saved, save something, and step down."""
        election = self._zk.election(ELECTION, id=number)
        with self._operation(ELECTION, "acquire") as acquire:
            term = acquire.after(lambda: election.campaign(timeout=PATIENCE), lambda term: term.token)
        with self._claimed(ELECTION, term.step_down, term.token):
            with self._operation(CHECKPOINT, "read") as read:
                read.after(term.restore, lambda state: state and state["number"])
            self._look(ELECTION, term, looks, pause)
            with self._operation(CHECKPOINT, "write", [term.token, number], doubt=True) as write:
                write.after(lambda: term.checkpoint({"number": number}))
            self._look(ELECTION, term, 1, 0)

    def permits(self, number: str, permits: int, looks: int, pause: float) -> None:
        """Take permits of the semaphore, use them, and give them back."""
        semaphore = self._zk.semaphore(SEMAPHORE, permits=PERMITS)
        mine = [number, permits]
        with self._operation(SEMAPHORE, "acquire", mine) as acquire:
            held = acquire.after(lambda: semaphore.acquire(permits, timeout=PATIENCE))
        with self._claimed(SEMAPHORE, held.release, mine):
            self._look(SEMAPHORE, held, looks, pause, permits)

    def add(self, number: str, amount: int) -> None:
        """Add to the counter."""
        del number
        counter = self._zk.counter(COUNTER)
        with self._operation(COUNTER, "add", amount) as add:
            add.after(lambda: counter.add(amount), lambda value: value)

    def reserve(self, number: str, amount: int) -> None:
        """Reserve a block of the counter."""
        del number
        counter = self._zk.counter(COUNTER)
        with self._operation(COUNTER, "reserve", amount) as reserve:
            reserve.after(lambda: counter.reserve(amount), lambda block: block.start)

    def swap(self, number: str) -> None:
        """Read the counter, and replace what was read."""
        del number
        counter = self._zk.counter(COUNTER)
        with self._operation(COUNTER, "read") as read:
            old = read.after(lambda: counter.value, lambda value: value)
        with self._operation(COUNTER, "swap", [old, old + 1000]) as swap:
            swap.after(lambda: counter.compare_and_set(old, old + 1000), lambda done: done)

    def look(self, number: str) -> None:
        """Read the register."""
        del number
        with self._operation(REGISTER, "read") as read:
            self._zk.sync(REGISTER)
            read.after(lambda: self._zk.get(REGISTER), lambda found: json.loads(found[0]))

    def put(self, number: str) -> None:
        """Put an item into the queue."""
        queue = self._zk.queue(QUEUE, max_attempts=1000)
        with self._operation(f"{QUEUE}/{number}", "put") as put:
            put.after(lambda: queue.put(number.encode()))

    def consume(self, number: str, looks: int, pause: float) -> None:
        """Take an item from the queue, work on it, and acknowledge it."""
        del number
        queue = self._zk.queue(QUEUE, max_attempts=1000)
        with self._operation(QUEUE, "get") as get:
            item = get.after(lambda: queue.get(timeout=GLANCE), lambda item: [item.data.decode(), item.attempt])
        key = f"{QUEUE}/{item.data.decode()}"
        with contextlib.suppress(exceptions.Fenced):
            self._look(key, item, looks, pause)
        # It acknowledges also what it knows to be lost: the refusal is what counts.
        with self._operation(key, "ack", item.attempt) as acknowledge:
            acknowledge.after(item.ack)

    def _look(self, key: str, grant: Any, looks: int, pause: float, weight: int = 1) -> None:
        """Use a grant, and say so for every instant at which it was said to stand."""
        claim = {"claim": self._next(), "key": key, "weight": weight, "of": self._release, "from": time.monotonic_ns()}
        for _ in range(looks):
            # If it stood at any instant of the check, it stood before: a loss is for good.
            until = time.monotonic_ns()
            grant.check()
            self._say({**claim, "until": until})
            _IDLE.wait(pause)

    @contextlib.contextmanager
    def _claimed(self, key: str, release: Callable[[], object], argument: Any) -> Iterator[None]:
        """Release a grant at the end. It may have been lost, and so free, since it was made."""
        # Said now, because who is killed says nothing; that it was seen to stand later on narrows it down.
        self._release = self._next()
        self._say({"id": self._release, "key": key, "kind": "release", "argument": argument, "at": self._asked_at})
        try:
            yield
        finally:
            self._release = None
            release()

    @contextlib.contextmanager
    def _operation(self, key: str, kind: str, argument: Any = None, *, doubt: bool = False) -> Iterator[_Asked]:
        """Say that it is asked. Where it is refused it had no effect; with `doubt`, it may have had one before."""
        asked = _Asked(self._next(), self._say, doubt=doubt)
        self._asked_at = time.monotonic_ns()
        self._say({"id": asked.id, "key": key, "kind": kind, "argument": argument, "at": self._asked_at})
        yield asked

    def _next(self) -> str:
        return f"{self._name}:{next(self._numbers)}"


class _Asked:
    """An operation under way."""

    def __init__(self, number: str, say: Callable[[dict[str, Any]], None], *, doubt: bool) -> None:
        self.id = number
        self._say = say
        self._doubt = doubt

    def after(self, call: Callable[[], Any], result: Callable[[Any], Any] = lambda _: "done") -> Any:
        """Make the call, and say how it ended."""
        try:
            answer = call()
        except (exceptions.AcquireTimeout, exceptions.Fenced) as refused:
            self._say({"id": self.id, "failed" if self._doubt else "void": repr(refused)})
            raise
        except exceptions.SparkeeperError as failed:
            self._say({"id": self.id, "failed": repr(failed)})
            raise
        self._say({"id": self.id, "result": result(answer), "at": time.monotonic_ns()})
        return answer


@dataclass(frozen=True)
class Who:
    """A client's name, where it connects, and what is broken: a class of `history_broken`, or nothing."""

    name: str
    connect: str
    namespace: str
    broken: str = ""
    session_timeout: str = str(SESSION_TIMEOUT)


def serve(who: Who, steps: Iterable[str], say: Callable[[dict[str, Any]], None]) -> None:
    """Take steps until there are no more."""
    settings = {"namespace": who.namespace, "session_timeout": float(who.session_timeout), "timeout": PATIENCE}
    with sparkeeper.connect(who.connect, **settings) as zk:
        if who.broken:
            import history_broken  # noqa: PLC0415 - it is broken: nothing else may meet it

            client = Client(who.name, getattr(history_broken, who.broken)(zk), say)
        else:
            client = Client(who.name, zk, say)
        say({"done": True})
        for line in steps:
            step = json.loads(line)
            client.take(step["name"], step["arguments"])
            say({"done": True})


def main() -> None:
    """Be a process."""

    def say(value: dict[str, Any]) -> None:
        sys.stdout.write(json.dumps(value) + "\n")
        sys.stdout.flush()

    serve(Who(*sys.argv[1:]), iter(sys.stdin.readline, ""), say)


if __name__ == "__main__":
    main()
