"""The `<img>` elements of a template, with the pieces in their attributes."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING, NamedTuple

from resizer.maintenance.rewriting.pieces import FILLER, Piece, Unclear

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from resizer.maintenance.rewriting.pieces import Template

#: Name and value as HTML §13.1.2.3 has them.
_ATTRIBUTE = re.compile(r"\s*([^\s\"'<>/=]+)(?:\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'=<>`]+)))?")
_END = re.compile(r"\s*/?>")
_MEDIA_PREFIXES = frozenset({"MEDIA_URL", "get_media_prefix"})
#: Texts, and pieces between them.
Value = tuple["str | Piece", ...]


class Image(NamedTuple):
    """An `<img>`."""

    start: int
    end: int
    #: In their order, by names in small letters. None for a name without a value.
    attributes: Mapping[str, Value | None]
    is_in_picture: bool
    #: Why its attributes cannot be read; empty if they can.
    problem: str = ""

    @property
    def source(self) -> Piece | None:
        """The piece that is all of its `src`, but for a prefix of media files. None for anything else."""
        value = self.attributes.get("src") or ()
        last = value[-1] if len(value) == 1 or self.has_media_prefix else None
        return last if isinstance(last, Piece) else None

    @property
    def has_media_prefix(self) -> bool:
        """Whether its `src` is `{{ MEDIA_URL }}` and the name of a file."""
        value = self.attributes.get("src") or ()
        prefix = value[0] if len(value) == 2 else None
        return isinstance(prefix, Piece) and prefix.contents in _MEDIA_PREFIXES

    def pieces(self) -> list[Piece]:
        values = [value for value in self.attributes.values() if value]
        return [part for value in values for part in value if isinstance(part, Piece)]


def find_images(template: Template) -> list[Image]:
    """Raises Unclear for HTML that Python cannot parse."""
    finder = _Finder(template)
    try:
        finder.feed(template.html)
    except AssertionError as error:
        # Python up to 3.13.4 raises it for "<![" before an unknown word.
        raise Unclear("its HTML cannot be parsed") from error
    return finder.images


class _Finder(HTMLParser):
    def __init__(self, template: Template) -> None:
        super().__init__(convert_charrefs=True)
        self.images: list[Image] = []
        self._template = template
        self._lines = [0, *(match.end() for match in re.finditer("\n", template.html))]
        self._is_in_picture = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "picture":
            self._is_in_picture = True
        if tag != "img":
            return
        line, offset = self.getpos()
        start = self._lines[line - 1] + offset
        end = start + len(self.get_starttag_text() or "")
        attributes, problem = self._attributes(start + len("<img"), end)
        self.images.append(Image(start, end, attributes, self._is_in_picture, problem))

    def handle_endtag(self, tag: str) -> None:
        if tag == "picture":
            self._is_in_picture = False

    def _attributes(self, start: int, end: int) -> tuple[dict[str, Value | None], str]:
        html = self._template.html
        attributes: dict[str, Value | None] = {}
        while not _END.fullmatch(html, start, end):
            match = _ATTRIBUTE.match(html, start, end)
            if match is None:
                return attributes, "its attributes cannot be read"
            if FILLER in match[1]:
                (*_, piece) = self._parts(*match.span(1))
                if not isinstance(piece, Piece) or not piece.contents.endswith(".attrs"):
                    return attributes, "a template tag stands between its attributes"
                # `<img {{ photo.attrs }}>`, as Wagtail has it.
                attributes["src"] = (piece,)
                start = match.end()
                continue
            group = match.lastindex or 1
            value = None if group == 1 else tuple(self._parts(match.start(group), match.end(group)))
            # The first of equal names counts (HTML §13.2.5.33).
            attributes.setdefault(match[1].lower(), value)
            start = match.end()
        return attributes, ""

    def _parts(self, start: int, end: int) -> Iterator[str | Piece]:
        for piece in self._template.between(start, end):
            if start < piece.start:
                yield self._template.text[start : piece.start]
            yield piece
            start = piece.end
        if start < end:
            yield self._template.text[start:end]
