"""How options and attributes are written in a tag of ours."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from resizer.maintenance.rewriting.pieces import Piece, Unclear

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from resizer.maintenance.rewriting.images import Value

_NUMBER = re.compile(r"[1-9][0-9]{0,4}")
#: `{% trans "text" %}` as the value of an option.
_TRANSLATIONS = frozenset({"trans", "translate"})


class Asked(NamedTuple):
    """A picture as a template asks for it."""

    #: The original, as the template writes it.
    original: str
    #: Options of `resized_img`, as a template writes them.
    options: Mapping[str, str] = {}
    #: Attributes of the `img`, likewise.
    attributes: Mapping[str, str] = {}
    #: What differs a little; empty if nothing does.
    remark: str = ""


class Text(NamedTuple):
    """The value of an attribute as a tag has it."""

    value: str
    #: Variables to set before the tag, by their names.
    variables: Mapping[str, str] = {}


def quoted(text: str) -> str:
    """A text as a literal of a template. Raises Unclear for a text that would end the tag."""
    # A tag of a template has to be on one line.
    line = re.sub(r"\s*[\r\n]\s*", " ", text).replace("\\", "\\\\")
    if "%}" in line:
        raise Unclear("an attribute has the end of a template tag in it")
    # The value of an attribute has one kind of quotes at most.
    return f"'{line}'" if '"' in line else f'"{line}"'


def literal(word: str) -> str | None:
    """The text of a quoted word. None for a variable."""
    is_quoted = len(word) > 1 and word[0] == word[-1] and word[0] in "\"'"
    return word[1:-1] if is_quoted else None


def box(width: str | None, height: str | None, **options: str) -> dict[str, str]:
    """The options for a box. Other options count only if both sides are there. Raises Unclear without a side."""
    sides = {
        name: side
        for name, side in (("width", width), ("height", height))
        if side and _NUMBER.fullmatch(side)
    }
    if not sides:
        raise Unclear("it has no size")
    return {**sides, **options} if len(sides) == 2 else sides


def spell(name: str, value: Value | None) -> Text:
    """The value of an HTML attribute for a tag. Raises Unclear for one that depends on other tags."""
    if value is None:
        return Text("True")
    if not value:
        return Text('""')
    if len(value) == 1:
        return Text(quoted(value[0]) if isinstance(value[0], str) else _expression(name, value[0]))
    return _joined(name, value)


def _expression(name: str, piece: Piece) -> str:
    """What a piece prints, as the value of an option."""
    if not piece.is_tag:
        return piece.contents
    if piece.name in _TRANSLATIONS and len(piece.bits) == 2 and literal(piece.bits[1]) is not None:
        return f"_({piece.bits[1]})"
    raise Unclear(f"{{% {piece.name} %}} stands in its {name}")


def _joined(name: str, value: Value) -> Text:
    """Texts and variables, one after the other: `"Photo "|add:resized_alt_0|add:"."`."""
    words: list[str] = []
    variables: dict[str, str] = {}
    for part in value:
        if isinstance(part, str):
            if "&" in part:
                # A joined text is escaped once more.
                raise Unclear(f"its {name} mixes variables and characters as &amp;")
            words.append(quoted(part))
            continue
        variable = f"resized_{re.sub('[^a-z0-9]', '_', name)}_{len(variables)}"
        # A number has to be text before it can be added to a text.
        variables[variable] = f'{_expression(name, part)}|stringformat:"s"'
        words.append(variable)
    first, *others = words
    return Text(first + "".join(f"|add:{word}" for word in others), variables)


def tag(name: str, asked: Asked, variables: Mapping[str, str] | None = None) -> str:
    """A tag of ours."""
    words = [name, asked.original, *_pairs(asked.options.items())]
    written = f"{{% {' '.join([*words, *_pairs(asked.attributes.items())])} %}}"
    if not variables:
        return written
    return f"{{% with {' '.join(_pairs(variables.items()))} %}}{written}{{% endwith %}}"


def _pairs(pairs: Iterable[tuple[str, str]]) -> list[str]:
    return [f"{name}={value}" for name, value in pairs]
