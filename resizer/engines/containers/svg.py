"""The size of an SVG, from its first element. Nothing else of it is read."""

from __future__ import annotations

import math
import re
from xml.parsers import expat

#: The first element of an SVG ends within so many bytes. Editors put long comments and declarations before it.
HEAD_BYTES = 16_384
#: What a browser takes for an SVG without any size, px (CSS 2.2 §10.3.2).
DEFAULT_SIZE = (300, 150)
#: Text of one declared entity. Illustrator declares namespaces and styles so; what names it often must not grow large.
_ENTITY_CHARACTERS = 256
#: Of an attribute with a size. A `viewBox` has four numbers of at most 25 characters.
_ATTRIBUTE_CHARACTERS = 128
_MOST = 65_535  # px
_NAMESPACE = "http://www.w3.org/2000/svg"
_LENGTH = re.compile(
    r"\+?((?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,2})?)(px|pt|pc|in|cm|mm|em|rem)?"
)
#: CSS px for each unit (CSS Values 4 §6). An em of a document without a style is 16 px.
_UNITS = {
    "": 1.0,
    "px": 1.0,
    "pt": 96 / 72,
    "pc": 16.0,
    "in": 96.0,
    "cm": 96 / 2.54,
    "mm": 96 / 25.4,
}


class _Found(Exception):
    """The first element. Raised to stop the parser."""

    def __init__(self, name: str, attributes: dict[str, str]) -> None:
        super().__init__(name)
        self.name = name
        self.attributes = attributes


def read_size(head: bytes) -> tuple[int, int] | None:
    """(width, height) in px, from `width`, `height` and `viewBox`. None for anything but an SVG.

    Security: the parser loads nothing, and expands no entity that refers to others or is long. It leaves prefixes
    alone, because it would repeat a long namespace for each attribute.
    """
    parser = expat.ParserCreate()
    # The default, and said because files of strangers are read here.
    parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)

    def find(name: str, attributes: dict[str, str]) -> None:
        raise _Found(name, attributes)

    def declare(_name: str, is_parameter: bool, value: str | None, *_others: str | None) -> None:
        if is_parameter or "&" in (value or "&") or len(value or "") > _ENTITY_CHARACTERS:
            raise _Found("", {})

    parser.StartElementHandler = find
    parser.EntityDeclHandler = declare
    try:
        parser.Parse(head[:HEAD_BYTES].lstrip(), False)
    except _Found as found:
        return _size(found.attributes) if _is_vector(found) else None
    except (expat.ExpatError, LookupError, ValueError):
        # Not XML, or of an unknown encoding.
        return None
    return None


def _is_vector(found: _Found) -> bool:
    prefix, _colon, name = found.name.rpartition(":")
    namespace = found.attributes.get(f"xmlns:{prefix}" if prefix else "xmlns")
    # Some have no namespace at all.
    return name == "svg" and (namespace == _NAMESPACE or not (prefix or namespace))


def _size(attributes: dict[str, str]) -> tuple[int, int]:
    width, height = (_length(_short(attributes, name)) for name in ("width", "height"))
    box = _view_box(_short(attributes, "viewBox"))
    if box is not None:
        width, height = (
            width or (height * box[0] / box[1] if height else box[0]),
            height or (width * box[1] / box[0] if width else box[1]),
        )
    sides = (width or DEFAULT_SIZE[0], height or DEFAULT_SIZE[1])
    # The shape of a box may be so extreme that a side is infinite.
    if max(sides) > _MOST:
        return DEFAULT_SIZE
    across, down = (max(1, round(side)) for side in sides)
    return across, down


def _short(attributes: dict[str, str], name: str) -> str:
    """An attribute; empty if it is too long for a size."""
    text = attributes.get(name, "")
    return text if len(text) <= _ATTRIBUTE_CHARACTERS else ""


def _length(text: str) -> float | None:
    """CSS px. None for a share of the page, and for what is no length."""
    match = _LENGTH.fullmatch(text.strip())
    if match is None:
        return None
    length = float(match[1]) * _UNITS.get(match[2] or "", 16.0)
    return length if 0 < length <= _MOST else None


def _view_box(text: str) -> tuple[float, float] | None:
    """Width and height of a `viewBox`."""
    try:
        _left, _top, width, height = map(float, text.replace(",", " ").split())
    except ValueError:
        return None
    is_sound = 0 < width < math.inf and 0 < height < math.inf
    return (width, height) if is_sound else None
