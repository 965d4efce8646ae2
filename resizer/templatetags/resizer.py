"""`{% load resizer %}`: the tags, and the filters `resized` and `resized_html`.

{% resized_css %}
{% resized_devtools %}
{% resized_img photo.image alt="A cat" width=600 class="card" data-id=photo.pk %}
{% resized_img photo.image alt="A cat" as cat %} {{ cat.url }} {{ cat.width }}
{% resized_prefetch photos "image" %}
{% resized_picture %}
  {% resized_source photo.image media="(max-width: 600px)" ratio="4/5" %}
  {% resized_img photo.image alt="A cat" ratio="21/9" %}
{% endresized_picture %}
{% resized_url photo.image width=1200 ratio="1200/630" format="jpeg" %}
{% resized_srcset photo.image width=600 format="avif" %}
{% resized_preload photo.image width=600 %}
{% resized_background photo.image selector=".hero" %}
{{ photo.image|resized:"card" }}
{{ article.body|resized_html:"prose" }}
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django import template

from resizer.markup import art_direction, nodes
from resizer.markup.rich_text import filter_html
from resizer.markup.stored import STORED_IF_ANY
from resizer.markup.vocabulary import (
    RESIZED_BACKGROUND,
    RESIZED_IMG,
    RESIZED_PRELOAD,
    RESIZED_SOURCE,
    RESIZED_SRCSET,
    RESIZED_URL,
)

if TYPE_CHECKING:
    from django.template.base import Parser, Token
    from django.utils.safestring import SafeString

    from resizer.markup.html import Picture
    from resizer.originals import File

register = template.Library()


@register.tag
def resized_css(parser: Parser, token: Token) -> nodes.CssNode:
    """Print the style sheet that keeps pictures inside their columns. With `inline=True`, as a `style` with the page's nonce.

    Raises TemplateSyntaxError for anything else.
    """
    return nodes.parse_css(token)


@register.tag
def resized_devtools(parser: Parser, token: Token) -> nodes.DevtoolsNode:
    """Print a script to inspect the pictures of a page. Nothing without DEBUG. Raises TemplateSyntaxError for options."""
    return nodes.parse_devtools(token)


@register.tag
def resized_prefetch(parser: Parser, token: Token) -> nodes.PrefetchNode:
    """Look up the originals of a list at once, before the list is shown. Raises TemplateSyntaxError without a field."""
    return nodes.parse_prefetch(parser, token)


@register.tag
def resized_img(parser: Parser, token: Token) -> template.Node:
    """Print a responsive picture. Any name that is not an option becomes an attribute of the `img`.

    Raises TemplateSyntaxError for a literal original without `alt`, for a misspelt option and for a wrong literal.
    """
    node = nodes.parse(parser, token, RESIZED_IMG)
    is_part = node.variable is None and art_direction.is_part(parser)
    return art_direction.PartNode(node.call) if is_part else node


@register.tag
def resized_picture(parser: Parser, token: Token) -> art_direction.PictureNode:
    """Print a `resized_img` with a `resized_source` for other screens before it.

    Raises TemplateSyntaxError for a block without `resized_img`, and for text in it.
    """
    return art_direction.parse_picture(parser, token)


@register.tag
def resized_source(parser: Parser, token: Token) -> art_direction.PartNode:
    """Another picture, or another crop, for a media query. Raises TemplateSyntaxError outside of `resized_picture`."""
    return art_direction.parse_source(parser, nodes.parse(parser, token, RESIZED_SOURCE))


@register.tag
def resized_url(parser: Parser, token: Token) -> nodes.ResizedNode:
    """Print the URL of one variant. Raises TemplateSyntaxError for an unknown option and for a wrong literal."""
    return nodes.parse(parser, token, RESIZED_URL)


@register.tag
def resized_srcset(parser: Parser, token: Token) -> nodes.ResizedNode:
    """Print the `srcset` of one format. Raises TemplateSyntaxError for an unknown option and for a wrong literal."""
    return nodes.parse(parser, token, RESIZED_SRCSET)


@register.tag
def resized_preload(parser: Parser, token: Token) -> nodes.ResizedNode:
    """Print a `link` that loads a picture early. Raises TemplateSyntaxError for an unknown option and for a wrong literal."""
    return nodes.parse(parser, token, RESIZED_PRELOAD)


@register.tag
def resized_background(parser: Parser, token: Token) -> nodes.ResizedNode:
    """Print a `style` element for a selector, with the page's nonce. Without a selector, the value of a `style` attribute.

    Raises TemplateSyntaxError for an unknown option and for a wrong literal.
    """
    return nodes.parse(parser, token, RESIZED_BACKGROUND)


@register.filter
def resized(original: File, preset: str = "") -> Picture:
    """The picture of an original with a preset. Its alternative text is the stored one, or empty."""
    options = {"alt": STORED_IF_ANY, "preset": preset}
    made: Picture = RESIZED_IMG.run(original, options, {}, data=["preset"])
    return made


@register.filter(is_safe=True)
def resized_html(html: object, preset: str = "") -> SafeString:
    """Make the pictures in an editor's HTML responsive. The text counts as HTML, as with `safe`."""
    return filter_html(html, preset)
