"""The folder through which this user's processes find and keep alive the one shared server.

```
users        every user process holds a shared lock on it for its life
start        locked exclusively by whoever looks for the server or starts it
supervisor   locked exclusively by the live supervisor
server.json  the card of the running server; written by rename, removed before the server stops
```
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from sparkeeper.exceptions import ConfigError


@dataclass(frozen=True)
class ServerCard:
    """What a user needs to know about the running server.

    Attributes:
        connect_string: Where clients connect.
        port: The loopback port.
        pid: The process id of Java.
        supervisor_pid: The process id of the supervisor.
        version: The version of ZooKeeper.
        log: The server's log file.
    """

    connect_string: str
    port: int
    pid: int
    supervisor_pid: int
    version: str
    log: str


@dataclass(frozen=True)
class StateFolder:
    """The state folder and what lies in it."""

    root: Path

    @property
    def users(self) -> Path:
        """Locked, shared, by every user process."""
        return self.root / "users"

    @property
    def start(self) -> Path:
        """Locked by whoever looks for the server or starts it."""
        return self.root / "start"

    @property
    def supervisor(self) -> Path:
        """Locked by the live supervisor."""
        return self.root / "supervisor"

    @property
    def log(self) -> Path:
        """The server's log."""
        return self.root / "zookeeper.log"

    @property
    def supervisor_log(self) -> Path:
        """What the supervisor has to say when it fails."""
        return self.root / "supervisor.log"

    @property
    def _card(self) -> Path:
        return self.root / "server.json"

    def publish(self, card: ServerCard) -> None:
        """Make the card visible, whole or not at all."""
        draft = self.root / f"server.json.{os.getpid()}"
        draft.write_text(json.dumps(asdict(card)), encoding="utf-8")
        draft.replace(self._card)

    def retract(self) -> None:
        """Remove the card: the server is about to stop, or has."""
        self._card.unlink(missing_ok=True)

    def read(self) -> ServerCard | None:
        """Return the card, None when there is none that can be read."""
        with contextlib.suppress(OSError, ValueError, TypeError):
            return ServerCard(**json.loads(self._card.read_text(encoding="utf-8")))
        return None


def open_state() -> StateFolder:
    """Return this user's state folder, made if need be, which only this user can enter.

    It is `sparkeeper` in XDG_RUNTIME_DIR, or `sparkeeper-<uid>` in the folder for temporary files.

    Raises:
        ConfigError: Somebody else made it, or others can enter it.
    """
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime and os.access(runtime, os.W_OK | os.X_OK):
        root = Path(runtime) / "sparkeeper"
    else:
        root = Path(tempfile.gettempdir()) / f"sparkeeper-{os.getuid()}"
    root.mkdir(mode=0o700, exist_ok=True)
    found = root.lstat()
    # In a folder that everybody may write to, somebody could have made it first, as a link to elsewhere.
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) & 0o077:
        raise ConfigError(
            f"tried to keep the shared server's state in {root}: it is not a folder that only you can enter; "
            f"remove it, or set XDG_RUNTIME_DIR to a folder of your own"
        )
    return StateFolder(root)
