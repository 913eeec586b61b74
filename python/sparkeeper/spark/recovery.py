"""Recovery: what earlier writers left is rolled back, finished or published, by whoever comes next.

The Rust core says what; here the files go. Any number of actors may do this at once: each action rests on a state
that is final.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from sparkeeper._sparkeeper import Chain
from sparkeeper.spark import names
from sparkeeper.spark.history import History
from sparkeeper.spark.mirror_check import mend
from sparkeeper.spark.publish import publish

if TYPE_CHECKING:
    from sparkeeper._sparkeeper import Ledger
    from sparkeeper.spark.files import Files

GRACE = 600.0
"""How long a writer's session may be missed before another job gives it up: a failover of the ensemble must fit."""

_PUBLISHING = 10.0
"""Seconds for which a small file on its way may be a living writer's."""


@dataclass(frozen=True)
class Recovery:
    """What was done."""

    rolled_back: tuple[str, ...]
    """Transactions that never committed, whose files are gone."""
    finished: tuple[str, ...]
    """Transactions that had committed, whose stagings are gone."""
    published: int
    """Versions that plain readers see now and did not before."""


def recover(files: Files, ledger: Ledger, *, job_id: str | None, grace: float | timedelta) -> Recovery:
    """Settle what earlier writers left."""
    done: dict[str, list[str]] = {"roll_back": [], "finish": []}
    stagings = files.names(names.STAGINGS)
    for action, tx in ledger.leftovers(stagings, job_id=job_id, grace=grace):
        # From a head that is newer than the survey: an older one would not know every commit that it found to be over.
        history = History(files, ledger, ledger.newest())
        committed = action == "finish" or (action == "sweep" and _left_its_mark(tx, history))
        if committed:
            delete_lost_races(files, tx, history)
            files.delete_tree(names.staging(tx))
        else:
            roll_back(files, tx)
        if action != "sweep":
            ledger.forget(tx)
        done["finish" if committed else "roll_back"].append(tx)
    # A writer that was killed while it published left half of it there; one that lives needs it for a moment.
    age = grace.total_seconds() if isinstance(grace, timedelta) else grace
    files.sweep(names.SCRATCH, max(age, _PUBLISHING))
    published = 0
    if ledger.manifest is not None:
        chain = Chain()
        published = publish(files, ledger, chain, ledger.manifest)
        # A writer has no time to look; whoever asks for recovery has.
        if job_id is None and published == 0:
            published = mend(files, chain, ledger.location, ledger.manifest)
    return Recovery(tuple(done["roll_back"]), tuple(done["finish"]), published)


def roll_back(files: Files, tx: str) -> None:
    """Delete everything of a transaction that can never commit.

    Its writer may be stopped and go on: the data and the desk are put out of its reach before final names and manifests
    are deleted, so that none can appear afterwards.
    """
    files.set_aside(names.staged_data(tx))
    files.set_aside(names.desk(tx))
    note = files.read(names.relocation(tx))
    if note is not None:
        files.delete(json.loads(note))
    files.delete(names.manifest(name) for name in files.names(names.candidates(tx)))
    files.delete_tree(names.staging(tx))


def delete_lost_races(files: Files, tx: str, history: History) -> None:
    """Delete the manifests of a committed transaction that were not the one committed."""
    candidates = files.names(names.candidates(tx))
    if len(candidates) > 1:
        retained = set(history.names.values())
        files.delete(names.manifest(name) for name in candidates if name not in retained)


def _left_its_mark(tx: str, history: History) -> bool:
    """Say whether a transaction whose znode is gone committed something that is kept."""
    return any(manifest["tx"] == tx for manifest in history.kept) or any(
        names.transaction(path) == tx for path in history.retained()
    )
