"""What a directory proves by itself: the newest version that its mirror shows was committed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sparkeeper._sparkeeper import Chain, newest_published, proven_manifest
from sparkeeper.exceptions import CorruptManifest
from sparkeeper.spark import names
from sparkeeper.spark.files import read_manifest

if TYPE_CHECKING:
    from sparkeeper.spark.files import Files


def proven(files: Files, identity: bytes) -> tuple[Chain, str]:
    """Return the manifest that the mirror's newest file was made from, in a chain.

    Args:
        files: The table's directory.
        identity: What its `_zk/table.json` holds.

    Raises:
        CorruptManifest: None fits.
    """
    mirror = files.names(names.MIRROR)
    newest = newest_published(mirror)
    if newest is None:
        raise CorruptManifest(
            f"table {files.root}: its {names.MIRROR} is missing or empty, so that no version is proven; "
            "restore it from a copy, or adopt() the files as they are after moving _zk away"
        )
    published = f"{names.MIRROR}/{next(name for name in mirror if name.removesuffix('.compact') == str(newest))}"
    content = files.read(published) or b""
    chain = Chain()
    candidates = sorted(files.names(names.MANIFESTS), key=names.version, reverse=True)
    for name in candidates:
        try:
            chain.provide(name, read_manifest(files, name))
        except CorruptManifest:
            continue
        if proven_manifest(identity, chain, [name], newest, content) is not None:
            return chain, name
    raise CorruptManifest(
        f"table {files.root}: none of its {len(candidates)} manifests is the one that {published} was made from; "
        " restore the missing one from a copy"
    )
