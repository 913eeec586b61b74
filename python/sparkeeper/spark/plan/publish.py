"""One attempt to publish a plan: pages under a name of its own, then the head. Lost replies are settled here.

`store` says what the znodes are and why.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
import uuid
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Protocol

from sparkeeper.exceptions import BadVersion, ConnectionLost, NodeExists, NoNode, PayloadTooLarge, SessionExpired

if TYPE_CHECKING:
    from collections.abc import Callable

    from sparkeeper._sparkeeper import Batch, Stat
    from sparkeeper.spark.plan.document import PlanDocument

PAGE = 512 * 1024
MAX_PAGES = 64
HEAD_FORMAT = "sparkeeper.partition_plan_head.v2"
_PATIENCE = 60.0
_LOST = (ConnectionLost, SessionExpired)


class Znodes(Protocol):
    """What a plan needs of a coordinator."""

    def get(self, path: str) -> tuple[bytes, Stat]:
        """The node's data and its state."""

    def create(self, path: str, data: bytes = b"", *, parents: bool = True) -> str:
        """Make the node, and its parents where they are missing."""

    def children(self, path: str) -> list[str]:
        """The names of the node's children."""

    def delete(self, path: str) -> None:
        """Delete the node."""

    def multi(self) -> Batch:
        """A batch of writes that lands whole or not at all."""


@dataclass(frozen=True)
class Entry:
    """One version in the head."""

    version: int
    node: str
    pages: int
    bytes: int
    sha256: str
    created_by: str
    created_at: str

    def names(self) -> list[str]:
        """The names of its pages."""
        return [f"{self.node}-{page}" for page in range(self.pages)]


class Writer:
    """One attempt to publish: pages under a name of its own, then the head. Lost replies are settled here."""

    def __init__(self, zk: Znodes, path: str) -> None:
        """Write to `path`, through `zk`."""
        self._zk = zk
        self._path = path
        self._until = time.monotonic() + _PATIENCE
        self.written: set[str] = set()

    def begin(self) -> None:
        """Make the head, empty, unless there is one."""
        while True:
            try:
                self._zk.create(self._path, b"", parents=True)
            except NodeExists:
                return
            except _LOST:
                if self._late():
                    raise
                continue
            return

    def pages(self, document: PlanDocument) -> Entry:
        """Write the pages of one version."""
        data = document.to_json()
        pages = range(0, len(data), PAGE)
        if len(pages) > MAX_PAGES:
            raise PayloadTooLarge(
                f"partition plan {document.name!r} is {len(data):,} bytes, and a plan has {MAX_PAGES * PAGE:,} at most "
                f"in {self._path}: its {len(document.keys):,} keys are too long; plan by hash buckets, buckets=4096, "
                "or by a shorter expression, such as 'xxhash64(url)'"
            )
        node = f"{document.version}-{uuid.uuid4().hex[:16]}"
        digest = hashlib.sha256(data).hexdigest()
        entry = Entry(document.version, node, len(pages), len(data), digest, document.created_by, document.created_at)
        for name, start in zip(entry.names(), pages, strict=True):
            self._page(name, data[start : start + PAGE])
        return entry

    def _page(self, name: str, data: bytes) -> None:
        self.written.add(name)
        while True:
            try:
                self._zk.create(f"{self._path}/{name}", data, parents=False)
            except NodeExists:
                return  # ours: nobody else has the name
            except _LOST:
                if self._late():
                    raise
                continue
            return

    def land(self, kept: tuple[Entry, ...], stat: int, look: Callable[[], tuple[Entry, ...]]) -> bool:
        """Replace the head; False where somebody else did, or the pages went with it."""
        data = json.dumps(
            {
                "format": HEAD_FORMAT,
                "name": self._path.rsplit("/", 1)[1],
                "versions": [asdict(entry) for entry in kept],
            },
            ensure_ascii=False,
            indent=1,
        ).encode()
        while True:
            batch = self._zk.multi()
            for name in kept[-1].names():
                batch.check(f"{self._path}/{name}")
            batch.set(self._path, data, version=stat)
            try:
                batch.commit()
            except _LOST:
                if self._late():
                    raise
                continue
            except BadVersion:
                # Somebody else's, or ours whose reply was lost.
                return kept[-1] in look()
            return True

    def sweep(self, names: set[str]) -> None:
        """Delete pages that no head names."""
        for name in sorted(names):
            # What is gone is gone; what stays behind a lost connection is the next publisher's to delete.
            with contextlib.suppress(NoNode, *_LOST):
                self._zk.delete(f"{self._path}/{name}")

    def _late(self) -> bool:
        """Whether replies have been getting lost for so long that the caller should know."""
        return time.monotonic() > self._until
