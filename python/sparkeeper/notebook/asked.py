"""A card of what others have to answer: showing a handle must not fail, and must not keep its cell for long."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NoAnswer
from typing import TYPE_CHECKING

from sparkeeper.exceptions import SparkeeperError
from sparkeeper.notebook.card import card, table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Found = tuple[Mapping[str, object], str]
    """A card's facts, and its table."""


def asked(kind: str, title: str, ask: Callable[[], Found], patience: float = 5.0) -> str:
    """Write the card of what `ask` finds within `patience` seconds; else it says why nothing was found."""
    found: Future[Found] = Future()

    def run() -> None:
        try:
            found.set_result(ask())
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            found.set_exception(error)

    # What is asked has the patience of work; who looks at a handle has not.
    threading.Thread(target=run, name="sparkeeper-card", daemon=True).start()
    try:
        return card(kind, title, *found.result(patience))
    except SparkeeperError as error:
        return card(kind, title, {}, table((), (), str(error)))
    except NoAnswer:
        return card(kind, title, {}, table((), (), f"No answer within {patience:.0f} s; show it again to ask again."))
