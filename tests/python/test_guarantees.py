"""The table of guarantees names tests that exist."""

import re
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_TEXT = (_ROOT / "docs" / "guarantees.md").read_text()
_NAMED = re.findall(r"`([\w/]+\.(?:py|rs))::(\w+)`", _TEXT)
_FOLDERS = {"py": _ROOT / "tests" / "python", "rs": _ROOT / "tests" / "integration"}


def test_the_table_names_tests():
    assert len(_NAMED) > 20


def test_no_number_is_left_out():
    numbers = {int(number) for number in re.findall(r"^\| (\d+)\. ", _TEXT, re.MULTILINE)}
    assert numbers == set(range(1, 46))


@pytest.mark.parametrize("name", sorted({"::".join(pair) for pair in _NAMED}))
def test_it_exists(name):
    file, function = name.split("::")
    folder = _ROOT / "tests" if "/" in file else _FOLDERS[file.rpartition(".")[2]]
    source = (folder / file).read_text()
    assert re.search(rf"\b(def|fn) {function}\(", source), f"{file} has no {function}"
