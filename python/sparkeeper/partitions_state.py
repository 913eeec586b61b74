"""What everybody can see of a group: its assignment, its progress, its members."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sparkeeper._needs import needs
from sparkeeper._sparkeeper import Certificate
from sparkeeper.notebook import chart, html

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa
    from typing_extensions import Self

# Items that a repr lists.
_SHOWN = 3


def frozen(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """Return the value with tuples for lists, so that it can be a key."""
    return tuple(frozen(part) for part in value) if isinstance(value, (list, tuple)) else value


@dataclass(frozen=True)
class GroupMember:
    """A member, as it says of itself."""

    id: str
    capacity: float
    limit: int | None
    zone: str | None
    priority: int
    #: Seconds for which its items wait for it.
    static: float

    @classmethod
    def read(cls, text: str) -> dict[str, Self]:
        """Read a mapping of ids to cards."""
        return cls.parse(json.loads(text))

    @classmethod
    def parse(cls, cards: dict[str, Any]) -> dict[str, Self]:
        """Return the members of cards by id."""
        return {
            id: cls(id, card["capacity"], card.get("limit"), card.get("zone"), card["priority"], card["reserve"] / 1000)
            for id, card in cards.items()  # noqa: A001 - the field's name
        }


@dataclass(frozen=True)
class GroupAssignment:
    """Who is to work on what, as a leader published it. Items that are done may be left out."""

    #: Grows by one with every assignment.
    generation: int
    #: The fencing token of the leader that made it.
    term: int
    #: Over whom it was made.
    members: dict[str, GroupMember]
    #: Static members that were away and are expected back.
    absent: list[str]
    #: The member of each partition.
    owners: dict[Any, str]
    #: Why items are left without an owner, such as limits that hold no more; None where none is.
    unowned: str | None
    #: What it achieved beside what is possible; None where there was nobody, or nothing left, or no way.
    certificate: Certificate | None

    @classmethod
    def read(cls, text: str | None) -> Self | None:
        """Read what a leader wrote."""
        if text is None:
            return None
        found = json.loads(text)
        certificate = found["certificate"]
        return cls(
            generation=found["generation"],
            term=found["term"],
            members=GroupMember.parse(found["members"]),
            absent=found.get("absent", []),
            unowned=found.get("unowned"),
            owners={frozen(item): owner for owner, items in found["owners"].items() for item in items},
            certificate=None if certificate is None else Certificate.from_json(json.dumps(certificate)),
        )

    @property
    def loads(self) -> dict[str, int]:
        """How many partitions every member has."""
        found = Counter(self.owners.values())
        return {member: found[member] for member in self.members}

    @property
    def capacities(self) -> dict[str, float]:
        """The relative size of every member, as it says of itself."""
        return {id: member.capacity for id, member in self.members.items()}  # noqa: A001 - the field's name

    def of(self, member: str) -> list[Any]:
        """Return what one member is to work on, in the order of work."""
        return [item for item, owner in self.owners.items() if owner == member]

    def to_arrow(self) -> pa.Table:
        """Return a table of partition and owner; partitions that are not all of one type are JSON text."""
        pa = needs("GroupAssignment.to_arrow", "pyarrow")
        return pa.table(
            {"partition": _array(list(self.owners)), "owner": pa.array(list(self.owners.values()), pa.string())}
        )

    def to_pandas(self) -> Any:  # noqa: ANN401 - a pandas DataFrame, which has no types
        """Return `to_arrow` as a DataFrame."""
        needs("GroupAssignment.to_pandas", "pandas")
        return self.to_arrow().to_pandas()

    def plot(self) -> Any:  # noqa: ANN401 - altair is optional
        """Draw how many partitions every member has, and would in proportion to its capacity: an altair chart.

        Raises:
            ConfigError: altair is not installed; it comes with `sparkeeper[viz]`.
        """
        return chart.balance(self.loads, self.capacities, f"generation {self.generation}", "GroupAssignment.plot()")

    def __repr__(self) -> str:
        """Say how many each has."""
        each = ", ".join(f"{member}: {load}" for member, load in self.loads.items())
        why = "" if self.unowned is None else f", others have no owner: {self.unowned}"
        return f"<GroupAssignment generation={self.generation} {len(self.owners)} partitions ({each}){why}>"

    def _repr_html_(self) -> str:
        return html.group_assignment(self)


@dataclass(frozen=True)
class PartitionProgress:
    """What became of one partition so far."""

    partition: Any
    #: "waiting", "claimed" or "done".
    state: str
    #: Who has it, or finished it.
    owner: str | None
    #: The token of that claim.
    token: int | None
    #: What was saved last.
    checkpoint: Any
    #: What it was finished with.
    result: Any


@dataclass(frozen=True, repr=False)
class GroupProgress:
    """How far a group is; a mapping of its partitions to what became of each."""

    partitions: dict[Any, PartitionProgress]
    #: Why waiting items have no owner, such as members' limits that hold no more; None where all have one.
    unowned: str | None
    #: Static members that are away, and for whom waiting items are kept.
    absent: list[str]

    @classmethod
    def read(cls, text: str) -> Self:
        """Read what the core found."""
        found = json.loads(text)
        entries = (
            PartitionProgress(
                partition=frozen(entry["item"]),
                **{key: entry[key] for key in ("state", "owner", "token", "checkpoint", "result")},
            )
            for entry in found["entries"]
        )
        return cls({entry.partition: entry for entry in entries}, found["unowned"], found["absent"])

    @property
    def counts(self) -> dict[str, int]:
        """How many are "waiting", "claimed" and "done"."""
        found = Counter(entry.state for entry in self.partitions.values())
        return {state: found[state] for state in ("waiting", "claimed", "done")}

    @property
    def finished(self) -> bool:
        """Whether all are done."""
        return self.counts["done"] == len(self.partitions)

    def results(self) -> dict[Any, Any]:
        """Return the results of those that are done."""
        return {item: entry.result for item, entry in self.partitions.items() if entry.state == "done"}

    def to_arrow(self) -> pa.Table:
        """Return a table: partition, state, owner, token, and checkpoint and result as JSON text."""
        pa = needs("GroupProgress.to_arrow", "pyarrow")
        entries = list(self.partitions.values())

        def text(value: object) -> str | None:
            return None if value is None else json.dumps(value, ensure_ascii=False)

        return pa.table(
            {
                "partition": _array([entry.partition for entry in entries]),
                "state": pa.array([entry.state for entry in entries], pa.string()),
                "owner": pa.array([entry.owner for entry in entries], pa.string()),
                "token": pa.array([entry.token for entry in entries], pa.int64()),
                "checkpoint": pa.array([text(entry.checkpoint) for entry in entries], pa.string()),
                "result": pa.array([text(entry.result) for entry in entries], pa.string()),
            }
        )

    def to_pandas(self) -> Any:  # noqa: ANN401 - a pandas DataFrame, which has no types
        """Return `to_arrow` as a DataFrame."""
        needs("GroupProgress.to_pandas", "pandas")
        return self.to_arrow().to_pandas()

    def __getitem__(self, partition: Any) -> PartitionProgress:  # noqa: ANN401 - any JSON
        """Return what became of one partition."""
        return self.partitions[frozen(partition)]

    def __iter__(self) -> Iterator[PartitionProgress]:
        """Go through all, in the order of the items."""
        return iter(self.partitions.values())

    def __len__(self) -> int:
        """Return how many partitions there are."""
        return len(self.partitions)

    def __str__(self) -> str:
        """Say how many are done, and who works on what."""
        done = self.counts["done"]
        busy: dict[str, list[Any]] = {}
        for entry in self:
            if entry.state == "claimed" and entry.owner is not None:
                busy.setdefault(entry.owner, []).append(entry.partition)
        parts = [f"{done} of {len(self)} done"]
        for owner, items in sorted(busy.items()):
            more = ", …" if len(items) > _SHOWN else ""
            parts.append(f"{owner} has {len(items)} ({', '.join(repr(item) for item in items[:_SHOWN])}{more})")
        if self.counts["waiting"]:
            kept = [f"some kept for '{member}', which is away" for member in self.absent]
            why = "; ".join(kept if self.unowned is None else [self.unowned, *kept])
            parts.append(f"{self.counts['waiting']} waiting" + (f" ({why})" if why else ""))
        return "; ".join(parts)

    def __repr__(self) -> str:
        """Say what it is, and the same."""
        return f"<GroupProgress {self}>"


def _array(items: list[Any]) -> pa.Array:
    """Return a column of partitions."""
    import pyarrow as pa  # noqa: PLC0415 - not everybody has it; our caller has seen to it

    if len({type(item) for item in items}) == 1 and isinstance(items[0], (int, str, float)):
        return pa.array(items)
    return pa.array([json.dumps(item, ensure_ascii=False) for item in items], pa.string())
