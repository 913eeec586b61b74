"""Groups that divide items: the handle, in Python's values; the native half does the work."""

from __future__ import annotations

import json
import math
import operator
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from sparkeeper import _sparkeeper
from sparkeeper.assign_inputs import rank, whole
from sparkeeper.columns import by_name, is_arrow
from sparkeeper.exceptions import ConfigError
from sparkeeper.names import Names
from sparkeeper.partition_member import PartitionMember
from sparkeeper.partitions_state import GroupAssignment, GroupMember, GroupProgress, frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
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
        weights: object = None,
        priorities: object = None,
        zones: object = None,
        strategy: str | None = None,
        quiet: float | timedelta | None = None,
    ) -> Self:
        """Make the handle; nothing happens before it is used."""
        given = _items(items)
        made = super().__new__(
            cls,
            coordinator,
            path,
            _texts(given),
            *_in_order(_by_name(weights, priorities, zones), given),
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
            capacity: Its size beside the others'; not for the strategy "round_robin".
            limit: The most it takes, in items, or in weight where items have weights; 0 takes nothing. Where all limits
                together leave items over, `assignment().unowned` and `progress().unowned` say so.
            zone: Where it is; items that ask for a zone go there where that costs no balance.
            priority: Only for the strategy "priority": higher members fill up first.
            static: Seconds (or timedelta) for which its items wait for it once its session ended, or it left: back
                within that, under the same id, it finds them as they were, and nothing moved.
            timeout: Seconds or timedelta, the total; 0 tries once. An id that another session has is waited for no
                longer than one and a half session timeouts: then the session of a killed predecessor has ended.

        Raises:
            ConfigError: The group is published with other settings, or its strategy does not look at what is given;
                the message says which.
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
        """Return who is to work on what, as the leader published it last; None while it did not yet.

        Where items have no owner, its `unowned` says why. Looking publishes nothing, as in `progress`.

        Raises:
            NoNode: The group is not published: nobody who brings items joined it yet.
        """
        return GroupAssignment.read(self._assignment())

    async def assignment_async(self) -> GroupAssignment | None:
        """As `assignment`, to be awaited."""
        return GroupAssignment.read(await self._assignment_async())

    def progress(self) -> GroupProgress:
        """Return how far the group is: what became of every item so far. Anybody may ask, members or not.

        Looking publishes nothing, also where this handle brings items: the first who joins with items does.

        Raises:
            NoNode: The group is not published: nobody who brings items joined it yet.
        """
        self._seen = GroupProgress.read(self._progress())
        return self._seen

    async def progress_async(self) -> GroupProgress:
        """As `progress`, to be awaited."""
        self._seen = GroupProgress.read(await self._progress_async())
        return self._seen

    def members(self) -> dict[str, GroupMember]:
        """Return who is here, by id, with what they said when they joined or since; nobody where there is no group."""
        return GroupMember.read(self._members())

    async def members_async(self) -> dict[str, GroupMember]:
        """As `members`, to be awaited."""
        return GroupMember.read(await self._members_async())

    def update(  # noqa: PLR0913 - each is a setting with a default
        self,
        *,
        items: Iterable[Any] | None = None,
        weights: object = None,
        priorities: object = None,
        zones: object = None,
        strategy: str | None = None,
        quiet: float | timedelta | None = None,
    ) -> None:
        """Change what is published, for everybody and from now on; what is not given stays.

        Items that stay keep their owners, weights, checkpoints and results. A claim on one that is taken out is asked
        back; what its owner still finishes counts, should the item be put back. An empty list of weights, priorities
        or zones takes these away.

        Raises:
            NoNode: The group is not published.
            ConfigError: It makes no sense.
        """
        given, columns = _items(items), _by_name(weights, priorities, zones)
        keyed = given is None and any(isinstance(column, Mapping) for column in columns.values())
        order = json.loads(self._spec())["items"] if keyed else given
        self._update(_texts(given), *_in_order(columns, order), strategy, quiet)

    async def update_async(  # noqa: PLR0913 - as update
        self,
        *,
        items: Iterable[Any] | None = None,
        weights: object = None,
        priorities: object = None,
        zones: object = None,
        strategy: str | None = None,
        quiet: float | timedelta | None = None,
    ) -> None:
        """As `update`, to be awaited. Cancelled, the change is made or not."""
        given, columns = _items(items), _by_name(weights, priorities, zones)
        keyed = given is None and any(isinstance(column, Mapping) for column in columns.values())
        order = json.loads(await self._spec_async())["items"] if keyed else given
        await self._update_async(_texts(given), *_in_order(columns, order), strategy, quiet)

    def __repr__(self) -> str:
        """Say where it is, and how far it was when it was last asked, with who works on what."""
        known = "not looked at yet" if self._seen is None else f"last seen: {self._seen}"
        return f"{super().__repr__().removesuffix('>')}, {known}>"


def _texts(items: list[Any] | None) -> str | None:
    """Return the items as JSON, each of which must be what it was after a journey."""
    if items is None:
        return None
    if isinstance(items, str | bytes):
        raise ConfigError(f"expected a sequence or an Arrow column of items, found {items!r}: give [{items!r}] for one")
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


def _items(items: Any) -> list[Any] | None:  # noqa: ANN401 - any column
    """Return items as a list of Python's values: also those of an Arrow column, or a table of one, and NumPy's."""
    if items is None:
        return None
    return [_plain(item) for item in (Names(items, "item").plain() if is_arrow(items) else items)]


def _plain(item: Any) -> Any:  # noqa: ANN401 - whatever the caller gave
    if isinstance(item, (list, tuple)):
        parts = map(_plain, item)
        return tuple(parts) if isinstance(item, tuple) else list(parts)
    if isinstance(item, bool):
        return item
    try:
        return operator.index(item)
    except TypeError:
        return item


def _by_name(weights: object, priorities: object, zones: object) -> dict[str, Any]:
    """Return what is given of them, as mappings or lists."""
    columns = {"weights": weights, "priorities": priorities, "zones": zones}
    return {name: by_name(given, name, "an item") for name, given in columns.items() if given is not None}


def _in_order(columns: dict[str, Any], items: list[Any] | None) -> tuple[Any, Any, Any]:
    """Return weights, priorities and zones in the order of the items."""
    names = None if items is None else Names([frozen(item) for item in items], "item", none=True)

    def column(name: str, take: Callable[[object], Any], new: object) -> Any:  # noqa: ANN401 - a list, or nothing
        given = columns.get(name)
        if isinstance(given, Mapping) and names is None:
            raise ConfigError(f"{name}: give items too, or a value for each in their order")
        # An empty list takes them away.
        if names is None or given is None or given == []:
            return given
        return names.values(given, name, take, lambda _: new)

    return column("weights", whole, 1), column("priorities", rank, 0), column("zones", _zone, None)


def _zone(value: object) -> str | None:
    if not isinstance(value, str | None):
        raise TypeError("expected the name of a zone, or None")
    return value
