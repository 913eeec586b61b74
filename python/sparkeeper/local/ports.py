"""Free loopback ports that stay free for as long as can be arranged."""

from __future__ import annotations

import contextlib
import random
import socket
from pathlib import Path

from sparkeeper.exceptions import ConfigError

HOST = "127.0.0.1"

_LOWEST = 15_000
_EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")
_TRIES = 200


def free_ports(count: int) -> list[int]:
    """Return `count` different ports that nobody listens on.

    They lie below the range from which the kernel takes ports for outgoing connections: a server that is
    killed and started again finds its port free, which no client's connection took in between.

    Raises:
        ConfigError: There is no free port to be found.
    """
    chosen: list[int] = []
    with contextlib.ExitStack() as held:
        for _ in range(_TRIES * count):
            if len(chosen) == count:
                break
            port = random.randrange(_LOWEST, _ephemeral_start())  # noqa: S311 - a port is no secret
            probe = _bound(port)
            if probe is not None:
                held.enter_context(probe)
                chosen.append(port)
    if len(chosen) < count:
        raise ConfigError(f"looked for {count} free ports on {HOST} from {_LOWEST} up and found {len(chosen)}")
    return chosen


def is_free(port: int) -> bool:
    """Say whether a server could listen on this loopback port now.

    Raises:
        ConfigError: This user may not listen there at all.
    """
    probe = _bound(port)
    if probe is None:
        return False
    probe.close()
    return True


def _bound(port: int) -> socket.socket | None:
    probe = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    # As Java's server does: connections of the last server that wait out their end do not matter.
    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        probe.bind((HOST, port))
        probe.listen(1)  # two probes with SO_REUSEADDR may bind one port, but not listen on it
    except PermissionError as error:
        probe.close()
        raise ConfigError(
            f"tried to listen on {HOST}:{port}: {error.strerror}; low ports are the system's, give one above 1023"
        ) from error
    except OSError:
        probe.close()
        return None
    return probe


def _ephemeral_start() -> int:
    try:
        start = int(_EPHEMERAL.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        start = 32_768
    return start if start > _LOWEST + _TRIES else 32_768
