"""Whether plain readers see what was committed: a mirror's files may be damaged or lost like any other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sparkeeper._sparkeeper import newest_published
from sparkeeper.spark import names
from sparkeeper.spark.files import read_manifest

if TYPE_CHECKING:
    from sparkeeper._sparkeeper import Chain, Location
    from sparkeeper.spark.files import Files


def shows(files: Files, chain: Chain, location: Location, head: str) -> bool:
    """Say whether the mirror lists what is live at the version of manifest `head`, once that is published."""
    _provide(files, chain, head)
    _, whole = chain.mirror_anew(location, head)[0]
    seen = _seen(files)
    return seen is not None and sorted(seen) == sorted(whole.splitlines()[1:])


def mend(files: Files, chain: Chain, location: Location, head: str) -> int:
    """Write what readers of the newest version need of the mirror, where it shows something else; 1 if so."""
    if shows(files, chain, location, head):
        return 0
    for name, data in chain.mirrored(location, head):
        files.publish(f"{names.MIRROR}/{name}", data)
    return 1


def _provide(files: Files, chain: Chain, head: str) -> None:
    while (name := chain.missing_for_live(head)) is not None:
        chain.provide(name, read_manifest(files, name))


def _seen(files: Files) -> list[bytes] | None:
    """Return the entries that a reader goes by, or None where it fails."""
    there = {name.removesuffix(".compact"): name for name in files.names(names.MIRROR)}
    newest = newest_published(list(there.values()))
    compacts = [int(number) for number, name in there.items() if number.isdigit() and name.endswith(".compact")]
    if newest is None or not compacts:
        return None
    entries: list[bytes] = []
    for number in range(max(compacts), newest + 1):
        data = files.read(f"{names.MIRROR}/{there.get(str(number), number)}")
        version, _, lines = (data or b"").partition(b"\n")
        if version != b"v1":
            return None
        entries += lines.splitlines()
    return entries
