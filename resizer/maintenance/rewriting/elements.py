"""An `<img>` of another package's URL as a tag of ours, with the attributes that it had."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from resizer.maintenance.rewriting.pieces import Piece, Unclear
from resizer.maintenance.rewriting.spelling import Asked, Text, literal, spell, tag

if TYPE_CHECKING:
    from collections.abc import Mapping

    from resizer.maintenance.rewriting.images import Image, Value

_PIXELS = re.compile(r"([1-9][0-9]{0,4})(?:px)?")
#: Of the picture that `src` shows: the size of its file.
_SIDES = re.compile(r"(.+)\.(?:width|height|x|y)")
#: What the tag prints anyway.
_USUAL = {"loading": "lazy", "decoding": "async"}


def write_image(image: Image, asked: Asked, variable: str) -> tuple[str, bool]:
    """The tag for an `<img>`, and whether it has no alternative text. `variable` is that of its `src`. Raises Unclear."""
    if image.problem:
        raise Unclear(image.problem)
    if image.is_in_picture:
        raise Unclear("it stands in a picture")
    if "srcset" in image.attributes:
        raise Unclear("it has a srcset of its own")
    shown = variable or re.sub(r"\.url$", "", image.source.contents if image.source else "")
    options = {**asked.options, **_layout(image.attributes, asked.options, shown)}
    attributes: dict[str, str] = {}
    variables: dict[str, str] = {}
    for name, value in image.attributes.items():
        if name in ("src", "width", "height") or value == (_USUAL.get(name),):
            continue
        if name == "alt" and _variable(value) == f"{variable}.alt":
            # The stored text, which our tag prints as well.
            continue
        text = _spelled(name, value, variable)
        (options if name in ("alt", "sizes") else attributes)[name] = text.value
        variables |= text.variables
    # `attrs` of Wagtail has the stored text.
    has_alt = "alt" in image.attributes or _variable(image.attributes["src"]).endswith(".attrs")
    if not has_alt:
        options["alt"] = '""'
    return tag("resized_img", Asked(asked.original, options, attributes), variables), not has_alt


def without_usual(asked: Asked) -> Asked:
    """The same without attributes of the `img` that the tag prints anyway."""
    attributes = {
        name: value
        for name, value in asked.attributes.items()
        if name not in _USUAL or literal(value) != _USUAL[name]
    }
    return asked._replace(attributes=attributes)


def _spelled(name: str, value: Value | None, variable: str) -> Text:
    for part in value or ():
        if variable and isinstance(part, Piece) and part.mentions(variable):
            raise Unclear(f"{variable} is used in its {name}")
    return spell(name, value)


def _variable(value: Value | None) -> str:
    """The one variable that is all of a value. Empty for anything else."""
    part = value[0] if value and len(value) == 1 else ""
    return part.contents if isinstance(part, Piece) else ""


def _layout(
    attributes: Mapping[str, Value | None], asked: Mapping[str, str], shown: str
) -> dict[str, str]:
    """The sides that the HTML gives the picture. They win over those of the file."""
    sides = {
        name: side
        for name in ("width", "height")
        if (side := _side(name, attributes.get(name), shown))
    }
    if "preset" in asked:
        return {}
    if not sides or not {"width", "height"} & asked.keys():
        return sides
    if {"width", "height"} <= asked.keys():
        return _scaled(sides, int(asked["width"]), int(asked["height"]))
    # The other side follows from the ratio of the original.
    return {name: side for name, side in sides.items() if name in asked}


def _scaled(sides: Mapping[str, str], width: int, height: int) -> dict[str, str]:
    """Both sides of a box. A side that the HTML does not give keeps the ratio."""
    if len(sides) == 2:
        return dict(sides)
    if "width" in sides:
        return {**sides, "height": str(max(1, round(int(sides["width"]) * height / width)))}
    return {**sides, "width": str(max(1, round(int(sides["height"]) * width / height)))}


def _side(name: str, value: Value | None, shown: str) -> str:
    """A side in px. Empty for the side of the file itself. Raises Unclear for anything else."""
    if not value:
        return ""
    own = _SIDES.fullmatch(_variable(value))
    if own and own[1] == shown:
        return ""
    text = value[0] if len(value) == 1 else ""
    match = _PIXELS.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise Unclear(f"its {name} is no number of pixels")
    return match[1]
