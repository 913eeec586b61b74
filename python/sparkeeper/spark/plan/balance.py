"""Which partition every key goes to, and which keys are cut in pieces: pure, over whole weights.

Keys are assigned by the core's weighted strategy. With `split_heavy`, a key heavier than a fair share is cut into
pieces of a fair share and a rest, which are assigned like keys; where that leaves the fullest partition above the
average, the pieces are poured like water over what the other keys left (McNaughton's rule for preemptive machines,
1959): the level is then the average, unless the keys that may not be cut are in the way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from sparkeeper.spark.plan.certify import assigned, certified

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sparkeeper._sparkeeper import Certificate

Pieces: TypeAlias = "tuple[tuple[int, int], ...]"
"""(partition, weight) of each piece of a key, the heaviest first; one for a key that is whole."""
Was: TypeAlias = "tuple[int | None, ...]"
"""The partition that each piece was in before; None for a piece that is new."""


class Balanced(NamedTuple):
    """Where everything goes; `was` is None where nothing was before."""

    pieces: list[Pieces]
    was: list[Was] | None
    certificate: Certificate


def balance(
    weights: Sequence[int],
    partitions: int,
    *,
    split_heavy: bool = False,
    current: Sequence[Pieces | None] | None = None,
) -> Balanced:
    """Assign keys to partitions.

    A key without weight makes no partition heavier, and is dealt out by its number, not piled up in the lightest one.

    Args:
        weights: One whole weight for each key.
        partitions: How many partitions there are.
        split_heavy: Cut keys that are heavier than a fair share.
        current: The pieces that each key has now, None for a new one; few of them move.
    """
    before = [_within(pieces, partitions) for pieces in current] if current is not None else None
    total = sum(weights)
    level = -(-total // partitions)
    heavy = [split_heavy and weight * partitions > total for weight in weights]
    items = [
        (key, size)
        for key, (weight, cut) in enumerate(zip(weights, heavy, strict=True))
        for size in (_cut(weight, level) if cut else [weight])
        if size
    ]
    owned = None
    if before is not None:
        had = [iter(pieces) for pieces in before]
        owned = [next(had[key], (None, 0))[0] for key, _ in items]
    owners, certificate = assigned([size for _, size in items], partitions, owned)
    placed: list[dict[int, int]] = [{} for _ in weights]
    for (key, size), owner in zip(items, owners, strict=True):
        placed[key][owner] = placed[key].get(owner, 0) + size
    if any(heavy) and certificate.max_load > level:
        _pour(placed, heavy, partitions)
    pieces = [
        _sorted(found) or ((before[key][0][0] if before and before[key] else key % partitions, 0),)
        for key, found in enumerate(placed)
    ]
    was = [_was(now, old) for now, old in zip(pieces, before, strict=True)] if before is not None else None
    if any(heavy):
        certificate = certified(*certificate_input(pieces, was, partitions))
    return Balanced(pieces, was, certificate)


def certificate_input(
    pieces: Sequence[Pieces], was: Sequence[Was] | None, partitions: int
) -> tuple[list[int], int, list[int], list[int | None] | None]:
    """Weights, partitions, owners and former owners that a certificate speaks about: pieces that weigh something."""
    flat = [piece for key in pieces for piece in key if piece[1]]
    old = None
    if was is not None:
        pairs = (pair for key, places in zip(pieces, was, strict=True) for pair in zip(key, places, strict=True))
        old = [place for piece, place in pairs if piece[1]]
    return [weight for _, weight in flat], partitions, [owner for owner, _ in flat], old


def _cut(weight: int, level: int) -> list[int]:
    whole, rest = divmod(weight, level)
    return [level] * whole + ([rest] if rest else [])


def _within(pieces: Pieces | None, partitions: int) -> Pieces:
    return tuple(piece for piece in pieces or () if piece[0] < partitions)


def _was(now: Pieces, old: Pieces) -> Was:
    if len(now) == 1:
        return (old[0][0] if old else None,)
    places = {place for place, _ in old}
    return tuple(place if place in places else None for place, _ in now)


def _sorted(pieces: dict[int, int]) -> Pieces:
    return tuple(sorted(pieces.items(), key=lambda piece: (-piece[1], piece[0])))


def _pour(placed: list[dict[int, int]], heavy: Sequence[bool], partitions: int) -> None:
    """Fill the heavy keys into what the others left, those partitions first where they are already."""
    loads = [0] * partitions
    for pieces, cut in zip(placed, heavy, strict=True):
        for place, weight in pieces.items():
            loads[place] += 0 if cut else weight
    heaviest = sorted((-sum(placed[key].values()), key) for key, cut in enumerate(heavy) if cut)
    level = _level(loads, -sum(weight for weight, _ in heaviest))
    room = {place: level - load for place, load in enumerate(loads) if load < level}
    for weight, key in heaviest:
        left, had = -weight, placed[key]
        # Where it is; then wide rooms, so that it is cut into few.
        order = sorted(room, key=lambda place: (-had.get(place, 0), -room[place], place))
        placed[key] = {}
        for place in order:
            if not left:
                break
            taken = min(left, room[place])
            placed[key][place] = taken
            left -= taken
            room[place] -= taken
            if not room[place]:
                del room[place]


def _level(loads: Sequence[int], water: int) -> int:
    """The lowest level to which `water` fills the space above `loads`."""
    below = 0
    ordered = sorted(loads)
    level = 0
    for count, load in enumerate(ordered, 1):
        below += load
        level = -(-(water + below) // count)
        if count == len(ordered) or level <= ordered[count]:
            break
    return level
