"""Opening a table: what its directory says, then what ZooKeeper says, in this order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sparkeeper._sparkeeper import Ledger, mirror_beginning
from sparkeeper.exceptions import NotATable
from sparkeeper.spark import names
from sparkeeper.spark.steps import Step

if TYPE_CHECKING:
    from collections.abc import Callable

    from sparkeeper._sparkeeper import Coordinator
    from sparkeeper.spark.files import Files
    from sparkeeper.spark.place import Place


def open_table(  # noqa: PLR0913 - each is a setting
    zk: Coordinator,
    place: Place,
    *,
    create: bool,
    adopting: bool = False,
    closed: bool = False,
    on_step: Callable[[Step], None] = lambda _: None,
) -> Ledger:
    """Return the record of the table at `place`.

    Args:
        zk: Whose session to use.
        place: Where the table is.
        create: Make a table where there is none.
        adopting: Let it hold files that no commit names: they are about to be committed.
        closed: Open it although it is being made a plain directory.
        on_step: Called after each step.

    Raises:
        HistoryLost: The files know more than ZooKeeper.
        NotATable: The directory is another table's, was emptied, or is somebody else's.
        NotAuthorized: This user may not look there, or make a table.
    """
    with place.reached():
        try:
            ledger = _look(zk, place, create=create, adopting=adopting)
        except NotATable:
            # The table may have been made between the two looks; a second one sees both sides of it.
            ledger = _look(zk, place, create=create, adopting=adopting)
        if ledger.closed and not closed:
            raise NotATable(
                f"table {place.location.canonical}: export_plain() is making it a plain directory; call it again"
            )
        if ledger.version == 0 and not adopting:
            _refuse_foreign(place)
        if ledger.identify:
            on_step(Step.REGISTERED)
            place.files.publish(names.IDENTITY, ledger.identity)
        if ledger.version == 0 and create and not adopting:
            _begin_mirror(place.files)
        on_step(Step.OPENED)
        return ledger


def _begin_mirror(files: Files) -> None:
    """Let nothing show before the first commit does; what is adopted is in sight until then."""
    beginning = mirror_beginning(files.names(names.MIRROR))
    if beginning:
        files.publish_directory(names.MIRROR, beginning)


def committed_version(zk: Coordinator, place: Place) -> int:
    """Return the newest version of the table at `place`; 0 where nothing was committed there."""
    files = place.files
    with place.reached():
        mirror, identity = files.names(names.MIRROR), files.read(names.IDENTITY)
    if identity is None and not mirror:
        return 0
    ledger = Ledger.open(zk, place.location, identity=identity, mirror=mirror, foreign=False, create=None)
    return ledger.version


def _refuse_foreign(place: Place) -> None:
    """Refuse a table without a commit that holds somebody else's files: the first commit would hide them."""
    files = place.files
    if any(not names.hidden(name) for name in files.names("")):
        foreign = next((found.path for found in files.walk("") if names.transaction(found.path) is None), None)
        if foreign is not None:
            raise NotATable(
                f"table {place.location.canonical}: the directory holds files that no commit names, such as {foreign}; "
                "zk.table(spark, path).adopt() makes them its first version"
            )


def _look(zk: Coordinator, place: Place, *, create: bool, adopting: bool) -> Ledger:
    files = place.files
    mirror = files.names(names.MIRROR)
    foreign = not adopting and any(not names.hidden(name) for name in files.names(""))
    # Read last: a writer of ours puts it there before anything that the other two would find.
    identity = files.read(names.IDENTITY)
    spelling = place.spelling if create else None
    return Ledger.open(zk, place.location, identity=identity, mirror=mirror, foreign=foreign, create=spelling)
