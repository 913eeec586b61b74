"""Repair: what ZooKeeper lost of a table is put back as its directory proves it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from sparkeeper._sparkeeper import rebuild_record
from sparkeeper.exceptions import HistoryLost, NotATable
from sparkeeper.spark import names
from sparkeeper.spark.opening import open_table
from sparkeeper.spark.proof import proven

if TYPE_CHECKING:
    from sparkeeper._sparkeeper import Chain, Coordinator
    from sparkeeper.spark.files import Files
    from sparkeeper.spark.place import Place


def repair(zk: Coordinator, place: Place) -> int:
    """Rebuild the record, and return the version it is at; a table whose history is not lost stays as it is.

    Raises:
        NotATable: The directory does not say which table it is.
        CorruptManifest: The manifest that the mirror proves is missing.
    """
    try:
        return open_table(zk, place, create=False).version
    except HistoryLost:
        identity = place.files.read(names.IDENTITY)
    if identity is None:
        raise NotATable(
            f"repair {place.location.canonical}: {names.IDENTITY} is missing, so that nothing says which table it is; "
            "restore it from a copy, or adopt() the directory"
        )
    chain, head = proven(place.files, identity)
    oldest = _read_back(place.files, chain, head)
    rebuild_record(zk, place.location, identity=identity, chain=chain, head=head, oldest=oldest)
    return open_table(zk, place, create=False).version


def _read_back(files: Files, chain: Chain, head: str) -> int:
    """Provide all manifests that are there, and return the oldest version among them."""
    name = head
    while True:
        base = json.loads(chain.since(name, names.version(name) - 1)[0]).get("base")
        data = files.read(names.manifest(base["manifest"])) if base else None
        if data is None:
            return names.version(name)
        name = base["manifest"]
        chain.provide(name, data)
