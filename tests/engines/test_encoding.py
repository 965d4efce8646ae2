"""What a variant's bytes are spent on."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from PIL import Image, ImageDraw

from resizer.engines.pillow import PillowEngine
from resizer.engines.pillow.quantisation import quantisation_tables
from resizer.engines.scoring import estimate_score
from resizer.formats import AVIF, JPEG, PNG
from resizer.keys.variant import LOSSLESS
from tests.engines.rendering import render, render_one, variant
from tests.pictures import decode, encode, photograph
from tests.servers import ROOT

if TYPE_CHECKING:
    from resizer.engines import Engine

VIOLET, DARK = (190, 90, 250), (24, 24, 32)
PHOTOGRAPH = next(iter(sorted((ROOT / "config/gallery/photographs").glob("*.jpg")))).read_bytes()


def lines() -> bytes:
    """A drawing of violet lines, 1 px wide, on a dark ground."""
    image = Image.new("RGB", (640, 480), DARK)
    draw = ImageDraw.Draw(image)
    for left in range(4, 640, 8):
        draw.line((left, 0, left, 479), VIOLET)
    return encode(image, "PNG")


def test_thin_lines_of_a_drawing_keep_their_colour(engine: Engine) -> None:
    image = render_one(engine, lines(), variant(640, AVIF)).convert("RGB")
    red, green, blue = image.getpixel((404, 240))  # type: ignore[misc]  # of RGB
    # In half the resolution, the colour is spread over two pixels: 137, 103, 172.
    assert red > 165
    assert blue - green > 110


def test_small_jpeg_has_one_scan(engine: Engine) -> None:
    small, wide = (render_one(engine, photograph(), variant(width, JPEG)) for width in (320, 321))
    assert "progressive" not in small.info
    assert wide.info["progressive"]


def test_photograph_in_png_is_no_larger_with_one_engine(engine: Engine) -> None:
    def bytes_of(engine: Engine) -> int:
        return len(render(engine, PHOTOGRAPH, variant(320, PNG))[0].content)

    assert bytes_of(engine) < 1.1 * bytes_of(PillowEngine())


def test_jpeg_of_pillow_takes_fewer_bytes_than_the_tables_of_libjpeg() -> None:
    (exact,) = render(PillowEngine(), PHOTOGRAPH, variant(640, PNG, quality=LOSSLESS))
    (rendered,) = render(PillowEngine(), PHOTOGRAPH, variant(640, JPEG, quality=64))
    pixels = decode(exact.content).convert("RGB")
    usual = encode(pixels, quality=64, progressive=True, optimize=True)
    assert len(rendered.content) < 0.95 * len(usual)
    ours, theirs = (
        estimate_score(pixels, decode(content)) for content in (rendered.content, usual)
    )
    assert ours > theirs - 1


@pytest.mark.parametrize("quality", [1, 2, 9, 10, 54, 59, 82, 100])
def test_jpeg_of_any_quality_is_one_for_every_browser(quality: int) -> None:
    (rendered,) = render(
        PillowEngine(), photograph((640, 480)), variant(400, JPEG, quality=quality)
    )
    with Image.open(io.BytesIO(rendered.content)) as image:
        tables: dict[int, list[int]] = image.quantization  # type: ignore[attr-defined]  # of JPEG
    # Numbers above 255 belong to the extended modes.
    assert [list(table) for table in tables.values()] == list(quantisation_tables(quality))
    assert all(1 <= number <= 255 for table in tables.values() for number in table)


def test_better_quality_has_finer_tables() -> None:
    sums = [sum(quantisation_tables(quality)[0]) for quality in range(1, 101)]
    assert sums == sorted(sums, reverse=True)
    assert sums[0] > 10 * sums[80]
