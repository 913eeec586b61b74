"""Publishing: `_spark_metadata` gets every committed version that plain readers do not see yet, in order.

What is written follows from the manifests alone, so any number of actors may publish the same, at any time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sparkeeper.spark import names
from sparkeeper.spark.files import read_manifest

if TYPE_CHECKING:
    from sparkeeper._sparkeeper import Chain, Ledger
    from sparkeeper.spark.files import Files


def publish(files: Files, ledger: Ledger, chain: Chain, head: str) -> int:
    """Publish up to the version of manifest `head`, and return how many versions that were."""
    mirror = files.names(names.MIRROR)
    while (name := chain.missing_unpublished(head, mirror)) is not None:
        chain.provide(name, read_manifest(files, name))
    versions = chain.publications(ledger.location, head, mirror)
    for whole, contents in versions:
        if whole:
            files.publish_directory(names.MIRROR, contents)
        else:
            for path, data in contents:
                files.publish(path, data)
    return len(versions)
