"""Mistakes in a template, and what to write instead."""

from __future__ import annotations

import difflib
import functools
import logging
import re
from typing import TYPE_CHECKING

from django.core.files.base import File
from django.utils.functional import Promise

from resizer.conf import get_settings

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

logger = logging.getLogger(__name__)

#: Attributes of an `img` that look like a misspelt option. Names with a hyphen, a colon or an @ are attributes anyway.
_ATTRIBUTES = frozenset(
    {"align", "fetchpriority", "hidden", "id", "is", "lang", "name", "role", "style", "title"}
)
#: How alike a name and an option are, 0 to 1. `widht` and `width` are at 0.8, `title` and `ratio` at 0.4.
_ALIKE = 0.75
_NO_ENLARGING = "No original is ever enlarged. Remove it."
_CROP = 'To crop, write ratio="3/2", or width=600 height=400; focal="62,35" is the point to keep in view.'
_BOX = "Write width=600, and height=400 or ratio to crop."
_FORMATS = 'Write formats="avif webp" for the modern formats. The fallback is JPEG or PNG.'
_QUALITY = 'Write quality="high", a level of QUALITIES.'
_SIZES = "Write width=600, the largest width in the layout, or sizes for the whole attribute."
_NO_NEED = "Candidates for each screen are chosen from WIDTHS. Remove it."
_FOCAL = 'Write focal="62,35": percent from the left and from the top.'
_SHARP = "Resized pictures are sharp as they are. Remove it."
_PAD = 'Write fit="contain" to keep the whole picture inside the box, and pad it with CSS.'
#: Options of other libraries, and words that people try.
_ADVICE = {
    "anchor": _FOCAL,
    "aspect": 'Write ratio="3/2".',
    "aspect_ratio": 'Write ratio="3/2".',
    "autocrop": "Margins are not cut. Remove it.",
    "blurdataurl": 'Write placeholder="blur".',
    "box": _CROP,
    "breakpoints": _SIZES,
    "crop": _CROP,
    "cropping": _CROP,
    "densities": _NO_NEED,
    "density": _NO_NEED,
    "dimensions": _BOX,
    "dpr": _NO_NEED,
    "detail": _SHARP,
    "enlarge": _NO_ENLARGING,
    "fill": 'Write width=600 height=400, which fills the box and crops. Or fit="fill", which distorts.',
    "filter_spec": _BOX,
    "focal_point": _FOCAL,
    "format": _FORMATS,
    "geometry": _BOX,
    "gravity": _FOCAL,
    "h": "Write height=400.",
    "high_resolution": _NO_NEED,
    "hq": _QUALITY,
    "img_alt": "Write alt.",
    "img_class": "Write class.",
    "jpegquality": _QUALITY,
    "lazy": 'Pictures load lazily unless you write priority=True. Or write loading="eager".',
    "lossless": 'Write quality="lossless".',
    "max_width": "Write width=600.",
    "media": "Write it to resized_source, in a block of resized_picture.",
    "mode": 'Write fit="cover", "contain" or "fill".',
    "object_fit": 'Write fit="cover", "contain" or "fill".',
    "pad": _PAD,
    "padding": _PAD,
    "picture_class": "Write class, which is for the img.",
    "pixel_densities": _NO_NEED,
    "position": _FOCAL,
    "progressive": "JPEG is written progressive anyway. Remove it.",
    "q": _QUALITY,
    "replace_alpha": "A transparent picture stays transparent, as PNG. Remove it.",
    "resize": _BOX,
    "resize_mode": 'Write fit="cover", "contain" or "fill".',
    "sharpen": _SHARP,
    "size": _BOX,
    "smart": 'Write focal="auto".',
    "subject_location": _FOCAL,
    "subsampling": _QUALITY,
    "unoptimized": "The original itself is photo.image.url.",
    "upscale": _NO_ENLARGING,
    "w": "Write width=600.",
    "widths": _NO_NEED,
    "zoom": _CROP,
}

#: "300x200" of sorl-thumbnail, fill-300x200 and width-300 of Wagtail.
_SIZE = re.compile(
    r"[\"']?(?:(?:fill|max|min|width|height)-)?([1-9][0-9]{0,4})(?:x([1-9][0-9]{0,4}))?(?:-c[0-9]+)?[\"']?"
)
#: The beginning or the end of an element.
_HTML = re.compile(r"</?[a-zA-Z][^<>]*>")
_WEB = re.compile(r"(https?:)?//|data:", re.IGNORECASE)
#: Aliases that the guide uses, and the classes to declare for them.
_USUAL_SOURCES = {
    "static": "resizer.sources.StaticSource",
    "web": "resizer.sources.HttpSource",
}


