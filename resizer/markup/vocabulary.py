"""The tags, for all template languages."""

from __future__ import annotations

from resizer.markup import art_direction, background, picture, pieces
from resizer.markup.layout import Layout
from resizer.markup.options import Options
from resizer.markup.tags import Tag, keyword_names

RESIZED_IMG = Tag(
    name="resized_img",
    make=picture.build,
    check=picture.check,
    options=keyword_names(Options.read, Layout.read, picture.build) - {"attributes"},
    takes_attributes=True,
    required={"alt": 'Describe the picture, or write alt="" for decoration.'},
    own=frozenset({"src", "srcset"}),
)
RESIZED_URL = Tag(
    name="resized_url",
    make=picture.url,
    check=picture.check_url,
    options=keyword_names(Options.read, picture.url),
    needless=RESIZED_IMG.options,
)
#: Options of a picture for tags that print no `img`.
_WITHOUT_IMG = RESIZED_IMG.options - {"alt", "priority"}
RESIZED_SRCSET = Tag(
    name="resized_srcset",
    make=pieces.srcset,
    check=pieces.check_srcset,
    options=_WITHOUT_IMG - {"formats", "sizes"} | {"format"},
    needless=RESIZED_IMG.options,
)
RESIZED_PRELOAD = Tag(
    name="resized_preload",
    make=pieces.preload,
    check=picture.check,
    options=_WITHOUT_IMG,
    needless=RESIZED_IMG.options,
)
RESIZED_SOURCE = Tag(
    name="resized_source",
    make=art_direction.source,
    check=art_direction.check_source,
    options=_WITHOUT_IMG - {"absolute", "placeholder"} | {"media"},
    needless=RESIZED_IMG.options,
)
RESIZED_BACKGROUND = Tag(
    name="resized_background",
    make=background.background,
    check=background.check_background,
    options=_WITHOUT_IMG - {"sizes", "columns", "container", "layout"} | {"selector"},
    needless=RESIZED_IMG.options,
)

TAGS = {
    tag.name: tag
    for tag in (RESIZED_IMG, RESIZED_URL, RESIZED_SRCSET, RESIZED_PRELOAD, RESIZED_BACKGROUND)
}
