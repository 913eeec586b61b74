"""The detached process that owns the shared server and ends it with its last user.

Its protocol, on the files of `StateFolder`: lock `supervisor`, start ZooKeeper, publish the card, then block until
`users` can be locked exclusively. Then nobody is left, however they went: take the card back, stop the server,
end. A newcomer cannot lock `users` meanwhile, so it waits and starts another. If ZooKeeper dies first, the
supervisor ends as well. It runs in an interpreter with only the standard library, without the native module.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sparkeeper.exceptions import ConfigError, SparkeeperError
from sparkeeper.local import flock
from sparkeeper.local.server import LocalServer
from sparkeeper.local.settings import ServerSettings
from sparkeeper.local.state import ServerCard, StateFolder

if TYPE_CHECKING:
    from types import FrameType


@dataclass(frozen=True)
class Order:
    """What a starter asks of the supervisor; it travels as JSON on the command line.

    Attributes:
        state: The state folder.
        jars: The folder of jars.
        java: The Java executable.
        data: The folder to keep data in, None for temporary data.
        timeout: How many seconds the start may take.
    """

    state: str
    jars: str
    java: str
    data: str | None
    timeout: float

    def dumps(self) -> str:
        """Return the order as JSON."""
        return json.dumps(asdict(self))


def main(order: str) -> int:
    """Detach, supervise, and return the exit code.

    One line goes to standard output when it is known how the start went: `{}`, or the kind and the text of an
    error. Any other failure goes to standard error, which is supervisor.log, and ends the output without a line.
    """
    # The starter waits for its own child, and init for us: no zombie is left in a long-lived starter.
    if os.fork() > 0:
        return 0
    chosen = Order(**json.loads(order))
    state = StateFolder(Path(chosen.state))
    try:
        _supervise(chosen, state)
    except SparkeeperError as error:
        _report({"kind": type(error).__name__, "text": str(error)})
        return 1
    return 0


def _supervise(order: Order, state: StateFolder) -> None:
    if flock.acquire(state.supervisor, shared=False, timeout=order.timeout) is None:
        raise ConfigError(f"tried to start the shared ZooKeeper: another supervisor holds {state.supervisor}")
    state.retract()
    # What the last server wrote is of no use to this one's reader.
    state.log.unlink(missing_ok=True)
    settings = ServerSettings(java=order.java, log=state.log)
    with LocalServer(order.data, jars=order.jars, settings=settings, timeout=order.timeout) as server:
        card = ServerCard(server.connect_string, server.port, server.pid, os.getpid(), server.version, str(server.log))
        state.publish(card)
        _report({})
        try:
            _wait_for_reason(state, server)
        finally:
            state.retract()


def _wait_for_reason(state: StateFolder, server: LocalServer) -> None:
    """Block until there is a reason to end: no users, no server, or a signal."""
    reasons: queue.SimpleQueue[str] = queue.SimpleQueue()

    def signalled(_number: int, _frame: FrameType | None) -> None:
        reasons.put("signalled")

    def deserted() -> None:
        # The descriptor stays open: newcomers wait until we are gone.
        flock.wait_exclusive(state.users)
        reasons.put("no users")

    def died() -> None:
        server.wait()
        reasons.put("no server")

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signalled)
    for wait in (deserted, died):
        threading.Thread(target=wait, daemon=True, name=wait.__name__).start()
    reasons.get()


def _report(outcome: dict[str, str]) -> None:
    """Tell the starter, if it still listens, and let go of its pipe."""
    # It may have been killed meanwhile; then the lock on `users` tells us the rest.
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    nothing = os.open(os.devnull, os.O_RDWR)
    try:
        os.write(sys.stdout.fileno(), json.dumps(outcome).encode() + b"\n")
    except BrokenPipeError:
        pass
    finally:
        os.dup2(nothing, sys.stdout.fileno())
        os.close(nothing)
