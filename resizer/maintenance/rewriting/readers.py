"""Tags of other packages, each with the function that reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from resizer.maintenance.rewriting import responsive, thumbnails
from resizer.maintenance.rewriting.loads import LIBRARIES
from resizer.maintenance.rewriting.pieces import Unclear

if TYPE_CHECKING:
    from collections.abc import Callable

    from resizer.maintenance.rewriting.pieces import Piece, Template
    from resizer.maintenance.rewriting.spelling import Asked


class Reader(NamedTuple):
    """A tag of another package."""

    read: Callable[[list[str]], Asked]
    #: Whether it prints an `img`. Else it prints a URL.
    is_image: bool = False
    #: Whether the package stores an alternative text for each picture. Else one without `alt` is decoration.
    has_stored_alt: bool = False


_WAGTAIL = Reader(responsive.read_wagtail, is_image=True, has_stored_alt=True)
#: By the library and the tag.
_TAGS = {
    ("imagekit", "generateimage"): Reader(thumbnails.read_generated, is_image=True),
    ("imagekit", "thumbnail"): Reader(thumbnails.read_imagekit, is_image=True),
    ("pictures", "img_url"): Reader(responsive.read_picture_url),
    ("pictures", "picture"): Reader(responsive.read_picture, is_image=True),
    ("wagtailimages_tags", "image"): _WAGTAIL,
    ("wagtailimages_tags", "image_url"): Reader(responsive.read_wagtail_url),
    ("wagtailimages_tags", "picture"): _WAGTAIL,
    ("wagtailimages_tags", "srcset_image"): _WAGTAIL,
}
SORL, _EASY = Reader(thumbnails.read_sorl), Reader(thumbnails.read_easy)
_THUMBNAILS = {"easy_thumbnails_tags", "sorl_thumbnail", "thumbnail"}


def _read_inline(bits: list[str]) -> Asked:
    """A tag of sorl-thumbnail or of easy-thumbnails, which look alike without `as`."""
    try:
        return thumbnails.read_sorl(bits)
    except Unclear:
        return thumbnails.read_easy(bits)


_INLINE = Reader(_read_inline)


def reader_of(piece: Piece, template: Template, libraries: set[str]) -> Reader | None:
    """How to read a tag. None for a tag that is none of pictures."""
    for library in sorted(libraries & LIBRARIES.keys()):
        if (library, piece.name) in _TAGS:
            return _TAGS[library, piece.name]
    if piece.name != "thumbnail" or not libraries & _THUMBNAILS:
        return None
    if "as" not in piece.bits:
        return _INLINE
    return SORL if any(one.name == "endthumbnail" for one in template.pieces) else _EASY
