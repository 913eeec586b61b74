"""Execute every notebook, or those that are named, and write its output into it, as readers see it on a page."""

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

for path in [Path(name) for name in sys.argv[1:]] or sorted(Path("notebooks").glob("*.ipynb")):
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(path.parent)}}).execute()
    for cell in notebook.cells:
        # Timings of this run, and what Java prints while it starts, are nobody's reading.
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
    nbformat.write(notebook, path)
    sys.stdout.write(f"{path}: {len(notebook.cells)} cells\n")
