"""Estimate the memory of a render from the original's header, before decoding."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resizer.engines.sharing import plan_resizing
from resizer.formats import GIF

if TYPE_CHECKING:
    from collections.abc import Iterable

    from resizer.engines.protocol import Header
    from resizer.keys.variant import Variant

#: For each pixel of a JPEG after shrinking while decoding.
SHRUNK_BYTES = 4.5
#: For each pixel of a GIF or a PNG with layers: the frame, the canvas, a copy of the canvas, and the input of resizing.
LAYERED_BYTES = 17
#: For each pixel of the variant: the most for resizing and encoding.
ENCODED_BYTES = 30
#: The least for any render.
LEAST_MEGABYTES = 16


def decoded_megabytes(header: Header) -> float:
    """The size of an original's decoded pixels. 0 for a shrinkable JPEG: it is never decoded whole."""
    if header.is_shrinkable:
        return 0
    return header.width * header.height * header.format.decoded_bytes / 1_000_000


def estimate(header: Header, variant: Variant) -> int:
    """Estimate the megabytes of a render from the original's header."""
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
    """Estimate the megabytes for several variants `in_decoding_order`: they are resized and encoded one at a time."""
    return max(estimate(header, variant) for variant in variants)
