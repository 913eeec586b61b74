"""Names below a table's directory, as the Rust core's `layout` has them."""

from __future__ import annotations

import re

PRIVATE = "_zk"
DELTA = "_delta_log"
IDENTITY = "_zk/table.json"
MANIFESTS = "_zk/manifests"
STAGINGS = "_zk/tx"
SCRATCH = "_zk/tmp"
MIRROR = "_spark_metadata"


def staging(tx: str) -> str:
    """Return the private directory of one attempt."""
    return f"{STAGINGS}/{tx}"


def staged_data(tx: str) -> str:
    """Return where `df.write` of one attempt goes."""
    return f"{STAGINGS}/{tx}/data"


def relocation(tx: str) -> str:
    """Return the note of the final names that an attempt is about to use."""
    return f"{STAGINGS}/{tx}/relocation.json"


def desk(tx: str) -> str:
    """Return where a writer writes its manifests before they appear."""
    return f"{STAGINGS}/{tx}/desk"


def candidates(tx: str) -> str:
    """Return the directory of empty files named as the manifests that an attempt is about to write."""
    return f"{STAGINGS}/{tx}/manifests"


def manifest(name: str) -> str:
    """Return a manifest's place."""
    return f"{MANIFESTS}/{name}"


def version(manifest: str) -> int:
    """Return the version that a manifest's name promises."""
    return int(manifest.split("-", maxsplit=1)[0])


def hidden(name: str) -> bool:
    """Say whether Spark's readers pass over a name; `_p=1` is a partition."""
    return name.startswith(".") or (name.startswith("_") and "=" not in name)


def transaction(path: str) -> str | None:
    """Return the transaction that gave a data file its name; None for files that were not written here."""
    found = _OURS.match(path.rsplit("/", maxsplit=1)[-1])
    return found[1] if found else None


_OURS = re.compile(r"([0-9a-f]{32})-")
