"""What a render takes of memory, told from the original's header before anything is decoded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resizer.engines.sharing import plan_resizing
from resizer.formats import GIF

if TYPE_CHECKING:
    from collections.abc import Iterable

    from resizer.engines.protocol import Header
    from resizer.keys.variant import Variant

#: A JPEG that is decoded small, bytes a pixel of what is left.
SHRUNK_BYTES = 4.5
#: An animation of layers, bytes a pixel: the frame, its canvas, what that was before, and what is resized.
LAYERED_BYTES = 17
#: What resizing and encoding take at most, bytes a pixel of the variant.
ENCODED_BYTES = 30
#: What a render takes whatever it renders.
LEAST_MEGABYTES = 16


def decoded_megabytes(header: Header) -> float:
    """What an original takes decoded whole; nothing that counts, where it need not be."""
    if header.is_shrinkable:
        return 0
    return header.width * header.height * header.format.decoded_bytes / 1_000_000


def estimate(header: Header, variant: Variant) -> int:
    """How many megabytes a render takes, told from the original's header."""
    resizing = plan_resizing(header, variant, shrinks=header.is_shrinkable)
    pixels = header.width * header.height
    decoded = pixels * header.format.decoded_bytes
    if header.is_shrinkable:
        decoded = pixels / resizing.scale**2 * SHRUNK_BYTES
    if header.format.has_layers and (variant.recipe.animated or _has_ground(header)):
        decoded = pixels * LAYERED_BYTES
    width, height = resizing.plan.size
    encoded = width * height * ENCODED_BYTES
    if variant.recipe.animated:
        encoded += width * height * 4 * header.frames
    return LEAST_MEGABYTES + int(decoded + encoded + header.bytes) // 1_000_000


def _has_ground(header: Header) -> bool:
    """Whether a still GIF may not cover its screen: then a canvas lies behind it."""
    return header.format is GIF and header.has_alpha


def estimate_together(header: Header, variants: Iterable[Variant]) -> int:
    """The same of several in `in_decoding_order`, of which one at a time is resized and encoded."""
    return max(estimate(header, variant) for variant in variants)
