"""Presets and defaults: options and attributes from the settings, below those of a tag."""

from __future__ import annotations

import difflib
import functools
from typing import TYPE_CHECKING, Any, NamedTuple

from resizer.conf import Settings, get_settings
from resizer.markup.contradictions import weaker
from resizer.markup.mistakes import is_size, mistaken_word
from resizer.markup.options import is_nothing

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

#: Two of them determine the third. If all are there, the first that the tag does not give is left out.
_SIDES = ("height", "width", "ratio")


class Preset(NamedTuple):
    """What a preset and `DEFAULTS` say together."""

    options: Mapping[str, Any]
    #: Attributes of the `img`.
    attributes: Mapping[str, Any]


def find(name: object, known: frozenset[str]) -> Preset:
    """A preset by its name, or `DEFAULTS` alone. `known` are the names of options. Raises ValueError for an unknown one."""
    settings = get_settings()
    if is_nothing(name):
        return _split(settings, "", known)
    text = str(name)
    if text not in settings.PRESETS:
        raise ValueError(f"preset={text!r} is unknown. {_suggest(text, settings.PRESETS)}")
    return _split(settings, text, known)


def overlay(below: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Put the options of a tag over others, and leave out those that they contradict.

    An option without a value is not given; False and a literal `formats=""` are.
    """
    over = {name: value for name, value in given.items() if _is_given(name, value)}
    merged = {**below, **over}
    if merged.keys() >= {*_SIDES}:
        extra = next((side for side in _SIDES if side not in over), None)
        if extra is not None:
            del merged[extra]
    for name in weaker(below, over):
        del merged[name]
    return merged


def _is_given(name: str, value: object) -> bool:
    if value is None or value is False or name == "formats":
        return value is not None
    return not is_nothing(value)


@functools.lru_cache(maxsize=256)
def _split(settings: Settings, name: str, known: frozenset[str]) -> Preset:
    merged = overlay(settings.DEFAULTS, settings.PRESETS[name]) if name else settings.DEFAULTS
    return Preset(
        {option: value for option, value in merged.items() if option in known},
        {option: value for option, value in merged.items() if option not in known},
    )


def _suggest(name: str, presets: Collection[str]) -> str:
    if is_size(name):
        return f"A size needs the tag resized_img. {mistaken_word(name)}"
    if not presets:
        return "RESIZER['PRESETS'] has none. Add it there."
    close = difflib.get_close_matches(name, presets, n=1)
    return f"Did you mean {close[0]!r}?" if close else f"Use one of {', '.join(sorted(presets))}."
