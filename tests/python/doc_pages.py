"""The project's pages as tests see them: their fenced blocks, and how Python's are run.

The blocks of one page run in one namespace, from top to bottom. `# -> text` behind an expression is what its repr has
to be. A DataFrame that stands alone is read, as a notebook would show it.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pyspark.sql.dataframe import DataFrame

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    str(page.relative_to(ROOT))
    for page in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"))
    if page.name != "CHANGELOG.md"
)
_FENCE = re.compile(r"^```(\S*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_EXPECTED = re.compile(r"# -> (.*)$")


class Block(NamedTuple):
    """A fenced block."""

    language: str
    text: str
    line: int


def blocks(page: str) -> Iterator[Block]:
    """Find the blocks of a page."""
    text = (ROOT / page).read_text()
    for found in _FENCE.finditer(text):
        yield Block(found[1], found[2], text.count("\n", 0, found.start(2)))


def run(page: str, names: dict[str, Any], folder: Path) -> None:
    """Run the Python blocks of a page; directories that it names by `/data/` are below the folder."""
    names |= {"__name__": "__main__", "_shown": _shown, "_is": _is}
    for block in blocks(page):
        if block.language == "python":
            text = block.text.replace('"/data/', f'"{folder}/')
            tree = ast.fix_missing_locations(_Watched(text).visit(ast.parse(text)))
            exec(compile(ast.increment_lineno(tree, block.line), page, "exec"), names)  # noqa: S102 - our own pages


class _Watched(ast.NodeTransformer):
    """Looks at what stands alone; not inside functions, which may run in executors."""

    def __init__(self, text: str) -> None:
        self._lines = text.splitlines()

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        return node

    def visit_Expr(self, node: ast.Expr) -> ast.Expr:
        expected = _EXPECTED.search(self._lines[node.end_lineno - 1])
        called = ast.Name("_is" if expected else "_shown", ast.Load())
        said = [ast.Constant(expected[1])] if expected else []
        return ast.copy_location(ast.Expr(ast.Call(called, [node.value, *said], [])), node)


def _is(value: object, said: str) -> None:
    assert repr(value) == said


def _shown(value: object) -> None:
    if isinstance(value, DataFrame) and not value.isStreaming:
        value.collect()
