"""Pictures inside HTML that an editor has written. Everything but `<img>` of known originals stays as it is."""

from __future__ import annotations

import logging
import re
import time
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from django.conf import settings as django_settings
from django.http.request import split_domain_port, validate_host
from django.utils.functional import Promise
from django.utils.safestring import SafeString, mark_safe

from resizer import originals
from resizer.errors import InvalidOption, ResizerError
from resizer.keys.names import escape_name
from resizer.links.mount import host, mount_path
from resizer.markup import picture, presets
from resizer.markup.images import Image, find_images
from resizer.markup.mistakes import mistaken_html, tell_once
from resizer.markup.stored import STORED_IF_ANY
from resizer.markup.unresized import level_of
from resizer.records.descriptions import Description, Failed, Reference
from resizer.sources import find_by_url

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from resizer.markup.html import Picture
    from resizer.originals import Recalled

logger = logging.getLogger(__name__)

#: HTML's dimension: digits, and whatever follows but a percent sign (HTML §2.3.4.4).
_PIXELS = re.compile(r"\s*\+?([0-9]{1,5})(?![0-9]|[^%]*%)")
#: A width in a style, in px or percent.
_STYLE_WIDTH = re.compile(
    r"(?:^|;)\s*width\s*:\s*([0-9]{1,5})(?:\.[0-9]+)?(px|%)\s*(?:;|$)", re.IGNORECASE
)
#: Attributes that the picture writes itself.
_OWN = frozenset({"src", "alt", "width", "height", "sizes"})
#: Two sides are of one ratio if they differ by no more, because editors round.
_ROUNDING = 0.02
#: How many unknown originals of one text a page looks up, and for how long it begins with another, seconds.
_MAX_LOOKUPS, _MAX_SECONDS = 50, 2
#: How many ratios the pictures of one text may be cropped to, and the most extreme. Each makes new variants.
_MAX_RATIOS, _MAX_RATIO = 50, 10


def resize_html(html: object, preset: object = None, **options: Any) -> SafeString:
    """Turn each `<img>` of an original of ours into a responsive picture. `options` are those of `picture.build`.

    The text counts as HTML, as with Django's filter `safe`. One cache call finds all its originals. Raises ValueError for a
    wrong option, and TypeError with DEBUG for anything but text. In production that is logged once, and prints nothing.
    """
    text = _read_text(html)
    picture.check(
        preset=preset, **{name: options[name] for name in options if name != "attributes"}
    )
    found = [(image, reference) for image in find_images(text) if (reference := _locate(image))]
    descriptions = _describe_all(dict.fromkeys(reference for _image, reference in found))
    given = {"preset": preset, **options}
    ratios: set[Fraction] = set()
    parts, end = [], 0
    for image, reference in found:
        description = descriptions.get(reference)
        if description is None:
            continue
        parts += [text[end : image.start], _write(description, image, given, ratios)]
        end = image.end
    return mark_safe("".join([*parts, text[end:]]))


def filter_html(html: object, preset: object = None, **options: Any) -> SafeString:
    """`resize_html` for a template: in production a wrong preset or option is logged once, and all are left out.

    Raises ValueError or TypeError with DEBUG.
    """
    try:
        return resize_html(html, preset, **options)
    except (TypeError, ValueError) as error:
        if django_settings.DEBUG:
            raise
        tell_once(f"resized_html: {error}")
    return resize_html(html)


def _read_text(html: object) -> str:
    """The text of a value. Empty for an empty field, and for anything but text. Raises TypeError for that with DEBUG."""
    # Not the text of any object: it may be the name of a file, or hold what a visitor has written.
    if not html:
        return ""
    if isinstance(html, (str, Promise)):
        return str(html)
    if hasattr(html, "__html__"):
        return str(html.__html__())
    problem = mistaken_html(html)
    if django_settings.DEBUG:
        raise TypeError(problem)
    tell_once(problem)
    return ""


def _locate(image: Image) -> Reference | None:
    """The original behind an image's URL. None if it is of another site, or a variant."""
    try:
        parts = urlsplit((image.attributes.get("src") or "").strip())
    except ValueError:
        return None
    if parts.scheme not in {"", "http", "https"} or not parts.path.startswith("/"):
        return None
    path = parts._replace(scheme="", netloc="", fragment="").geturl()
    found = None
    if not parts.netloc or _is_this_site(parts.netloc):
        if parts.path.startswith(mount_path()):
            return None
        found = find_by_url(path)
    if found is None and parts.netloc:
        found = find_by_url(f"//{parts.netloc}{path}")
    return Reference(*found) if found and _is_possible(found[1]) else None


def _is_possible(name: str) -> bool:
    try:
        escape_name(name)
    except InvalidOption:
        return False
    return True