def mistaken_option(name: str, options: Collection[str]) -> str:
    """What to write instead of an unknown option. Empty if it may be meant as an attribute."""
    lower = name.lower()
    if lower in _ADVICE:
        return _ADVICE[lower]
    if lower in _ATTRIBUTES or not name.isidentifier() or lower.startswith("on"):
        return ""
    close = difflib.get_close_matches(lower, sorted(options), n=1, cutoff=_ALIKE)
    return f"Did you mean {close[0]}?" if close else ""


def listed_options(options: Collection[str]) -> str:
    return f"Use one of {', '.join(sorted(options))}."


def check_call(names: Iterable[str], options: Collection[str]) -> None:
    """Raises TypeError for a keyword of a function that is no option."""
    for name in names:
        if name not in options:
            advice = mistaken_option(name, options) or listed_options(options)
            raise TypeError(f"There is no option {name}. {advice}")


def tell_undefined(tag: str, place: str, variable: str) -> None:
    """Log a misspelt variable. The page treats it like an empty field."""
    tell_once(
        f"{tag}{place} has no original: {variable} is undefined. Correct its name, or pass it to the template.",
        logging.WARNING,
    )


def is_size(word: str) -> bool:
    return _SIZE.fullmatch(word) is not None


def mistaken_word(word: str) -> str:
    """What to write instead of a word without a name, such as a size of other libraries."""
    match = _SIZE.fullmatch(word)
    if match is None:
        return "Write name=value, without spaces."
    if match[2]:
        return f"Write width={match[1]} height={match[2]} to crop."
    return f"Write {'height' if 'height' in word else 'width'}={match[1]}."


def mistaken_original(name: object) -> str:
    """What to write instead of HTML, a URL, a path or an unknown alias. Empty for a possible name of an original."""
    if not isinstance(name, (str, Promise)):
        return ""
    text = str(name)
    shown = repr(text[:200])
    if is_html(name):
        return f"{shown} is HTML. For its pictures, write the filter resized_html."
    if text[:5].lower() == "data:":
        return f"{shown} is a data URI, which has no other sizes. Write an img element for it."
    if _WEB.match(text):
        return (
            f"{shown} is an absolute URL. Declare its site as a source, an HttpSource in RESIZER['SOURCES']. Then write"
            ' the alias before it, such as "web:https://…".'
        )
    if text.startswith("/"):
        return (
            f"{shown} is a path or a URL. Write the field, such as photo.image, without .url and .path. Or write the"
            ' name in the storage, such as "photos/a.jpg". A static file is "static:img/a.png".'
        )
    alias, colon, _ = text.partition(":")
    sources = get_settings().SOURCES
    if not colon or alias in sources:
        return ""
    close = difflib.get_close_matches(alias, sources, n=1, cutoff=_ALIKE)
    if close:
        return f"{shown} names the unknown source {alias!r}. Did you mean {close[0]!r}?"
    if alias not in _USUAL_SOURCES:
        return ""
    return (
        f"{shown} names the unknown source {alias!r}. Add {alias!r}: {{'BACKEND': '{_USUAL_SOURCES[alias]}'}} to"
        " RESIZER['SOURCES'], with its OPTIONS."
    )


def is_html(name: object) -> bool:
    """Whether a text is an editor's HTML, and no name of an original."""
    return isinstance(name, (str, Promise)) and _HTML.search(str(name)[:1000]) is not None


def mistaken_html(value: object) -> str:
    """What to write instead of an object without HTML. Names its type only: the text of a queryset costs a query."""
    kind = type(value).__name__
    if isinstance(value, File):
        return f"resized_html: {kind} is no HTML. For one picture, write the tag resized_img or the filter resized."
    return f"resized_html: {kind} is no HTML. Pass the text of an editor, such as article.body."


def is_url(name: object) -> bool:
    """Whether a browser can load it as it is."""
    return isinstance(name, str) and (name.startswith("/") or bool(_WEB.match(name)))


@functools.lru_cache(maxsize=1000)
def tell_once(message: str, level: int = logging.ERROR) -> None:
    """Log a mistake that a page shows on each visit, once in each process."""
    logger.log(level, message)
