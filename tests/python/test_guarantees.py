"""The table of guarantees names tests that exist."""

import re
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_NAMED = re.findall(r"`([\w/]+\.(?:py|rs))::(\w+)`", (_ROOT / "docs" / "guarantees.md").read_text())
_FOLDERS = {"py": _ROOT / "tests" / "python", "rs": _ROOT / "tests" / "integration"}


def test_the_table_names_tests():
    assert len(_NAMED) > 20


@pytest.mark.parametrize("name", sorted({"::".join(pair) for pair in _NAMED}))
def test_it_exists(name):
    file, function = name.split("::")
    source = (_FOLDERS[file.rpartition(".")[2]] / file).read_text()
    assert re.search(rf"\b(def|fn) {function}\(", source), f"{file} has no {function}"
