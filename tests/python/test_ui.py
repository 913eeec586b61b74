"""`sparkeeper ui`: what it serves, to whom, how soon, and what it says when something is not as it should be."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import socket
import time
from contextlib import closing
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from kazoo.client import KazooClient
from kazoo.security import make_acl, make_digest_acl

from commands import Shell
from pages import Client, ask, serving
from sparkeeper.ui.server import Server
from waiting import wait_for

if TYPE_CHECKING:
    from pathlib import Path

    import sparkeeper
    from proxy import Proxy


def test_the_page_asks_for_nothing_but_its_own_parts(url: str) -> None:
    status, headers, page = ask(url)
    assert status == 200
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    todo, seen = re.findall(rb'(?:href|src)="(/[^"]+)"', page), set()
    while todo:
        seen.add(part := todo.pop().decode())
        status, headers, body = ask(url, part)
        assert status == 200, part
        assert headers["X-Content-Type-Options"] == "nosniff"
        # Namespaces are names; nothing is loaded from anywhere.
        assert set(re.findall(rb"https?://[^\"' ]+", body)) <= {b"http://www.w3.org/2000/svg"}, part
        assert b"innerHTML" not in body
        todo += {b"/" + name for name in re.findall(rb'from "\./([^"]+)"', body)} - {one.encode() for one in seen}
    assert seen == {
        "/icon.svg",
        "/page.css",
        *(f"/{name}.js" for name in ("page", "dom", "sections", "charts", "words")),
    }


def test_a_page_of_another_site_is_told_nothing(url: str) -> None:
    port = urlsplit(url).port
    for host in ("evil.example", f"evil.example:{port}", "127.0.0.1", f"127.0.0.1.evil.example:{port}", "localhost:1"):
        for path in ("/", "/events"):
            status, _, body = ask(url, path, host=host)
            assert status == 421, host
            assert b"not the host you asked for" in body
    assert ask(url, host=f"localhost:{port}")[0] == 200


def test_it_can_only_be_read(url: str) -> None:
    for method in ("HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"):
        status, headers, _ = ask(url, "/events", method)
        assert status == 405, method
        assert headers["Allow"] == "GET"
    for path in ("/state", "/../survey.py", "/page.html", "/server.py", "/%2e%2e/"):
        assert ask(url, path)[0] == 404, path


def test_what_is_no_request_is_answered_as_others_are(url: str) -> None:
    address = urlsplit(url)
    for line in (b"gibberish", b"GET", b"GET / FTP/7", b"GET / HTTP/9.0"):
        with socket.create_connection((address.hostname, address.port), timeout=30) as link:
            link.sendall(line + b"\r\n\r\n")
            answer = link.makefile("rb").read()
        head, _, body = answer.partition(b"\r\n\r\n")
        assert re.match(rb"HTTP/1\.1 [45]\d\d ", head), line[:20]
        assert b"Content-Type: application/json" in head
        assert b"default-src 'none'" in head
        assert url in json.loads(body)["error"]
        assert b"Python" not in answer


def test_connections_that_come_at_once_wait_for_the_server() -> None:
    # It does not serve yet, so that all of them wait.
    with Server(0) as server, contextlib.ExitStack() as stack:
        for _ in range(100):
            stack.enter_context(socket.create_connection(server.server_address[:2], timeout=1))


def test_a_port_that_is_taken_is_said(shell: Shell) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        said = shell.refused("ui", "--port", str(port), code=2)
    assert f"127.0.0.1:{port}: another process listens there; give another port with --port" in said


def test_without_an_ensemble_there_is_no_page(namespace: str) -> None:
    with closing(socket.socket()) as nobody:
        # Bound and not listening: nobody else gets the port, and nobody answers there.
        nobody.bind(("127.0.0.1", 0))
        Shell(f"127.0.0.1:{nobody.getsockname()[1]}", namespace).refused("ui", "--port", "0", code=5)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_when_it_is_told_to_while_browsers_read(shell: Shell, tmp_path: Path, number: int) -> None:
    with serving(shell, tmp_path) as (running, url), Client(url) as client:
        client.until(bool, 10, "the first state")
        running.process.send_signal(number)
        code, errors = running.end(20)
        assert (code, errors) == (0, "")
        wait_for(lambda: client.ended, 10, "the stream to end")


def test_a_browser_is_opened_where_that_is_asked_for(shell: Shell, tmp_path: Path) -> None:
    opened, browser = tmp_path / "opened", tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {opened}\n')
    browser.chmod(0o755)
    shell.environment["BROWSER"] = f"{browser} %s"
    with serving(shell, tmp_path, options=["--open"]) as (_, url):
        wait_for(lambda: opened.exists() and opened.read_text() == f"{url}\n", 20, "the browser")


def test_a_change_is_sent_within_a_second(client: Client, zk: sparkeeper.Coordinator) -> None:
    first = client.until(bool, 10, "the first state")
    assert first["link"]["state"] == "CONNECTED"
    assert not first["locks"]
    held = zk.lock("a").acquire()
    began = time.monotonic()
    client.until(lambda state: state["locks"], 10, "the lock")
    assert client.states[-1][0] - began < 1
    held.release()
    client.until(lambda state: not state["locks"], 10, "its release")


def test_a_namespace_that_may_not_be_read_is_said(
    proxy: Proxy, connect_string: str, namespace: str, tmp_path: Path, zk: sparkeeper.Coordinator
) -> None:
    zk.create("a")
    kazoo = KazooClient(connect_string, auth_data=[("digest", "bob:secret")])
    kazoo.start()
    shell = Shell(proxy.connect_string, namespace)
    bob, everybody = [make_digest_acl("bob", "secret", all=True)], [make_acl("world", "anyone", all=True)]
    try:
        with serving(shell, tmp_path) as (_, url), Client(url) as client:
            client.until(bool, 10, "the first state")
            kazoo.set_acls(f"/{namespace}", bob)
            # Rights are looked at when the subtree is read, as it is after a lost link.
            proxy.cut()
            proxy.heal()
            state = client.until(lambda state: state["link"]["trouble"], 60, "the trouble")
            assert namespace in state["link"]["trouble"]
            assert "check auth and acl" in shell.refused("ui", "--port", "0", code=1)
            kazoo.set_acls(f"/{namespace}", everybody)
            client.until(lambda state: not state["link"]["trouble"], 60, "it to be read again")
            zk.lock("l").acquire()
            client.until(lambda state: state["locks"], 60, "what came after")
    finally:
        kazoo.stop()
        kazoo.close()


def test_a_lost_link_is_said_and_mends(
    proxy: Proxy, namespace: str, tmp_path: Path, zk: sparkeeper.Coordinator
) -> None:
    with serving(Shell(proxy.connect_string, namespace), tmp_path) as (_, url), Client(url) as client:
        client.until(bool, 10, "the first state")
        before = time.time() * 1000
        proxy.cut()
        state = client.until(lambda state: state["link"]["state"] != "CONNECTED", 30, "the link to be missed")
        assert before - 1000 < state["link"]["as_of"] < time.time() * 1000
        zk.lock("meanwhile").acquire()
        proxy.heal()
        client.until(lambda state: state["link"]["state"] == "CONNECTED" and state["locks"], 60, "it to come back")
