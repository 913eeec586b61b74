"""How the rows of one key are spread over several partitions: the partition of a row in constant time, by its hash.

Walker's alias method (1977), in whole numbers. Of `n` pieces whose weights add up to `share`, each of `n` slots is as
wide as `share` and belongs to at most two partitions. A row with the hash `u`, from 0 to below `n * share`, falls into
slot `u div share`, and goes to that slot's first partition when `u mod share` is below the slot's limit, else to
its second. So exactly `weight / share` of all hashes lead to each piece.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sparkeeper.spark.plan.text import dumps

if TYPE_CHECKING:
    from collections.abc import Sequence

_HASHES = 2**62
TYPE = "struct<share:bigint,places:array<int>,others:array<int>,limits:array<bigint>>"
"""The SQL type of a spread."""


@dataclass(frozen=True)
class Spread:
    """The slots."""

    share: int
    places: tuple[int, ...]
    others: tuple[int, ...]
    limits: tuple[int, ...]

    @classmethod
    def of(cls, pieces: Sequence[tuple[int, int]]) -> Spread:
        """Make the slots for pieces of (partition, weight)."""
        shift = max(0, (sum(weight for _, weight in pieces) * len(pieces)).bit_length() - _HASHES.bit_length() + 1)
        # A hash has 64 bits; weights beyond 2^62 lose their last bits, never all of them.
        left = [max(1, weight >> shift) * len(pieces) for _, weight in pieces]
        share = sum(left) // len(pieces)
        limits = [share] * len(pieces)
        others = [place for place, _ in pieces]
        small = [slot for slot, weight in enumerate(left) if weight < share]
        large = [slot for slot, weight in enumerate(left) if weight >= share]
        while small and large:
            slot, giver = small.pop(), large[-1]
            limits[slot], others[slot] = left[slot], pieces[giver][0]
            left[giver] -= share - left[slot]
            if left[giver] < share:
                small.append(large.pop())
        return cls(share, tuple(place for place, _ in pieces), tuple(others), tuple(limits))

    def place(self, hashed: int) -> int:
        """Return the partition of a row with this hash: what `place_sql` says, for tests and for reading."""
        slot, rest = divmod(hashed % (self.share * len(self.places)), self.share)
        return self.places[slot] if rest < self.limits[slot] else self.others[slot]

    def to_json(self) -> str:
        """As `TYPE` reads it."""
        return dumps(
            {
                "share": self.share,
                "places": list(self.places),
                "others": list(self.others),
                "limits": list(self.limits),
            }
        )


def bounded_sql(spread: str, hashed: str) -> str:
    """SQL for the hash brought into the range of the column `spread`."""
    return f"pmod({hashed},{spread}.share * size({spread}.places))"


def place_sql(spread: str, bounded: str) -> str:
    """SQL for the partition of a row whose `bounded_sql` is the column `bounded`."""
    slot = f"cast({bounded} div {spread}.share AS int) + 1"
    below = f"{bounded} % {spread}.share < element_at({spread}.limits,{slot})"
    return f"IF({below},element_at({spread}.places,{slot}),element_at({spread}.others,{slot}))"
