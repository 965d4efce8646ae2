"""Jinja2: the tags, functions of the same names, and the filters `resized` and `resized_html`.

    Environment(extensions=["resizer.jinja2.ResizerExtension"])

{% resized_img photo.image alt="A cat" width=600 class="card" data-id=photo.pk %}
{% resized_img photo.image alt="A cat" as cat %} {{ cat.url }}
{{ resized_img(photo.image, alt="A cat", width=600, class="card") }}
{% resized_prefetch photos "image" %}
{{ resized_picture(resized_img(hero, alt=""), resized_source(hero, media="(max-width: 600px)", ratio="4/5")) }}
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from django.conf import settings as django_settings
from django.utils.safestring import mark_safe
from jinja2 import Environment, Undefined, nodes, pass_context
from jinja2.ext import Extension
from jinja2.utils import missing

from resizer.markup.art_direction import PICTURE, Source, combine
from resizer.markup.background import Background
from resizer.markup.devtools import print_devtools
from resizer.markup.html import Picture, with_nonce
from resizer.markup.lists import PREFETCH, prefetch_for_template, prefetch_usage
from resizer.markup.mistakes import tell_once, tell_undefined
from resizer.markup.origin import with_request
from resizer.markup.rich_text import filter_html
from resizer.markup.stored import STORED_IF_ANY
from resizer.markup.stylesheet import print_css, reminder
from resizer.markup.vocabulary import RESIZED_IMG, RESIZED_SOURCE, TAGS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from django.template.context import Context as DjangoContext
    from django.utils.safestring import SafeString
    from jinja2.parser import Parser
    from jinja2.runtime import Context

    from resizer.markup.tags import Tag

SOURCE = RESIZED_SOURCE.name
_TAGS = {**TAGS, SOURCE: RESIZED_SOURCE}
#: Without an original.
_OF_PAGE = ("resized_css", "resized_devtools")
#: Between the words of an attribute's name, such as `data-id` and `x-on:click.once`.
_JOINTS = {"sub": "-", "colon": ":", "dot": "."}


class ResizerExtension(Extension):
    tags = {*_OF_PAGE, PICTURE, PREFETCH, *_TAGS}

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        environment.globals.update(
            resized_css=_resized_css,
            resized_devtools=_resized_devtools,
            resized_picture=_resized_picture,
            resized_prefetch=_resized_prefetch,
            resized_source=_resized_source,
        )
        environment.globals.update({name: _function(tag) for name, tag in TAGS.items()})
        environment.filters["resized"] = _resized
        environment.filters["resized_html"] = _resized_html

    def parse(self, parser: Parser) -> nodes.Node | list[nodes.Node]:
        """Read `resized_img original name=value … as variable`. Raises TemplateSyntaxError."""
        token = next(parser.stream)
        if token.value == PICTURE:
            return self._parse_picture(parser, token.lineno)
        if token.value == PREFETCH:
            return self._parse_prefetch(parser, token.lineno)
        if token.value in _OF_PAGE:
            values = _read_values(parser, token.value)
            arguments = [nodes.Keyword(name, value) for name, value in values.items()]
            output = nodes.Call(nodes.Name(token.value, "load"), [], arguments, None, None)
            return nodes.Output([output], lineno=token.lineno)
        tag = _TAGS[token.value]
        if parser.stream.current.type == "block_end":
            parser.fail(f"{tag.name} has no original. Write it first: {tag.name} photo.image …")
        original = parser.parse_expression()
        if parser.stream.current.type == "assign":
            parser.fail(f"{tag.name} has no original. Write it first: {tag.name} photo.image …")
        values = _read_values(parser, tag.name)
        if tag.name == SOURCE and "media" not in values:
            parser.fail('resized_source needs media="(max-width: 600px)".')
        if tag.name == SOURCE and not _parts_of(parser):
            parser.fail(f"{SOURCE} stands outside of {PICTURE}. Put it in.")
        call = self._call(parser, tag, original, values, token.lineno)
        is_part = parser.stream.current.type == "block_end" and tag.name in {"resized_img", SOURCE}
        if is_part and _parts_of(parser):
            parts = _parts_of(parser)[-1]
            parts.has_image |= tag.name == "resized_img"
            append = nodes.Getattr(parts.name, "append", "load")
            return nodes.ExprStmt(nodes.Call(append, [call], [], None, None), lineno=token.lineno)
        if parser.stream.skip_if("name:as"):
            target = parser.parse_assign_target(name_only=True)
            return nodes.Assign(target, call, lineno=token.lineno)
        printed = self.call_method("_print", [nodes.ContextReference(), call])
        return nodes.Output([printed], lineno=token.lineno)

    def _print(self, context: Context, result: Any) -> Any:
        """A picture with the reminder of the style sheet, if the page needs it."""
        if not isinstance(result, Picture) or not result:
            return result
        return mark_safe(result.__html__() + reminder(cast("DjangoContext", context)))

    def _parse_picture(self, parser: Parser, lineno: int) -> list[nodes.Node]:
        """Read the block of `resized_picture`. Raises TemplateSyntaxError."""
        if _parts_of(parser):
            parser.fail(f"{PICTURE} stands in another one. Put it outside.")
        target = None
        if parser.stream.skip_if("name:as"):
            target = parser.parse_assign_target(name_only=True)
        if parser.stream.current.type != "block_end":
            parser.fail(
                f"{PICTURE} has no options. Write them to resized_source and resized_img in the block."
            )
        parts = _Parts(parser.free_identifier())
        _parts_of(parser).append(parts)
        body = parser.parse_statements((f"name:end{PICTURE}",), drop_needle=True)
        _parts_of(parser).pop()
        if any(_has_text(node) for node in body):
            parser.fail(f"{PICTURE} has text in it. Remove it.", lineno)
        if not parts.has_image:
            parser.fail(
                f"{PICTURE} needs a resized_img. Write it after the sources: it is for all other screens.",
                lineno,
            )
        made = self.call_method("_combine", [parts.name], lineno=lineno)
        begin = nodes.Assign(parts.name, nodes.List([]), lineno=lineno)
        kept = [node for node in body if not isinstance(node, nodes.Output)]
        if target is None:
            printed = self.call_method("_print", [nodes.ContextReference(), made])
            return [begin, *kept, nodes.Output([printed], lineno=lineno)]
        return [begin, *kept, nodes.Assign(target, made, lineno=lineno)]

    def _parse_prefetch(self, parser: Parser, lineno: int) -> nodes.Node:
        """Read `resized_prefetch photos "image" "author.avatar"`. Raises TemplateSyntaxError."""
        values = []
        while parser.stream.current.type not in {"block_end", "assign"}:
            values.append(parser.parse_expression())
        if len(values) < 2 or parser.stream.current.type == "assign":
            parser.fail(prefetch_usage(), lineno)
        place = nodes.Const(_place(parser, lineno))
        objects, *fields = values
        call = self.call_method("_prefetch", [objects, nodes.List(fields), place], lineno=lineno)
        return nodes.ExprStmt(call, lineno=lineno)

    def _prefetch(self, objects: Any, fields: list[Any], place: str) -> None:
        prefetch_for_template(objects, fields, place)

    def _combine(self, parts: list[object]) -> Picture:
        return combine(parts)

    def _call(
        self,
        parser: Parser,
        tag: Tag,
        original: nodes.Expr,
        values: Mapping[str, nodes.Expr],
        lineno: int,
    ) -> nodes.Expr:
        context = nodes.EvalContext(self.environment, parser.name)
        literals = _literals({"": original, **values}, context)
        try:
            if "" in literals:
                tag.check_original(literals.pop(""), values)
            tag.check_names(values)
            tag.check_literals(literals, values)
        except ValueError as error:
            parser.fail(str(error), lineno)
        pairs = [nodes.Pair(nodes.Const(name), value) for name, value in values.items()]
        arguments = [
            nodes.ContextReference(),
            nodes.Const(tag.name),
            original,
            nodes.Dict(pairs),
            nodes.Const(tuple(name for name in values if name not in literals)),
            nodes.Const(_place(parser, lineno)),
        ]
        return self.call_method("_run", arguments, lineno=lineno)

    def _run(
        self,
        context: Context,
        name: str,
        original: Any,
        values: Mapping[str, Any],
        data: Collection[str],
        place: str,
    ) -> Any:
        return _run(_TAGS[name], context, original, values, data, place)


class _Parts:
    """The block of `resized_picture` that is being read."""

    def __init__(self, name: nodes.InternalName) -> None:
        #: Of the list of its parts, in the compiled template.
        self.name = name
        self.has_image = False


def _place(parser: Parser, lineno: int) -> str:
    return f" in {parser.name or 'a template'}, line {lineno},"


def _parts_of(parser: Parser) -> list[_Parts]:
    """The block in which a parser is, or none."""
    parts: list[_Parts] = vars(parser).setdefault("_resizer_parts", [])
    return parts


def _has_text(node: nodes.Node) -> bool:
    return isinstance(node, nodes.Output) and any(
        not isinstance(one, nodes.TemplateData) or one.data.strip() for one in node.nodes
    )


@pass_context
def _resized_source(context: Context, original: Any, /, **values: Any) -> Any:
    return _call(RESIZED_SOURCE, context, original, values)


def _resized_prefetch(objects: Any, /, *fields: str) -> str:
    prefetch_for_template(objects, fields)
    return ""


def _resized_picture(*parts: object) -> Picture:
    wrong = next((one for one in parts if not isinstance(one, Picture | Source)), None)
    if wrong is not None:
        problem = (
            f"{PICTURE} takes resized_img(…) and resized_source(…), not {type(wrong).__name__}."
        )
        if django_settings.DEBUG:
            raise TypeError(problem)
        tell_once(problem)
    return combine(parts)


@pass_context
def _resized(context: Context, original: Any, preset: str = "", /, **values: Any) -> Any:
    return _call(RESIZED_IMG, context, original, {"alt": STORED_IF_ANY, "preset": preset, **values})


def _resized_html(html: object, preset: str = "", /, **options: Any) -> SafeString:
    return filter_html(html, preset, **options)


def _read_values(parser: Parser, tag: str) -> dict[str, nodes.Expr]:
    values: dict[str, nodes.Expr] = {}
    stream = parser.stream
    while stream.current.type != "block_end":
        if stream.current.test("name:as") and stream.look().type == "name":
            break
        name = stream.expect("name").value
        while stream.current.type in _JOINTS:
            name += _JOINTS[next(stream).type] + str(next(stream).value)
        if name in values:
            parser.fail(f"{tag} has {name} twice. Remove one.")
        if not stream.skip_if("assign"):
            parser.fail(f"{tag} cannot read {name!r}. Write name=value.")
        values[name] = parser.parse_expression()
    return values


def _literals(values: Mapping[str, nodes.Expr], context: nodes.EvalContext) -> dict[str, object]:
    """The values that the template itself holds."""
    literals = {}
    for name, value in values.items():
        try:
            literals[name] = value.as_const(context)
        except nodes.Impossible:
            continue
    return literals


@pass_context
def _resized_css(context: Context, *, inline: bool = False) -> SafeString:
    return print_css(cast("DjangoContext", context), inline=inline)


@pass_context
def _resized_devtools(context: Context) -> SafeString:
    return print_devtools(cast("DjangoContext", context))


def _function(tag: Tag) -> Callable[..., Any]:
    @pass_context
    def call(context: Context, original: Any, /, **values: Any) -> Any:
        return _call(tag, context, original, values)

    return call


def _call(tag: Tag, context: Context, original: Any, values: dict[str, Any]) -> Any:
    """A tag as a function: Jinja2 does not tell literals from data, so its names are checked when it is called."""
    values |= values.pop("attributes", None) or {}
    try:
        tag.check_names(values)
    except ValueError as error:
        if django_settings.DEBUG:
            raise
        tell_once(str(error))
    return _run(tag, context, original, values, values)


def _run(
    tag: Tag,
    context: Context,
    original: Any,
    values: Mapping[str, Any],
    data: Collection[str],
    place: str = "",
) -> Any:
    options, attributes = {}, {}
    for name, value in values.items():
        if name in tag.options:
            # An undefined variable is not given; a strict one raises here.
            is_empty = name in data and (not value if isinstance(value, Undefined) else value == "")
            options[name] = None if is_empty else value
        elif name.lower() not in tag.own:
            attributes[name] = value
    if django_settings.DEBUG:
        if isinstance(original, Undefined):
            _tell_undefined(tag, original, place)
        for name, value in values.items():
            # A variable, not an attribute of one.
            if isinstance(value, Undefined) and value._undefined_obj is missing:
                tag.tell_unquoted(name, str(value._undefined_name), place)
    django_context = cast("DjangoContext", context)
    with_request(options, django_context)
    result = tag.run(original, options, attributes, data=tag.options & set(data), place=place)
    if isinstance(result, Background):
        return result.print(django_context)
    return with_nonce(result, django_context)


def _tell_undefined(tag: Tag, original: Undefined, place: str) -> None:
    # An empty relation has no image: that is data, not a mistake.
    if original._undefined_obj is not None:
        tell_undefined(tag.name, place, str(original._undefined_name))
