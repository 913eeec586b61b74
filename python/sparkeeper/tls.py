"""TLS settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import os


@dataclass(frozen=True)
class Tls:
    """PEM files for connections to the servers. The host name is always checked.

    Attributes:
        ca: Certificates of the authorities that signed the servers'; needed.
        cert: Our certificate, for servers that ask for one; it goes with `key`.
        key: Our private key.
    """

    ca: str | os.PathLike[str] | None = None
    cert: str | os.PathLike[str] | None = None
    key: str | os.PathLike[str] | None = None
