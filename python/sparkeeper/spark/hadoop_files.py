"""A table on whatever Spark's own Hadoop reaches: HDFS, ViewFs, ABFS, S3 through S3A.

The session's own configuration opens the file system, so it is as the user set it up. An object store has neither
directories nor renames, but a file appears there whole: what a rename does elsewhere is left out or done in an order
that is as good.
"""

from __future__ import annotations

import contextlib
import posixpath
import time
import uuid
from typing import TYPE_CHECKING

from py4j.protocol import Py4JJavaError

from sparkeeper.exceptions import ConfigError
from sparkeeper.spark import names
from sparkeeper.spark.files import Found, visible
from sparkeeper.spark.hadoop_calls import HadoopCalls, os_error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from py4j.java_gateway import JavaGateway, JavaObject
    from pyspark.sql import SparkSession

    from sparkeeper._sparkeeper import Location
    from sparkeeper.spark.hadoop_calls import Status

_BATCH = 64
"""Renames a call: what may go on in the JVM when Python is interrupted, and how often progress shows."""

_MILLISECONDS = 1000

_OBJECT_STORES = frozenset({"s3a"})
"""A file appears there whole when it is closed, and a rename copies."""


class HadoopFiles:
    """A `Files` behind Hadoop's `FileSystem`."""

    def __init__(self, root: str, calls: HadoopCalls, *, object_store: bool) -> None:
        """Use the directory `root`, a URI that is not escaped; it may be missing yet."""
        self._root = root
        self._calls = calls
        self._object_store = object_store

    @property
    def root(self) -> str:
        """The directory as Spark is to be told."""
        return self._root

    def names(self, directory: str) -> list[str]:
        """Return the names in a directory; none where it is missing."""
        try:
            return [posixpath.basename(found.path) for found in self._calls.listing([self._at(directory)])]
        except FileNotFoundError:
            return []

    def walk(self, directory: str) -> list[Found]:
        """Return the files at any depth, with paths below `directory`, but for those that are not `visible`."""
        top = self._calls.path_of(self._at(directory))
        found = self._calls.walk(self._at(directory)) if self._object_store else self._levels(directory, top)
        files = (Found(status.path[len(top) + 1 :], status.size, status.modified) for status in found)
        return visible(files)

    def read(self, path: str) -> bytes | None:
        """Return what a file holds, or None where it is missing."""
        try:
            return self._calls.read(self._at(path))
        except FileNotFoundError:
            return None

    def note(self, path: str, data: bytes) -> None:
        """Write a file into a directory that exists; fail where somebody took that away."""
        if self._object_store:
            self._calls.write(self._at(path), data, parents=False)
            return
        scratch = f"{path}.{uuid.uuid4().hex}"
        self._calls.write(self._at(scratch), data, parents=False)
        self._appear(scratch, path, data)

    def publish(self, path: str, data: bytes, *, by: str | None = None) -> None:
        """Let a file appear whole, and last; by way of a directory, where one is given: fail if that was taken away."""
        if self._object_store:
            self._calls.write(self._at(path), data, parents=True)
            return
        scratch = f"{by}/{uuid.uuid4().hex}" if by is not None else self._scratch()
        self._calls.write(self._at(scratch), data, parents=by is None)
        self._calls.make([self._at(posixpath.dirname(path))])
        self._appear(scratch, path, data)

    def publish_directory(self, path: str, contents: Sequence[tuple[str, bytes]]) -> None:
        """Let a directory appear with its files, at once; one that is there stays.

        On an object store they come one by one, in the order given, and each beginning has to be as good as the whole.
        """
        if self._object_store:
            for name, data in contents:
                self.publish(f"{path}/{name}", data)
            return
        if self.names(path):
            return
        scratch = self._scratch()
        for name, data in contents:
            self._calls.write(self._at(f"{scratch}/{name}"), data, parents=True)
        try:
            self._calls.rename_whole(self._at(scratch), self._at(path))
        except FileExistsError:
            self.delete_tree(scratch)

    def make(self, directory: str) -> None:
        """Make one directory below one that exists."""
        self._calls.make([self._at(directory)])

    def relocate(self, moves: Sequence[tuple[str, str]], on_moved: Callable[[int], None]) -> None:
        """Give files their final names, and let them last."""
        if not self._object_store:
            parents = {posixpath.dirname(target) for _, target in moves}
            self._calls.make([self._at(parent) for parent in sorted(parents)])
        for first in range(0, len(moves), _BATCH):
            batch = moves[first : first + _BATCH]
            sources, targets = zip(*batch, strict=True)
            done = self._calls.rename([*map(self._at, sources)], [*map(self._at, targets)])
            for (source, target), renamed in zip(batch, done, strict=True):
                if not renamed:
                    raise FileNotFoundError(
                        f"{self._root}: {source} was not renamed to {target}; it is gone, or something has that name"
                    )
            on_moved(len(batch))

    def set_aside(self, directory: str) -> None:
        """Rename a directory so that nobody finds what is in it; one that is missing is as good."""
        if self._object_store:
            # A rename would copy it. A writer that is in the middle of a copy may leave a file that no commit names.
            self.delete_tree(directory)
            return
        with contextlib.suppress(FileNotFoundError):
            self._calls.rename([self._at(directory)], [f"{self._at(directory)}.{uuid.uuid4().hex}"])

    def delete(self, paths: Iterable[str]) -> None:
        """Delete files; those that are missing are as good."""
        self._calls.delete([self._at(path) for path in paths])

    def sweep(self, directory: str, age: float) -> None:
        """Delete what was not touched in a directory for so many seconds."""
        if self._object_store:
            # Nothing is written there on its way to another name.
            return
        oldest = (time.time() - age) * _MILLISECONDS
        try:
            found = self._calls.listing([self._at(directory)])
        except FileNotFoundError:
            return
        for status in found:
            if status.modified <= oldest:
                # Out of its writer's reach first: nobody may publish a directory that is half deleted.
                swept = f"{directory}/{uuid.uuid4().hex}"
                self._calls.rename([self._at(f"{directory}/{posixpath.basename(status.path)}")], [self._at(swept)])
                self.delete_tree(swept)

    def delete_tree(self, directory: str) -> None:
        """Delete a directory with everything in it."""
        self._calls.delete_tree(self._at(directory))

    def _levels(self, directory: str, top: str) -> list[Status]:
        """List level by level: one call each, however many directories. A table's private one counts as a file."""
        files: list[Status] = []
        level = [self._at(directory)]
        while level:
            found = self._calls.listing(level)
            files += (s for s in found if not s.directory or posixpath.basename(s.path) == names.PRIVATE)
            below = (status.path[len(top) + 1 :] for status in found if status.directory)
            level = [self._at(f"{directory}/{path}") for path in below if not names.hidden(posixpath.basename(path))]
        return files

    def _appear(self, scratch: str, path: str, data: bytes) -> None:
        """Rename a scratch file, over one that is there if that one differs."""
        if self._calls.rename([self._at(scratch)], [self._at(path)]) == [True]:
            return
        # Not every file system replaces in one step, so what need not be replaced is left alone.
        if self.read(path) == data:
            self.delete([scratch])
        else:
            self._calls.replace(self._at(scratch), self._at(path))

    def _at(self, path: str) -> str:
        return f"{self._root}/{path}" if path else self._root

    def _scratch(self) -> str:
        return f"{names.SCRATCH}/{uuid.uuid4().hex}"


def open_hadoop(spark: SparkSession, location: Location, settings: JavaObject) -> HadoopFiles:
    """Return the files at `location`, through the JVM of a classic session and with its Hadoop settings.

    Raises:
        ConfigError: Its Hadoop cannot open that file system.
    """
    gateway: JavaGateway = spark.sparkContext._gateway  # noqa: SLF001 - PySpark has no public way to it
    path = location.canonical
    try:
        fs = gateway.jvm.org.apache.hadoop.fs.Path(path).getFileSystem(settings)
    except Py4JJavaError as error:
        raise ConfigError(
            f"table {path}: the Spark session cannot open {location.scheme}: paths ({os_error(error.java_exception)}); "
            "give it the jars and settings with which spark.read reaches the path"
        ) from error
    return HadoopFiles(path, HadoopCalls(gateway, fs), object_store=location.scheme in _OBJECT_STORES)
