"""How the documentation is built: `make docs`, and the pages are in `dist/docs`."""

import re
from pathlib import Path

project = "Sparkeeper"
author = "the Sparkeeper authors"
release = re.search(r'^version = "(.+)"', (Path(__file__).parent.parent / "Cargo.toml").read_text(), re.MULTILINE)[1]

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
html_theme = "furo"
html_title = f"Sparkeeper {release}"

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
