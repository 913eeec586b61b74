"""From the path that a user writes to the one spelling of a table, and to the files there."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sparkeeper._sparkeeper import Location
from sparkeeper.exceptions import ConfigError
from sparkeeper.spark.local_files import LocalFiles

if TYPE_CHECKING:
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


def locate(spark: SparkSession, path: str | os.PathLike[str]) -> Place:
    """Return where `path` is.

    Raises:
        ConfigError: The path is no directory of a table, or on a file system that is not supported yet.
    """
    text = os.fspath(path)
    default = default_file_system(spark)
    if default.startswith("file:") and ":" not in text.split("/", 1)[0]:
        text = os.path.join(_working_directory(spark), text)  # noqa: PTH118 - a Path would drop what Hadoop keeps
    location = Location(text, default)
    if location.scheme == "file":
        real = Location(os.path.realpath(location.path))
        return Place(real, location, LocalFiles(real.path))
    raise ConfigError(
        f"table {location.canonical}: fault-tolerant writes reach file: paths in this version, and this one is "
        f"{location.scheme}:; use a mounted path, or plain df.write until {location.scheme}: is supported"
    )


def default_file_system(spark: SparkSession) -> str:
    """Return the file system of a path without a scheme."""
    context = getattr(spark, "_jsc", None)
    if context is not None:
        found: str | None = context.hadoopConfiguration().get("fs.defaultFS")
        return found or "file:///"
    # Spark Connect hides the server's configuration; what was set through Spark shows.
    return spark.conf.get("spark.hadoop.fs.defaultFS", None) or "file:///"


def _working_directory(spark: SparkSession) -> str:
    """Return where Spark looks for a relative path: its JVM's directory, which Python may have left since."""
    jvm = getattr(spark, "_jvm", None)
    found: str | None = jvm.java.lang.System.getProperty("user.dir") if jvm is not None else None
    return found or os.getcwd()  # noqa: PTH109 - as above
