"""A path on any file system of Hadoop's that answers as a `pathlib.Path` does, as far as tests of tables ask."""

from __future__ import annotations

import fnmatch
import os
from pathlib import PurePosixPath
from types import SimpleNamespace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyspark.sql import SparkSession


class HadoopPath(os.PathLike[str]):
    """One path, seen through the JVM of a classic session."""

    def __init__(self, spark: SparkSession, uri: str) -> None:
        self._spark = spark
        self._uri = uri.rstrip("/")
        self.name = self._uri.rpartition("/")[2]

    def __truediv__(self, name: str) -> HadoopPath:
        return HadoopPath(self._spark, f"{self._uri}/{name}")

    def __str__(self) -> str:
        return self._uri

    def __fspath__(self) -> str:
        return self._uri

    def is_file(self) -> bool:
        return self._fs.getFileStatus(self._path).isFile()

    def stat(self) -> SimpleNamespace:
        return SimpleNamespace(st_size=self._fs.getFileStatus(self._path).getLen())

    def read_bytes(self) -> bytes:
        stream = self._fs.open(self._path)
        try:
            return bytes(self._spark._jvm.org.apache.commons.io.IOUtils.toByteArray(stream))
        finally:
            stream.close()

    def iterdir(self) -> list[HadoopPath]:
        if not self._fs.exists(self._path):
            return []
        return [self / found.getPath().getName() for found in self._fs.listStatus(self._path)]

    def rglob(self, pattern: str) -> Iterator[HadoopPath]:
        for found in self.iterdir():
            if fnmatch.fnmatch(found.name, pattern):
                yield found
            if not found.is_file():
                yield from found.rglob(pattern)

    def glob(self, pattern: str) -> list[HadoopPath]:
        return [found for found in self.iterdir() if fnmatch.fnmatch(found.name, pattern)]

    def relative_to(self, other: HadoopPath) -> PurePosixPath:
        return PurePosixPath(self._uri.removeprefix(f"{other}/"))

    @property
    def _path(self) -> object:
        return self._spark._jvm.org.apache.hadoop.fs.Path(self._uri)

    @property
    def _fs(self) -> object:
        return self._path.getFileSystem(self._spark._jsparkSession.sessionState().newHadoopConf())
