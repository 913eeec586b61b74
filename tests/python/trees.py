"""What a subtree holds: on the server, in a cache, and after random changes whose zxids are known."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from sparkeeper import exceptions

if TYPE_CHECKING:
    import sparkeeper

Content: TypeAlias = dict[str, tuple[bytes, int, int]]
"""By the path below the root: data, czxid and mzxid."""


def on_server(zk: sparkeeper.Coordinator, path: str, below: str = "") -> Content:
    """Read what the server has, as a snapshot shows it."""
    absolute = f"{path}/{below}" if below else path
    found = {}
    try:
        data, stat = zk.get(absolute)
        found[below] = (data, stat.czxid, stat.mzxid)
        for name in zk.children(absolute):
            found |= on_server(zk, path, f"{below}/{name}" if below else name)
    except exceptions.NoNode:
        pass
    return found


def content(cache: sparkeeper.Cache) -> Content:
    """Read what a cache has."""
    return {path: (data, stat.czxid, stat.mzxid) for path, (data, stat) in dict(cache.snapshot()).items()}


@dataclass
class Record:
    """What was done: paths with zxids, and the data that was written there."""

    created: set[tuple[str, int]] = field(default_factory=set)
    deleted: dict[str, list[int]] = field(default_factory=dict)
    written: dict[tuple[str, int], bytes] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.written) + sum(map(len, self.deleted.values()))

    def merge(self, other: Record) -> None:
        """Add what was done elsewhere in the tree."""
        self.created |= other.created
        self.deleted |= other.deleted
        self.written |= other.written


class Writer:
    """Changes one child of a root and what is below, alone: so it finds out what became of a write in doubt."""

    def __init__(self, zk: sparkeeper.Coordinator, root: str, top: str) -> None:
        """Make the child."""
        self._zk, self._root, self._top = zk, root, top
        self._chance = random.Random(top)
        self._count = 0
        self._nodes: list[str] = []
        self.doubts = 0
        self.record = Record()
        self._create(top)

    def change(self, times: int) -> None:
        """Try so many random changes."""
        for _ in range(times):
            dice, node = self._chance.randrange(100), self._chance.choice(self._nodes)
            # Few names, so that they come again.
            path = f"{node}/n{self._chance.randrange(6)}"
            leaf = not any(other.startswith(f"{node}/") for other in self._nodes)
            if (dice < 40 or len(self._nodes) < 5) and path not in self._nodes and path.count("/") < 6:
                self._create(path)
            elif dice < 70 and leaf and node != self._top:
                self._delete(node)
            else:
                self._set(node)

    def _create(self, path: str) -> None:
        data = self._data()
        try:
            self._zk.create(self._at(path), data)
        except exceptions.ConnectionLost:
            self.doubts += 1
        # Reads are repeated until a server answers; what was on its way before has landed by then, or never will.
        if (stat := self._zk.exists(self._at(path))) is not None:
            self._nodes.append(path)
            self.record.created.add((path, stat.czxid))
            self.record.written[path, stat.czxid] = data

    def _set(self, path: str) -> None:
        data = self._data()
        try:
            stat = self._zk.set(self._at(path), data)
        except exceptions.ConnectionLost:
            self.doubts += 1
            found, stat = self._zk.get(self._at(path))
            if found != data:
                return
        self.record.written[path, stat.mzxid] = data

    def _delete(self, path: str) -> None:
        try:
            self._zk.delete(self._at(path))
        except exceptions.ConnectionLost:
            self.doubts += 1
            if self._zk.exists(self._at(path)) is not None:
                return
        self._nodes.remove(path)
        above = self._zk.exists(self._at(path.rpartition("/")[0]))
        assert above is not None
        self.record.deleted.setdefault(path, []).append(above.pzxid)

    def _at(self, path: str) -> str:
        return f"{self._root}/{path}"

    def _data(self) -> bytes:
        self._count += 1
        return f"{self._top} {self._count}".encode()
