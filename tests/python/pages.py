"""Runs `sparkeeper ui`, reads what it sends as a browser does, and asks pages how they look."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from typing_extensions import Self

    from commands import Running, Shell

# Of every text that is shown, its contrast with what is behind it.
CONTRASTS = """() => {
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((c) => c / 255)
    .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, at) => sum + c * [0.2126, 0.7152, 0.0722][at], 0);
  const behind = (element) => {
    const rect = element.tagName === "text" && element.parentNode.querySelector("rect");
    if (rect) return parse(getComputedStyle(rect).fill);
    for (let at = element; at; at = at.parentElement) {
      const found = parse(getComputedStyle(at).backgroundColor);
      if (found.length === 3 || found[3] === 1) return found;
    }
    return [255, 255, 255];
  };
  const found = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((child) => child.nodeType === 3 && child.data.trim());
    if (!own || !element.checkVisibility() || element.closest("script, noscript, title")) continue;
    const style = getComputedStyle(element);
    const [one, other] = [parse(element.tagName === "text" ? style.fill : style.color), behind(element)].map(light);
    found.push({ text: element.textContent.slice(0, 40), section: element.closest("section, header")?.id ?? "",
      ratio: (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05) });
  }
  return found;
}"""
# What Tab reaches, in the document's order.
REACHED = """() => [...document.querySelectorAll("a[href], summary, [tabindex='0']")]
  .filter((one) => one.checkVisibility()).map((one) => one.textContent.slice(0, 60))"""


@contextlib.contextmanager
def serving(shell: Shell, folder: Path, port: int = 0, options: Sequence[str] = ()) -> Iterator[tuple[Running, str]]:
    """Serve the page; yield the command and the page's address."""
    out = folder / "ui.json"
    with out.open("w") as sink, shell.start("ui", "--port", str(port), "--json", *options, stdout=sink) as running:
        wait_for(lambda: out.read_text() or running.process.poll() is not None, 60, "the page to be served")
        assert out.read_text(), running.end()[1]
        yield running, json.loads(out.read_text())["url"]


def ask(url: str, path: str = "/", method: str = "GET", host: str | None = None) -> tuple[int, dict[str, str], bytes]:
    """Make one request; return its status, headers and body."""
    link = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
    with contextlib.closing(link):
        link.putrequest(method, path, skip_host=True)
        link.putheader("Host", host or urlsplit(url).netloc)
        link.endheaders()
        answer = link.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()


class Client:
    """A reader of the events: what arrived, and when."""

    def __init__(self, url: str) -> None:
        self._link = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
        self._link.connect()
        # The response takes it over.
        self._socket = self._link.sock
        self._link.request("GET", "/events")
        self.answer = self._link.getresponse()
        self.states: list[tuple[float, dict[str, Any]]] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # The reader stands in a read, which only this ends.
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._reader.join(30)
        self._link.close()

    @property
    def ended(self) -> bool:
        return not self._reader.is_alive()

    def until(self, holds: Callable[[dict[str, Any]], object], timeout: float, why: str) -> dict[str, Any]:
        """Wait for a state of which something holds."""
        return wait_for(lambda: self.states and holds(self.states[-1][1]) and self.states[-1][1], timeout, why)

    def _read(self) -> None:
        with contextlib.suppress(OSError, ValueError, http.client.HTTPException):
            for line in self.answer:
                if line.startswith(b"data: {"):
                    self.states.append((time.monotonic(), json.loads(line[6:])))
