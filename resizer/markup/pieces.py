"""Pieces of a picture for elements that a template writes itself: a `srcset`, and a link to load it early."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.utils.safestring import SafeString, mark_safe

from resizer.formats import MODERN
from resizer.markup import picture
from resizer.markup.html import element
from resizer.markup.options import is_nothing, read_formats

if TYPE_CHECKING:
    from resizer.markup.html import Picture
    from resizer.originals import File


def srcset(file: File, *, format: object = None, **options: Any) -> str:
    """The `srcset` of one modern format, or of the fallback. Empty if the original cannot have that format.

    Raises ValueError for a wrong option.
    """
    formats = _read_format(format)
    made = picture.build(file, alt="", formats=formats, **options)
    if not formats:
        return made.srcset or made.url
    names = [row.content_type for row in MODERN if row.name in formats]
    return next((one.srcset for one in made.candidates if one.content_type in names), "")


def check_srcset(*, format: object = None, **options: Any) -> None:
    """Raises ValueError for a wrong option of `srcset`."""
    picture.check(formats=_read_format(format), **options)


def _read_format(format: object) -> list[str]:
    formats = [] if is_nothing(format) else [str(format)]
    modern = [row.name for row in MODERN]
    read_formats(formats)
    if not set(formats) <= set(modern):
        raise ValueError(
            f"format={format!r} is no modern format. Use one of {', '.join(modern)}, or none for the fallback."
        )
    return formats


def preload(file: File, **options: Any) -> SafeString:
    """A `link` that loads the browser's choice from the picture with the same options and `priority=True`.

    It names the best format. A browser without that format ignores the link. An original as it is has one without candidates.
    Raises ValueError for a wrong option.
    """
    made = picture.build(file, alt="", priority=True, **options)
    return mark_safe(_link(made)) if made.url else mark_safe("")


def _link(made: Picture) -> str:
    # The source for less motion stands first, and is for few.
    sources = made.as_dict()["sources"]
    best: dict[str, Any] = next((one for one in sources if not one["media"]), {})
    is_moving = any(one.media for one in made.candidates)
    link = {
        "rel": "preload",
        "as": "image",
        "type": best.get("type"),
        # One candidate has no `imagesizes` to choose by.
        "imagesrcset": best.get("srcset"),
        "imagesizes": made.sizes or None,
        "href": None if best else made.url,
        "media": "(prefers-reduced-motion: no-preference)" if is_moving else None,
        "fetchpriority": "high",
    }
    return element("link", link)
