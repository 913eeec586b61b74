"""Exporting: a table becomes a plain directory again, which holds its newest version and nothing else.

First nobody can commit any more; then every file goes that the newest version has not; last the mirror and the record.
Readers see the newest version all the while. Done half, it is finished by doing it again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sparkeeper._sparkeeper import Chain
from sparkeeper.exceptions import ConfigError
from sparkeeper.spark import names
from sparkeeper.spark.history import History
from sparkeeper.spark.opening import open_table
from sparkeeper.spark.publish import publish
from sparkeeper.spark.recovery import recover

if TYPE_CHECKING:
    from sparkeeper._sparkeeper import Coordinator
    from sparkeeper.spark.place import Place


def export_plain(zk: Coordinator, place: Place) -> int:
    """Give up coordination, and return how many files the directory holds."""
    files = place.files
    ledger = open_table(zk, place, create=False, closed=True)
    pins = ledger.pins()
    if pins:
        raise ConfigError(
            f"export {place.location.canonical}: pins {', '.join(name for name, _ in pins)} keep older versions; "
            "release them first"
        )
    head = ledger.close()
    # Those under way can never commit now, so none of them needs a grace.
    recover(files, ledger, job_id=None, grace=0)
    live: set[str] = set()
    if head is not None:
        publish(files, ledger, Chain(), head)
        newest = names.version(head)
        history = History(files, ledger, head, floor=newest)
        live = {path for path, _, _ in history.live(newest)}
        ours = {found.path for found in files.walk("") if names.transaction(found.path)}
        files.delete((ours | history.removed_below()) - live)
    files.set_aside(names.MIRROR)
    files.set_aside(names.PRIVATE)
    for name in files.names(""):
        if name.startswith((f"{names.MIRROR}.", f"{names.PRIVATE}.")) or name == names.DELTA:
            files.delete_tree(name)
    ledger.drop_record(place.location)
    return len(live)
