"""Asks a server how it is, in ZooKeeper's four-letter words."""

from __future__ import annotations

import re
import socket

from sparkeeper.local.ports import HOST

_MODE = re.compile(r"^Mode: (\w+)", re.MULTILINE)
_DATA = re.compile(r"^dataDir=(.*?)(?:/version-2)?/?$", re.MULTILINE)


def ask(port: int, word: str, timeout: float = 1.0, *, host: str = HOST) -> str | None:
    """Return a server's answer to a four-letter word, None when it gave none in time."""
    try:
        with socket.create_connection((host, port), timeout) as link:
            link.sendall(word.encode())
            chunks = []
            while chunk := link.recv(65_536):
                chunks.append(chunk)
    except OSError:
        return None
    return b"".join(chunks).decode(errors="replace")


def mode(port: int, timeout: float = 1.0) -> str | None:
    """Return "standalone", "leader", "follower" or "observer", None while the server does not serve."""
    found = _MODE.search(ask(port, "srvr", timeout) or "")
    return found.group(1) if found else None


def data_folder(port: int, timeout: float = 1.0) -> str | None:
    """Return the folder in which the server on this port keeps its data, None while it does not say."""
    found = _DATA.search(ask(port, "conf", timeout) or "")
    return found.group(1) if found else None
