"""The tag and the filters of sorl-thumbnail, for templates that stay as they are.

TEMPLATES = [{..., "OPTIONS": {"libraries": {"thumbnail": "resizer.contrib.compat.sorl"}}}]

{% load thumbnail %}
{% thumbnail item.image "100x100" crop="center" as im %}
  <img src="{{ im.url }}" width="{{ im.width }}" height="{{ im.height }}">
{% empty %}
  <p>No image</p>
{% endthumbnail %}
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from django import template

from resizer.contrib.compat.thumbnails import Thumbnail, Wanted, make, size_of, want
from resizer.markup.html import escape
from resizer.markup.nodes import Call, place_of, read_call
from resizer.markup.options import is_nothing
from resizer.markup.tags import Tag, keyword_names

if TYPE_CHECKING:
    from django.template.base import NodeList, Parser, Token
    from django.template.context import Context

    from resizer.contrib.compat.thumbnails import Side
    from resizer.originals import File

register = template.Library()

_GEOMETRY = re.compile(r"([0-9]{1,5})?(?:x([0-9]{1,5}))?")
_LENGTH = re.compile(r"([0-9]{1,5})(%|px)")
_ACROSS = {"left": "0%", "center": "50%", "right": "100%"}
_DOWN = {"top": "0%", "center": "50%", "bottom": "100%"}
#: Percent that mean the same for each original: an edge, or the middle.
_FIXED = (0, 50, 100)
_CSS = "Remove it, and do it with CSS."
#: Options without a counterpart.
_ADVICE = {
    "blur": f"{_CSS} Such as filter: blur(5px).",
    "cropbox": 'Remove it. The point to keep in view is crop, such as crop="60% 30%", or one in the admin.',
    "options": "Write the options themselves.",
    "padding": f"{_CSS} Such as object-fit: contain.",
    "padding_color": f"{_CSS} Such as background.",
    "remove_border": "Remove it. Borders are not cut.",
    "rounded": f"{_CSS} Such as border-radius.",
}
#: About bytes that the engine decides on.
_WITHOUT_EFFECT = frozenset({"density", "flatten", "orientation", "progressive"})


def read(
    *,
    geometry: object = None,
    crop: object = None,
    upscale: object = True,
    quality: object = None,
    format: object = None,
    colorspace: object = None,
) -> Wanted:
    """Check the options of the tag. Raises ValueError for a wrong one."""
    if not is_nothing(colorspace) and str(colorspace).upper() != "RGB":
        raise ValueError(
            f"colorspace={colorspace!r} has no counterpart. {_CSS} Such as filter: grayscale(1)."
        )
    target = None if is_nothing(format) else str(format).lower()
    sides = read_geometry(geometry)
    return want(sides, _read_crop(crop), upscale, quality=quality, format=target)


def read_geometry(geometry: object) -> tuple[int | None, int | None]:
    """The sides of "200x100", "200" or "x100". Raises ValueError for anything else."""
    if is_nothing(geometry):
        return None, None
    match = _GEOMETRY.fullmatch(str(geometry))
    if match is None:
        raise ValueError(f'{geometry!r} is not a size. Write "200x100", "200" or "x100".')
    width, height = (int(side) if side else None for side in match.groups())
    return width or None, height or None


def _read_crop(crop: object) -> Any:
    """As CSS `background-position`."""
    text = "noop" if is_nothing(crop) else str(crop)
    if text == "noop":
        return None
    if text == "smart":
        return "smart"
    words = text.split()
    if text == "center":
        # The stored point, if an editor has chosen one.
        return "stored"
    if len(words) == 1:
        words = ["50%", text] if text in _DOWN else [text, "50%" if text in _ACROSS else text]
    sides = [
        _read_side(names.get(word, word))
        for word, names in zip(words, (_ACROSS, _DOWN), strict=False)
    ]
    if len(words) != 2 or None in sides:
        raise ValueError(
            f'crop={text!r} is unknown. Write crop="center", "top", "smart" or "80% 20%".'
        )
    return tuple(sides)


def _read_side(text: str) -> Side | None:
    match = _LENGTH.fullmatch(text)
    if match is None:
        return None
    number = int(match[1])
    if match[2] == "px":
        return lambda room, _window: min(number, room)
    if number in _FIXED:
        return number
    return lambda room, _window: room * min(number, 100) / 100


def _make(original: File, **options: Any) -> Thumbnail:
    return make(original, _read(**options))


def _read(**options: Any) -> Wanted:
    return read(**{name: value for name, value in options.items() if name not in _WITHOUT_EFFECT})


THUMBNAIL = Tag(
    name="thumbnail",
    make=_make,
    check=_read,
    options=keyword_names(read) | _WITHOUT_EFFECT,
    advice=_ADVICE,
)


class InlineNode(template.Node):
    """Prints the URL of a thumbnail."""

    def __init__(self, call: Call) -> None:
        self.call = call

    def render(self, context: Context) -> str:
        return escape(self.call.result(context, place_of(self)))


class BlockNode(template.Node):
    """Prints a block with the thumbnail, or the other block if there is none."""

    child_nodelists = ("shown", "empty")

    def __init__(self, call: Call, variable: str, shown: NodeList, empty: NodeList) -> None:
        self.call = call
        self.variable = variable
        self.shown = shown
        self.empty = empty

    def render(self, context: Context) -> str:
        made = self.call.result(context, place_of(self))
        if not made:
            return self.empty.render(context)
        with context.push(**{self.variable: made}):
            return self.shown.render(context)


@register.tag
def thumbnail(parser: Parser, token: Token) -> template.Node:
    """`{% thumbnail source geometry name=value … as im %} … {% empty %} … {% endthumbnail %}`; without `as`, a URL.

    Raises TemplateSyntaxError for an unknown option and for a wrong literal.
    """
    bits = token.split_contents()[1:]
    if len(bits) < 2 or "as" in bits[:2]:
        raise template.TemplateSyntaxError(
            'thumbnail needs an original and a size, such as {% thumbnail photo.image "100x100" as im %}.'
        )
    variable = bits[-1] if bits[-2] == "as" else None
    options = bits[2:] if variable is None else bits[2:-2]
    call = read_call(parser, [bits[0], f"geometry={bits[1]}", *options], THUMBNAIL)
    if variable is None:
        return InlineNode(call)
    shown, empty = parser.parse(("empty", "endthumbnail")), template.NodeList()
    if parser.next_token().contents == "empty":
        empty = parser.parse(("endthumbnail",))
        parser.delete_first_token()
    return BlockNode(call, variable, shown, empty)


@register.filter
def is_portrait(value: object) -> bool:
    """Whether an original or a thumbnail is taller than wide."""
    size = size_of(value)
    return size is not None and size[1] > size[0]


@register.filter
def margin(value: object, geometry: str) -> str:
    """The CSS margins around a thumbnail in a box."""
    room = _room(value, geometry)
    if room is None:
        return "auto"
    left, top = room[0] // 2, room[1] // 2
    return f"{top}px {room[0] - left}px {room[1] - top}px {left}px"


@register.filter
def background_margin(value: object, geometry: str) -> str:
    """The CSS background position of a thumbnail in a box."""
    room = _room(value, geometry)
    return "auto" if room is None else f"{room[0] / 2}px {room[1] / 2}px"


def _room(value: object, geometry: str) -> tuple[int, int] | None:
    """The px beside an image in a box, (across, down). None if the image or the box is not known."""
    size = size_of(value)
    try:
        width, height = read_geometry(geometry)
    except ValueError:
        return None
    if size is None or not (width or height):
        return None
    width = width or round((height or 0) * size[0] / size[1])
    height = height or round(width * size[1] / size[0])
    return width - size[0], height - size[1]
