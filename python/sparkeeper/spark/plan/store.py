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

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sparkeeper.exceptions import ConfigError, NoNode
from sparkeeper.spark.plan.document import FIRST_FORMAT, PlanDocument
from sparkeeper.spark.plan.publish import HEAD_FORMAT, Entry, Writer

if TYPE_CHECKING:
    from sparkeeper.spark.plan.publish import Znodes

KEEP = 10
"""How many versions are kept."""


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
            if fields["format"] != HEAD_FORMAT:
                raise ValueError(f"expected the format {HEAD_FORMAT}, found {data[:80]!r}")  # noqa: TRY301 - told below
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
        writer = Writer(self._zk, self._path)
        try:
            if head.stat is None:
                writer.begin()
                head = self.head()
                if head.stat is None or head.newest:
                    return None  # deleted again, or somebody was faster
            kept = head.entries
            if head.first:
                kept = (writer.pages(head.first),)
            kept = (*kept, writer.pages(document))[-KEEP:]
            before = self._zk.children(self._path)
            landed = writer.land(kept, head.stat, lambda: self.head().entries)
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
