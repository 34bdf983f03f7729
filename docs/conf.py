"""Settings of the documentation. The reference is written from code and schemas: see `_ext/generated_reference.py`."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE / "_ext"), str(HERE.parent)]

project = "pytest-biasaudit"
author = "the pytest-biasaudit authors"
copyright = "the pytest-biasaudit authors; Apache-2.0"

extensions = ["myst_parser", "generated_reference"]
exclude_patterns = ["_build", "reference/_generated"]
source_suffix = {".md": "markdown"}
master_doc = "index"
nitpicky = True

myst_enable_extensions = ["deflist", "colon_fence"]
myst_heading_anchors = 3
# Pages also link to files of the repository, which are no pages here.
suppress_warnings: list[str] = []

html_theme = "furo"
html_title = "pytest-biasaudit"
html_show_sphinx = False
html_copy_source = False
pygments_style = "friendly"
pygments_dark_style = "native"
