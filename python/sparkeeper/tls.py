"""TLS settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import os


@dataclass(frozen=True)
class Tls:
    """PEM files for connections to the servers.

    Attributes:
        ca: Certificates of the authorities that signed the servers'; needed.
        cert: Our certificate, for servers that ask for one; it goes with `key`.
        key: Our private key, without a passphrase.
        check_hostname: Whether a server's certificate must name the host we connect to. Without it, whoever has any
            certificate of these authorities can pose as the server.
    """

    ca: str | os.PathLike[str] | None = None
    cert: str | os.PathLike[str] | None = None
    key: str | os.PathLike[str] | None = None
    check_hostname: bool = True
