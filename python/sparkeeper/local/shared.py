"""The one embedded server that all processes of this user share.

Whoever asks first starts a supervisor, which starts ZooKeeper (see `supervisor`); everybody else reads where it
listens. A process counts as a user from its first `shared_server()` until its last `release()`, or until it
ends, however it ends: what counts is a file lock, which the kernel takes back. Forked children are users too.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from sparkeeper import exceptions
from sparkeeper.exceptions import ConfigError, ConnectionLost, SparkeeperError
from sparkeeper.local import flock, words
from sparkeeper.local.jars import find_jars
from sparkeeper.local.java import find_java
from sparkeeper.local.state import open_state
from sparkeeper.local.supervisor import Order

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

    from sparkeeper.local.state import ServerCard, StateFolder

DATA_VARIABLE = "SPARKEEPER_LOCAL_DATA"
"""Names the folder in which the shared server keeps its data; without it the data is temporary."""

# A bare package in the place of ours: the submodules are found in its folder, the native module is never loaded.
_SUPERVISOR = """
import sys, types
bare = types.ModuleType("sparkeeper")
bare.__path__ = [sys.argv[1]]
sys.modules["sparkeeper"] = bare
from sparkeeper.local.supervisor import main
sys.exit(main(sys.argv[2]))
"""

# The supervisor gives up by itself, and then says why, which is worth waiting for.
_SLACK = 5.0


class _Membership:
    """This process's places among the users: one lock for each state folder it was ever told, counted."""

    mutex: threading.Lock
    locks: dict[Path, int]
    counts: Counter[Path]

    def __init__(self) -> None:
        """Begin as no user."""
        self.reset()

    def reset(self) -> None:
        """Begin anew in a forked child; the parent's descriptors stay open there, so the child is a user at once."""
        self.mutex = threading.Lock()
        self.locks = {}
        self.counts = Counter()


_membership = _Membership()
os.register_at_fork(after_in_child=_membership.reset)


class SharedServer:
    """A reference to the shared server; it is released by `release`, by `with`, or by the end of the process."""

    def __init__(self, card: ServerCard, folder: Path) -> None:
        """Wrap what the supervisor of a state folder published; use `shared_server()` to get one."""
        self._card = card
        self._folder = folder
        self._owner: int | None = os.getpid()

    def __enter__(self) -> Self:
        """Return the reference itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Release the reference."""
        self.release()

    def __repr__(self) -> str:
        """Say where the server listens."""
        return f"<SharedServer {self.connect_string} pid {self.pid}>"

    @property
    def connect_string(self) -> str:
        """Where clients connect; the same for every user."""
        return self._card.connect_string

    @property
    def port(self) -> int:
        """The loopback port."""
        return self._card.port

    @property
    def pid(self) -> int:
        """The process id of ZooKeeper."""
        return self._card.pid

    @property
    def supervisor_pid(self) -> int:
        """The process id of the supervisor."""
        return self._card.supervisor_pid

    @property
    def version(self) -> str:
        """The version of ZooKeeper."""
        return self._card.version

    @property
    def log(self) -> Path:
        """The server's log file."""
        return Path(self._card.log)

    def release(self) -> None:
        """Give the reference back; the server ends with the last reference of the last process. Once is enough."""
        with _membership.mutex:
            if self._owner != os.getpid():
                return
            self._owner = None
            _leave(self._folder)


def shared_server(*, jars: str | os.PathLike[str] | None = None, timeout: float = 60.0) -> SharedServer:
    """Return a reference to this user's shared server, started if it does not run.

    Args:
        jars: The folder with ZooKeeper's jars, if it must be started; None means PySpark's.
        timeout: How many seconds all of it may take.

    Raises:
        ConfigError: No Java, no jars, or a state folder that is not ours alone.
        ConnectionLost: The server did not start, or not in time.
    """
    deadline = time.monotonic() + timeout
    state = open_state()
    with _membership.mutex:
        _join(state, deadline)
        try:
            return SharedServer(_find_or_start(state, jars, deadline), state.root)
        except BaseException:
            _leave(state.root)
            raise


