"""From the path that a user writes to the one spelling of a table, and to the files there."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from sparkeeper._sparkeeper import Location
from sparkeeper.exceptions import ConfigError
from sparkeeper.spark.local_files import LocalFiles

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from sparkeeper.spark.files import Files


def locate(spark: SparkSession, path: str | os.PathLike[str]) -> tuple[Location, Files]:
    """Return where `path` is, and its files.

    A symbolic link is followed: a table has one place, and the log that plain readers follow names it.

    Raises:
        ConfigError: The path is no directory of a table, or on a file system that is not supported yet.
    """
    text = os.fspath(path)
    default = default_file_system(spark)
    if default.startswith("file:") and ":" not in text.split("/", 1)[0]:
        text = os.path.abspath(text)  # noqa: PTH100 - a Path would drop what Hadoop keeps
    location = Location(text, default)
    if location.scheme == "file":
        location = Location(os.path.realpath(location.path))
        return location, LocalFiles(location.path)
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
