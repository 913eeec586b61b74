"""What servers tell of themselves in ZooKeeper's four-letter words, of which they allow only `srvr` by default."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sparkeeper.local.words import ask

_PORT = 2181
_LIMIT = re.compile(r"^maxClientCnxns=(\d+)", re.MULTILINE)
_CLIENT = re.compile(r"^ ?/(.+):\d+\[", re.MULTILINE)
_VERSION = re.compile(r"^Zookeeper version: ([\w.]+)", re.MULTILINE)


@dataclass(frozen=True)
class Server:
    """One server of the ensemble."""

    address: str
    version: str | None
    """None where it does not answer."""
    limit: int | None
    """Connections that it takes from one address; 0 is any number, None is not told."""
    most: int | None
    """Connections that it has from the address with the most; None is not told."""


def look(connect_string: str, timeout: float) -> list[Server]:
    """Ask every server of a connect string."""
    hosts = connect_string.partition("/")[0].split(",")
    return [_ask(host, timeout) for host in hosts]


def _ask(address: str, timeout: float) -> Server:
    host, _, port = address.rpartition(":")
    if not port.isdigit():
        host, port = address, str(_PORT)
    host = host.strip("[]")
    version, limit, clients = (ask(int(port), word, timeout, host=host) or "" for word in ("srvr", "conf", "cons"))
    said, limited = _VERSION.search(version), _LIMIT.search(limit)
    connected = _CLIENT.findall(clients)
    return Server(
        address,
        said.group(1) if said else None,
        int(limited.group(1)) if limited else None,
        max(map(connected.count, connected), default=0) if "is not executed" not in clients and clients else None,
    )