def _join(state: StateFolder, deadline: float) -> None:
    if state.root not in _membership.locks:
        # Held exclusively while a deserted server stops: a newcomer waits for the end of that.
        _membership.locks[state.root] = _acquire(state.users, deadline, shared=True)
    _membership.counts[state.root] += 1


def _leave(folder: Path) -> None:
    _membership.counts[folder] -= 1
    if _membership.counts[folder] == 0:
        # Closed and not unlocked: forked children share this lock and still count.
        os.close(_membership.locks.pop(folder))


def _find_or_start(state: StateFolder, jars: str | os.PathLike[str] | None, deadline: float) -> ServerCard:
    turn = _acquire(state.start, deadline, shared=False)
    try:
        # A supervisor without a card, or with a card but no answer, is starting or ending; either takes a moment.
        while flock.is_locked(state.supervisor):
            card = _answering(state)
            if card is not None:
                return card
            _check(deadline, f"waited for the shared ZooKeeper of {state.root} to answer, in vain; see {state.log}")
            flock.pause()
        _start(state, jars, deadline)
        card = _answering(state)
        if card is None:
            raise ConnectionLost(f"started the shared ZooKeeper, and it ended at once; see {state.log}")
        return card
    finally:
        os.close(turn)


def _answering(state: StateFolder) -> ServerCard | None:
    card = state.read()
    return card if card is not None and words.mode(card.port) is not None else None


def _start(state: StateFolder, jars: str | os.PathLike[str] | None, deadline: float) -> None:
    """Start a supervisor and wait for its word that the server serves."""
    if not sys.executable:
        raise ConfigError(
            "tried to start the shared ZooKeeper: this process has no sys.executable; start a LocalServer"
        )
    data = os.environ.get(DATA_VARIABLE) or None
    order = Order(
        state=str(state.root),
        jars=str(find_jars(jars).folder),
        java=str(find_java()),
        data=None if data is None else str(Path(data).expanduser().resolve()),
        timeout=max(0.0, deadline - time.monotonic()),
    )
    package = str(Path(__file__).resolve().parent.parent)
    with state.supervisor_log.open("wb") as complaints:
        starter = subprocess.Popen(
            # -I and -S: no PYTHONPATH and no site-packages, the standard library is all it needs.
            [sys.executable, "-I", "-S", "-c", _SUPERVISOR, package, order.dumps()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=complaints,
            cwd="/",
            start_new_session=True,
        )
    with starter:
        outcome = _outcome(starter, deadline + _SLACK)
    if outcome is None:
        said = state.supervisor_log.read_text(errors="replace").strip() or "nothing"
        raise ConnectionLost(
            f"started the shared ZooKeeper and heard nothing of it in time; its supervisor said: {said}"
        )
    if outcome:
        kind = getattr(exceptions, outcome["kind"], ConnectionLost)
        raise kind(outcome["text"]) if issubclass(kind, SparkeeperError) else ConnectionLost(outcome["text"])


def _outcome(starter: subprocess.Popen[bytes], deadline: float) -> dict[str, str] | None:
    """Return the supervisor's report, None when there is none in time."""
    if starter.stdout is None:
        return None
    ready, _, _ = select.select([starter.stdout], [], [], max(0.0, deadline - time.monotonic()))
    line = starter.stdout.readline() if ready else b""
    return json.loads(line) if line else None


def _acquire(path: Path, deadline: float, *, shared: bool) -> int:
    descriptor = flock.acquire(path, shared=shared, timeout=max(0.0, deadline - time.monotonic()))
    if descriptor is None:
        raise ConnectionLost(f"waited in vain for {path}: another process is starting or stopping the shared ZooKeeper")
    return descriptor


def _check(deadline: float, complaint: str) -> None:
    if time.monotonic() >= deadline:
        raise ConnectionLost(complaint)
