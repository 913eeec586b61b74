"""Jars that tests need and PySpark lacks, from Maven Central by the Ivy that PySpark brings."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pyspark
import pytest

_UNREACHABLE = re.compile(
    r"UnknownHost|Host .* not found|Connection (refused|reset|timed out)|SocketTimeout|No route to host"
)
PYSPARK_JARS = Path(pyspark.__file__).parent / "jars"


def pysparks(name: str) -> Path:
    """Return a jar of PySpark's, `hadoop-client-api` say."""
    (found,) = PYSPARK_JARS.glob(f"{name}-[0-9]*.jar")
    return found


def hadoop_version() -> str:
    """Return the version of the Hadoop in PySpark's jars."""
    return pysparks("hadoop-client-api").stem.rpartition("-")[2]


def fetch(coordinates: list[str], work: Path) -> list[Path]:
    """Return the jars of some `group:module:version`, and those they need; Ivy keeps them in its cache.

    A coordinate that ends in `!` comes alone.
    """
    rows = []
    for coordinate in coordinates:
        group, module, version = coordinate.removesuffix("!").split(":")
        transitive = "false" if coordinate.endswith("!") else "true"
        rows.append(
            f'<dependency org="{group}" name="{module}" rev="{version}" transitive="{transitive}" conf="default"/>'
        )
    work.mkdir(parents=True, exist_ok=True)
    (work / "ivy.xml").write_text(
        '<ivy-module version="2.0"><info organisation="sparkeeper" module="tests"/>'
        f"<dependencies>{''.join(rows)}</dependencies></ivy-module>"
    )
    (work / "settings.xml").write_text(
        '<ivysettings><settings defaultResolver="central"/>'
        '<resolvers><ibiblio name="central" m2compatible="true"/></resolvers></ivysettings>'
    )
    paths = work / "jars.txt"
    files = ["-ivy", str(work / "ivy.xml"), "-settings", str(work / "settings.xml"), "-cachepath", str(paths)]
    command = ["java", "-jar", str(pysparks("ivy")), *files, "-confs", "default", "-types", "jar", "bundle", "-warn"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
    said = done.stdout + done.stderr
    if done.returncode != 0 and _UNREACHABLE.search(said):
        pytest.skip(f"Maven Central is not reachable, so {', '.join(coordinates)} cannot be had")
    assert done.returncode == 0, f"Ivy could not get {coordinates}:\n{said}"
    return [Path(path) for path in paths.read_text().strip().split(":")]
