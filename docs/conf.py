"""The documentation site: `make docs` builds it in var/site, with all it needs, for reading without a network."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import django
from docutils import nodes

if TYPE_CHECKING:
    from sphinx.application import Sphinx

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
# Docstrings write code as Markdown does.
default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
# Short names in signatures, such as "Picture".
python_use_unqualified_type_names = True
autodoc_typehints_format = "short"

html_theme = "furo"
html_title = f"resizer {version}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_favicon = "_static/icon.svg"
html_copy_source = True
html_show_sphinx = False
smartquotes = False
# Colours with a contrast of 7:1 for code.
pygments_style = "a11y-high-contrast-light"
pygments_dark_style = "a11y-high-contrast-dark"
# See the rule in site.css.
html_theme_options = {"light_css_variables": {"color-code-background": "#f3f5f8"}}
# Excerpts of HTML have an ellipsis, which no lexer knows.
suppress_warnings = ["misc.highlighting_failure"]


def write_llms(app: Sphinx, error: Exception | None) -> None:
    """llms.txt, for programs that read documentation: each page as Markdown, with its first sentence (llmstxt.org)."""
    if error is not None or app.builder.name != "html":
        return
    index, includes = app.env.get_doctree("index"), app.env.toctree_includes
    lines = [f"# {project}", f"> {_first_paragraph(index)}"]
    for section in includes["index"]:
        pages = [section, *includes.get(section, [])]
        lines.append(f"## {app.env.titles[section].astext()}")
        lines.append("\n".join(_line(app, page) for page in pages))
    Path(app.outdir, "llms.txt").write_text("\n\n".join(lines) + "\n", encoding="utf-8")


def _line(app: Sphinx, page: str) -> str:
    first = _first_paragraph(app.env.get_doctree(page)).partition(". ")[0].rstrip(".:")
    return f"- [{app.env.titles[page].astext()}](_sources/{page}.md.txt): {first}"


def _first_paragraph(page: nodes.document) -> str:
    """Below the title. Every page begins with one."""
    return next(
        " ".join(one.astext().split()) for one in page[0] if isinstance(one, nodes.paragraph)
    )


def setup(app: Sphinx) -> None:
    app.connect("build-finished", write_llms)
