"""The documentation site: `make docs` builds it in var/site."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import django

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
os.environ.setdefault("DJANGO_DEBUG", "1")
django.setup()

import resizer  # noqa: E402

project = "resizer"
version = release = resizer.__version__
copyright = "the authors of resizer"
language = "en"
extensions = ["myst_parser", "sphinx.ext.autodoc"]
exclude_patterns = ["conf.py"]
# Links to headings are written as on GitHub.
myst_heading_anchors = 4
nitpicky = True

html_theme = "furo"
html_title = f"resizer {version}"
html_copy_source = True
html_show_sphinx = False
# Colours with a contrast of 7:1 for code.
pygments_style = "a11y-high-contrast-light"
pygments_dark_style = "a11y-high-contrast-dark"
# Excerpts of HTML have an ellipsis, which no lexer knows.
suppress_warnings = ["misc.highlighting_failure"]
