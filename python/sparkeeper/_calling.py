"""Callbacks of the user's, each call in a daemon thread of its own: it ends with the interpreter at the latest."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


def start(callback: Callable[[T], object], argument: T, ended: Callable[[BaseException | None], None]) -> None:
    """Call `callback` and, when it is over, `ended` with what it raised."""

    def call() -> None:
        try:
            callback(argument)
        except BaseException as error:  # noqa: BLE001 - it is reported, wherever it comes from
            ended(error)
        else:
            ended(None)

    threading.Thread(target=call, name="sparkeeper-callback", daemon=True).start()
