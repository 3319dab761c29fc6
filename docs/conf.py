"""How Sphinx builds these pages. Tables of settings and features come from the code: _ext/made_from_code.py."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import uptake

if TYPE_CHECKING:
    from sphinx.application import Sphinx

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "uptake"
author = "The uptake authors"
project_copyright = "The uptake authors"
version = release = uptake.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "made_from_code"]
exclude_patterns = ["_build", "_ext"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
nitpicky = False

autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
autodoc_type_aliases = {"npt.ArrayLike": "ArrayLike", "Array": "Array", "Shape": "Shape"}
autodoc_member_order = "bysource"

html_theme = "alabaster"
html_title = f"uptake {release}"
html_theme_options = {"description": "Breast DCE-MRI from DICOM to numbers that can be checked", "page_width": "70em"}
html_show_sourcelink = False


def setup(app: Sphinx) -> None:
    """Docstrings are plain text: an argument like ``as_`` is no link."""

    def plain(_app: Sphinx, _what: str, _name: str, _object: object, _options: object, lines: list[str]) -> None:
        lines[:] = [re.sub(r"(?<=\w)_(?=[:\s])", r"\_", line) for line in lines]

    app.connect("autodoc-process-docstring", plain)
