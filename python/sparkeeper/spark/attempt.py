"""One attempt to write, from the first look at the table to the last file taken away.

The steps and their order are the protocol: the commit is one request to ZooKeeper, nothing before it is visible,
and nothing after it can undo it. Several tables may share that request; each has an attempt of its own.
"""

from __future__ import annotations

import contextlib
import json
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sparkeeper._sparkeeper import Chain, commit_together
from sparkeeper.exceptions import CommitConflict, CommitUnknown, Fenced, SparkeeperError
from sparkeeper.spark import delta_log, names
from sparkeeper.spark.files import read_manifest
from sparkeeper.spark.opening import open_table
from sparkeeper.spark.publish import publish
from sparkeeper.spark.records import Commit
from sparkeeper.spark.recovery import GRACE, recover, roll_back
from sparkeeper.spark.steps import Step

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sparkeeper._sparkeeper import Attempt, Committed, Coordinator, Ledger
    from sparkeeper.spark.content import Content
    from sparkeeper.spark.files import Files
    from sparkeeper.spark.guards import Guard
    from sparkeeper.spark.place import Place
    from sparkeeper.spark.progress import Progress
    from sparkeeper.spark.stream import Batch

_log = logging.getLogger("sparkeeper")


@dataclass(frozen=True)
class Request:
    """What is to be committed to one table."""

    zk: Coordinator
    place: Place
    content: Content
    job_id: str
    guard: Guard | None
    progress: Progress
    batch: Batch | None = None

    @property
    def on_step(self) -> Callable[[Step], None]:
        """What to call after each step."""
        return self.progress.step

    @property
    def files(self) -> Files:
        """The table's directory."""
        return self.place.files


@dataclass(frozen=True)
class Part:
    """An attempt that is on."""

    request: Request
    ledger: Ledger
    attempt: Attempt


def write(request: Request) -> Commit:
    """Do it, once."""
    with request.place.reached():
        begun = begin(request)
        return begun if isinstance(begun, Commit) else commit(begun)


def commit(part: Part) -> Commit:
    """Put its files in place, commit them, and settle it; roll it back where that fails."""

    def work() -> tuple[bool, list[Committed]]:
        prepare(part)
        return race([part])

    return carry_out([part], work)[0]


def begin(request: Request) -> Part | Commit:
    """Open the table, settle what others left, and begin; or return the commit that the job made before."""
    ledger = open_table(
        request.zk, request.place, create=True, adopting=request.content.adopts, on_step=request.on_step
    )
    recover(request.files, ledger, job_id=request.job_id, grace=GRACE)
    request.on_step(Step.RECOVERED)
    turn = None
    if request.batch is not None:
        turn = request.batch.turn(ledger)
        if turn is None:
            newest = ledger.newest()
            if newest is not None:
                publish(request.files, ledger, Chain(), newest)
            return Commit(version=ledger.version, files=0, bytes=0, replayed=True)
    order = {"job_id": request.job_id, **request.content.order(ledger)}
    delta_log.refuse(request.files, order["shape"]["format"])
    attempt, done = ledger.begin(json.dumps(order), guard=request.guard, turn=turn)
    if attempt is None:
        if done is None:
            raise RuntimeError("begin returned neither an attempt nor a commit")
        if done.version > ledger.version:
            # Committed since `recover` looked, by a writer that may be dead: who is told so can read it.
            publish(request.files, ledger, Chain(), done.manifest)
        return _commit(done, replayed=True)
    request.on_step(Step.BEGUN)
    return Part(request, ledger, attempt)


def prepare(part: Part) -> None:
    """Put its files where they will be live; nobody sees them yet."""
    _provide(part)
    part.attempt.admit()
    part.attempt.add(part.request.content.place(part))


