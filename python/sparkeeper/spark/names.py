"""Names below a table's directory, as the Rust core's `layout` has them."""

from __future__ import annotations

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


def candidates(tx: str) -> str:
    """Return the directory of empty files named as the manifests that an attempt is about to write."""
    return f"{STAGINGS}/{tx}/manifests"


def manifest(name: str) -> str:
    """Return a manifest's place."""
    return f"{MANIFESTS}/{name}"


def hidden(name: str) -> bool:
    """Say whether Spark's readers pass over a name; `_p=1` is a partition."""
    return name.startswith(".") or (name.startswith("_") and "=" not in name)
