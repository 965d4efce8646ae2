"""The tags, for all template languages."""

from __future__ import annotations

from resizer.markup import picture
from resizer.markup.options import Options
from resizer.markup.tags import Tag, keyword_names

RESIZED_IMG = Tag(
    name="resized_img",
    make=picture.build,
    check=picture.check,
    options=keyword_names(Options.read, picture.build) - {"attributes"},
    takes_attributes=True,
    required={"alt": 'Describe the picture, or write alt="" for decoration.'},
    own=frozenset({"src", "srcset"}),
)
RESIZED_URL = Tag(
    name="resized_url",
    make=picture.url,
    check=picture.check_url,
    options=keyword_names(Options.read, picture.url),
)
