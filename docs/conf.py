"""How the documentation is built: `make docs`, and the pages are in `dist/docs`."""

import ast
import re
from pathlib import Path

from sphinx.application import Sphinx

ROOT = Path(__file__).parent.parent
project = "Sparkeeper"
author = "the Sparkeeper authors"
release = re.search(r'^version = "(.+)"', (ROOT / "Cargo.toml").read_text(), re.MULTILINE)[1]

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
html_theme = "furo"
html_title = f"Sparkeeper {release}"
html_static_path = ["_static"]
html_css_files = ["pictures.css"]

# Headings are linked to by GitHub's rules, so that a link works there too.
myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence"]
# Blocks that name no language are not Python.
highlight_language = "none"

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
# Docstrings write code in single backticks.
default_role = "code"
napoleon_numpy_docstring = False
python_use_unqualified_type_names = True

STUB = ast.parse((ROOT / "python/sparkeeper/_sparkeeper.pyi").read_text())
METHODS = {
    f"sparkeeper.{kind.name}.{method.name}": method
    for kind in STUB.body
    if isinstance(kind, ast.ClassDef)
    for method in kind.body
    if isinstance(method, ast.FunctionDef)
}


def typed(_: Sphinx, what: str, name: str, *__: object) -> tuple[str, str] | None:
    """Give a native method the types that its stub has; the binary has none."""
    method = METHODS.get(name)
    if what != "method" or method is None or method.returns is None:
        return None
    given = method.args
    for argument in (*given.posonlyargs, *given.args, *given.kwonlyargs):
        if isinstance(argument.annotation, ast.Constant):
            argument.annotation = ast.Name(argument.annotation.value)
    text = re.sub(r"^(self|cls)(, /)?(, )?", "", ast.unparse(given))
    return f"({text})", ast.unparse(method.returns)


def untyped(_: Sphinx, what: str, __: str, ___: object, ____: object, lines: list[str]) -> None:
    """Put back what napoleon took for the type of an attribute, because a colon stands behind it."""
    if what in ("attribute", "property"):
        for taken in [line for line in lines if line.startswith(":type: ")]:
            lines.remove(taken)
            lines[0] = f"{taken.removeprefix(':type: ')}: {lines[0]}"


def setup(app: Sphinx) -> None:
    """Connect them; the second after napoleon has looked."""
    app.connect("autodoc-process-signature", typed)
    app.connect("autodoc-process-docstring", untyped, priority=600)
