"""Groups that divide items: the handle, in Python's values; the native half does the work."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from sparkeeper import _sparkeeper
from sparkeeper.exceptions import ConfigError
from sparkeeper.partition_member import PartitionMember
from sparkeeper.partitions_state import GroupAssignment, GroupMember, GroupProgress, frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import timedelta

    from typing_extensions import Self

    from sparkeeper._sparkeeper import Coordinator

# Integers that JSON readers everywhere keep as they are.
_INTEGERS = range(-(2**63), 2**64)


class Partitions(_sparkeeper.Partitions):
    """The group at one path; `Coordinator.partitions` makes it.

    It divides its items among whoever joins, each to one member at a time, and goes on whoever dies. What the first
    who joins brings (items, weights, strategy, ...) holds for all; `update` changes it for all. It pickles as
    configuration and connects where it is used.
    """

    # For the repr, which asks no server.
    _seen: GroupProgress | None = None

    def __new__(  # noqa: PLR0913 - each is a setting with a default
        cls,
        coordinator: Coordinator,
        path: str,
        items: Iterable[Any] | None = None,
        *,
        weights: Mapping[Any, int] | Sequence[int] | None = None,
        priorities: Mapping[Any, int] | Sequence[int] | None = None,
        zones: Mapping[Any, str | None] | Sequence[str | None] | None = None,
        strategy: str | None = None,
        quiet: float | timedelta | None = None,
    ) -> Self:
        """Make the handle; nothing happens before it is used."""
        given = None if items is None else list(items)
        made = super().__new__(
            cls,
            coordinator,
            path,
            _texts(given),
            _column("weights", weights, given, 1),
            _column("priorities", priorities, given, 0),
            _column("zones", zones, given, None),
            strategy,
            quiet,
        )
        return cast("Self", made)  # the stub of a native class names the class

    def join(  # noqa: PLR0913 - each is a setting with a default
        self,
        id: str | None = None,  # noqa: A002 - the public name
        *,
        capacity: float = 1.0,
        limit: int | None = None,
        zone: str | None = None,
        priority: int = 0,
        static: float | timedelta | None = None,
        timeout: float | timedelta | None = None,
    ) -> PartitionMember:
        """Join the group, and return once a server says so. To be used in `with`, which leaves at its end.

        What is assigned to the member is claimed from then on, in the background. After an expiry it joins again by
        itself under its id, and claims again.

        Args:
            id: Unique in the group; a fresh one by default.
            capacity: Its size beside the others'.
            limit: The most it takes, in items, or in weight where items have weights.
            zone: Where it is; items that ask for a zone go there where that costs no balance.
            priority: For the strategy "priority": higher members fill up first.
            static: Seconds (or timedelta) for which its items wait for it once its session ended, or it left: back
                within that, under the same id, it finds them as they were, and nothing moved.
            timeout: Seconds or timedelta, the total; 0 tries once. An id that another session has is waited for no
                longer than one and a half session timeouts: then the session of a killed predecessor has ended.

        Raises:
            ConfigError: The group is published with other settings; the message says which.
            NoNode: The group is not published, and this handle brings no items.
            NodeExists: Somebody else has the id.
            AcquireTimeout: No server answered in time.
        """
        return PartitionMember(self._join(id, capacity, limit, zone, priority, static, timeout))

    async def join_async(  # noqa: PLR0913 - as join
        self,
        id: str | None = None,  # noqa: A002 - the public name
        *,
        capacity: float = 1.0,
        limit: int | None = None,
        zone: str | None = None,
        priority: int = 0,
        static: float | timedelta | None = None,
        timeout: float | timedelta | None = None,
    ) -> PartitionMember:
        """As `join`, to be awaited. Cancelling leaves no member behind."""
        return PartitionMember(await self._join_async(id, capacity, limit, zone, priority, static, timeout))

    def assignment(self) -> GroupAssignment | None:
        """Return who is to work on what, as the leader published it last; None where it never did."""
        return GroupAssignment.read(self._assignment())

    async def assignment_async(self) -> GroupAssignment | None:
        """As `assignment`, to be awaited."""
        return GroupAssignment.read(await self._assignment_async())

    def progress(self) -> GroupProgress:
        """Return how far the group is: what became of every item so far. Anybody may ask, members or not.

        Raises:
            NoNode: The group is not published.
        """
        self._seen = GroupProgress.read(self._progress())
        return self._seen

    async def progress_async(self) -> GroupProgress:
        """As `progress`, to be awaited."""
        self._seen = GroupProgress.read(await self._progress_async())
        return self._seen

    def members(self) -> dict[str, GroupMember]:
        """Return who is here, by id, with what they said when they joined or since."""
        return GroupMember.read(self._members())

    async def members_async(self) -> dict[str, GroupMember]:
        """As `members`, to be awaited."""
        return GroupMember.read(await self._members_async())

    def update(  # noqa: PLR0913 - each is a setting with a default
        self,
        *,
        items: Iterable[Any] | None = None,
        weights: Mapping[Any, int] | Sequence[int] | None = None,
        priorities: Mapping[Any, int] | Sequence[int] | None = None,
        zones: Mapping[Any, str | None] | Sequence[str | None] | None = None,
        strategy: str | None = None,
        quiet: float | timedelta | None = None,
    ) -> None:
        """Change what is published, for everybody and from now on; what is not given stays.

        Items that stay keep their owners, weights, checkpoints and results. A claim on one that is taken out is asked
        back. An empty list of weights, priorities or zones takes these away.

        Raises:
            NoNode: The group is not published.
            ConfigError: It makes no sense.
        """
        self._update(*self._changes(items, weights, priorities, zones), strategy, quiet)

    async def update_async(  # noqa: PLR0913 - as update
        self,
        *,
        items: Iterable[Any] | None = None,
        weights: Mapping[Any, int] | Sequence[int] | None = None,
        priorities: Mapping[Any, int] | Sequence[int] | None = None,
        zones: Mapping[Any, str | None] | Sequence[str | None] | None = None,
        strategy: str | None = None,
        quiet: float | timedelta | None = None,
    ) -> None:
        """As `update`, to be awaited. Cancelled, the change is made or not."""
        mappings = any(isinstance(given, Mapping) for given in (weights, priorities, zones))
        known = await self._spec_async() if items is None and mappings else None
        await self._update_async(*self._changes(items, weights, priorities, zones, known), strategy, quiet)

    def _changes(
        self,
        items: Iterable[Any] | None,
        weights: Mapping[Any, int] | Sequence[int] | None,
        priorities: Mapping[Any, int] | Sequence[int] | None,
        zones: Mapping[Any, str | None] | Sequence[str | None] | None,
        known: str | None = None,
    ) -> tuple[str | None, list[int] | None, list[int] | None, list[str | None] | None]:
        given = None if items is None else list(items)
        order = given
        if order is None and any(isinstance(column, Mapping) for column in (weights, priorities, zones)):
            order = [frozen(item) for item in json.loads(known if known is not None else self._spec())["items"]]
        return (
            _texts(given),
            _column("weights", weights, order, 1),
            _column("priorities", priorities, order, 0),
            _column("zones", zones, order, None),
        )

    def __repr__(self) -> str:
        """Say where it is, and how far it was when it was last asked, with who works on what."""
        known = "not looked at yet" if self._seen is None else f"last seen: {self._seen}"
        return f"{super().__repr__().removesuffix('>')}, {known}>"


def _texts(items: list[Any] | None) -> str | None:
    """Return the items as JSON, each of which must be what it was after a journey."""
    if items is None:
        return None
    seen = set()
    for item in items:
        _check_item(item)
        # 1, 1.0 and True are one key of a dict, and owners, progress and results are dicts.
        if (known := frozen(item)) in seen:
            raise ConfigError(f"item {item!r}: one that equals it is given already; give each once")
        seen.add(known)
    return json.dumps(items, allow_nan=False, ensure_ascii=False)


def _check_item(item: object) -> None:
    if isinstance(item, (list, tuple)):
        for part in item:
            _check_item(part)
    elif isinstance(item, str):
        try:
            item.encode()
        except UnicodeEncodeError:
            raise ConfigError(f"item {item!r}: it has a surrogate; give text that UTF-8 can write") from None
    elif isinstance(item, float) and not math.isfinite(item):
        raise ConfigError(f"item {item!r}: JSON has no such number; give a finite one, or text")
    elif isinstance(item, (bool, float)) or item is None:
        pass
    elif not (isinstance(item, int) and item in _INTEGERS):
        raise ConfigError(f"item {item!r}: give numbers of 64 bits, strings, or tuples of these")


def _column(name: str, values: Any, items: list[Any] | None, new: Any) -> list[Any] | None:  # noqa: ANN401 - any column
    """Return a column in the order of the items."""
    if values is None:
        return None
    if isinstance(values, Mapping):
        if items is None:
            raise ConfigError(f"{name}: give items too, or a value for each in their order")
        known = {frozen(item): value for item, value in values.items()}
        strange = [item for item in known if item not in {frozen(item) for item in items}]
        if strange:
            raise ConfigError(f"{name}: {strange[0]!r} is no item")
        return [known.get(frozen(item), new) for item in items]
    return list(values.to_pylist() if hasattr(values, "to_pylist") else values)
