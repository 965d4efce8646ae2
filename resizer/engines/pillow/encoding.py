"""Encode a variant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PIL import Image

from resizer.engines.encoding import Effort, choose_effort, encode_lossy, most_bytes
from resizer.engines.pillow.files import save
from resizer.engines.pillow.quantisation import quantisation_tables
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
#: Of zlib. Half the time of level 6, for at most 6 % more bytes.
_FAST = 4

#: For each format with levels of quality, the encoder's options beside the quality.
ENCODER_OPTIONS: dict[Format, Callable[[Effort], dict[str, Any]]] = {
    AVIF: lambda effort: {
        "speed": 8 if effort.is_slow else 9,
        "subsampling": _subsampling(effort),
        "max_threads": 1,
    },
    JPEG: lambda effort: {
        "optimize": True,
        "progressive": effort.is_progressive,
        "subsampling": _subsampling(effort),
    },
    WEBP: lambda _: {"method": 4},
}


def _subsampling(effort: Effort) -> str:
    return "4:4:4" if effort.has_full_colour else "4:2:0"


def encode(image: Image.Image, variant: Variant, header: Header, exif: bytes) -> bytes:
    """Encode an image in L, LA, RGB or RGBA."""
    if variant.format is PNG:
        return _encode_png(image, variant, header, exif)
    if image.has_transparency_data and not variant.format.has_alpha:
        background = Image.new("RGBA", image.size, "white")
        background.alpha_composite(image.convert("RGBA"))
        image = background.convert("RGB")
    effort = choose_effort(
        header, variant.format, image.size, has_alpha=image.has_transparency_data
    )
    options = {**ENCODER_OPTIONS[variant.format](effort), "exif": exif}
    if variant.recipe.quality == LOSSLESS:
        return save(image, variant.format, lossless=True, **options)

    def write(picture: Image.Image, quality: int) -> bytes:
        if variant.format is JPEG:
            return save(picture, JPEG, qtables=quantisation_tables(quality), **options)
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
        return save(image, PNG, compress_level=_FAST, exif=exif)
    if not image.has_transparency_data:
        palette = image.convert("RGB").quantize(256, Image.Quantize.MEDIANCUT, dither=_NO_DITHER)
        return save(palette, PNG, compress_level=9, exif=exif)
    content = save(image, PNG, compress_level=_FAST, exif=exif)
    if len(content) > header.bytes + len(exif):
        palette = image.convert("RGBA").quantize(256, Image.Quantize.FASTOCTREE, dither=_NO_DITHER)
        return save(palette, PNG, compress_level=9, exif=exif)
    return content
