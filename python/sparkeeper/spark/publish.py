"""Publishing: `_spark_metadata`, and `_delta_log` where there is one, get every committed version they lack, in order.

What is written follows from the manifests alone, so any number of actors may publish the same, at any time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sparkeeper.spark import delta_log, names
from sparkeeper.spark.files import read_manifest
from sparkeeper.spark.history import History

if TYPE_CHECKING:
    from sparkeeper._sparkeeper import Chain, Ledger
    from sparkeeper.spark.files import Files


def publish(files: Files, ledger: Ledger, chain: Chain, head: str) -> int:
    """Publish up to the version of manifest `head`, and return how many versions that were."""
    mirror = files.names(names.MIRROR)
    if not mirror and ledger.floor() > 1:
        return _anew(files, ledger, chain, head)
    while (name := chain.missing_unpublished(head, mirror)) is not None:
        chain.provide(name, read_manifest(files, name))
    versions = chain.publications(ledger.location, head, mirror)
    for whole, contents in versions:
        if whole:
            files.publish_directory(names.MIRROR, contents)
        else:
            for path, data in contents:
                files.publish(path, data)
    delta_log.publish(files, History(files, ledger, head))
    return len(versions)


def _anew(files: Files, ledger: Ledger, chain: Chain, head: str) -> int:
    """Write a mirror that somebody deleted, without the versions that were vacuumed."""
    while (name := chain.missing_for_live(head)) is not None:
        chain.provide(name, read_manifest(files, name))
    files.publish_directory(names.MIRROR, chain.mirror_anew(ledger.location, head))
    return 1
