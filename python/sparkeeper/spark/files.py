"""A table's directory: what the protocol asks of a file system, which need not be atomic in more than one name."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from sparkeeper.exceptions import CorruptManifest
from sparkeeper.spark import names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence


class Found(NamedTuple):
    """A file as a listing finds it."""

    path: str
    size: int
    modified: int
    """Milliseconds since 1970."""


def visible(found: Iterable[Found]) -> list[Found]:
    """Leave out what is hidden, and what lies in another table's directory below: that is not ours to judge."""
    listed = [(file, file.path.split("/")) for file in found]
    others = {tuple(parts[: parts.index(names.PRIVATE, 1)]) for _, parts in listed if names.PRIVATE in parts[1:]}
    return [
        file
        for file, parts in listed
        if not any(map(names.hidden, parts))
        and not any(tuple(parts[:depth]) in others for depth in range(1, len(parts)))
    ]


class Files(Protocol):
    """A directory; all paths are below it, with `/`. Every method may be repeated."""

    @property
    def root(self) -> str:
        """The directory as Spark is to be told."""
        ...

    def names(self, directory: str) -> list[str]:
        """Return the names in a directory; none where it is missing."""
        ...

    def walk(self, directory: str) -> list[Found]:
        """Return the files at any depth, with paths below `directory`, but for those that are not `visible`."""
        ...

    def read(self, path: str) -> bytes | None:
        """Return what a file holds, or None where it is missing."""
        ...

    def note(self, path: str, data: bytes) -> None:
        """Write a file into a directory that exists; fail where somebody took that away."""
        ...

    def publish(self, path: str, data: bytes, *, by: str | None = None) -> None:
        """Let a file appear whole, and last; by way of a directory, where one is given: fail if that was taken away."""
        ...

    def publish_directory(self, path: str, contents: Sequence[tuple[str, bytes]]) -> None:
        """Let a directory appear with its files, at once; one that is there stays.

        Where that cannot be done at once, its files appear in the order given: a reader may find the first ones only.
        """
        ...

    def make(self, directory: str) -> None:
        """Make one directory below one that exists."""
        ...

    def relocate(self, moves: Sequence[tuple[str, str]], on_moved: Callable[[int], None]) -> None:
        """Give files their final names, and let them last; `on_moved` is told how many more have theirs."""
        ...

    def set_aside(self, directory: str) -> None:
        """Rename a directory so that nobody finds what is in it; one that is missing is as good."""
        ...

    def delete(self, paths: Iterable[str]) -> None:
        """Delete files; those that are missing are as good."""
        ...

    def sweep(self, directory: str, age: float) -> None:
        """Delete what was not touched in a directory for so many seconds; `publish` writes again what it misses."""
        ...

    def delete_tree(self, directory: str) -> None:
        """Delete a directory with everything in it."""
        ...


def read_manifest(files: Files, name: str) -> bytes:
    """Return a manifest's bytes.

    Raises:
        CorruptManifest: It is missing.
    """
    data = files.read(names.manifest(name))
    if data is None:
        raise CorruptManifest(
            f"manifest {files.root}/{names.manifest(name)}: the file is missing; restore it from a copy"
        )
    return data
