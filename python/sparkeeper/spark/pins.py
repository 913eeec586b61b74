"""Pins: versions that vacuum leaves alone while somebody reads them."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

    from sparkeeper._sparkeeper import Ledger


class Pin:
    """A version that is kept; `Table.pin` makes it. Leaving its `with` block, or `release`, ends it.

    Without a name it ends with the session, such as when the process dies; with one it stays until it is released.
    """

    def __init__(self, ledger: Ledger, version: int, name: str | None) -> None:
        """Set it."""
        self._ledger = ledger
        self.version = version
        """The version that is kept."""
        self.name = name if name is not None else f"session-{uuid.uuid4().hex}"
        """Its name among the table's pins."""
        ledger.pin(self.name, version, name is None)

    def release(self) -> None:
        """End it; ending it again does nothing."""
        self._ledger.unpin(self.name)

    def __enter__(self) -> Self:
        """It stands already."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it."""
        self.release()

    def __repr__(self) -> str:
        """Say what it keeps."""
        return f"<Pin {self.name!r} on version {self.version}>"
