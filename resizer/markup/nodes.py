"""Tags in Django's templates: from their text to their result."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from django import template
from django.conf import settings as django_settings
from django.utils.safestring import SafeString

from resizer.markup.background import Background
from resizer.markup.devtools import print_devtools
from resizer.markup.html import Picture, escape, with_nonce
from resizer.markup.lists import prefetch_for_template, prefetch_usage
from resizer.markup.mistakes import mistaken_word, tell_undefined
from resizer.markup.origin import with_request
from resizer.markup.stylesheet import print_css, reminder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.template.base import FilterExpression, Parser, Token
    from django.template.context import Context

    from resizer.markup.tags import Tag

_NAMED = re.compile(r"([^\s\"'<>/=]+)=(.+)", re.DOTALL)
#: Django reads them as variables.
_CONSTANTS = frozenset({"True", "False", "None"})


class Call:
    """A tag with its original and its values, compiled. Raises TemplateSyntaxError for wrong names and wrong literals."""

    def __init__(
        self, tag: Tag, original: FilterExpression, values: dict[str, FilterExpression]
    ) -> None:
        self.tag = tag
        self.original = original
        literals = {
            name: value.resolve(template.Context())
            for name, value in values.items()
            if _is_literal(value)
        }
        try:
            if _is_literal(original):
                tag.check_original(original.resolve(template.Context()), values)
            tag.check_names(values)
            tag.check_literals(literals, values)
        except ValueError as error:
            raise template.TemplateSyntaxError(str(error)) from error
        #: In the order of the template, with None for values that are known only in a context.
        self._options = {name: literals.get(name) for name in values if name in tag.options}
        self._attributes = {name: literals.get(name) for name in values if name not in tag.options}
        variables = {name: value for name, value in values.items() if name not in literals}
        self._from_data = [
            (name, value) for name, value in variables.items() if name in tag.options
        ]
        self._other = [
            (name, value) for name, value in variables.items() if name not in tag.options
        ]
        self.names = frozenset(values)
        #: The options whose values come from variables.
        self.data = frozenset(name for name, _ in self._from_data)

    def resolve(self, context: Context) -> tuple[dict[str, Any], dict[str, Any]]:
        """The options and the attributes. An option of an undefined variable or of an empty field is None.

        A literal `formats=""` in the template stays: it means the fallback format alone.
        """
        options, attributes = dict(self._options), dict(self._attributes)
        for name, value in self._from_data:
            found = value.resolve(context)
            options[name] = None if found == "" else found
        for name, value in self._other:
            attributes[name] = value.resolve(context)
        return options, attributes

    def result(self, context: Context, place: str = "") -> Any:
        """What the tag makes. Wrong data is left out, or raises ValueError with DEBUG."""
        options, attributes = self.resolve(context)
        with_request(options, context)
        original = self.original.resolve(context)
        if django_settings.DEBUG:
            self._tell_unquoted(options, context, place)
            if not original:
                self._tell_undefined(context, place)
        result = self.tag.run(original, options, attributes, data=self.data, place=place)
        return with_nonce(result, context)

    def _tell_unquoted(self, options: dict[str, Any], context: Context, place: str) -> None:
        for name, value in self._from_data:
            if options.get(name) is None and _is_undefined(value, context):
                self.tag.tell_unquoted(name, value.token, place)

    def _tell_undefined(self, context: Context, place: str) -> None:
        if not self.original.is_var:
            return
        try:
            self.original.var.resolve(context)
        except template.VariableDoesNotExist as error:
            _name, owner = error.params
            # An empty relation has no image: that is data, not a mistake.
            if owner is not None and owner != "":
                tell_undefined(self.tag.name, place, str(self.original.var))


class ResizedNode(template.Node):
    """Prints the result of a tag, or keeps it in a variable."""

    def __init__(self, call: Call, variable: str | None) -> None:
        self.call = call
        self.variable = variable

    def render(self, context: Context) -> str:
        result = self.call.result(context, place_of(self))
        if self.variable is not None:
            context[self.variable] = result
            return ""
        if isinstance(result, Background):
            return result.print(context)
        if not isinstance(result, Picture):
            return result if isinstance(result, SafeString) else escape(result)
        return result.__html__() + reminder(context) if result else ""


class CssNode(template.Node):
    """Prints the style sheet for pictures."""

    def __init__(self, *, inline: bool) -> None:
        self.inline = inline

    def render(self, context: Context) -> str:
        return print_css(context, inline=self.inline)


class DevtoolsNode(template.Node):
    """Prints the tools for a page in development."""

    def render(self, context: Context) -> str:
        return print_devtools(context)


class PrefetchNode(template.Node):
    """Looks up the originals of a list. Prints nothing."""

    def __init__(self, objects: FilterExpression, fields: list[FilterExpression]) -> None:
        self.objects = objects
        self.fields = fields

    def render(self, context: Context) -> str:
        fields = [one.resolve(context) for one in self.fields]
        prefetch_for_template(self.objects.resolve(context), fields, place_of(self))
        return ""


def parse_prefetch(parser: Parser, token: Token) -> PrefetchNode:
    """Read `{% resized_prefetch photos "image" "author.avatar" %}`. Raises TemplateSyntaxError."""
    _tag, *bits = token.split_contents()
    if len(bits) < 2 or any(_NAMED.fullmatch(bit) for bit in bits):
        raise template.TemplateSyntaxError(prefetch_usage())
    objects, *fields = map(parser.compile_filter, bits)
    return PrefetchNode(objects, fields)


def parse_devtools(token: Token) -> DevtoolsNode:
    """Read `{% resized_devtools %}`. Raises TemplateSyntaxError."""
    tag, *bits = token.split_contents()
    if bits:
        raise template.TemplateSyntaxError(f"{tag} cannot read {' '.join(bits)!r}. Write {tag}.")
    return DevtoolsNode()


def parse_css(token: Token) -> CssNode:
    """Read `{% resized_css %}` or `{% resized_css inline=True %}`. Raises TemplateSyntaxError."""
    tag, *bits = token.split_contents()
    if bits not in ([], ["inline=True"], ["inline=False"]):
        raise template.TemplateSyntaxError(
            f"{tag} cannot read {' '.join(bits)!r}. Write {tag}, or {tag} inline=True for a style element."
        )
    return CssNode(inline=bits == ["inline=True"])


def parse(parser: Parser, token: Token, tag: Tag) -> ResizedNode:
    """Read `{% tag original name=value … as variable %}`. Raises TemplateSyntaxError."""
    bits = token.split_contents()[1:]
    variable = None
    if len(bits) > 2 and bits[-2] == "as":
        variable = bits[-1]
        bits = bits[:-2]
    return ResizedNode(read_call(parser, bits, tag), variable)


def read_call(parser: Parser, bits: Sequence[str], tag: Tag) -> Call:
    """Read `original name=value …`. Raises TemplateSyntaxError."""
    # Django's own parser for named values refuses hyphens. With it, `data-id=1` would be an error.
    if not bits or _NAMED.fullmatch(bits[0]):
        raise template.TemplateSyntaxError(
            f"{tag.name} has no original. Write it first: {tag.name} photo.image …"
        )
    return Call(tag, parser.compile_filter(bits[0]), read_values(parser, bits[1:], tag.name))


def read_values(parser: Parser, bits: Sequence[str], tag: str) -> dict[str, FilterExpression]:
    """Read `name=value …`. Raises TemplateSyntaxError."""
    values: dict[str, FilterExpression] = {}
    for bit in bits:
        match = _NAMED.fullmatch(bit)
        if match is None:
            raise template.TemplateSyntaxError(f"{tag} cannot read {bit!r}. {mistaken_word(bit)}")
        if match[1] in values:
            raise template.TemplateSyntaxError(f"{tag} has {match[1]} twice. Remove one.")
        values[match[1]] = _compile(parser, tag, match[1], match[2])
    return values


def _compile(parser: Parser, tag: str, name: str, text: str) -> FilterExpression:
    """Compile a value. Raises TemplateSyntaxError for text that needs quotes, such as 16/9 and 50vw."""
    advice = f'{tag} cannot read {name}={text}. Write a number alone, or text in quotes: {name}="{text}".'
    try:
        value = parser.compile_filter(text)
    except template.TemplateSyntaxError as error:
        if text[0] in "\"'" or "|" in text:
            raise
        raise template.TemplateSyntaxError(advice) from error
    if text[0].isdigit() and not _is_literal(value) and not value.filters:
        # Django takes it for a variable, which nothing can be called.
        raise template.TemplateSyntaxError(advice)
    return value


def _is_undefined(value: FilterExpression, context: Context) -> bool:
    """Whether a value is one word, and no variable has this name."""
    if not value.is_var or value.filters or "." in value.token:
        return False
    try:
        value.var.resolve(context)
    except template.VariableDoesNotExist:
        return True
    return False


def place_of(node: template.Node) -> str:
    """Where a node stands, for a log line."""
    origin, token = getattr(node, "origin", None), node.token
    return f" in {origin}, line {token.lineno}," if origin and token else ""


def _is_literal(expression: FilterExpression) -> bool:
    """Whether the template itself holds the whole value. The result of a filter counts as data."""
    if expression.filters:
        return False
    # Django parses a number as a variable without lookups.
    return not expression.is_var or expression.var.lookups is None or expression.token in _CONSTANTS
