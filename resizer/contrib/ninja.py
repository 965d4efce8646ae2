"""django-ninja: a schema for a picture's candidates as data.

class PhotoOut(Schema):
    title: str
    image: ResizedImage | None
    resolve_image = resolve_picture("image", width=600)
"""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any

from ninja import Schema

import resizer
from resizer.markup import picture

if TYPE_CHECKING:
    from collections.abc import Callable


class Candidate(Schema):
    url: str
    width: int  # px


class Source(Schema):
    """The attributes of a `<source>` element. The last one has the fallback format."""

    type: str
    media: str
    srcset: str
    sizes: str
    width: int | None  # CSS px
    height: int | None
    candidates: list[Candidate]


class ResizedImage(Schema):
    """A picture as data. Sides are CSS px, and None if the original cannot be read."""

    url: str
    width: int | None
    height: int | None
    alt: str
    sizes: str
    sources: list[Source]


def resolve_picture(path: str, **options: Any) -> Callable[..., dict[str, Any] | None]:
    """A resolver for a file at a path such as "image" or "author.avatar", with the options of the tag `resized_img`.

    URLs have the host of the request, or that of `HOST`. Raises ValueError for a wrong option.
    """
    picture.check(**options)
    find = attrgetter(path)

    def resolve(instance: Any, context: Any) -> dict[str, Any] | None:
        request = (context or {}).get("request")
        made = resizer.picture(find(instance), absolute=request, **options)
        return made.as_dict() if made else None

    return staticmethod(resolve)
