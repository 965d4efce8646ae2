"""Pictures inside HTML that an editor has written. Everything but `<img>` of known originals stays as it is.

Python's own parser tells where each tag begins and ends. Only these parts of the text are replaced. A parser that
builds a tree would write all the rest anew. For 30 KB with 24 pictures Python's takes 4 ms, justhtml 10, html5lib 15.
"""

from __future__ import annotations

import hashlib
import logging
import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any, NamedTuple, cast
from urllib.parse import urlsplit

from django.conf import settings as django_settings
from django.http.request import split_domain_port, validate_host
from django.utils.safestring import SafeString, mark_safe

from resizer import originals
from resizer.errors import ResizerError
from resizer.links.addresses import host, mount_path
from resizer.markup import picture, presets
from resizer.markup.html import ATTRIBUTE_NAME, Picture
from resizer.markup.mistakes import tell_once
from resizer.markup.stored import STORED_IF_ANY
from resizer.records.descriptions import Description, Failed, Reference
from resizer.sources import find_by_url

if TYPE_CHECKING:
    from collections.abc import Mapping

    from resizer.records.descriptions import State

logger = logging.getLogger(__name__)

_HAS_IMAGE = re.compile(r"<img[\s/]", re.IGNORECASE)
#: Elements whose pictures are nobody's to change: chosen by their author, text, or not part of the page.
_CLOSED = frozenset(
    [
        "iframe",
        "math",
        "noembed",
        "noframes",
        "noscript",
        "picture",
        "svg",
        "template",
        "textarea",
        "title",
        "xmp",
    ]
)
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
#: The most texts whose images a process remembers, without the texts, and the most images of one.
_MAX_TEXTS, _MAX_IMAGES = 1024, 200


class Image(NamedTuple):
    """An `<img>` in a text."""

    start: int
    end: int
    #: Names in small letters. A name without a value has None.
    attributes: Mapping[str, str | None]
    #: The style of the `figure` around it: CKEditor puts the width there.
    figure: str = ""


def resize_html(html: object, preset: object = None, **options: Any) -> SafeString:
    """Turn each `<img>` of an original of ours into a responsive picture. `options` are those of `picture.build`.

    The text counts as HTML, as with Django's filter `safe`. One cache call finds all its originals. Raises ValueError for a
    wrong option.
    """
    text = "" if html is None else str(html)
    picture.check(
        preset=preset, **{name: options[name] for name in options if name != "attributes"}
    )
    found = [(image, reference) for image in _images(text) if (reference := _locate(image))]
    states = originals.recall_many({reference for _image, reference in found})
    given = {"preset": preset, **options}
    parts, end = [], 0
    for image, reference in found:
        description = _describe(reference, states[reference])
        if description is None:
            continue
        parts += [text[end : image.start], _write(description, image, given)]
        end = image.end
    return mark_safe("".join([*parts, text[end:]]))


def filter_html(html: object, preset: object = None) -> SafeString:
    """`resize_html` for a template: in production an unknown preset is logged once, and left out. Raises ValueError with DEBUG."""
    try:
        return resize_html(html, preset)
    except ValueError as error:
        if django_settings.DEBUG:
            raise
        tell_once(f"resized_html: {error}")
    return resize_html(html)


# A page prints the same text again and again, and to parse it takes longer than to make its pictures.
_known: dict[bytes, tuple[Image, ...]] = {}


def _images(text: str) -> tuple[Image, ...]:
    if not _HAS_IMAGE.search(text):
        return ()
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
    images = _known.get(digest)
    if images is None:
        images = _parse(text)
        if len(_known) >= _MAX_TEXTS:
            _known.clear()
        if len(images) <= _MAX_IMAGES:
            _known[digest] = images
    return images


