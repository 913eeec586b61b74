"""The doctor: what a table's directory and ZooKeeper's record of it say about each other. It changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sparkeeper._sparkeeper import newest_published
from sparkeeper.exceptions import CorruptManifest, HistoryLost, NotATable
from sparkeeper.spark import names
from sparkeeper.spark.history import History
from sparkeeper.spark.mirror_check import shows
from sparkeeper.spark.opening import open_table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sparkeeper._sparkeeper import Coordinator, Ledger, Location
    from sparkeeper.spark.files import Files
    from sparkeeper.spark.place import Place

_SHOWN = 5


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it should be, or that is worth knowing."""

    kind: str
    """"history_lost", "not_a_table", "corrupt_manifest", "missing_file", "changed_file", "foreign_file", "orphan",
    "unpublished", "mirror_missing", "mirror_damaged", "under_way" or "left_over"."""
    text: str
    advice: str
    files: tuple[str, ...] = ()
    """All it is about."""
    harmless: bool = False
    """True where nothing has to be done."""

    def __str__(self) -> str:
        """Say it in a line or two."""
        shown = ", ".join(self.files[:_SHOWN]) + (
            f" and {len(self.files) - _SHOWN} more" if len(self.files) > _SHOWN else ""
        )
        return f"{self.text}{f': {shown}' if shown else ''}. {self.advice}"


@dataclass(frozen=True)
class Diagnosis:
    """All that was found."""

    path: str
    version: int | None
    """The newest committed version; None where it cannot be known."""
    findings: tuple[Finding, ...]

    @property
    def healthy(self) -> bool:
        """True where nothing has to be done."""
        return all(finding.harmless for finding in self.findings)

    def __str__(self) -> str:
        """Write a report."""
        state = "healthy" if self.healthy else "needs attention"
        at = "" if self.version is None else f", version {self.version}"
        return "\n".join([f"{self.path}{at}: {state}", *(f"- {finding.kind}: {finding}" for finding in self.findings)])


def diagnose(zk: Coordinator, place: Place) -> Diagnosis:
    """Look at everything."""
    path = place.location.canonical
    try:
        ledger = open_table(zk, place, create=False)
    except HistoryLost as lost:
        advice = "repair() rebuilds ZooKeeper's record from what the directory proves; reads go on meanwhile"
        return Diagnosis(path, None, (Finding("history_lost", str(lost), advice),))
    except NotATable as error:
        advice = (
            "Nothing was changed; to start anew in an empty directory, delete the znode that is named, with zk.delete"
        )
        return Diagnosis(path, None, (Finding("not_a_table", str(error), advice),))
    return Diagnosis(path, ledger.version, tuple(_findings(place.files, ledger)))


def _findings(files: Files, ledger: Ledger) -> Iterator[Finding]:
    # In the order of `vacuum`: whoever wrote a file is known when its name is judged.
    present = {found.path: found.size for found in files.walk("")}
    stagings = set(files.names(names.STAGINGS))
    under_way = set(ledger.transactions())
    history = History(files, ledger, ledger.newest())
    yield from _transactions(stagings, under_way)
    if history.head is None:
        return
    try:
        newest = names.version(history.head)
        live = {path: size for path, size, _ in history.live(newest)}
        known = history.retained() | history.removed_below()
    except CorruptManifest as error:
        yield Finding(
            "corrupt_manifest",
            str(error),
            "The rows of the newest version are safe as long as its mirror is; restore the manifest from a copy",
        )
        return
    missing = tuple(sorted(path for path in live if path not in present))
    if missing:
        yield Finding(
            "missing_file",
            f"{len(missing)} of {len(live)} live files are gone, perhaps by a plain overwrite or a deletion",
            "restore() an earlier version, or put the files back",
            missing,
        )
    changed = tuple(sorted(path for path, size in live.items() if present.get(path, size) != size))
    if changed:
        yield Finding("changed_file", "live files have another size than was committed", "Put them back", changed)
    yield from _strangers(present, known, under_way)
    yield from _mirror(files, ledger.location, newest, history)


def _transactions(stagings: set[str], under_way: set[str]) -> Iterator[Finding]:
    if under_way:
        yield Finding(
            "under_way",
            f"{len(under_way)} writes are under way, or their drivers died",
            "recover() settles those whose session is gone",
            tuple(sorted(under_way)),
            harmless=True,
        )
    left = tuple(sorted(stagings - under_way))
    if left:
        yield Finding("left_over", "stagings that no write uses any more", "recover() deletes them", left)


def _strangers(present: dict[str, int], known: set[str], under_way: set[str]) -> Iterator[Finding]:
    unknown = sorted(set(present) - known)
    orphans = [path for path in unknown if (tx := names.transaction(path)) is not None and tx not in under_way]
    if orphans:
        yield Finding("orphan", "files of writes that never committed", "vacuum() deletes them", tuple(orphans))
    foreign = [path for path in unknown if names.transaction(path) is None]
    if foreign:
        yield Finding(
            "foreign_file",
            "files that were not written through zk.write, perhaps by a plain df.write; no reader sees them",
            "Write their rows with zk.write(spark.read.load([...])), then delete them",
            tuple(foreign),
        )


def _mirror(files: Files, location: Location, newest: int, history: History) -> Iterator[Finding]:
    mirror = files.names(names.MIRROR)
    if not mirror:
        yield Finding(
            "mirror_missing",
            f"{names.MIRROR} is missing: plain readers see every file that lies in the directory",
            "recover() writes it again",
        )
        return
    published = newest_published(mirror) or 0
    behind = [manifest for manifest in history.kept if manifest["mirror"] > published]
    if behind:
        yield Finding(
            "unpublished",
            f"plain readers see version {newest - len(behind)}, and {newest} is committed",
            "recover() publishes it, as does the next write",
        )
    elif history.head is not None and not shows(files, history.chain, location, history.head):
        yield Finding(
            "mirror_damaged",
            f"plain readers do not see version {newest}: files of {names.MIRROR} are damaged or missing",
            "recover() writes them again",
        )