def race(parts: Sequence[Part]) -> tuple[bool, list[Committed]]:
    """Propose until the commit is made, by these attempts (True) or by another run of their job."""
    while True:
        candidates = []
        for part in parts:
            _provide(part)
            name, data = part.attempt.propose()
            candidate = f"{names.candidates(part.attempt.id)}/{name}"
            part.request.files.note(candidate, b"")
            part.request.files.publish(names.manifest(name), data, by=names.desk(part.attempt.id))
            part.request.on_step(Step.PROPOSED)
            candidates.append((part.request.files, names.manifest(name), candidate))
        outcome, done = commit_together([part.attempt for part in parts])
        if outcome == "committed":
            return True, done
        for files, manifest, note in candidates:
            # In this order: the note is how others know of the manifest.
            files.delete([manifest])
            files.delete([note])
        if outcome == "replayed":
            return False, done


def carry_out(parts: Sequence[Part], work: Callable[[], tuple[bool, list[Committed]]]) -> list[Commit]:
    """Do the `work` that commits all parts, and settle them; roll them back where it fails."""
    try:
        won, done = work()
    except CommitUnknown:
        # Their files may be live: they stay, and whoever writes next settles it.
        raise
    except BaseException as error:
        won, found = give_up(parts, error)
        if found is None or not isinstance(error, Exception):
            raise
        done = found
    for part, made in zip(parts, done, strict=True):
        _settle(part, made, won=won)
    return [_commit(made, replayed=not won) for made in done]


def give_up(parts: Sequence[Part], error: BaseException) -> tuple[bool, list[Committed] | None]:
    """Roll back, unless the commit was made after all: by these attempts (True), or by another run of their job.

    Raises:
        Fenced: That is why it failed: a deposed writer's files vanish under it, and its base moves.
    """
    try:
        fenced = _deposed(parts) if isinstance(error, Exception) and not isinstance(error, Fenced) else None
        done = [_tidy(part, None) for part in parts]
        if all(done):
            return True, [made for made in done if made is not None]
        asked = parts if isinstance(error, CommitConflict) else []
        others = [part.ledger.job(part.request.job_id) for part in asked]
    except (OSError, SparkeeperError) as trouble:
        jobs = parts[0].request.job_id
        _log.warning("job '%s': rolling back failed: %s; the next write or recover() does it", jobs, trouble)
        for part in parts:
            _step_back(part)
        return False, None
    if fenced is not None:
        raise fenced from error
    return False, [other for other in others if other is not None] if others and all(others) else None


def _provide(part: Part) -> None:
    """Read the head, and what the rules need of the manifests behind it."""
    part.attempt.aim()
    while (name := part.attempt.missing()) is not None:
        part.attempt.provide(name, read_manifest(part.request.files, name))


def _settle(part: Part, done: Committed, *, won: bool) -> None:
    """Publish and clean up; the commit stands, so a failure from here on is a warning."""
    request = part.request
    try:
        if won:
            request.on_step(Step.COMMITTED)
        publish(request.files, part.ledger, part.attempt.chain(), done.manifest)
        request.on_step(Step.PUBLISHED)
        _tidy(part, done if won else None)
        request.on_step(Step.CLEANED)
    except Exception as error:  # noqa: BLE001 - a callback's too
        _log.warning(
            "job '%s' is committed as version %d of %s, and tidying up failed: %s; the next write or recover() does it",
            request.job_id,
            done.version,
            request.place.location.canonical,
            error,
        )
        _step_back(part)


def _tidy(part: Part, done: Committed | None) -> Committed | None:
    """Take away what the attempt leaves, and return its commit.

    Where that is not known it is first made sure that there is none, and never will be.
    """
    attempt, files = part.attempt, part.request.files
    done = done or attempt.abort()
    if done is None:
        roll_back(files, attempt.id)
    else:
        files.delete_tree(names.staging(attempt.id))
    attempt.forget()
    return done


def _step_back(part: Part) -> None:
    """Let others do what failed here; without a connection they may once this session has expired."""
    with contextlib.suppress(SparkeeperError):
        part.attempt.step_back()


def _deposed(parts: Sequence[Part]) -> Fenced | None:
    try:
        for part in parts:
            part.attempt.check()
    except Fenced as fenced:
        return fenced
    return None


def _commit(done: Committed, *, replayed: bool) -> Commit:
    return Commit(version=done.version, files=done.files, bytes=done.bytes, replayed=replayed)
