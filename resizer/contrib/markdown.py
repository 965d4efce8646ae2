"""Python-Markdown: `markdown.markdown(text, extensions=["resizer.contrib.markdown"])` prints responsive pictures."""

from __future__ import annotations

from typing import Any

from markdown import Extension, Markdown
from markdown.postprocessors import Postprocessor

from resizer.markup.rich_text import resize_html

#: Priority after Markdown's own postprocessors: they put the author's HTML back (30), and replace entities (20).
LAST = 0


class ResizerExtension(Extension):
    """`options` are those of the tag `resized_img`, for all pictures."""

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.options = options

    def extendMarkdown(self, md: Markdown) -> None:
        md.postprocessors.register(_Resizing(self.options), "resizer", LAST)


class _Resizing(Postprocessor):
    def __init__(self, options: dict[str, Any]) -> None:
        super().__init__()
        self.options = options

    def run(self, text: str) -> str:
        # A plain string: Markdown's other users must not take it for safe.
        return str.__str__(resize_html(text, **self.options))


def makeExtension(**options: Any) -> ResizerExtension:
    """Called by Markdown for the dotted name of this module."""
    return ResizerExtension(**options)
