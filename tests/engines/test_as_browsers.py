"""Chromium, which nobody here wrote, and the engines: both show the same of files with something wrong beside the pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from PIL import ExifTags, Image

from resizer.formats import AVIF, JPEG, PNG, SNIFF_BYTES, WEBP, sniff
from tests.chromium import Canvas, open_browser
from tests.engines.rendering import render_one, variant
from tests.engines.spoiled import SIZE, Spoiled, spoiled_files, unended_jpegs
from tests.pictures import draw, encode, exact_difference

if TYPE_CHECKING:
    from collections.abc import Iterator

    from resizer.engines import Engine
    from resizer.formats import Format

pytestmark = pytest.mark.service("chromium")

#: Of a JPEG without an end marker Chromium draws all but the last row of blocks, and what is smoothed with that, px.
LAST_BLOCKS = 32
#: A profile is bounded here and not there. Of scans of one colour each, without an end, Chromium draws nothing.
#: By a white without red it turns all colours black.
#: libheif shows an AVIF with transparency of no size, which libheif before 1.12 wrote; Chromium shows nothing.
OTHERWISE = (
    "AVIF",
    "JPEG in three scans",
    "PNG whose cHRM has a white of",
    "PNG with a profile of 5 MB",
)


@pytest.fixture(scope="module")
def canvas() -> Iterator[Canvas]:
    with open_browser() as browser:
        yield Canvas(browser)


def content_type(content: bytes) -> str:
    found = sniff(content[:SNIFF_BYTES])
    assert found is not None
    return found.content_type


def compared(one: Spoiled) -> bool:
    # Chromium shows no WebP without its last byte. Other programs do, as all pixels are there.
    return not one.name.startswith((*OTHERWISE, "WebP"))


@pytest.mark.parametrize(
    "one", [one for one in spoiled_files() if compared(one)], ids=lambda one: one.name
)
def test_spoiled_file_is_shown_as_in_a_browser(
    canvas: Canvas, engine: Engine, one: Spoiled
) -> None:
    drawn = canvas.draw(one.content, content_type(one.content))
    shown = render_one(engine, one.content, variant(SIZE[0]))
    assert drawn.size == shown.size
    if one.name in {unended.name for unended in unended_jpegs()}:
        seen = (0, 0, shown.width, shown.height - LAST_BLOCKS)
        drawn, shown = drawn.crop(seen), shown.crop(seen)
    assert exact_difference(drawn, shown) < 2


@pytest.mark.parametrize("found", [AVIF, JPEG, PNG, WEBP], ids=lambda one: one.name)
@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_orientation_is_that_of_a_browser(
    canvas: Canvas, engine: Engine, found: Format, orientation: int
) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    content = encode(draw(SIZE), found.name.upper(), exif=exif)
    drawn = canvas.draw(content, found.content_type)
    shown = render_one(engine, content, variant(drawn.width))
    assert drawn.size == shown.size
    assert exact_difference(drawn, shown) < 2