def _is_this_site(host_and_port: str) -> bool:
    if host().partition("//")[2] == host_and_port:
        return True
    domain, _port = split_domain_port(host_and_port)
    allowed = django_settings.ALLOWED_HOSTS
    if django_settings.DEBUG and not allowed:
        # As Django itself reads it.
        allowed = [".localhost", "127.0.0.1", "[::1]"]
    # With "*", every host of the web would be ours.
    return validate_host(domain, [one for one in allowed if one != "*"])


def _describe_all(references: Collection[Reference]) -> dict[Reference, Description | None]:
    """None, or nothing, for originals that stay as they are: also where the page has waited enough, until a later view."""
    described = {}
    lookups, until = 0, time.monotonic() + _MAX_SECONDS
    for reference, recalled in originals.recall_many(references).items():
        if not isinstance(recalled.state, (Description, Failed)):
            lookups += 1
            if lookups > _MAX_LOOKUPS or time.monotonic() > until:
                continue
        described[reference] = _describe(reference, recalled)
    return described


def _describe(reference: Reference, recalled: Recalled) -> Description | None:
    """None for an original that stays as it is."""
    try:
        known = originals.look_up_recalled(reference, recalled)
    except ResizerError as error:
        if not error.is_remembered:
            logger.log(
                level_of(reference, error),
                "%.1000r in HTML is shown as it is: %.500r",
                reference,
                error,
            )
        return None
    return None if known.is_broken else known


def _write(
    description: Description, image: Image, options: Mapping[str, Any], ratios: set[Fraction]
) -> str:
    """The picture in place of an `<img>`. `ratios` are those that pictures of the text are cropped to, and grows."""
    written = image.attributes
    sides = {name: written[name] for name in ("width", "height") if written.get(name)}
    # A percentage, for one. Without both sides in pixels, the browser takes the ratio of the file.
    is_measured = all(map(_pixels, sides.values()))
    width, height = (_pixels(sides.get(name)) for name in ("width", "height"))
    below = presets.find(options.get("preset"), picture.OPTIONS)
    asked = presets.overlay(below.options, options)
    limit = _pixels(str(asked.get("width")))
    is_cropped = any(asked.get(name) for name in ("height", "ratio"))
    if not is_measured or is_cropped:
        height = None
    elif height and width is None:
        width = max(1, round(height * description.size[0] / description.size[1]))
    elif height and width and _differ(height * description.size[0], width * description.size[1]):
        # A browser would squeeze it.
        if _may_crop(Fraction(width, height), ratios):
            asked["ratio"] = (width, height)
        else:
            height = None
    layout = _layout_width(image, width, limit)
    if layout:
        asked["width"] = layout
        if asked.get("ratio"):
            # Two sides give the third.
            asked["height"] = None
    # The editor's width is no mistake of the template.
    asked["exact"] = False
    # A class may make it smaller, such as CKEditor's for a picture at the side.
    asked.setdefault("layout", "fluid")
    ours = {**below.attributes, **(asked.pop("attributes", None) or {})}
    attributes = ours | {name: _value(value) for name, value in written.items() if name not in _OWN}
    if "class" in ours and written.get("class"):
        attributes["class"] = f"{ours['class']} {written['class']}"
    made = picture.build(
        description, alt=written.get("alt", STORED_IF_ANY), attributes=attributes, **asked
    )
    if not is_measured:
        return str(replace(made, width=None, height=None, attributes=sides | attributes))
    return str(_in_size(made, width, limit, height))


def _may_crop(ratio: Fraction, ratios: set[Fraction]) -> bool:
    if not 1 <= _MAX_RATIO * ratio <= _MAX_RATIO**2:
        return False
    if len(ratios) < _MAX_RATIOS:
        ratios.add(ratio)
    return ratio in ratios


def _layout_width(image: Image, width: int | None, limit: int | None) -> int | None:
    """How wide the picture is at most, for its candidates, CSS px. `limit` is the width of the text's column."""
    layout = min((one for one in (width, limit) if one), default=None)
    for style in (image.figure, image.attributes.get("style") or ""):
        match = _STYLE_WIDTH.search(style)
        if match is None:
            continue
        number = int(match[1])
        if match[2] == "px":
            layout = min(number, limit or number)
        elif limit:
            # Of the column: the attribute has the size of the file then.
            layout = min(limit, limit * number // 100)
    return layout


def _in_size(made: Picture, width: int | None, limit: int | None, height: int | None) -> Picture:
    """The picture in the size that the HTML gives it, CSS px. It may be larger than the original."""
    if made.width is None or made.height is None or width is None:
        return made
    proportion = height / width if height else made.height / made.width
    shown = min(width, limit or width)
    return replace(made, width=shown, height=max(1, round(shown * proportion)))


def _pixels(value: str | None) -> int | None:
    match = _PIXELS.match(value or "")
    return int(match[1]) or None if match else None


def _differ(one: int, other: int) -> bool:
    return abs(one - other) > _ROUNDING * max(one, other)


def _value(value: str | None) -> str | bool:
    return True if value is None else value
