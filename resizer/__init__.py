"""Responsive pictures for Django, resized on the first request and kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.utils.safestring import SafeString

    from resizer.markup.html import Picture, VariantURL
    from resizer.originals import File

__version__ = "0.1.0"


# Functions import what they need, because Django imports this module before the models.


def picture(file: File, **options: Any) -> Picture:
    """The picture of an original, with the options of the tag `resized_img`. `attributes` are those of the `img`.

    Its parts are `html`, `url`, `srcset`, `sizes`, `width`, `height` and `as_dict()`. An empty field has an empty picture.
    Without `alt`, it is the stored one, or empty. Raises ValueError for a wrong option.
    """
    from resizer.markup.picture import build
    from resizer.markup.stored import STORED_IF_ANY

    return build(file, **{"alt": STORED_IF_ANY, **options})


def url(file: File, **options: Any) -> VariantURL:
    """The URL of one variant, with the options of the tag `resized_url`: a string with `width`, `height` and `content_type`.

    Raises ValueError for a wrong option.
    """
    from resizer.markup.picture import url as make

    return make(file, **options)


def resized_html(html: object, **options: Any) -> SafeString:
    """An editor's HTML with responsive pictures, as the filter `resized_html` makes it. Raises ValueError for a wrong option."""
    from resizer.markup.rich_text import resize_html

    return resize_html(html, **options)


def prefetch(objects: Iterable[Any], *fields: str) -> None:
    """Warm the originals of file fields on many objects: one cache call, at most one query.

    `objects` is a list, a queryset or a page of a paginator. A field may be of a related object, such as "author.avatar";
    related objects that are not loaded yet cost one more query. Originals that nobody has described yet are left to the
    tag that prints them.
    """
    from resizer.markup import lists

    lists.prefetch(objects, *fields)
