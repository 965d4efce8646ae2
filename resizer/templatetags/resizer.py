"""`{% load resizer %}`: the tags `resized_img` and `resized_url`.

{% resized_img photo.image alt="A cat" width=600 class="card" data-id=photo.pk %}
{% resized_img photo.image alt="A cat" as cat %} {{ cat.url }} {{ cat.width }}
{% resized_url photo.image width=1200 ratio="1200/630" format="jpeg" %}
"""

from __future__ import annotations

import inspect
import logging
import re
from typing import TYPE_CHECKING, Any

from django import template
from django.conf import settings as django_settings

from resizer.markup import picture
from resizer.markup.options import Options

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from django.template.base import FilterExpression, Parser, Token
    from django.template.context import Context

logger = logging.getLogger(__name__)

register = template.Library()

_ATTRIBUTE = re.compile(r"([^\s\"'<>/=]+)=(.+)", re.DOTALL)
#: Attributes computed by the tag. A template cannot set them.
_OWN_ATTRIBUTES = frozenset({"src", "srcset"})


def _options(function: Callable[..., object]) -> frozenset[str]:
    parameters = inspect.signature(function).parameters.values()
    return frozenset(one.name for one in parameters if one.kind is one.KEYWORD_ONLY)


_RECIPE_OPTIONS = _options(Options.read)
IMG_OPTIONS = (_RECIPE_OPTIONS | _options(picture.build)) - {"attributes"}
URL_OPTIONS = _RECIPE_OPTIONS | _options(picture.url)
#: Options with values that can be wrong. Any `alt` is right.
_DATA_OPTIONS = (IMG_OPTIONS | URL_OPTIONS) - {"alt"}


class ResizedNode(template.Node):
    """One use of a tag: an original, named values, and perhaps a variable for the result."""

    def __init__(
        self,
        make: Callable[..., Any],
        original: FilterExpression,
        values: Mapping[str, FilterExpression],
        variable: str | None,
    ) -> None:
        self.make = make
        self.original = original
        self.values = values
        self.variable = variable

    def render(self, context: Context) -> str:
        original = self.original.resolve(context)
        values = {name: _resolve(name, value, context) for name, value in self.values.items()}
        try:
            result = self.make(original, **values)
        except ValueError as error:
            # In production, a wrong value from a variable must not break a page: an editor may have entered it.
            # A wrong literal in the template is the author's mistake, and raises again.
            if django_settings.DEBUG:
                raise
            result = self.make(original, **self._without_data(values))
            logger.error("A tag ignores its options from variables: %.500s", error)
        if self.variable is not None:
            context[self.variable] = result
            return ""
        return result.__html__() if isinstance(result, picture.Picture) else picture.escape(result)

    def _without_data(self, values: Mapping[str, object]) -> dict[str, object]:
        """The values without the options from variables."""
        return {
            name: value
            for name, value in values.items()
            if name not in _DATA_OPTIONS or _is_literal(self.values[name])
        }


@register.tag
def resized_img(parser: Parser, token: Token) -> ResizedNode:
    """Print a responsive picture. `alt` is required. Any name that is not an option becomes an attribute of the `img`.

    Raises TemplateSyntaxError for a tag without `alt`, and for one with `src` or `srcset`.
    """
    node = _parse(parser, token, _build)
    if "alt" not in node.values:
        raise template.TemplateSyntaxError(
            'resized_img needs alt="…". Describe the picture, or write alt="" for decoration.'
        )
    for name in node.values:
        if name.lower() in _OWN_ATTRIBUTES:
            raise template.TemplateSyntaxError(f"resized_img sets {name} itself. Remove it.")
    return node


@register.tag
def resized_url(parser: Parser, token: Token) -> ResizedNode:
    """Print the URL of one variant. Raises TemplateSyntaxError for an unknown option."""
    node = _parse(parser, token, picture.url)
    for name in set(node.values) - URL_OPTIONS:
        raise template.TemplateSyntaxError(
            f"resized_url has no option {name}. Use one of {', '.join(sorted(URL_OPTIONS))}."
        )
    return node


def _resolve(name: str, expression: FilterExpression, context: Context) -> object:
    """The value of an option. An undefined variable and an empty field give None.

    A literal `formats=""` in the template stays: it means the fallback format alone.
    """
    value = expression.resolve(context)
    is_empty = name in IMG_OPTIONS | URL_OPTIONS and value == "" and expression.is_var
    return None if is_empty else value


def _is_literal(expression: FilterExpression) -> bool:
    # Django parses a number as a variable without lookups.
    return not expression.is_var or expression.var.lookups is None


def _build(original: Any, **values: Any) -> picture.Picture:
    options = {name: value for name, value in values.items() if name in IMG_OPTIONS}
    attributes = {name: value for name, value in values.items() if name not in IMG_OPTIONS}
    return picture.build(original, attributes=attributes, **options)


def _parse(parser: Parser, token: Token, make: Callable[..., Any]) -> ResizedNode:
    # Django's own parser for named values refuses hyphens. With it, `data-id=1` would be an error.
    tag, *bits = token.split_contents()
    variable = None
    if len(bits) > 2 and bits[-2] == "as":
        variable = bits[-1]
        bits = bits[:-2]
    if not bits or _ATTRIBUTE.fullmatch(bits[0]):
        raise template.TemplateSyntaxError(
            f"{tag} has no original. Write it first: {tag} photo.image …"
        )
    values = {}
    for bit in bits[1:]:
        match = _ATTRIBUTE.fullmatch(bit)
        if match is None:
            raise template.TemplateSyntaxError(f"{tag} cannot read {bit!r}. Write name=value.")
        if match[1] in values:
            raise template.TemplateSyntaxError(f"{tag} has {match[1]} twice. Remove one.")
        values[match[1]] = parser.compile_filter(match[2])
    return ResizedNode(make, parser.compile_filter(bits[0]), values, variable)
