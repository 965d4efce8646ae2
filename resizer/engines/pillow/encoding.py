"""Encode a variant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PIL import Image

from resizer.engines.encoding import encode_lossy, is_tiny, is_worth_effort, most_bytes
from resizer.engines.pillow.files import save
from resizer.engines.scoring import find_quality
from resizer.formats import AVIF, JPEG, PNG, WEBP
from resizer.keys.variant import LOSSLESS

if TYPE_CHECKING:
    from collections.abc import Callable

    from resizer.engines.protocol import Header
    from resizer.formats import Format
    from resizer.keys.variant import Variant


# Dithering makes files a third larger, and no better by SSIMULACRA2.
_NO_DITHER = Image.Dither.NONE

#: For each format with levels of quality, a function of the chroma subsampling, and of whether more effort is worth it. It
#: returns the encoder's options beside the quality.
ENCODER_OPTIONS: dict[Format, Callable[[str, bool], dict[str, Any]]] = {
    AVIF: lambda subsampling, has_effort: {
        "speed": 8 if has_effort else 9,
        "subsampling": subsampling,
        "max_threads": 1,
    },
    JPEG: lambda subsampling, _: {
        "optimize": True,
        "progressive": True,
        "subsampling": subsampling,
    },
    WEBP: lambda *_: {"method": 4},
}


def encode(image: Image.Image, variant: Variant, header: Header, exif: bytes) -> bytes:
    """Encode an image in L, LA, RGB or RGBA."""
    if variant.format is PNG:
        return _encode_png(image, variant, header, exif)
    if image.has_transparency_data and not variant.format.has_alpha:
        background = Image.new("RGBA", image.size, "white")
        background.alpha_composite(image.convert("RGBA"))
        image = background.convert("RGB")
    subsampling = "4:4:4" if is_tiny(image.size) else "4:2:0"
    has_effort = is_worth_effort(header, image.width, has_alpha=image.has_transparency_data)
    options = {**ENCODER_OPTIONS[variant.format](subsampling, has_effort), "exif": exif}
    if variant.recipe.quality == LOSSLESS:
        return save(image, variant.format, lossless=True, **options)

    def write(picture: Image.Image, quality: int) -> bytes:
        return save(picture, variant.format, quality=quality, **options)

    return encode_lossy(
        variant,
        most_bytes(header, image.size) + len(exif),
        lambda quality: write(image, quality),
        lambda: find_quality(image, variant.format, write),
        is_graphic=header.is_graphic,
    )


def _encode_png(image: Image.Image, variant: Variant, header: Header, exif: bytes) -> bytes:
    """Keep a palette: half the bytes, and little loss.

    Pillow's palettes of transparent colours lose more. Use one only if the file would be larger than the original.
    """
    if not header.has_palette or variant.recipe.quality == LOSSLESS:
        return save(image, PNG, exif=exif)
    if not image.has_transparency_data:
        palette = image.convert("RGB").quantize(256, Image.Quantize.MEDIANCUT, dither=_NO_DITHER)
        return save(palette, PNG, compress_level=9, exif=exif)
    content = save(image, PNG, exif=exif)
    if len(content) > header.bytes + len(exif):
        palette = image.convert("RGBA").quantize(256, Image.Quantize.FASTOCTREE, dither=_NO_DITHER)
        return save(palette, PNG, compress_level=9, exif=exif)
    return content
