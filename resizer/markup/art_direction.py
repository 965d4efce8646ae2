"""Art direction: another picture, or another crop, where a media query holds.

{% resized_picture %}
  {% resized_source article.portrait media="(max-width: 600px)" ratio="4/5" %}
  {% resized_img article.hero alt="…" ratio="21/9" priority=True %}
{% endresized_picture %}

Each `source` has its own `width` and `height` (HTML §4.8.4.2.1), so that the page keeps the right box free.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from django import template

from resizer.markup import picture
from resizer.markup.html import NOTHING, Candidates, Picture, type_of
from resizer.markup.nodes import place_of
from resizer.markup.options import is_nothing
from resizer.markup.stylesheet import reminder

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.template.base import NodeList, Parser, Token
    from django.template.context import Context

    from resizer.markup.nodes import Call, ResizedNode
    from resizer.originals import File

PICTURE = "resized_picture"
#: The key in `render_context` for the parts of a block.
_PARTS = "resizer-parts"
_AUTO = "auto, "
#: What stands in a media query outside of parentheses (Media Queries 4 §3). A browser takes anything else for "never".
_WORDS = frozenset({"not", "only", "and", "or", "all", "screen", "print", "speech"})
_CONDITION = re.compile(r"\([^()]*\)")
_MAX_MEDIA = 1000  # characters


class Source(NamedTuple):
    """A picture for a media query. With an empty `media` it is left out."""

    media: str
    picture: Picture

    def candidates(self, image: Picture) -> list[Candidates]:
        """All candidates for the `img` of another picture, with the fallback format last."""
        one = self.picture.on(image.origin)
        if not self.media or not one.url:
            return []
        # Of an `img` that loads at once, `auto` is not valid.
        sizes = one.sizes if image.is_lazy else one.sizes.removeprefix(_AUTO)
        every = [*one.candidates, Candidates(type_of(one.url), one.srcset or one.url)]
        return [
            each._replace(
                media=_both(self.media, each.media),
                sizes=sizes,
                width=one.width,
                height=one.height,
            )
            for each in every
        ]


def source(file: File, *, media: object = None, **options: Any) -> Source:
    """The picture of an original for a media query, such as "(max-width: 600px)". Raises ValueError for a wrong option."""
    return Source(_read_media(media), picture.build(file, alt="", **options))


def check_source(*, media: object = None, **options: Any) -> None:
    """Check the options of `source`, without an original. Raises ValueError for a wrong one."""
    _read_media(media)
    picture.check(**options)


def _read_media(value: object) -> str:
    """A media query. Empty if it is not given. Raises ValueError for one that holds in no window."""
    text = "" if is_nothing(value) else str(value).strip()
    if text and not all(map(_is_query, text[:_MAX_MEDIA].split(","))):
        raise ValueError(
            f'media={text!r} is no media query. Write one such as "(max-width: 600px)".'
        )
    return text


def _is_query(text: str) -> bool:
    """Whether a text has conditions in parentheses, and known words around them."""
    count = 1
    while count:
        text, count = _CONDITION.subn(" all ", text)
    words = text.lower().split()
    return bool(words) and _WORDS.issuperset(words)


def direct(image: Picture, sources: Iterable[Source]) -> Picture:
    """The picture with other sources before its own. An empty picture stays empty."""
    found = [each for one in sources for each in one.candidates(image)]
    if not image or not found:
        return image
    # The blur is of one of several pictures.
    placeholder = image.placeholder and image.placeholder._replace(blur="")
    return replace(image, candidates=(*found, *image.candidates), placeholder=placeholder)


def combine(parts: Iterable[object]) -> Picture:
    """The picture of a block from what stands in it. Empty without an image."""
    parts = list(parts)
    image = next((one for one in parts if isinstance(one, Picture)), NOTHING)
    return direct(image, [one for one in parts if isinstance(one, Source)])


def _both(media: str, other: str) -> str:
    """The media query for both; a comma is an "or"."""
    if not other:
        return media
    return ", ".join(f"{one.strip()} and {other}" for one in media.split(","))


class PictureNode(template.Node):
    """Prints the picture in the block with the sources before it, or keeps it in a variable."""

    def __init__(self, nodelist: NodeList, variable: str | None) -> None:
        self.nodelist = nodelist
        self.variable = variable

    def render(self, context: Context) -> str:
        parts: list[object] = []
        context.render_context[_PARTS] = parts
        self.nodelist.render(context)
        made = combine(parts)
        if self.variable is None:
            return made.__html__() + reminder(context) if made else ""
        context[self.variable] = made
        return ""


class PartNode(template.Node):
    """A source or an `img` in a block."""

    def __init__(self, call: Call) -> None:
        self.call = call

    def render(self, context: Context) -> str:
        context.render_context[_PARTS].append(self.call.result(context, place_of(self)))
        return ""


def parse_picture(parser: Parser, token: Token) -> PictureNode:
    """Read a block. Raises TemplateSyntaxError for a block without `resized_img`, in another block, and with text in it."""
    if [command for command, _ in parser.command_stack].count(PICTURE) > 1:
        raise template.TemplateSyntaxError(f"{PICTURE} stands in another one. Put it outside.")
    bits = token.split_contents()[1:]
    if bits and (len(bits) != 2 or bits[0] != "as"):
        raise template.TemplateSyntaxError(
            f"{PICTURE} has no options. Write them to resized_source and resized_img in the block."
        )
    nodelist = parser.parse((f"end{PICTURE}",))
    parser.delete_first_token()
    if any(map(_has_text, nodelist)):
        raise template.TemplateSyntaxError(f"{PICTURE} has text in it. Remove it.")
    parts = cast("list[PartNode]", nodelist.get_nodes_by_type(PartNode))
    if not any(one.call.tag.name == "resized_img" for one in parts):
        raise template.TemplateSyntaxError(
            f"{PICTURE} needs a resized_img. Write it after the sources: it is for all other screens."
        )
    return PictureNode(nodelist, bits[1] if bits else None)


def _has_text(node: template.Node) -> bool:
    is_text = isinstance(node, template.base.TextNode) and bool(node.s.strip())
    return is_text or isinstance(node, template.base.VariableNode)


def parse_source(parser: Parser, node: ResizedNode) -> PartNode:
    """Read a source. Raises TemplateSyntaxError outside of a block, and without `media`."""
    if not is_part(parser):
        raise template.TemplateSyntaxError(
            f"resized_source stands outside of {PICTURE}. Put it in."
        )
    if "media" not in node.call.names:
        raise template.TemplateSyntaxError('resized_source needs media="(max-width: 600px)".')
    return PartNode(node.call)


def is_part(parser: Parser) -> bool:
    """Whether the tag that is read stands in a block."""
    return any(command == PICTURE for command, _ in parser.command_stack)
