"""Finds the ZooKeeper server among the jars of PySpark, without importing pyspark."""

from __future__ import annotations

import importlib.util
import os
import re
from dataclasses import dataclass
from pathlib import Path

from sparkeeper.exceptions import ConfigError

# The server and what it loads. Taking the whole folder, some 250 jars, was measured at twice the time to start:
# log4j looks into every jar on the class path.
_NEEDED = (
    "zookeeper-*.jar",
    "slf4j-api-*.jar",
    "log4j-api-*.jar",
    "log4j-core-*.jar",
    "log4j-slf4j*-impl-*.jar",
    "logback-*.jar",
    "metrics-core-*.jar",
    "netty-*.jar",
    "snappy-java-*.jar",
    "commons-io-*.jar",
    "commons-cli-*.jar",
    "audience-annotations-*.jar",
)


@dataclass(frozen=True)
class ServerJars:
    """A folder that holds a ZooKeeper server.

    Attributes:
        folder: The folder of jars.
        version: The version of ZooKeeper in it, such as "3.9.5".
    """

    folder: Path
    version: str

    def __str__(self) -> str:
        """Return the folder, as `jars=` takes it."""
        return str(self.folder)

    @property
    def class_path(self) -> str:
        """The server and its dependencies, as `java -cp` takes them."""
        found = {jar for pattern in _NEEDED for jar in self.folder.glob(pattern)}
        return os.pathsep.join(str(jar) for jar in sorted(found))


def find_jars(jars: str | os.PathLike[str] | None = None) -> ServerJars:
    """Return the jars to run: the folder given, else the installed PySpark's, else SPARK_HOME's.

    Raises:
        ConfigError: No folder holds a ZooKeeper server.
    """
    candidates = _candidates() if jars is None else [Path(jars).expanduser()]
    for folder in candidates:
        version = _version(folder)
        if version is not None:
            return ServerJars(folder.resolve(), version)
    looked = ", ".join(str(folder) for folder in candidates) or "no pyspark installed and SPARK_HOME not set"
    raise ConfigError(
        f"looked for the ZooKeeper server's jars and found none ({looked}); "
        f"install them with: pip install 'pyspark>=3.5', or pass jars= the folder that holds zookeeper-*.jar"
    )


def _candidates() -> list[Path]:
    folders = []
    try:
        spec = importlib.util.find_spec("pyspark")
    except (ImportError, ValueError):  # a half-imported or stubbed pyspark
        spec = None
    if spec is not None:
        folders += [Path(place) / "jars" for place in spec.submodule_search_locations or ()]
    home = os.environ.get("SPARK_HOME")
    if home:
        folders.append(Path(home) / "jars")
    return folders


def _version(folder: Path) -> str | None:
    # zookeeper-jute-3.9.5.jar is the other half of the server and does not match.
    matches = (re.fullmatch(r"zookeeper-(\d[\w.-]*)\.jar", jar.name) for jar in sorted(folder.glob("zookeeper-*.jar")))
    return next((match.group(1) for match in matches if match), None)
