"""What can stand behind the `guard=` of a commit."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from sparkeeper._sparkeeper import Claim, Held, Permits, QueueItem, Term

    Guard: TypeAlias = Claim | Held | Permits | QueueItem | Term
