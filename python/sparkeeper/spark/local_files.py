"""A table on a disk of this machine, or one mounted here: the operating system moves the files.

Through the JVM a file costs 6 ms; here it costs a rename. What must survive a power cut is synced before the step
that rests on it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from sparkeeper._sparkeeper import sync_filesystem
from sparkeeper.spark import names
from sparkeeper.spark.files import Found, visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

T = TypeVar("T")

_THREADS = 8
_MILLISECOND = 1_000_000


class LocalFiles:
    """A `Files` on a local path."""

    def __init__(self, root: str) -> None:
        """Use the directory `root`, an absolute path; it may be missing yet."""
        self._root = root

    @property
    def root(self) -> str:
        """The directory as Spark is to be told: with the scheme, whatever its default file system."""
        return f"file://{self._root}"

    def names(self, directory: str) -> list[str]:
        """Return the names in a directory; none where it is missing."""
        try:
            return os.listdir(self._at(directory))  # noqa: PTH208 - names, not paths
        except FileNotFoundError:
            return []

    def walk(self, directory: str) -> list[Found]:
        """Return the files at any depth, with paths below `directory`, but for those that are not `visible`."""
        found: list[Found] = []
        pending = [""]
        while pending:
            below = pending.pop()
            with os.scandir(self._at(f"{directory}/{below}")) as entries:
                for entry in entries:
                    path = f"{below}/{entry.name}" if below else entry.name
                    if entry.is_dir() and not names.hidden(entry.name):
                        pending.append(path)
                    elif not names.hidden(entry.name) or entry.name == names.PRIVATE:
                        stat = entry.stat()
                        found.append(Found(path, stat.st_size, stat.st_mtime_ns // _MILLISECOND))
        return visible(found)

    def read(self, path: str) -> bytes | None:
        """Return what a file holds, or None where it is missing."""
        try:
            with open(self._at(path), "rb") as file:  # noqa: PTH123 - paths here are strings throughout
                return file.read()
        except FileNotFoundError:
            return None

    def note(self, path: str, data: bytes) -> None:
        """Write a file into a directory that exists; fail where somebody took that away."""
        scratch = f"{self._at(path)}.{uuid.uuid4().hex}"
        _write(scratch, data)
        os.replace(scratch, self._at(path))  # noqa: PTH105 - as above
        _sync(os.path.dirname(self._at(path)))  # noqa: PTH120 - as above

    def publish(self, path: str, data: bytes, *, by: str | None = None) -> None:
        """Let a file appear whole, and last; by way of a directory, where one is given: fail if that was taken away."""
        target = self._at(path)
        parent = os.path.dirname(target)  # noqa: PTH120 - as above

        def appear(scratch: str) -> None:
            _write(scratch, data)
            os.makedirs(parent, exist_ok=True)  # noqa: PTH103 - as above
            os.replace(scratch, target)  # noqa: PTH105 - as above

        if by is None:
            self._through_scratch(appear)
        else:
            appear(self._at(f"{by}/{uuid.uuid4().hex}"))
        _sync(parent)

    def publish_directory(self, path: str, contents: Sequence[tuple[str, bytes]]) -> None:
        """Let a directory appear with its files, at once; one that is there stays."""

        def appear(scratch: str) -> None:
            os.mkdir(scratch)  # noqa: PTH102 - as above
            for name, data in contents:
                _write(f"{scratch}/{name}", data)
            _sync(scratch)
            os.rename(scratch, self._at(path))  # noqa: PTH104 - as above

        try:
            self._through_scratch(appear)
        except OSError:
            if not os.path.isdir(self._at(path)):  # noqa: PTH112 - as above
                raise
        _sync(self._root)

    def sweep(self, directory: str, age: float) -> None:
        """Delete what was not touched in a directory for so many seconds."""
        oldest = time.time() - age
        for name in self.names(directory):
            with contextlib.suppress(FileNotFoundError):
                found = self._at(f"{directory}/{name}")
                if os.lstat(found).st_mtime <= oldest:
                    # Out of its writer's reach first: nobody may publish a directory that is half deleted.
                    swept = self._at(f"{directory}/{uuid.uuid4().hex}")
                    os.rename(found, swept)  # noqa: PTH104 - as above
                    _remove(swept)

    def make(self, directory: str) -> None:
        """Make one directory below one that exists."""
        with contextlib.suppress(FileExistsError):
            os.mkdir(self._at(directory))  # noqa: PTH102 - as above

    def relocate(self, moves: Sequence[tuple[str, str]], on_moved: Callable[[int], None]) -> None:
        """Give files their final names, and let them last; `on_moved` is told how many more have theirs."""
        parents = {os.path.dirname(self._at(target)) for _, target in moves}  # noqa: PTH120 - as above
        for parent in sorted(parents):
            os.makedirs(parent, exist_ok=True)  # noqa: PTH103 - as above

        def move(pair: tuple[str, str]) -> None:
            os.rename(self._at(pair[0]), self._at(pair[1]))  # noqa: PTH104 - as above
            on_moved(1)

        _all(move, moves)
        # Once for all files and directories: one by one it takes several times as long.
        sync_filesystem(self._root)

    def set_aside(self, directory: str) -> None:
        """Rename a directory so that nobody finds what is in it; one that is missing is as good."""
        with contextlib.suppress(FileNotFoundError):
            os.rename(self._at(directory), f"{self._at(directory)}.{uuid.uuid4().hex}")  # noqa: PTH104 - as above

    def delete(self, paths: Iterable[str]) -> None:
        """Delete files; those that are missing are as good."""

        def delete(path: str) -> None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._at(path))  # noqa: PTH108 - as above

        _all(delete, list(paths))

    def delete_tree(self, directory: str) -> None:
        """Delete a directory with everything in it."""
        # Another may delete it at the same time; what is left at the end is what counts.
        shutil.rmtree(self._at(directory), ignore_errors=True)
        if os.path.isdir(self._at(directory)):  # noqa: PTH112 - as above
            shutil.rmtree(self._at(directory))

    def _at(self, path: str) -> str:
        return f"{self._root}/{path}"

    def _through_scratch(self, appear: Callable[[str], None]) -> None:
        """Let something appear by way of a name that nobody looks at, of which nothing stays when that fails."""
        for last in (False, False, True):
            os.makedirs(self._at(names.SCRATCH), exist_ok=True)  # noqa: PTH103 - as above
            scratch = self._at(f"{names.SCRATCH}/{uuid.uuid4().hex}")
            try:
                appear(scratch)
            except FileNotFoundError:
                # A sweep took it for a dead writer's.
                _remove(scratch)
                if last:
                    raise
            except OSError:
                _remove(scratch)
                raise
            else:
                return


def _write(path: str, data: bytes) -> None:
    with open(path, "xb") as file:  # noqa: PTH123 - as above
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _remove(path: str) -> None:
    """Delete a file, or a directory with everything in it; one that is missing is as good."""
    with contextlib.suppress(FileNotFoundError):
        if os.path.isdir(path):  # noqa: PTH112 - as above
            shutil.rmtree(path)
        else:
            os.unlink(path)  # noqa: PTH108 - as above


def _sync(path: str) -> None:
    """Sync a directory; opening for reading is enough on Linux."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _all(work: Callable[[T], None], items: Sequence[T]) -> None:
    """Do all of it, some at a time, and raise the first failure."""
    if len(items) <= 1:
        for item in items:
            work(item)
        return
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="sparkeeper-files") as pool:
        list(pool.map(work, items))
