"""Pictures for tests: drawn in memory, encoded, and compared as eyes do."""

from __future__ import annotations

import io
from functools import cache
from typing import Any

from PIL import Image, ImageChops, ImageDraw, ImageStat


def draw(size: tuple[int, int] = (1600, 1200), mode: str = "RGB") -> Image.Image:
    """A picture of which every corner, side and channel can be told from the others."""
    return _drawn(size, mode).copy()


@cache
def _drawn(size: tuple[int, int], mode: str) -> Image.Image:
    width, height = size
    red = Image.linear_gradient("L").rotate(90).resize(size)
    green = Image.linear_gradient("L").resize(size)
    blue = Image.radial_gradient("L").resize(size)
    image = Image.merge("RGB", (red, green, blue))
    pen = ImageDraw.Draw(image)
    pen.rectangle((0, 0, width // 4, height // 4), fill=(230, 40, 30))
    pen.ellipse((width * 5 // 8, height // 8, width * 7 // 8, height * 3 // 8), fill=(250, 240, 90))
    pen.polygon(
        [(width // 8, height - 1), (width // 2, height * 5 // 8), (width * 3 // 4, height - 1)],
        fill=(20, 60, 160),
    )
    if mode in {"RGBA", "LA"}:
        image.putalpha(blue.point(lambda value: 255 - value))
    return image.convert(mode)


def encode(image: Image.Image, format: str = "JPEG", **options: Any) -> bytes:
    output = io.BytesIO()
    image.save(output, format, **options)
    return output.getvalue()


def photograph(size: tuple[int, int] = (1600, 1200), **options: Any) -> bytes:
    """A JPEG."""
    return encode(draw(size), quality=92, **options) if options else _photographed(size)


@cache
def _photographed(size: tuple[int, int]) -> bytes:
    return encode(draw(size), quality=92)


def decode(content: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


def difference(one: Image.Image, other: Image.Image) -> float:
    """Mean difference of two pictures of equal size, 0 to 255, after both are shrunk to what a glance sees."""
    assert one.size == other.size
    glance = (max(1, min(64, one.width)), max(1, min(64, one.height)))
    first, second = (
        image.convert("RGBA").resize(glance, Image.Resampling.BOX) for image in (one, other)
    )
    means = ImageStat.Stat(ImageChops.difference(first, second)).mean
    return sum(means) / len(means)


def exact_difference(one: Image.Image, other: Image.Image) -> float:
    """Mean difference of what is seen of two pictures on black and on white, pixel by pixel, 0 to 255."""
    means = []
    for ground in ((0, 0, 0, 255), (255, 255, 255, 255)):
        first, second = (
            Image.alpha_composite(
                Image.new("RGBA", image.size, ground), image.convert("RGBA")
            ).convert("RGB")
            for image in (one, other)
        )
        means += ImageStat.Stat(ImageChops.difference(first, second)).mean
    return max(means)


#: What lossy encoding may cost, in `difference`.
TOLERANCE = 3.0
