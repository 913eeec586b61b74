"""Classic sessions and Spark Connect: each thing works, or says that it does not, as `docs/connect.md` has it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from matrix import ROWS

PROGRAM = Path(__file__).with_name("matrix.py")
TABLE = Path(__file__).parents[2] / "docs" / "connect.md"
KINDS = ("classic", "connect")
WORKS = "works"

# Whoever asks first waits until all rows were tried.
pytestmark = pytest.mark.timeout(900)


def documented():
    """What the table says of each row, by kind."""
    cells = (re.fullmatch(r"\| (.+) \| (.+) \| (.+) \|", line) for line in TABLE.read_text().splitlines())
    title, *rows = (found.groups() for found in cells if found)
    assert title[1:] == ("classic", "Spark Connect")
    return {name: dict(zip(KINDS, said, strict=True)) for name, *said in rows}


DOCUMENTED = documented()


@pytest.fixture(scope="module")
def found(connect_string, tmp_path_factory, request):
    """What came of each row under a session of that kind, tried once."""
    tried = {}

    def outcomes(kind):
        if kind not in tried:
            folder = tmp_path_factory.mktemp(kind)
            remote = [request.getfixturevalue("spark_connect")] if kind == "connect" else []
            command = [sys.executable, str(PROGRAM), connect_string, f"matrix-{kind}", str(folder / "tables"), *remote]
            (folder / "tables").mkdir()
            with (folder / "errors.log").open("wb") as errors:
                said = subprocess.run(command, stdout=subprocess.PIPE, stderr=errors, check=True).stdout
            lines = (json.loads(line) for line in said.splitlines() if line.startswith(b"{"))
            tried[kind] = {line["row"]: line for line in lines}
        return tried[kind]

    return outcomes


def test_the_table_has_every_row():
    assert list(DOCUMENTED) == list(ROWS)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("row", ROWS)
def test_a_cell_of_the_table(found, row, kind):
    outcome, said = found(kind)[row], DOCUMENTED[row][kind]
    if said == WORKS:
        assert outcome["error"] is None, outcome["text"]
        return
    error, sentence = re.fullmatch(r"`(\w+)`: (.+)", said).groups()
    assert outcome["error"] == error, outcome["text"]
    assert sentence in outcome["text"]
