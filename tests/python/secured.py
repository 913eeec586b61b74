"""Servers that ask who you are: certificates from an authority of the test's own, TLS, and SASL."""

from __future__ import annotations

import contextlib
import socket
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING

import trustme
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

import sparkeeper
from sparkeeper.local import LocalServer
from sparkeeper.local.ports import HOST, free_ports
from sparkeeper.local.settings import ServerSettings
from waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

SASL_PROVIDER = {"zookeeper.authProvider.sasl": "org.apache.zookeeper.server.auth.SASLAuthenticationProvider"}


@dataclass(frozen=True)
class Identity:
    """PEM files of one certificate and its key."""

    cert: Path
    key: Path
    store: Path
    """Both in one file, as the server reads them."""


class Authority:
    """Signs certificates, and writes them below a folder."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._authority = trustme.CA()
        self.ca = folder / "ca.pem"
        self._authority.cert_pem.write_to_path(str(self.ca))

    def issue(self, *names: str) -> Identity:
        """Sign a certificate for these host names."""
        issued = self._authority.issue_cert(*names)
        stem = names[0].replace("/", "_")
        made = Identity(*(self._folder / f"{stem}.{kind}" for kind in ("crt.pem", "key.pem", "store.pem")))
        made.cert.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        # Java reads keys in PKCS #8 only.
        key = load_pem_private_key(issued.private_key_pem.bytes(), None)
        made.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        made.store.write_bytes(made.key.read_bytes() + made.cert.read_bytes())
        return made

    def tls(self, identity: Identity | None = None, **settings: object) -> sparkeeper.Tls:
        """What a client that trusts this authority, and shows `identity`, gives to `connect`."""
        shown = {"cert": identity.cert, "key": identity.key} if identity else {}
        return sparkeeper.Tls(ca=self.ca, **shown, **settings)


@dataclass(frozen=True)
class TlsServer:
    """A server with a port for TLS beside its plain one."""

    server: LocalServer
    port: int

    @property
    def connect_string(self) -> str:
        """Where clients with TLS connect, by a name that the certificate has."""
        return f"localhost:{self.port}"

    def restart(self) -> None:
        """Stop it and start it on the same ports, until it speaks TLS again."""
        self.server.restart()
        self.wait_for_tls()

    def wait_for_tls(self) -> None:
        """Wait for the port that speaks TLS, and for the first handshake.

        A start waits only for the plain port, which opens first; and the first handshake of a JVM takes seconds on a
        busy machine, which no test is about.
        """
        wait_for(lambda: _shakes_hands(self.port), 60, "the port that speaks TLS")


@contextlib.contextmanager
def tls_server(
    identity: Identity,
    ca: Path,
    *,
    client_auth: str = "none",
    properties: Mapping[str, str] | None = None,
    **zoo_cfg: str,
) -> Iterator[TlsServer]:
    """Run a server that shows `identity` and trusts `ca`; `client_auth` is none, want or need."""
    (port,) = free_ports(1)
    settings = ServerSettings(
        extra={
            "secureClientPort": str(port),
            "secureClientPortAddress": HOST,
            "serverCnxnFactory": "org.apache.zookeeper.server.NettyServerCnxnFactory",
            "ssl.keyStore.location": str(identity.store),
            "ssl.keyStore.type": "PEM",
            "ssl.trustStore.location": str(ca),
            "ssl.trustStore.type": "PEM",
            "ssl.clientAuth": client_auth,
            **zoo_cfg,
        },
        properties=properties or {},
    )
    # Beside other tests its JVM may get little of the processors for longer than anybody else would wait.
    with LocalServer(settings=settings, timeout=120) as server:
        running = TlsServer(server, port)
        running.wait_for_tls()
        yield running


def _shakes_hands(port: int) -> bool:
    """Say whether the server took part in a handshake, whatever it came to."""
    anybody = ssl.create_default_context()
    anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
    try:
        with socket.create_connection((HOST, port), 30) as link, anybody.wrap_socket(link):
            return True
    except ConnectionRefusedError:
        return False
    except ssl.SSLError:
        return True


def jaas(file: Path, users: Mapping[str, str]) -> Path:
    """Write the server's list of users and passwords."""
    listed = "".join(f'\n    user_{user}="{password}"' for user, password in users.items())
    file.write_text(f"Server {{\n  org.apache.zookeeper.server.auth.DigestLoginModule required{listed};\n}};\n")
    return file


def sasl_settings(users: Path, **zoo_cfg: str) -> ServerSettings:
    """Make a server ask for SASL."""
    return ServerSettings(
        extra={"sessionRequireClientSASLAuth": "true", **zoo_cfg},
        properties={"java.security.auth.login.config": str(users), **SASL_PROVIDER},
    )
