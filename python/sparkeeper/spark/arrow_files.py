"""A table on S3 as a Spark Connect client reaches it: by pyarrow, with the credentials of the client's environment.

There is no JVM here. S3 has no renames: a file appears whole when it is closed, and moving one copies it, at the
server.
"""

from __future__ import annotations

import os
import posixpath
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from sparkeeper.exceptions import ConfigError
from sparkeeper.spark.files import Found, visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from pyarrow.fs import FileInfo, FileSystem

    from sparkeeper._sparkeeper import Location

T = TypeVar("T")

_THREADS = 8
_MILLISECOND = 1_000_000


class ArrowFiles:
    """A `Files` behind a `pyarrow.fs` file system without renames."""

    def __init__(self, root: str, fs: FileSystem, base: str) -> None:
        """Use the directory that Spark calls `root`, a URI, and `fs` calls `base`; it may be missing yet."""
        self._root = root
        self._fs = fs
        self._base = base

    @property
    def root(self) -> str:
        """The directory as Spark is to be told."""
        return self._root

    def names(self, directory: str) -> list[str]:
        """Return the names in a directory; none where it is missing."""
        return [found.base_name for found in self._list(directory, recursive=False)]

    def walk(self, directory: str) -> list[Found]:
        """Return the files at any depth, with paths below `directory`, but for those that are not `visible`."""
        top = len(self._at(directory)) + 1
        files = (
            Found(found.path[top:], found.size, found.mtime_ns // _MILLISECOND)
            for found in self._list(directory, recursive=True)
            if found.is_file
        )
        return visible(files)

    def read(self, path: str) -> bytes | None:
        """Return what a file holds, or None where it is missing."""
        try:
            with self._fs.open_input_stream(self._at(path), compression=None) as stream:
                return bytes(stream.read())
        except FileNotFoundError:
            return None

    def note(self, path: str, data: bytes) -> None:
        """Write a file into a directory that exists; fail where somebody took that away."""
        parent = posixpath.dirname(path)
        if not self.names(posixpath.dirname(parent)).count(posixpath.basename(parent)):
            raise FileNotFoundError(f"{self._root}/{parent}: the directory is gone")
        self.publish(path, data)

    def publish(self, path: str, data: bytes, *, by: str | None = None) -> None:  # noqa: ARG002 - it takes no way there
        """Let a file appear whole, and last."""
        # A manifest is what its name promises, compressed already: left to itself, Arrow would go by the name.
        with self._fs.open_output_stream(self._at(path), compression=None) as stream:
            stream.write(data)

    def publish_directory(self, path: str, contents: Sequence[tuple[str, bytes]]) -> None:
        """Let files appear one by one, in the order given."""
        for name, data in contents:
            self.publish(f"{path}/{name}", data)

    def make(self, directory: str) -> None:
        """Make one directory below one that exists."""
        self._fs.create_dir(self._at(directory), recursive=False)

    def relocate(self, moves: Sequence[tuple[str, str]], on_moved: Callable[[int], None]) -> None:
        """Give files their final names, and let them last; `on_moved` is told how many more have theirs."""

        def move(pair: tuple[str, str]) -> None:
            self._fs.move(self._at(pair[0]), self._at(pair[1]))
            on_moved(1)

        self._all(move, moves)

    def set_aside(self, directory: str) -> None:
        """Delete a directory: a rename would copy it."""
        self.delete_tree(directory)

    def delete(self, paths: Iterable[str]) -> None:
        """Delete files; those that are missing are as good."""
        self._all(self._delete, list(paths))

    def sweep(self, directory: str, age: float) -> None:
        """Do nothing: a file is never on its way to another name here."""

    def delete_tree(self, directory: str) -> None:
        """Delete a directory with everything in it."""
        try:
            self._fs.delete_dir(self._at(directory))
        except FileNotFoundError:
            return

    def _delete(self, path: str) -> None:
        try:
            self._fs.delete_file(self._at(path))
        except FileNotFoundError:
            return

    def _list(self, directory: str, *, recursive: bool) -> list[FileInfo]:
        from pyarrow.fs import FileSelector  # noqa: PLC0415 - a classic session does without

        selector = FileSelector(self._at(directory), recursive=recursive, allow_not_found=True)
        return list(self._fs.get_file_info(selector))

    def _at(self, path: str) -> str:
        return f"{self._base}/{path}" if path else self._base

    @staticmethod
    def _all(work: Callable[[T], None], items: Sequence[T]) -> None:
        with ThreadPoolExecutor(_THREADS, thread_name_prefix="sparkeeper-files") as pool:
            list(pool.map(work, items))


def open_arrow(location: Location) -> ArrowFiles:
    """Return the files at `location`, as this process reaches them.

    Raises:
        ConfigError: It is not on S3.
    """
    path = location.canonical
    if location.scheme != "s3a":
        raise ConfigError(
            f"table {path}: a Spark Connect client has no JVM, so it writes tables to file: and s3: paths only, and "
            f"this one is {location.scheme}:; write it from a classic session, or to a path that the client reaches"
        )
    from pyarrow.fs import S3FileSystem  # noqa: PLC0415 - as above

    # A server other than AWS's has no host name for each bucket; pyarrow asks it by path only where it is told of it.
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    scheme, _, host = endpoint.rpartition("://") if endpoint else ("", "", None)
    fs = S3FileSystem(endpoint_override=host, scheme=scheme or None)
    return ArrowFiles(path, fs, path.removeprefix("s3a://"))
