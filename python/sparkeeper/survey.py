"""What goes on below a namespace: who holds and waits for what, read from the nodes alone.

The recipes' layouts (docs/recipes.md) tell the kinds apart; nothing is asked of a holder, and nothing is written.
`survey` is pure: it takes nodes as a cache's snapshot has them, so that a screen can follow the cache.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sparkeeper.node_json import parsed, text, whole

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sparkeeper._sparkeeper import Stat

    Node = tuple[bytes, Stat]
    Nodes = Mapping[str, Node]

CONTENDER = re.compile(r"-(lock-|__READ__|__WRIT__|latch-|lease-)\d{10}$")
_LEASE = re.compile(r"-lease-\d{10}$")
_ASKED = "__REVOKE__"
_VOID = "zookeeper"


@dataclass(frozen=True)
class Contender:
    """Somebody who holds something, or waits for it."""

    owner: str
    """Who it says it is."""
    session: str
    """Its session's id, as the server's log writes it."""
    since: int
    """When it joined, in milliseconds since 1970 on the server's clock."""
    token: int | None
    """The fencing token of a holder."""
    count: int = 1
    """Of a semaphore, how many permits."""
    asked: bool = False
    """Whether somebody asked it to let go."""


@dataclass(frozen=True)
class Line:
    """A lock, a read/write lock, a semaphore or an election."""

    path: str
    kind: str
    """ "lock", "read_write_lock", "semaphore" or "election"."""
    holders: tuple[Contender, ...]
    waiters: tuple[Contender, ...]


@dataclass(frozen=True)
class Member:
    """A member of a group, an instance of a service, or a member that owns partitions."""

    name: str
    session: str
    since: int
    owns: int | None
    """How many partitions, where it is of a group that divides some."""
    address: str = ""
    """Where an instance of a service is reached."""


@dataclass(frozen=True)
class Gathering:
    """A group, a service, or a group that divides partitions."""

    path: str
    kind: str
    """ "group", "service" or "partitions"."""
    members: tuple[Member, ...]
    items: int | None
    done: int | None
    """Of partitions: how many there are, and how many of them are done."""


@dataclass(frozen=True)
class Work:
    """A queue, or tasks."""

    path: str
    kind: str
    """ "queue" or "tasks"."""
    queued: int
    """Items that wait or are at work."""
    at_work: int
    dead: int
    results: int
    workers: tuple[str, ...]
    """Those who have an item now, and of tasks all that are there."""


@dataclass(frozen=True)
class TableState:
    """A table that `zk.write` made."""

    path: str
    id: str
    version: int
    files: int
    bytes: int
    writers: int
    """Writers whose transaction is under way."""


@dataclass(frozen=True)
class SessionState:
    """A session that has ephemeral nodes here."""

    session: str
    owner: str | None
    """Who it says it is, where it holds or waits for something."""
    nodes: int


@dataclass(frozen=True)
class Survey:
    """Everything, each kind in the order of its paths."""

    lines: tuple[Line, ...]
    gatherings: tuple[Gathering, ...]
    work: tuple[Work, ...]
    tables: tuple[TableState, ...]
    sessions: tuple[SessionState, ...]


def survey(nodes: Nodes) -> Survey:
    """Read what goes on from nodes: paths without a leading slash, each with its data and stat."""
    tree = _Tree(nodes)
    work = [_work(tree, path) for path in tree.below if _is_work(tree, path)]
    shared = [_partitions(tree, path) for path in tree.below if _is_divided(tree, path)]
    inner = tuple(f"{path}/" for path in [*(one.path for one in work), *(one.path for one in shared)])
    lines = [line for path in tree.below if not path.startswith((*inner, "tables/")) for line in _line(tree, path)]
    taken = (*inner, *(f"{line.path}/" for line in lines), "tables/")
    plain = [found for path in tree.below if not f"{path}/".startswith(taken) for found in _group(tree, path)]
    return Survey(
        tuple(sorted(lines, key=lambda one: one.path)),
        tuple(sorted((*shared, *plain), key=lambda one: one.path)),
        tuple(sorted(work, key=lambda one: one.path)),
        tuple(_tables(tree)),
        tuple(_sessions(tree, lines)),
    )


class _Tree:
    """The nodes, with the names below each."""

    def __init__(self, nodes: Nodes) -> None:
        self.nodes = {path: nodes[path] for path in nodes if path.split("/", 1)[0] != _VOID}
        self.below: dict[str, list[str]] = defaultdict(list)
        for path in sorted(self.nodes):
            if path:
                parent, _, name = path.rpartition("/")
                self.below[parent].append(name)

    def names(self, path: str) -> set[str]:
        return set(self.below.get(path, ()))

    def children(self, path: str) -> list[tuple[str, Node]]:
        return [(name, self.nodes[_join(path, name)]) for name in self.below.get(path, ())]

    def leaves(self, path: str) -> list[tuple[str, Node]]:
        """Children of the children: what lies in pages."""
        return [leaf for name in self.below.get(path, ()) for leaf in self.children(_join(path, name))]


def _join(path: str, name: str) -> str:
    return f"{path}/{name}" if path else name


