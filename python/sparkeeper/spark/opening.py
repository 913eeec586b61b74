"""Opening a table: what its directory says, then what ZooKeeper says, in this order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sparkeeper._sparkeeper import Ledger
from sparkeeper.exceptions import NotATable
from sparkeeper.spark import names
from sparkeeper.spark.steps import Step

if TYPE_CHECKING:
    from collections.abc import Callable

    from sparkeeper._sparkeeper import Coordinator
    from sparkeeper.spark.place import Place


def open_table(
    zk: Coordinator,
    place: Place,
    *,
    create: bool,
    on_step: Callable[[Step], None] = lambda _: None,
) -> Ledger:
    """Return the record of the table at `place`.

    Args:
        zk: Whose session to use.
        place: Where the table is.
        create: Make a table where there is none.
        on_step: Called after each step.

    Raises:
        HistoryLost: The files know more than ZooKeeper.
        NotATable: The directory is another table's, was emptied, or is somebody else's.
    """
    try:
        ledger = _look(zk, place, create=create)
    except NotATable:
        # The table may have been made between the two looks; a second one sees both sides of it.
        ledger = _look(zk, place, create=create)
    if ledger.identify:
        on_step(Step.REGISTERED)
        place.files.publish(names.IDENTITY, ledger.identity)
    on_step(Step.OPENED)
    return ledger


def _look(zk: Coordinator, place: Place, *, create: bool) -> Ledger:
    files = place.files
    mirror = files.names(names.MIRROR)
    foreign = any(not names.hidden(name) for name in files.names(""))
    # Read last: a writer of ours puts it there before anything that the other two would find.
    identity = files.read(names.IDENTITY)
    spelling = place.spelling if create else None
    return Ledger.open(zk, place.location, identity=identity, mirror=mirror, foreign=foreign, create=spelling)