def _parse(text: str) -> tuple[Image, ...]:
    finder = _Finder(text)
    try:
        finder.feed(text)
        finder.close()
    except AssertionError as error:
        # Python up to 3.13.4 raises it for "<![" before an unknown word.
        logger.warning("HTML cannot be parsed, and stays as it is: %.500s", error)
        return ()
    return tuple(finder.images)


class _Finder(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=False)
        self.images: list[Image] = []
        self._lines = [0, *(match.end() for match in re.finditer("\n", text))]
        #: The element of `_CLOSED` that is open.
        self._closed = ""
        self._figure = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._closed:
            return
        if tag in _CLOSED:
            self._closed = tag
        if tag == "figure":
            self._figure = dict(attrs).get("style") or ""
        if tag != "img":
            return
        line, offset = self.getpos()
        start = self._lines[line - 1] + offset
        attributes: dict[str, str | None] = {}
        for name, value in attrs:
            # The first of equal names counts (HTML §13.2.5.33).
            attributes.setdefault(name, value)
        if "srcset" not in attributes and all(map(ATTRIBUTE_NAME.fullmatch, attributes)):
            end = start + len(self.get_starttag_text() or "")
            self.images.append(Image(start, end, attributes, self._figure))

    def handle_endtag(self, tag: str) -> None:
        if tag == self._closed:
            self._closed = ""
        if tag == "figure":
            self._figure = ""


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
    return None if found is None else Reference(*found)


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


def _describe(reference: Reference, state: State) -> Description | None:
    """None for an original that stays as it is."""
    if isinstance(state, Failed):
        return None
    try:
        known = state if isinstance(state, Description) else originals.look_up(reference)
    except ResizerError as error:
        if not error.is_remembered:
            logger.warning("%.1000r in HTML is shown as it is: %.500r", reference, error)
        return None
    return None if known.is_broken else known


def _write(description: Description, image: Image, options: Mapping[str, Any]) -> str:
    """The picture in place of an `<img>`."""
    written = image.attributes
    sides = {name: written[name] for name in ("width", "height") if written.get(name)}
    # A percentage, for one. Without both sides in pixels, the browser takes the ratio of the file.
    is_measured = all(map(_pixels, sides.values()))
    width, height = (_pixels(sides.get(name)) for name in ("width", "height"))
    below = presets.find(options.get("preset"), picture.OPTIONS)
    asked = presets.overlay(below.options, options)
    limit = _pixels(str(asked.get("width")))
    is_cropped = any(asked.get(name) for name in ("height", "ratio"))
    layout = _layout_width(image, width, limit)
    if layout:
        asked["width"] = layout
    if height and is_measured and not is_cropped:
        if width is None:
            asked["height"] = height
        elif _differ(height * description.size[0], width * description.size[1]):
            # A browser would squeeze it.
            asked["ratio"] = (width, height)
    ours = {**below.attributes, **(asked.pop("attributes", None) or {})}
    attributes = ours | {name: _value(value) for name, value in written.items() if name not in _OWN}
    if "class" in ours and written.get("class"):
        attributes["class"] = f"{ours['class']} {written['class']}"
    made = picture.build(
        description, alt=written.get("alt", STORED_IF_ANY), attributes=attributes, **asked
    )
    if not is_measured:
        return str(replace(made, width=None, height=None, attributes=sides | attributes))
    return str(_in_size(made, width, limit, None if is_cropped else height))


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
    if made.width is None or made.height is None or (width is None and height is None):
        return made
    proportion = made.height / made.width
    if width is None:
        shown = round(cast("int", height) / proportion)
    else:
        proportion = height / width if height else proportion
        shown = min(width, limit or width)
    return replace(made, width=max(1, shown), height=max(1, round(shown * proportion)))


def _pixels(value: str | None) -> int | None:
    match = _PIXELS.match(value or "")
    return int(match[1]) or None if match else None


def _differ(one: int, other: int) -> bool:
    return abs(one - other) > _ROUNDING * max(one, other)


def _value(value: str | None) -> str | bool:
    return True if value is None else value
