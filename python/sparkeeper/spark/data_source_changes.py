"""Changes of a subtree: by comparing what was known of it with what it is, and as rows. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from sparkeeper._sparkeeper import tree_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import pyarrow as pa

    from sparkeeper._sparkeeper import Stat

Known: TypeAlias = dict[str, tuple[int, int]]
"""What a stream has told: czxid and mzxid by path."""

Node: TypeAlias = "tuple[bytes, Stat]"


@dataclass(frozen=True)
class Change:
    """What happened to a path."""

    event: str
    path: str
    zxid: int
    node: Node | None
    """As it is since then; None of one that was deleted."""

    @property
    def order(self) -> tuple[int, int, int, str]:
        """By zxid; within one, deletions from the leaves up, then what was made from the root down."""
        depth = self.path.count("/")
        return (self.zxid, 0, -depth, self.path) if self.node is None else (self.zxid, 1, depth, self.path)


def compare(known: Known, nodes: Mapping[str, Node], died: Callable[[str], int]) -> list[Change]:
    """Return what leads from what was known to the nodes there are; `died` dates a deletion.

    A node that was deleted and made again is both; of several changes of its data it has the last.
    """
    found = [Change("DELETED", path, died(path), None) for path in known.keys() - nodes.keys()]
    for path, (data, stat) in nodes.items():
        before = known.get(path)
        if before is None or before[0] != stat.czxid:
            if before is not None:
                found.append(Change("DELETED", path, stat.czxid, None))
            found.append(Change("CREATED", path, stat.czxid, (data, stat)))
        elif before[1] != stat.mzxid:
            found.append(Change("CHANGED", path, stat.mzxid, (data, stat)))
    return sorted(found, key=lambda change: change.order)


def learn(known: Known, changes: Iterable[Change]) -> None:
    """Note changes that are told."""
    for change in changes:
        if change.node is None:
            known.pop(change.path, None)
        else:
            known[change.path] = (change.node[1].czxid, change.node[1].mzxid)


def learn_rows(known: Known, batch: pa.RecordBatch) -> None:
    """Note changes as `rows` made them."""
    columns = [batch[name].to_pylist() for name in ("event", "path", "czxid", "mzxid")]
    for event, path, czxid, mzxid in zip(*columns, strict=True):
        if event == "DELETED":
            known.pop(path, None)
        else:
            known[path] = (czxid, mzxid)


def rows(changes: list[Change], decode: str) -> pa.RecordBatch:
    """Return changes with every column of a stream."""
    import pyarrow as pa  # noqa: PLC0415 - where a stream is read

    nodes = tree_rows([(change.path, change.node) for change in changes], decode)
    columns = {
        **dict(zip(nodes.schema.names, nodes.columns, strict=True)),
        "event": pa.array([change.event for change in changes], pa.string()),
        "zxid": pa.array([change.zxid for change in changes], pa.int64()),
    }
    return pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))


def known_rows(known: Known) -> pa.RecordBatch:
    """Return what is known as creations, for `learn_rows`."""
    import pyarrow as pa  # noqa: PLC0415 - as above

    columns = {
        "event": pa.array(["CREATED"] * len(known), pa.string()),
        "path": pa.array(list(known), pa.string()),
        "czxid": pa.array([czxid for czxid, _ in known.values()], pa.int64()),
        "mzxid": pa.array([mzxid for _, mzxid in known.values()], pa.int64()),
    }
    return pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))
