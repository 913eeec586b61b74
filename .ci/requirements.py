"""Print what an extra of pyproject.toml requires, one argument each, extras of extras included.

It lets the virtual environment be filled without building the extension twice.
"""

import re
import sys
from pathlib import Path

PYPROJECT = Path(__file__).parent.parent / "pyproject.toml"


def extras() -> dict[str, list[str]]:
    """Return the optional dependencies. Read by pattern: Python 3.10 has no TOML parser."""
    section = PYPROJECT.read_text().split("[project.optional-dependencies]")[1].split("\n[")[0]
    found = re.findall(r"^(\w+) = \[(.*?)\]$", section, re.MULTILINE | re.DOTALL)
    return {name: re.findall(r'"([^"]+)"', body) for name, body in found}


def flatten(name: str, known: dict[str, list[str]]) -> list[str]:
    """Return the requirements of an extra, those of the extras it names included."""
    wanted: list[str] = []
    for requirement in known[name]:
        own = re.fullmatch(r"sparkeeper\[([\w,]+)\]", requirement)
        wanted += [item for extra in own[1].split(",") for item in flatten(extra, known)] if own else [requirement]
    return list(dict.fromkeys(wanted))


sys.stdout.write(" ".join(flatten(sys.argv[1], extras())) + "\n")
