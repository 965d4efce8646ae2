"""What a render takes of memory, told from the original's header before anything is decoded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resizer.engines.sharing import plan_resizing
from resizer.formats import AVIF, GIF, HEIC, JPEG, PNG, TIFF, WEBP

if TYPE_CHECKING:
    from collections.abc import Iterable

    from resizer.engines.protocol import Header
    from resizer.keys.variant import Variant

#: What decoding takes at most, bytes a pixel, measured with Pillow; libvips takes as much of AVIF, of others less.
DECODED_BYTES = {AVIF: 16, GIF: 5, HEIC: 16, JPEG: 6.3, PNG: 8.2, TIFF: 8.2, WEBP: 19}
#: A JPEG that is decoded small, bytes a pixel of what is left.
SHRUNK_BYTES = 4.5
#: A GIF or PNG that moves: the frame, its canvas, what that was before, and what is resized.
LAYERED_BYTES = 17
#: What resizing and encoding take at most, bytes a pixel of the variant.
ENCODED_BYTES = 30
#: What a render takes whatever it renders.
LEAST_MEGABYTES = 16


def decoded_megabytes(header: Header) -> float:
    """What an original takes decoded whole; nothing that counts, where it need not be."""
    if header.is_shrinkable:
        return 0
    return header.width * header.height * DECODED_BYTES[header.format] / 1_000_000


def estimate(header: Header, variant: Variant) -> int:
    """How many megabytes a render takes, told from the original's header."""
    resizing = plan_resizing(header, variant, shrinks=header.is_shrinkable)
    pixels = header.width * header.height
    decoded = pixels * DECODED_BYTES[header.format]
    if header.is_shrinkable:
        decoded = pixels / resizing.scale**2 * SHRUNK_BYTES
    if header.format in {GIF, PNG} and variant.recipe.animated:
        decoded = pixels * LAYERED_BYTES
    width, height = resizing.plan.size
    encoded = width * height * ENCODED_BYTES
    if variant.recipe.animated:
        encoded += width * height * 4 * header.frames
    return LEAST_MEGABYTES + int(decoded + encoded + header.bytes) // 1_000_000


def estimate_together(header: Header, variants: Iterable[Variant]) -> int:
    """The same of several in `in_decoding_order`, of which one at a time is resized and encoded."""
    return max(estimate(header, variant) for variant in variants)
