"""The tag and the filters of easy-thumbnails, for templates that stay as they are.

TEMPLATES = [{..., "OPTIONS": {"libraries": {"thumbnail": "resizer.contrib.compat.easy"}}}]

{% load thumbnail %}
<img src="{% thumbnail profile.photo 50x50 crop %}" alt="">
{% thumbnail profile.photo 200x200 upscale as thumb %} {{ thumb.url }} {{ thumb.width }}
{{ profile.photo|thumbnail_url:'avatar' }}

The aliases are those of `THUMBNAIL_ALIASES`, which stays in the project's settings.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from django import template
from django.conf import settings as django_settings
from django.db.models.fields.files import FieldFile

from resizer.contrib.compat.thumbnails import Thumbnail, Wanted, make, want
from resizer.markup.mistakes import tell_once
from resizer.markup.nodes import ResizedNode, read_call
from resizer.markup.options import is_nothing, read_flag
from resizer.markup.tags import Tag, keyword_names

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from django.template.base import Parser, Token

    from resizer.contrib.compat.thumbnails import Side

register = template.Library()

_SIZE = re.compile(r"([0-9]{1,5})x([0-9]{1,5})")
_EDGES = re.compile(r"(?:(-?)([0-9]{1,5}))?,(?:(-?)([0-9]{1,5}))?")
_CSS = "Remove it, and do it with CSS."
#: Options without a counterpart.
_ADVICE = {
    "autocrop": "Remove it. Margins are not cut.",
    "background": f"{_CSS} Such as object-fit: contain and background.",
    "bw": f"{_CSS} Such as filter: grayscale(1).",
    "replace_alpha": "Remove it. A transparent picture stays transparent, as PNG.",
    "zoom": "Remove it. Only the size and the ratio of the result can be chosen.",
}
#: About bytes that the engine decides on; and the point of django-filer, which is read from its image.
_WITHOUT_EFFECT = frozenset(
    {"detail", "keep_icc_profile", "sharpen", "subject_location", "subsampling"}
)
#: What the package itself adds to an alias in the settings, while it is installed.
_NOTES = frozenset({"ALIAS"})


def read(
    *,
    size: object = None,
    crop: object = None,
    upscale: object = None,
    target: object = None,
    quality: object = None,
) -> Wanted:
    """Check the options of the tag, but for an alias. Raises ValueError for a wrong one."""
    focal = _read_target(target)
    return want(_read_size(size), _read_crop(crop), upscale, quality=quality, focal=focal)


def _read_size(size: Any) -> tuple[int | None, int | None]:
    """The sides of "50x50" or (50, 50). A side of 0 is None."""
    if is_nothing(size):
        return None, None
    match = _SIZE.fullmatch(size) if isinstance(size, str) else None
    try:
        width, height = map(int, match.groups() if match else size)
    except (OverflowError, TypeError, ValueError):
        raise ValueError(
            f"{size!r} is neither a size nor an alias of THUMBNAIL_ALIASES. Write 50x50, or 50x0 for the width alone."
        ) from None
    return width or None, height or None


def _read_target(target: object) -> tuple[object, ...] | None:
    """A focal point, of which a number may be missing."""
    if is_nothing(target):
        return None
    pair = target.split(",") if isinstance(target, str) else target
    if not isinstance(pair, (list, tuple)) or len(pair) != 2:
        raise ValueError(
            f'target={target!r} is not a pair. Write the percentages from the left and from the top, such as "10,20".'
        )
    return tuple(50 if one in ("", None) else one for one in pair)


def _read_crop(crop: object) -> Any:
    if is_nothing(crop):
        return None
    if crop in ("smart", "scale"):
        return crop
    match = _EDGES.fullmatch(str(crop))
    if match is None:
        # `crop`, `crop=True` and `crop="true"`.
        read_flag("crop", crop)
        return "stored"
    if match[2] is None and match[4] is None:
        return "stored"
    return _read_edge(match[1], match[2]), _read_edge(match[3], match[4])


def _read_edge(sign: str | None, number: str | None) -> Side:
    """A distance from the left or from the right, in percent of the crop."""
    if number is None:
        return 50
    share = int(number) / 100
    if not share:
        return 100 if sign else 0
    if sign:
        return lambda room, window: room - min(window * share, room)
    return lambda room, window: min(window * share, room)


def _make(original: Any, **options: Any) -> Thumbnail:
    alias = options.get("size")
    found = _alias(alias, original) if isinstance(alias, str) else None
    if found is not None:
        given = {
            name: value for name, value in options.items() if name != "size" and value is not None
        }
        options = {**found, **given}
    return make(original, _read(**options))


def _check(**options: Any) -> None:
    """For an alias, the other options are checked. Which one of its name counts depends on the original."""
    size = options.pop("size", None)
    is_alias = isinstance(size, str) and any(size in one for one in _aliases().values())
    _read(size=None if is_alias else size, **options)


def _read(**options: Any) -> Wanted:
    return read(**{name: value for name, value in options.items() if name not in _WITHOUT_EFFECT})


THUMBNAIL = Tag(
    name="thumbnail",
    make=_make,
    check=_check,
    options=keyword_names(read) | _WITHOUT_EFFECT,
    advice=_ADVICE,
)


def _aliases() -> Mapping[str, Mapping[str, Mapping[str, Any]]]:
    return getattr(django_settings, "THUMBNAIL_ALIASES", None) or {}


def _alias(name: str, original: object) -> dict[str, Any] | None:
    """The options of an alias: of the field, of its model, of its app, else of the project. None for an unknown one."""
    aliases = _aliases()
    found = next(
        (aliases[one][name] for one in _targets(original) if name in aliases.get(one, ())), None
    )
    if found is None:
        return None
    for option in found.keys() - THUMBNAIL.options - _NOTES:
        advice = _ADVICE.get(option, "Remove it.")
        tell_once(f"THUMBNAIL_ALIASES: {name!r} has {option}, without a counterpart. {advice}")
    return {option: value for option, value in found.items() if option in THUMBNAIL.options}


def _targets(original: object) -> Iterator[str]:
    if isinstance(original, FieldFile):
        model = original.instance._meta
        yield f"{model.app_label}.{model.object_name}.{original.field.name}"
        yield f"{model.app_label}.{model.object_name}"
        yield model.app_label
    yield ""


@register.tag
def thumbnail(parser: Parser, token: Token) -> ResizedNode:
    """`{% thumbnail source size option name=value … as thumb %}`; without `as`, a URL.

    Raises TemplateSyntaxError for an unknown option and for a wrong literal.
    """
    bits = token.split_contents()[1:]
    variable = None
    if len(bits) > 3 and bits[-2] == "as":
        variable = bits[-1]
        bits = bits[:-2]
    if len(bits) < 2:
        raise template.TemplateSyntaxError(
            "thumbnail needs an original and a size, such as {% thumbnail photo.image 50x50 crop %}."
        )
    size = f'"{bits[1]}"' if _SIZE.fullmatch(bits[1]) else bits[1]
    options = [one if "=" in one else f"{one}=True" for one in bits[2:]]
    return ResizedNode(read_call(parser, [bits[0], f"size={size}", *options], THUMBNAIL), variable)


@register.filter
def thumbnail_url(original: Any, alias: object) -> str:
    """The URL of an original with an alias. Empty for an unknown alias."""
    try:
        return Thumbnailer(original)[alias].url
    except KeyError:
        tell_once(f"thumbnail_url: {alias!r} is no alias of THUMBNAIL_ALIASES.")
        return ""


@register.filter
def thumbnailer(original: Any) -> Thumbnailer:
    """The thumbnails of an original by their aliases: `{{ photo.large.url }}`."""
    return Thumbnailer(original)


# No page makes a file, so none has to be prevented from it.
register.filter("thumbnailer_passive", thumbnailer)


class Thumbnailer:
    """An original, with its thumbnails by their aliases."""

    def __init__(self, original: Any) -> None:
        self.original = original

    def __bool__(self) -> bool:
        return bool(self.original)

    def __getitem__(self, alias: object) -> Thumbnail:
        """Raises KeyError for an unknown alias."""
        options = _alias(alias, self.original) if isinstance(alias, str) else None
        if options is None:
            raise KeyError(alias)
        made: Thumbnail = THUMBNAIL.run(self.original, options, {}, data=options)
        return made
