"""Where plans are published, so that one version follows another and nobody sees half of one.

`/plans/<name>` is the head: JSON that lists the versions kept, the newest last, each with its pages, their number, the
size and the SHA-256 of the whole. An empty head is a plan nobody has published yet.
`/plans/<name>/<version>-<guid>-<n>` are the pages: the text of one version, cut every 512 KiB, never changed.

Whoever publishes writes its pages under a name of its own first, and then the head, in one step that checks that the
head is as it was read and that the pages are there: of two at once, one wins, and the other deletes its pages and
takes what won.

A lost reply to that step has a known outcome: it is sent again with the same conditions, and where these fail the head
tells whether our pages are in it.

The winner deletes what had been there before its step and is not in the head any more: versions beyond `KEEP`, and
pages of publishers that died. Those that were still writing had read an older head, so their step fails.

The first version of Sparkeeper kept the one version of a plan in the head itself; it is read as version 1, and becomes
pages when the next version is published.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
import uuid
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Protocol

from sparkeeper.exceptions import (
    BadVersion,
    ConfigError,
    ConnectionLost,
    NodeExists,
    NoNode,
    PayloadTooLarge,
    SessionExpired,
)
from sparkeeper.spark.plan.document import FIRST_FORMAT, PlanDocument

if TYPE_CHECKING:
    from collections.abc import Callable

    from sparkeeper._sparkeeper import Batch, Stat

KEEP = 10
"""How many versions are kept."""
PAGE = 512 * 1024
MAX_PAGES = 64
FORMAT = "sparkeeper.partition_plan_head.v2"
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


@dataclass(frozen=True)
class Head:
    """What was read of the head.

    Attributes:
        stat: The head's own version, for the step that replaces it; None where there is no head.
        entries: The versions kept, the newest last.
        first: A plan of the first version of Sparkeeper, in the head itself.
    """

    stat: int | None = None
    entries: tuple[Entry, ...] = ()
    first: PlanDocument | None = None

    @property
    def newest(self) -> int:
        """The newest version; 0 where nothing is published."""
        return self.entries[-1].version if self.entries else 1 if self.first else 0

    @property
    def versions(self) -> list[int]:
        """The versions kept."""
        return [1] if self.first else [entry.version for entry in self.entries]


class Store:
    """The versions of one plan."""

    def __init__(self, zk: Znodes, path: str) -> None:
        """Look at `path`, through `zk`."""
        self._zk = zk
        self._path = path

    def head(self) -> Head:
        """Read the head.

        Raises:
            ConfigError: The node holds something else.
        """
        try:
            data, stat = self._zk.get(self._path)
        except NoNode:
            return Head()
        if not data:
            return Head(stat.version)
        try:
            fields = json.loads(data)
            if fields["format"] == FIRST_FORMAT:
                return Head(stat.version, (), PlanDocument.from_json(data, self._path))
            if fields["format"] != FORMAT:
                raise ValueError(f"expected the format {FORMAT}, found {data[:80]!r}")  # noqa: TRY301 - told below
            entries = tuple(Entry(**entry) for entry in fields["versions"])
        except ConfigError:
            raise
        except (LookupError, TypeError, ValueError) as error:
            raise ConfigError(
                f"{self._path} holds no partition plan that this version of Sparkeeper can use: {error}; delete it, "
                f"zk.delete({self._path!r}, recursive=True), to have the plan computed again, or use another name"
            ) from error
        return Head(stat.version, entries)

    def load(self, version: int | None = None) -> PlanDocument | None:
        """Read a version, the newest by default; None where nothing is published.

        Raises:
            NoNode: That version is not kept.
            ConfigError: What stands there is no plan, or was changed by hand.
        """
        head = self.head()
        while True:
            if version is not None and version not in head.versions:
                kept = ", ".join(map(str, head.versions)) or "none"
                raise NoNode(
                    f"version {version} of the partition plan at {self._path} is not there; versions kept: {kept}"
                )
            if not head.newest:
                return None
            wanted = version or head.newest
            if head.first:
                return head.first
            (entry,) = (entry for entry in head.entries if entry.version == wanted)
            try:
                return self._read(entry)
            except NoNode as error:
                # Dropped since the head was read, or the plan was deleted; else it is damaged.
                before, head = head, self.head()
                if entry in head.entries and head == before:
                    raise ConfigError(
                        f"{self._path} names pages that are not there: {error}; delete it, "
                        f"zk.delete({self._path!r}, recursive=True), to have the plan computed again"
                    ) from error

    def publish(self, document: PlanDocument, head: Head) -> PlanDocument | None:
        """Make `document` the newest version, unless somebody published since `head` was read.

        Returns:
            What was published, as everybody reads it; None where somebody else was faster.

        Raises:
            PayloadTooLarge: It has more than 64 pages of 512 KiB.
            ConnectionLost: The ensemble stayed away; whoever asks next finds the plan, or computes it.
        """
        writer = _Writer(self._zk, self._path)
        try:
            if head.stat is None:
                head = writer.begin()
                if head.stat is None or head.newest:
                    return None  # deleted again, or somebody was faster
            kept = head.entries
            if head.first:
                kept = (writer.pages(head.first),)
            kept = (*kept, writer.pages(document))[-KEEP:]
            before = self._zk.children(self._path)
            landed = writer.land(kept, head.stat, self.head)
        except NoNode:
            landed = False  # somebody deleted the plan under us
        if not landed:
            writer.sweep(writer.written)
            return None
        writer.sweep(set(before) - {name for entry in kept for name in entry.names()})
        return PlanDocument.from_json(document.to_json(), self._path)

    def _read(self, entry: Entry) -> PlanDocument:
        data = b"".join(self._zk.get(f"{self._path}/{name}")[0] for name in entry.names())
        if len(data) != entry.bytes or hashlib.sha256(data).hexdigest() != entry.sha256:
            raise ConfigError(
                f"{self._path}/{entry.node} holds no partition plan that this version of Sparkeeper can use: its pages "
                f"are not those that {self._path} names; delete it, zk.delete({self._path!r}, recursive=True), to have "
                "the plan computed again"
            )
        return PlanDocument.from_json(data, f"{self._path}/{entry.node}")


class _Writer:
    """One attempt to publish: pages under a name of its own, then the head. Lost replies are settled here."""

    def __init__(self, zk: Znodes, path: str) -> None:
        self._zk = zk
        self._path = path
        self._until = time.monotonic() + _PATIENCE
        self.written: set[str] = set()

    def begin(self) -> Head:
        """Make the head, empty, and give it as found."""
        while True:
            try:
                self._zk.create(self._path, b"", parents=True)
            except NodeExists:
                pass
            except _LOST:
                if self._late():
                    raise
                continue
            return Store(self._zk, self._path).head()

    def pages(self, document: PlanDocument) -> Entry:
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

    def land(self, kept: tuple[Entry, ...], stat: int, look: Callable[[], Head]) -> bool:
        """Replace the head; False where somebody else did, or the pages went with it."""
        data = json.dumps(
            {"format": FORMAT, "name": self._path.rsplit("/", 1)[1], "versions": [asdict(entry) for entry in kept]},
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
                return kept[-1] in look().entries
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
