"""The page's server: this machine only, reading only, for browsers that were told its address.

`GET /` is the page; `GET /events` are server-sent events: the state at once, and again after each change; a `beat`
with the time before each, as a state may be old, and every few seconds, by which the page sees that somebody is there,
and we, that nobody reads any more.
"""

from __future__ import annotations

import contextlib
import errno
import json
import socketserver
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from typing import TYPE_CHECKING

from sparkeeper.exceptions import ConfigError

if TYPE_CHECKING:
    from sparkeeper.ui.follow import Follower

ADDRESS = "127.0.0.1"
_BEAT = 5.0
_FILES = {
    "/": ("page.html", "text/html"),
    **{f"/{name}.js": (f"{name}.js", "text/javascript") for name in ("page", "sections", "charts", "words", "dom")},
    "/page.css": ("page.css", "text/css"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Server(ThreadingHTTPServer):
    """The server, bound to its port; `serve_forever` serves."""

    daemon_threads = True
    # Connections that come at once wait for us; of those that find no place, each asks again only after a second.
    request_queue_size = 128
    follower: Follower
    """To be set before it serves."""

    def __init__(self, port: int) -> None:
        """Bind to a port; 0 is any that is free.

        Raises:
            ConfigError: Another process listens there, or this one may not.
        """
        try:
            super().__init__((ADDRESS, port), _Handler)
        except OSError as error:
            why = "another process listens there" if error.errno == errno.EADDRINUSE else error.strerror
            raise ConfigError(
                f"tried to serve the page at {ADDRESS}:{port}: {why}; "
                "give another port with --port, or 0 for any that is free"
            ) from error
        self.hosts = {f"{name}:{self.server_port}" for name in (ADDRESS, "localhost")}

    def server_bind(self) -> None:
        """Bind without asking a name server who we are."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = ADDRESS, int(self.server_address[1])

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://{ADDRESS}:{self.server_port}/"


class _Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"
    # Who names none, or sends what is no request, gets an answer with its headers.
    default_request_version = protocol_version
    # A browser that takes nothing for so long is let go.
    timeout = 30

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError, TimeoutError):
            super().handle()

    def parse_request(self) -> bool:
        """Take only GET: there is nothing to do here but to look."""
        if not super().parse_request():
            return False
        if self.command != "GET":
            # What was sent along is not read, and must not be taken for the next request.
            self.close_connection = True
            headers = {"Allow": "GET", "Connection": "close"}
            self._say(HTTPStatus.METHOD_NOT_ALLOWED, "the page can only be read", headers)
        return self.command == "GET"

    def do_GET(self) -> None:
        # A page of another site may have its name lead here; our state is not for it.
        if self.headers.get("Host", "").lower() not in self.server.hosts:
            self._say(HTTPStatus.MISDIRECTED_REQUEST, f"this is {self.server.url}, which is not the host you asked for")
        elif self.path == "/events":
            self._stream()
        elif self.path in _FILES:
            name, kind = _FILES[self.path]
            body = resources.files("sparkeeper.ui").joinpath(name).read_bytes()
            self._head(HTTPStatus.OK, kind, {"Content-Length": str(len(body))})
            self.wfile.write(body)
        else:
            self._say(HTTPStatus.NOT_FOUND, f"there is nothing here; the page is {self.server.url}")

    def _stream(self) -> None:
        self.close_connection = True
        self._head(HTTPStatus.OK, "text/event-stream", {"Connection": "close"})
        self.wfile.write(b"retry: 1000\n\n")
        number = 0
        while not self.server.follower.stopped:
            found = self.server.follower.after(number, _BEAT)
            self.wfile.write(b"event: beat\ndata: %d\n\n" % round(time.time() * 1000))
            if found is not None:
                number, state = found
                self.wfile.write(b"data: %b\n\n" % state)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:  # noqa: ARG002
        """Answer what is no request as any other that we refuse."""
        status = HTTPStatus(code)
        self._say(status, f"{message or status.phrase}; the page is {self.server.url}", {"Connection": "close"})

    def _say(self, status: HTTPStatus, text: str, headers: dict[str, str] | None = None) -> None:
        body = json.dumps({"error": text}).encode()
        self._head(status, "application/json", {"Content-Length": str(len(body)), **(headers or {})})
        if self.command != "HEAD":
            self.wfile.write(body)

    def _head(self, status: HTTPStatus, kind: str, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in ({"Content-Type": f"{kind}; charset=utf-8"} | _HEADERS | headers).items():
            self.send_header(name, value)
        self.end_headers()

    def version_string(self) -> str:
        return "sparkeeper"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that it has above
        """Say nothing: the terminal is the user's."""
