"""One attempt to write, from the first look at the table to the last file taken away.

The steps and their order are the protocol: the commit is one request to ZooKeeper, nothing before it is visible,
and nothing after it can undo it.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sparkeeper.exceptions import CommitConflict, CommitUnknown, Fenced, SparkeeperError
from sparkeeper.spark import names
from sparkeeper.spark.files import read_manifest
from sparkeeper.spark.opening import open_table
from sparkeeper.spark.publish import publish
from sparkeeper.spark.records import Commit
from sparkeeper.spark.recovery import GRACE, recover, roll_back
from sparkeeper.spark.staging import Output, note_names, relocate, stage
from sparkeeper.spark.steps import Step
from sparkeeper.spark.writer import describe

if TYPE_CHECKING:
    from collections.abc import Callable

    from sparkeeper._sparkeeper import Attempt, Claim, Committed, Coordinator, Held, Ledger, Permits, QueueItem, Term
    from sparkeeper.spark.files import Files
    from sparkeeper.spark.place import Place

_log = logging.getLogger("sparkeeper")


@dataclass(frozen=True)
class Request:
    """What `save` was asked to do."""

    zk: Coordinator
    output: Output
    place: Place
    operation: str
    job_id: str
    blind: bool
    guard: Claim | Held | Permits | QueueItem | Term | None
    on_step: Callable[[Step], None]

    @property
    def files(self) -> Files:
        """The table's directory."""
        return self.place.files


def write(request: Request) -> Commit:
    """Do it, once."""
    ledger = open_table(request.zk, request.place, create=True, on_step=request.on_step)
    recover(request.files, ledger, job_id=request.job_id, grace=GRACE)
    request.on_step(Step.RECOVERED)
    attempt, done = ledger.begin(_order(request), guard=request.guard)
    if attempt is None:
        return _commit(done, replayed=True)
    request.on_step(Step.BEGUN)
    try:
        _provide(request.files, attempt)
        attempt.admit()
        empty = request.operation == "overwrite" or ledger.version == 0
        moves = stage(request.output, request.files, attempt.id, visible=empty)
        request.on_step(Step.STAGED)
        attempt.check()
        note_names(request.files, attempt.id, moves)
        request.on_step(Step.NAMED)
        attempt.add(relocate(request.files, moves))
        request.on_step(Step.RELOCATED)
        won, done = _race(request, attempt)
    except CommitUnknown:
        # Its files may be live: they stay, and whoever writes next settles it.
        raise
    except BaseException as error:
        won, done = _give_up(request, ledger, attempt, error)
        if done is None or not isinstance(error, Exception):
            raise
    _settle(request, ledger, attempt, done, won=won)
    return _commit(done, replayed=not won)


def _race(request: Request, attempt: Attempt) -> tuple[bool, Committed]:
    """Propose until the commit is made, by this attempt or by another run of its job."""
    while True:
        _provide(request.files, attempt)
        name, data = attempt.propose()
        candidate = f"{names.candidates(attempt.id)}/{name}"
        request.files.note(candidate, b"")
        request.files.publish(names.manifest(name), data)
        request.on_step(Step.PROPOSED)
        outcome, done = attempt.commit()
        if outcome == "committed" and done is not None:
            return True, done
        request.files.delete([names.manifest(name), candidate])
        if outcome == "replayed" and done is not None:
            return False, done


def _provide(files: Files, attempt: Attempt) -> None:
    """Read the head, and what the rules need of the manifests behind it."""
    attempt.aim()
    while (name := attempt.missing()) is not None:
        attempt.provide(name, read_manifest(files, name))


def _settle(request: Request, ledger: Ledger, attempt: Attempt, done: Committed, *, won: bool) -> None:
    """Publish and clean up; the commit stands, so a failure from here on is a warning."""
    try:
        if won:
            request.on_step(Step.COMMITTED)
        publish(request.files, ledger, attempt.chain(), done.manifest)
        request.on_step(Step.PUBLISHED)
        _tidy(request, attempt, done if won else None)
        request.on_step(Step.CLEANED)
    except Exception as error:  # noqa: BLE001 - a callback's too
        _log.warning(
            "job '%s' is committed as version %d of %s, and tidying up failed: %s; the next write or recover() does it",
            request.job_id,
            done.version,
            request.place.location.canonical,
            error,
        )


def _give_up(request: Request, ledger: Ledger, attempt: Attempt, error: BaseException) -> tuple[bool, Committed | None]:
    """Roll back, unless the commit was made after all: by this attempt (True), or by another run of its job (False).

    Raises:
        Fenced: That is why it failed: a deposed writer's files vanish under it, and its base moves.
    """
    try:
        fenced = _deposed(attempt) if isinstance(error, Exception) and not isinstance(error, Fenced) else None
        done = _tidy(request, attempt, None)
        if done is not None:
            return True, done
        other = ledger.job(request.job_id) if isinstance(error, CommitConflict) else None
    except (OSError, SparkeeperError) as trouble:
        _log.warning("job '%s': rolling back failed: %s; the next write or recover() does it", request.job_id, trouble)
        return False, None
    if fenced is not None:
        raise fenced from error
    return False, other


def _tidy(request: Request, attempt: Attempt, done: Committed | None) -> Committed | None:
    """Take away what the attempt leaves, and return its commit.

    Where that is not known it is first made sure that there is none, and never will be.
    """
    done = done or attempt.abort()
    if done is None:
        roll_back(request.files, attempt.id)
    else:
        request.files.delete_tree(names.staging(attempt.id))
    attempt.forget()
    return done


def _deposed(attempt: Attempt) -> Fenced | None:
    try:
        attempt.check()
    except Fenced as fenced:
        return fenced
    return None


def _commit(done: Committed | None, *, replayed: bool) -> Commit:
    if done is None:
        raise RuntimeError("begin returned neither an attempt nor a commit")
    return Commit(version=done.version, files=done.files, bytes=done.bytes, replayed=replayed)


def _order(request: Request) -> str:
    """Return the order as the Rust core reads it."""
    output = request.output
    shape = {
        "format": output.format,
        "partition_by": list(output.partition_by),
        "schema": output.df.schema.jsonValue(),
    }
    return json.dumps(
        {
            "job_id": request.job_id,
            "operation": request.operation,
            "blind": request.blind,
            "shape": shape,
            "parameters": dict(output.options),
            "writer": describe(output.df.sparkSession),
        }
    )
