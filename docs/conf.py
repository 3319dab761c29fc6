"""How Sphinx builds these pages. The table of settings comes from the code: _ext/settings_table.py."""

from __future__ import annotations

import sys
from pathlib import Path

import uptake

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "uptake"
author = "The uptake authors"
project_copyright = "The uptake authors"
version = release = uptake.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "settings_table"]
exclude_patterns = ["_build", "_ext"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
nitpicky = False

autodoc_typehints = "signature"
autodoc_type_aliases = {"npt.ArrayLike": "ArrayLike", "Array": "Array", "Shape": "Shape"}
autodoc_member_order = "bysource"

html_theme = "alabaster"
html_title = f"uptake {release}"
html_theme_options = {"description": "Breast DCE-MRI from DICOM to numbers that can be checked", "page_width": "70em"}
html_show_sourcelink = False
