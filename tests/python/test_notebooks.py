"""The notebooks run as they are, and find what they tell."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
FINDINGS = {
    "01_quickstart": [
        "plain   [0, 100]",
        "planned [50, 50]",
        "plain    336,776 rows, heaviest partition 1.79 x the mean",
        "planned  336,776 rows, heaviest partition 1.00 x the mean",
        "not acquired within 500ms: held by",
        "it was released",
        "run again: version 1, replayed=True",
        "the driver ended by SIGKILL",
    ],
}


def test_every_notebook_is_here():
    assert {path.stem for path in NOTEBOOKS.glob("*.ipynb")} == set(FINDINGS)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", sorted(FINDINGS))
def test_it_runs_and_finds(name):
    notebook = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(NOTEBOOKS)}}).execute()
    told = "".join(output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", []))
    for finding in FINDINGS[name]:
        assert finding in told
    assert told.count("336,776 rows") == 4, "before and after the kill, and as planned"
