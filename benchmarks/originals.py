"""Originals to measure with: mosaics of the gallery's photographs at their own resolution, made once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from PIL import Image, ImageOps

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
PHOTOGRAPHS = ROOT / "config/gallery/photographs"
PLACE = ROOT / "var/benchmarks"


class Kind(NamedTuple):
    """A file to be made: (width, height) px, Pillow's format, and its options."""

    size: tuple[int, int]
    format: str
    options: dict[str, object]


KINDS = {
    "12 MP JPEG": Kind((4000, 3000), "JPEG", {"quality": 92}),
    "24 MP JPEG": Kind((6000, 4000), "JPEG", {"quality": 92}),
    "48 MP JPEG": Kind((8000, 6000), "JPEG", {"quality": 92}),
    "4K PNG": Kind((3840, 2160), "PNG", {"compress_level": 6}),
    "48 MP PNG": Kind((8000, 6000), "PNG", {"compress_level": 1}),
    "12 MP WebP": Kind((4000, 3000), "WEBP", {"quality": 85, "method": 2}),
    "12 MP AVIF": Kind((4000, 3000), "AVIF", {"quality": 70, "speed": 9}),
}


def path_of(name: str) -> Path:
    """The file of a kind, made if it is not there yet."""
    kind = KINDS[name]
    path = PLACE / f"{name.replace(' ', '-')}.{kind.format.lower()}"
    if not path.exists():
        PLACE.mkdir(parents=True, exist_ok=True)
        _mosaic(kind.size).save(path, kind.format, **kind.options)
    return path


def photographs() -> Iterator[Image.Image]:
    """The gallery's photographs, upright, in RGB."""
    for path in sorted(PHOTOGRAPHS.glob("*.jpg")):
        yield ImageOps.exif_transpose(Image.open(path)).convert("RGB")


def _mosaic(size: tuple[int, int]) -> Image.Image:
    canvas = Image.new("RGB", size)
    left = top = row = 0
    while top < size[1]:
        for image in photographs():
            canvas.paste(image, (left, top))
            left, row = left + image.width, max(row, image.height)
            if left >= size[0]:
                left, top, row = 0, top + row, 0
            if top >= size[1]:
                break
    return canvas
