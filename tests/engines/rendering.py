"""Variants, rendered as the store has them rendered."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from resizer.engines import Header
from resizer.formats import BY_EXTENSION, JPEG, PNG
from resizer.keys.variant import Recipe, Variant
from tests.pictures import decode

if TYPE_CHECKING:
    from PIL import Image

    from resizer.engines import Engine, Rendered
    from resizer.formats import Format

PHOTO = (4000, 3000)
WRITTEN = list(BY_EXTENSION.values())


def variant(width: int = 320, target: Format = PNG, **recipe: Any) -> Variant:
    return Variant(
        source="default",
        name="a.jpg",
        version="5d41402a",
        width=width,
        format=target,
        recipe=Recipe(**recipe),
    )


def header(found: Format = JPEG, size: tuple[int, int] = PHOTO, **facts: Any) -> Header:
    known: dict[str, Any] = {
        "orientation": 1,
        "has_alpha": False,
        "is_shrinkable": False,
        "is_graphic": False,
        "has_palette": False,
        "frames": 1,
        "bytes": 3_000_000,
    }
    return Header(format=found, width=size[0], height=size[1], **{**known, **facts})


def render(engine: Engine, content: bytes, *variants: Variant) -> list[Rendered]:
    file = io.BytesIO(content)
    return list(engine.render(file, engine.read_header(file), variants))


def render_one(engine: Engine, content: bytes, wanted: Variant) -> Image.Image:
    (rendered,) = render(engine, content, wanted)
    image = decode(rendered.content)
    assert image.size == (rendered.width, rendered.height)
    return image
