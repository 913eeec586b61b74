"""Follows a namespace, and has the newest state for whoever asks.

Every event of the cache is applied to a copy of the nodes, so that no holder is missed between two documents, but one
who let go before it could be read. A document is made when something changed, at most five times a second, however many
wait for it.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from typing import TYPE_CHECKING

from sparkeeper.exceptions import Closed, NotAuthorized
from sparkeeper.survey import CONTENDER, are_leases, survey
from sparkeeper.ui.balance import Assignments, Plans
from sparkeeper.ui.history import Histories
from sparkeeper.ui.spans import Spans
from sparkeeper.ui.state import Link, Past, document

if TYPE_CHECKING:
    from typing_extensions import Self

    from sparkeeper._sparkeeper import Cache, CacheEvent
    from sparkeeper.coordinator import Coordinator
    from sparkeeper.survey import Node

_NO_MORE_THAN = 0.2
_LOOK = 1.0
_SEMAPHORE = ("leases", "locks")


class Follower:
    """The newest state of a namespace; to be used in `with`, which ends the threads at its end."""

    def __init__(self, zk: Coordinator, cache: Cache) -> None:
        """Follow `cache`, that of the namespace's root.

        Raises:
            NotAuthorized: It may not be read.
        """
        self._zk = zk
        self._cache = cache
        self._began = _now()
        self._lost: int | None = None
        self._trouble: str | None = None
        self._changed = threading.Event()
        self._stopped = threading.Event()
        self._error: Exception | None = None
        self._copying = threading.Lock()
        self._publisher = threading.Thread(target=self._keep_publishing, name="sparkeeper-ui-publish", daemon=True)
        self._published = threading.Condition()
        self._number = 0
        self._document = b""
        self._past = Past(Spans(), Assignments(), Plans(), Histories(self._changed.set))
        self._events = cache.events()
        snapshot = cache.snapshot()
        self._read_at = snapshot.zxid
        self._nodes: dict[str, Node] = {path: snapshot[path] for path in snapshot}
        self._below: dict[str, set[str]] = defaultdict(set)
        for path, (data, _) in self._nodes.items():
            parent, _, name = path.rpartition("/")
            self._below[parent].add(path)
            if name == "assignment":
                self._past.assignments.see(parent, data)
        self._past.spans.begin(survey(self._nodes).lines, self._began)
        self._publish()

    def __enter__(self) -> Self:
        """Begin to follow."""
        self._zk.on_state(self._on_state)
        # It ends with the cache.
        threading.Thread(target=self._follow, name="sparkeeper-ui-follow", daemon=True).start()
        self._publisher.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop, and let go of all who wait."""
        self._end()
        self._publisher.join()
        self._past.histories.close()

    @property
    def stopped(self) -> bool:
        """Whether there will be nothing new."""
        return self._stopped.is_set()

    def wait(self, stop: threading.Event) -> None:
        """Return once `stop` is set, or there will be nothing new; raise what ended this."""
        while not (stop.wait(_LOOK) or self.stopped):
            pass
        if self._error is not None:
            raise self._error

    def after(self, number: int, timeout: float) -> tuple[int, bytes] | None:
        """Return the newest document and its number, once that is above `number`; None where there is none in time."""
        with self._published:
            self._published.wait_for(lambda: self._number > number or self.stopped, timeout)
            return (self._number, self._document) if self._number > number else None

    def _end(self) -> None:
        self._stopped.set()
        self._changed.set()
        with self._published:
            self._published.notify_all()

    def _follow(self) -> None:
        # Whatever ends this, or publishing: no browser may go on to take what it has for the newest.
        try:
            for event in self._events:
                # The snapshot has it.
                if event.zxid > self._read_at:
                    self._apply(event)
                    self._changed.set()
        except Closed:
            pass
        except Exception as error:  # noqa: BLE001 - raised in the thread that waits for the end
            self._error = error
        finally:
            self._end()

    def _apply(self, event: CacheEvent) -> None:
        path = event.path
        parent, _, name = path.rpartition("/")
        deleted = event.kind == "DELETED"
        with self._copying:
            if deleted:
                self._nodes.pop(path, None)
                self._below[parent].discard(path)
                if not self._below[parent]:
                    del self._below[parent]
            else:
                self._nodes[path] = (event.data, event.stat)
                self._below[parent].add(path)
            if name == "assignment":
                self._past.assignments.see(parent, None if deleted else event.data)
            elif CONTENDER.search(name):
                self._see(parent)

    def _see(self, parent: str) -> None:
        """Look at one line again, whose contenders lie below `parent`."""
        path, _, name = parent.rpartition("/")
        leases = f"{path}/leases"
        semaphore = name in _SEMAPHORE and leases in self._nodes and are_leases(self._below.get(leases, ()))
        roots = [f"{path}/{name}" for name in _SEMAPHORE] if semaphore else [parent]
        nodes = {
            at: self._nodes[at] for root in roots for at in (root, *self._below.get(root, ())) if at in self._nodes
        }
        if semaphore:
            # Until its leases were there, it was like a lock of that name.
            self._past.spans.drop(f"{path}/locks")
        self._past.spans.see(path if semaphore else parent, survey(nodes).lines, _now())

    def _on_state(self, state: str) -> None:
        self._lost = None if state == "CONNECTED" else self._lost or _now()
        self._changed.set()

    def _keep_publishing(self) -> None:
        try:
            while not self.stopped:
                # No event tells that the rights were taken away, or given back.
                if self._changed.wait(_LOOK) or self._refusal() != self._trouble:
                    self._changed.clear()
                    self._publish()
                    self._stopped.wait(_NO_MORE_THAN)
        except Exception as error:  # noqa: BLE001 - raised in the thread that waits for the end
            self._error = error
        finally:
            self._end()

    def _refusal(self) -> str | None:
        """Say why the namespace may not be read, where it may not."""
        try:
            self._cache.get("")
        except NotAuthorized as error:
            return str(error)
        except Closed:
            pass
        return None

    def _publish(self) -> None:
        zk = self._zk
        self._trouble = self._refusal()
        as_of = self._lost or _now()
        link = Link(zk.connect_string, zk.namespace or "/", zk.state, as_of, self._began, self._trouble)
        with self._copying:
            made = document(link, self._nodes, self._past)
        with self._published:
            self._number += 1
            self._document = made
            self._published.notify_all()


def _now() -> int:
    return round(time.time() * 1000)
