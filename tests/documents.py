"""The pages of the documentation, and the examples in them."""

from __future__ import annotations

import re
from typing import NamedTuple

from tests.servers import ROOT

DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md"))]


class Example(NamedTuple):
    page: str
    language: str
    text: str


def name_of(path: object) -> str:
    """As `README.md` or `docs/pictures/crops.md`."""
    return str(path).removeprefix(f"{ROOT}/")


def read(name: str) -> str:
    """The text of a page, as `pictures/crops`."""
    return (DOCS / f"{name}.md").read_text(encoding="utf-8")


def examples(text: str, page: str = "") -> list[Example]:
    found = re.findall(r"^```(\w+)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [Example(page, language, block) for language, block in found]


def all_examples() -> list[Example]:
    return [
        one for path in PAGES for one in examples(path.read_text(encoding="utf-8"), name_of(path))
    ]
