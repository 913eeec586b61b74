"""Runs a plan against a real server: every client behind a faulty link of its own."""

from __future__ import annotations

import contextlib
import json
import signal
import threading
from typing import TYPE_CHECKING, Any

from history_bodies import ProcessBody
from history_client import Who
from proxy import Proxy
from wire import Op

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from history_bodies import Body
    from history_plan import Fault, Step
    from wire import Request

_WRITES = {Op.CREATE, Op.CREATE2, Op.CREATE_CONTAINER, Op.DELETE, Op.SET_DATA, Op.MULTI}


class Life:
    """One client through its whole plan: it is born again, with another name and session, where it is killed.

    Attributes:
        said: What it said so far.
        done: How many steps it is through with.
        error: What ended it before its plan did.
    """

    def __init__(self, name: str, steps: Sequence[Step], born: Callable[[str], Body], proxy: Proxy | None) -> None:
        self.said: list[dict[str, Any]] = []
        self.done = 0
        self.error: BaseException | None = None
        self._name = name
        self._steps = steps
        self._born = born
        self._proxy = proxy
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def join(self) -> None:
        self._thread.join()

    def _run(self) -> None:
        try:
            self._live()
        except BaseException as error:  # noqa: BLE001 - raised again in the test's thread
            error.add_note(f"in client {self._name}")
            self.error = error

    def _live(self) -> None:
        generation = 0
        body = self._begin(generation)
        try:
            for step in self._steps:
                granted = threading.Event()
                weather = threading.Thread(target=self._break, args=(body, step.fault, granted)) if step.fault else None
                if step.fault and step.fault.kind == "drop":
                    self._drop(step.fault)
                body.ask(json.dumps({"name": step.name, "arguments": step.arguments}))
                if weather:
                    weather.start()
                killed = bool(step.fault) and step.fault.kind == "kill"
                try:
                    for value in body.answers():
                        self.said.append(value)
                        if "result" in value:
                            granted.set()
                except EOFError:
                    assert killed, "it died by itself"
                finally:
                    granted.set()
                    if weather:
                        weather.join()
                if killed:
                    # Where the step was over before: so be it, it is between two steps that it dies.
                    body.close()
                    generation += 1
                    body = self._begin(generation)
                self.done += 1
        finally:
            body.close()

    def _begin(self, generation: int) -> Body:
        body = self._born(f"{self._name}.{generation}")
        assert not list(body.answers()), "it is only born"
        return body

    def _drop(self, fault: Fault) -> None:
        """Lose the reply to the next write; the link stays down for a while where the fault lasts."""

        def write(request: Request) -> bool:
            return request.op in _WRITES

        self._proxy.drops.clear()
        self._proxy.drop_reply(write, stay_down=fault.lasting > 0.2)

    def _break(self, body: Body, fault: Fault, granted: threading.Event) -> None:
        if fault.granted:
            granted.wait()
        begin, mend = {
            "cut": (self._proxy.cut, self._proxy.heal),
            "drop": (_nothing, self._undrop),
            "freeze": (self._proxy.freeze, self._proxy.thaw),
            "delay": (lambda: self._proxy.delay(0.03), lambda: self._proxy.delay(0.0)),
            "stop": (lambda: body.signal(signal.SIGSTOP), lambda: body.signal(signal.SIGCONT)),
            "kill": (lambda: body.signal(signal.SIGKILL), _nothing),
        }[fault.kind]
        self._over.wait(fault.after)
        begin()
        self._over.wait(fault.lasting)
        mend()

    def _undrop(self) -> None:
        self._proxy.drops.clear()
        self._proxy.heal()


def _nothing() -> None:
    """Do nothing."""


def run(
    plan: Sequence[Sequence[Step]],
    port: int,
    namespace: str,
    *,
    body: Callable[[Who], Body] = ProcessBody,
    broken: str = "",
) -> list[dict[str, Any]]:
    """Let every client live its plan, and return everything they said."""
    with contextlib.ExitStack() as stack:
        lives = []
        for number, steps in enumerate(plan):
            proxy = stack.enter_context(Proxy(port))

            def born(name: str, connect: str = proxy.connect_string) -> Body:
                return body(Who(name, connect, namespace, broken))

            lives.append(Life(f"client{number}", steps, born, proxy))
        for life in lives:
            life.start()
        return said(lives)


def said(lives: Sequence[Life]) -> list[dict[str, Any]]:
    """Wait for the end of every life, and return everything they said."""
    for life in lives:
        life.join()
    for life in lives:
        if life.error is not None:
            raise life.error
    return [value for life in lives for value in life.said]
