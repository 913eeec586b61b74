"""Finds the Java that runs the embedded server: JAVA_HOME, then PATH, then the system's JVM folders."""

from __future__ import annotations

import logging
import os
import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from sparkeeper.exceptions import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_LOG = logging.getLogger(__name__)

JVM_FOLDERS: tuple[Path, ...] = (
    Path("/usr/lib/jvm"),
    Path("/usr/lib64/jvm"),
    Path("/usr/java"),
    Path("/opt/java"),
    Path("/Library/Java/JavaVirtualMachines"),
    Path("/opt/homebrew/opt"),
    Path("/usr/local/opt"),
    Path("~/Library/Java/JavaVirtualMachines"),
    Path("~/.sdkman/candidates/java"),
    Path("~/.jdks"),
)
"""Folders whose entries are Java installations; `~` is the user's home."""

# Spark 4 runs on 17 and 21, so these are what a PySpark user has and what the jars were tested with.
_PREFERRED = (17, 21)

_INSTALLERS = (
    ("apt-get", "sudo apt-get install -y openjdk-17-jre-headless"),
    ("dnf", "sudo dnf install -y java-17-openjdk-headless"),
    ("yum", "sudo yum install -y java-17-openjdk-headless"),
    ("zypper", "sudo zypper install -y java-17-openjdk-headless"),
    ("pacman", "sudo pacman -S --noconfirm jre17-openjdk-headless"),
    ("apk", "sudo apk add openjdk17-jre-headless"),
    ("brew", "brew install --cask temurin@17"),
)


def find_java(
    java: str | os.PathLike[str] | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    folders: Iterable[Path] | None = None,
) -> Path:
    """Return the `java` executable to run.

    Args:
        java: An executable or a Java home that overrides the search.
        environ: Where JAVA_HOME and PATH are read; the process's environment by default.
        folders: The folders of Java installations to look into last; `JVM_FOLDERS` by default.

    Raises:
        ConfigError: There is none; the message names the command that installs one.
    """
    environ = os.environ if environ is None else environ
    folders = JVM_FOLDERS if folders is None else folders
    if java is not None:
        given = Path(java).expanduser()
        found = given if _runs(given) else _executable(given)
        if found is None:
            raise ConfigError(f"looked for Java at {given}, as asked: there is no executable bin/java in it")
        return found
    return _from_home(environ) or _from_path(environ) or _from_folders(folders) or _none(environ, folders)


def _from_home(environ: Mapping[str, str]) -> Path | None:
    home = environ.get("JAVA_HOME")
    if not home:
        return None
    found = _executable(Path(home))
    if found is None:
        _LOG.warning("JAVA_HOME is %s, which has no executable bin/java; looking elsewhere", home)
    return found


def _from_path(environ: Mapping[str, str]) -> Path | None:
    found = shutil.which("java", path=environ.get("PATH", ""))
    # macOS ships a stub there that only opens a dialog when no Java is installed.
    if found is None or (sys.platform == "darwin" and found == "/usr/bin/java"):
        return None
    return Path(found)


def _from_folders(folders: Iterable[Path]) -> Path | None:
    homes = [home for folder in folders for home in _entries(folder.expanduser())]
    usable = [(_rank(home), found) for home in homes if (found := _executable(home)) is not None]
    return min(usable, default=(None, None))[1]


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _executable(home: Path) -> Path | None:
    candidates = (home / "bin" / "java", home / "Contents" / "Home" / "bin" / "java")
    return next((path for path in candidates if _runs(path)), None)


def _runs(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)


def _rank(home: Path) -> tuple[int, int]:
    version = _version(home)
    if version in _PREFERRED:
        return (_PREFERRED.index(version), 0)
    return (len(_PREFERRED), -version)


def _version(home: Path) -> int:
    """Return the major version that the installation states, 0 when it states none."""
    for release in (home / "release", home / "Contents" / "Home" / "release"):
        try:
            stated = re.search(r'^JAVA_VERSION="(?:1\.)?(\d+)', release.read_text(errors="replace"), re.MULTILINE)
        except OSError:
            continue
        if stated:
            return int(stated.group(1))
    return 0


def _none(environ: Mapping[str, str], folders: Iterable[Path]) -> Path:
    search = environ.get("PATH") or os.defpath
    command = next((line for tool, line in _INSTALLERS if shutil.which(tool, path=search)), None)
    remedy = f"install one with: {command}" if command else "install a JDK or JRE 17, see https://adoptium.net"
    looked = ", ".join(str(folder) for folder in folders) or "no folders"
    raise ConfigError(
        f"looked for Java to start the embedded ZooKeeper and found none: JAVA_HOME is "
        f"{environ.get('JAVA_HOME') or 'not set'}, PATH has no java, and neither have {looked}; {remedy}"
    )