def _line(tree: _Tree, path: str) -> Iterable[Line]:
    found = [(kind[1], node) for name, node in tree.children(path) if (kind := CONTENDER.search(name))]
    if not found:
        return
    parent, _, own = path.rpartition("/")
    leases = tree.names(_join(parent, "leases"))
    semaphore = "leases" in tree.names(parent) and are_leases(leases)
    if own == "locks" and semaphore:
        if not leases:
            yield Line(parent, "semaphore", (), _merged(node for _, node in found))
        return
    # Creation orders contenders, also where the sequence numbers wrap.
    found.sort(key=lambda one: one[1][1].czxid)
    kinds = {kind for kind, _ in found}
    if own == "leases" and semaphore:
        waiting = (node for _, node in tree.children(_join(parent, "locks")))
        yield Line(parent, "semaphore", _merged((node for _, node in found), holds=True), _merged(waiting))
    elif kinds & {"__READ__", "__WRIT__"}:
        readers = next((at for at, (kind, _) in enumerate(found) if kind == "__WRIT__"), len(found))
        yield _split(path, "read_write_lock", [node for _, node in found], max(readers, 1))
    else:
        yield _split(path, "election" if "latch-" in kinds else "lock", [node for _, node in found], 1)


def are_leases(names: Iterable[str]) -> bool:
    """Whether what is below a node `leases` makes its parent a semaphore: a lock may have that name too."""
    return all(_LEASE.search(name) for name in names)


def _split(path: str, kind: str, nodes: list[Node], holding: int) -> Line:
    holders = tuple(_contender(node, holds=True) for node in nodes[:holding])
    return Line(path, kind, holders, tuple(_contender(node) for node in nodes[holding:]))


def _contender(node: Node, *, holds: bool = False, count: int = 1) -> Contender:
    data, stat = node
    owner, *asked = f"\n{data.decode(errors='replace')}".split(f"\n{_ASKED}")
    token = stat.czxid if holds else None
    return Contender(owner[1:], _session(stat), stat.ctime, token, count, asked=bool(asked))


def _merged(nodes: Iterable[Node], *, holds: bool = False) -> tuple[Contender, ...]:
    """One for all permits that were granted at once."""
    nodes = sorted(nodes, key=lambda node: node[1].czxid)
    counts = Counter(stat.czxid for _, stat in nodes)
    first = {stat.czxid: (data, stat) for data, stat in reversed(nodes)}
    return tuple(_contender(first[czxid], holds=holds, count=count) for czxid, count in sorted(counts.items()))


def _group(tree: _Tree, path: str) -> Iterable[Gathering]:
    members = [(name, node) for name, node in tree.children(path) if node[1].ephemeral_owner]
    if not path or not members or any(CONTENDER.search(name) for name, _ in members):
        return
    cards = [parsed(data) for _, (data, _) in members]
    service = all(card.keys() >= {"address", "weight"} for card in cards)
    found = tuple(
        Member(name, _session(stat), stat.ctime, None, text(card["address"]) if service else "")
        for (name, (_, stat)), card in zip(members, cards, strict=True)
    )
    yield Gathering(path, "service" if service else "group", found, None, None)


def _is_divided(tree: _Tree, path: str) -> bool:
    if not path or not tree.names(path) >= {"spec", "assignment", "members"}:
        return False
    return isinstance(parsed(tree.nodes[f"{path}/spec"][0]).get("items"), list)


def _partitions(tree: _Tree, path: str) -> Gathering:
    owned = Counter(text(parsed(data).get("member")) for _, (data, _) in tree.children(f"{path}/claims"))
    members = (
        Member(name, _session(stat), stat.ctime, owned[name]) for name, (_, stat) in tree.children(f"{path}/members")
    )
    items = parsed(tree.nodes[f"{path}/spec"][0])["items"]
    return Gathering(path, "partitions", tuple(members), len(items), len(tree.names(f"{path}/done")))


def _is_work(tree: _Tree, path: str) -> bool:
    return bool(path) and "items" in (names := tree.names(path)) and bool(names & {"claims", "clients"})


def _work(tree: _Tree, path: str) -> Work:
    names = tree.names(path)
    claims = [text(parsed(data).get("owner")) for _, (data, _) in tree.leaves(f"{path}/claims")]
    workers = [text(parsed(data).get("name")) for _, (data, _) in tree.children(f"{path}/workers")]
    tasks = bool(names & {"workers", "results", "runs"})
    queued, dead, results = (len(tree.leaves(f"{path}/{kind}")) for kind in ("items", "dead", "results"))
    return Work(
        path,
        "tasks" if tasks else "queue",
        queued,
        len(claims),
        dead,
        results,
        tuple(sorted(workers if tasks else set(claims))),
    )


def _tables(tree: _Tree) -> Iterable[TableState]:
    for id, (data, _) in tree.children("tables"):  # noqa: A001 - it is one
        head = parsed(tree.nodes.get(f"tables/{id}/head", (b"", None))[0])
        writers = sum("alive" in tree.names(f"tables/{id}/tx/{tx}") for tx in tree.names(f"tables/{id}/tx"))
        version, files, size = (whole(head.get(key)) for key in ("v", "files", "bytes"))
        yield TableState(text(parsed(data).get("uri")) or id, id, version, files, size, writers)


def _sessions(tree: _Tree, lines: list[Line]) -> Iterable[SessionState]:
    owners = {one.session: one.owner for line in lines for one in (*line.holders, *line.waiters)}
    counts = Counter(_session(stat) for _, stat in tree.nodes.values() if stat.ephemeral_owner)
    return (SessionState(session, owners.get(session), count) for session, count in sorted(counts.items()))


def _session(stat: Stat) -> str:
    return f"0x{stat.ephemeral_owner:x}"
