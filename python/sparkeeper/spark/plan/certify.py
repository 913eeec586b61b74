"""The core's weighted assignment and its certificate, for lists of whole weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sparkeeper._sparkeeper import _plan_assign, _plan_certificate, _plan_verify

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sparkeeper._sparkeeper import Certificate


def assigned(
    weights: Sequence[int], partitions: int, current: Sequence[int | None] | None
) -> tuple[list[int], Certificate]:
    """Assign items to partitions; with `current` owners, few of them move."""
    return _plan_assign(weights, partitions, current)


def certified(
    weights: Sequence[int], partitions: int, owners: Sequence[int], current: Sequence[int | None] | None
) -> Certificate:
    """Return the certificate of an assignment that was made elsewhere."""
    return _plan_certificate(weights, partitions, owners, current)


def verify(
    certificate: Certificate,
    weights: Sequence[int],
    partitions: int,
    owners: Sequence[int],
    current: Sequence[int | None] | None,
) -> None:
    """Work a certificate out again.

    Raises:
        ConfigError: It does not belong to this assignment.
    """
    _plan_verify(certificate, weights, partitions, owners, current)
