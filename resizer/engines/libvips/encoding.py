"""Encode a variant with libvips."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyvips
from PIL import Image

from resizer.engines.encoding import Effort, choose_effort, encode_lossy, most_bytes
from resizer.engines.scoring import find_quality
from resizer.formats import AVIF, JPEG, PNG, WEBP
from resizer.keys.variant import LOSSLESS

if TYPE_CHECKING:
    from collections.abc import Callable

    from resizer.engines.protocol import Header
    from resizer.formats import Format
    from resizer.keys.variant import Variant

#: Features of mozjpeg beyond libjpeg: 10 to 15 % fewer bytes at the same SSIMULACRA2.
_MOZJPEG = {"trellis_quant": True, "overshoot_deringing": True, "quant_table": 3}
#: For each format with levels of quality, the saver's options beside the quality.
SAVER_OPTIONS: dict[Format, Callable[[Effort], dict[str, Any]]] = {
    AVIF: lambda effort: {
        "compression": "av1",
        # libheif's effort 0 is libaom's speed 9, 1 is 8.
        "effort": 1 if effort.is_slow else 0,
        "subsample_mode": _subsample_mode(effort),
        "bitdepth": 8,
    },
    JPEG: lambda effort: {
        **_MOZJPEG,
        "interlace": effort.is_progressive,
        "optimize_coding": True,
        "subsample_mode": _subsample_mode(effort),
        "trellis_quant": not effort.is_tiny,
    },
    WEBP: lambda _: {"effort": 4},
}


def _subsample_mode(effort: Effort) -> str:
    return "off" if effort.has_full_colour else "on"


def encode(image: pyvips.Image, variant: Variant, header: Header, exif: bytes) -> bytes:
    if exif:
        image = image.copy()
        image.set_type(pyvips.GValue.blob_type, "exif-data", exif)
    if variant.format is PNG:
        return _encode_png(image, variant, header)
    if image.hasalpha() and not variant.format.has_alpha:
        image = image.flatten(background=255)
    size = image.width, image.height
    effort = choose_effort(header, variant.format, size, has_alpha=image.hasalpha())
    options = SAVER_OPTIONS[variant.format](effort)
    if variant.recipe.quality == LOSSLESS:
        return _save(image, variant.format, lossless=True, **options)

    def write(picture: pyvips.Image, quality: int) -> bytes:
        if variant.format is JPEG:
            # mozjpeg's quantisation table needs higher numbers for the same score: 66 for 60, 83 for 79.
            quality += round((100 - quality) * 0.13)
        return _save(picture, variant.format, Q=quality, **options)

    return encode_lossy(
        variant,
        most_bytes(header, size) + len(exif),
        lambda quality: write(image, quality),
        lambda: find_quality(
            _to_pillow(image),
            variant.format,
            lambda picture, quality: write(_from_pillow(picture), quality),
        ),
        is_graphic=header.is_graphic,
    )


def _encode_png(image: pyvips.Image, variant: Variant, header: Header) -> bytes:
    if header.has_palette and variant.recipe.quality != LOSSLESS:
        # Keep a palette: half the bytes. Dithering adds a third, and is no better by SSIMULACRA2.
        return _save(image, PNG, palette=True, dither=0, effort=1, compression=9)
    if header.has_palette or header.is_graphic:
        return _save(image, PNG)
    # Photographs: up to a third fewer bytes. Filters find what neighbours have in common.
    return _save(image, PNG, filter="all", compression=3)


def _to_pillow(image: pyvips.Image) -> Image.Image:
    mode = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[image.bands]
    return Image.frombytes(mode, (image.width, image.height), image.write_to_memory())


def _from_pillow(picture: Image.Image) -> pyvips.Image:
    """From RGB."""
    image = pyvips.Image.new_from_memory(
        picture.tobytes(), picture.width, picture.height, 3, "uchar"
    )
    return image.copy(interpretation="srgb")


def _save(image: pyvips.Image, target: Format, **options: Any) -> bytes:
    # `resize` removes all EXIF; only `encode` adds some. Without any, libvips must not write its own.
    keep = "exif" if image.get_typeof("exif-data") else "none"
    content: bytes = getattr(image, f"{target.libvips_saver}_buffer")(keep=keep, **options)
    return content
