"""What servers tell of themselves in ZooKeeper's four-letter words, of which they allow only `srvr` by default."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sparkeeper.local.words import ask
from sparkeeper.spark.checkup_probe import closer

if TYPE_CHECKING:
    from sparkeeper.spark.checkup_probe import Place

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
    full: bool = False
    """It took a connection and closed it before it was asked anything."""


def places(connect_string: str) -> list[Place]:
    """Return host and port of every server of a connect string."""
    return [_place(address) for address in _addresses(connect_string)]


def look(connect_string: str, timeout: float) -> list[Server]:
    """Ask every server of a connect string."""
    return [_ask(address, timeout) for address in _addresses(connect_string)]


def _addresses(connect_string: str) -> list[str]:
    return connect_string.partition("/")[0].split(",")


def _place(address: str) -> Place:
    host, _, port = address.rpartition(":")
    if not port.isdigit():
        host, port = address, str(_PORT)
    return host.strip("[]"), int(port)


def _ask(address: str, timeout: float) -> Server:
    place = host, port = _place(address)
    version, limit, clients = (ask(port, word, timeout, host=host) or "" for word in ("srvr", "conf", "cons"))
    said, limited = _VERSION.search(version), _LIMIT.search(limit)
    connected = _CLIENT.findall(clients)
    return Server(
        address,
        said.group(1) if said else None,
        int(limited.group(1)) if limited else None,
        max(map(connected.count, connected), default=0) if "is not executed" not in clients and clients else None,
        full=said is None and closer(timeout)(place),
    )
