"""From the path that a user writes to the one spelling of a table, and to the files there."""

from __future__ import annotations

import contextlib
import errno
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sparkeeper._sparkeeper import Location
from sparkeeper.exceptions import ConfigError, NotAuthorized, SparkeeperError
from sparkeeper.spark.local_files import LocalFiles

if TYPE_CHECKING:
    from collections.abc import Iterator

    from py4j.java_gateway import JavaObject, JVMView
    from pyspark.sql import SparkSession

    from sparkeeper.spark.files import Files


@dataclass(frozen=True)
class Place:
    """Where a table is."""

    location: Location
    """The one spelling, links followed: which table this is."""
    spelling: Location
    """As the user wrote it: where its first writer's readers will look, whose log names every file by its full path."""
    files: Files

    @contextlib.contextmanager
    def reached(self) -> Iterator[None]:
        """Say in our words that nobody gets at the directory; a disk that is full or broken speaks for itself.

        Raises:
            NotAuthorized: This user may not, or the file system is mounted for reading only.
            ConfigError: It lies below a file, or is one.
        """
        table = self.location.canonical
        try:
            yield
        except SparkeeperError:
            raise
        except NotADirectoryError as error:
            if Path(self.location.path).is_dir():
                raise
            raise ConfigError(f"table {table}: {error}; a table is a directory, choose another path") from error
        except OSError as error:
            if not isinstance(error, PermissionError) and error.errno != errno.EROFS:
                raise
            raise NotAuthorized(
                f"table {table}: {error}; choose a path that this user may read and write, or have it given the right"
            ) from error


def locate(spark: SparkSession, path: str | os.PathLike[str]) -> Place:
    """Return where `path` is.

    Raises:
        ConfigError: The path is no directory of a table, or on a file system that is not reached from here.
    """
    text = os.fspath(path)
    default = default_file_system(spark)
    if not text.startswith("/") and ":" not in text.split("/", 1)[0]:
        text = f"{_working_directory(spark, default)}/{text}"
    location = Location(text, default)
    if location.scheme == "file":
        real = Location(os.path.realpath(location.path))
        return Place(real, location, LocalFiles(real.path))
    return Place(location, location, _remote_files(spark, location))


def _remote_files(spark: SparkSession, location: Location) -> Files:
    # Neither needs what the other imports.
    if _jvm(spark) is None:
        from sparkeeper.spark.arrow_files import open_arrow  # noqa: PLC0415

        return open_arrow(location)
    from sparkeeper.spark.hadoop_files import open_hadoop  # noqa: PLC0415

    return open_hadoop(spark, location, _settings(spark))


def default_file_system(spark: SparkSession) -> str:
    """Return the file system of a path without a scheme."""
    if _jvm(spark) is None:
        # Spark Connect hides the server's configuration; what was set through Spark shows.
        return spark.conf.get("spark.hadoop.fs.defaultFS", None) or "file:///"
    found: str | None = _settings(spark).get("fs.defaultFS")
    return found or "file:///"


def _working_directory(spark: SparkSession, default: str) -> str:
    """Return where Spark looks for a relative path."""
    jvm = _jvm(spark)
    if jvm is None:
        return os.getcwd()  # noqa: PTH109 - a Path would drop what Hadoop keeps
    if default.startswith("file:"):
        # Its JVM's directory, which Python may have left since.
        return str(jvm.java.lang.System.getProperty("user.dir"))
    return str(jvm.org.apache.hadoop.fs.FileSystem.get(_settings(spark)).getWorkingDirectory().toString())


def _jvm(spark: SparkSession) -> JVMView | None:
    """Return the JVM of a classic session; Spark Connect has none."""
    return getattr(spark, "_jvm", None)


def _settings(spark: SparkSession) -> JavaObject:
    """Return a classic session's own Hadoop configuration."""
    return spark._jsparkSession.sessionState().newHadoopConf()  # noqa: SLF001 - PySpark has no public way to it
