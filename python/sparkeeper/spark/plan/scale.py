"""Weights as whole numbers, the same for equal data: what the assignment and its certificate work with."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

EXACT = 2**53
"""Above this a reader of JSON that knows only doubles would lose digits."""
_DECIMALS = 12
_CONTEXT = Context(prec=80, rounding=ROUND_HALF_EVEN)


def scaled(sums: Sequence[Decimal | int]) -> tuple[list[int], Decimal]:
    """Scale weights to whole numbers, by a power of ten.

    Returns:
        The whole numbers, and the unit: what 1 of them stands for. The unit is the largest power of ten, at most 1,
        that keeps every digit; where the total would pass 2^53 it is the smallest that does not, and weights are
        rounded half to even.
    """
    exact = [Decimal(value) for value in sums]
    total = sum(exact, Decimal(0))
    digits = 0
    for value in exact:
        exponent = value.normalize(_CONTEXT).as_tuple().exponent if value else 0
        digits = max(digits, -exponent) if isinstance(exponent, int) else digits
    digits = min(digits, _DECIMALS)
    while total.scaleb(digits, _CONTEXT) > EXACT:
        digits -= 1
    whole = [int(value.scaleb(digits, _CONTEXT).to_integral_value(ROUND_HALF_EVEN)) for value in exact]
    return whole, Decimal(1).scaleb(-digits)
