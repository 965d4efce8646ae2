"""Rules of encoding that all engines share, so that they make files alike."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from resizer.conf import get_settings
from resizer.engines.protocol import TINY_PIXELS
from resizer.formats import JPEG
from resizer.keys.variant import AUTO

if TYPE_CHECKING:
    from collections.abc import Callable

    from resizer.engines.protocol import Header
    from resizer.keys.variant import Variant

#: How much of the quality that is wanted a variant keeps in any case.
LEAST_QUALITY = 0.3
#: Of an AVIF beyond which the faster setting pays, px.
SMALL_WIDTH = 320


def is_worth_effort(header: Header, width: int, *, has_alpha: bool) -> bool:
    """Whether an AVIF is made with libaom's speed 8 instead of 9.

    Speed 9 costs less than WebP and is smaller, but not for small pictures, graphics and transparency.
    """
    return header.is_graphic or header.has_palette or has_alpha or width <= SMALL_WIDTH


def is_tiny(size: tuple[int, int]) -> bool:
    """Whether a variant of (width, height) px keeps its quality and all of its colour: few bytes are at stake."""
    return size[0] * size[1] <= TINY_PIXELS


def most_bytes(header: Header, size: tuple[int, int]) -> float:
    """How large the file of a variant of (width, height) px may be.

    It has no more pixels than its original, and should have no more bytes: what that has lost already, no quality
    brings back. Of a JPEG it has as large a part as it has of the width, so that it is no larger a file than the next
    larger one: bytes of photographs grow a little faster.
    """
    if is_tiny(size):
        return math.inf
    part = math.sqrt(min(1, size[0] * size[1] / (header.width * header.height)))
    return header.bytes * (part if header.format is JPEG else 1)


def encode_lossy(
    variant: Variant,
    most: float,
    encode: Callable[[int], bytes],
    find_quality: Callable[[], int],
    *,
    is_graphic: bool = False,
) -> bytes:
    """Encode with the quality that is wanted, or with what `find_quality` finds the picture to need.

    With less, down to `LEAST_QUALITY` of it, while that is more than so many bytes. Where those cannot be reached, a
    graphic keeps its quality: less would blur its edges for nothing. A photograph becomes as small as it can.
    """
    is_found = variant.recipe.quality == AUTO
    quality = find_quality() if is_found else get_settings().quality_of(variant)
    fixed = variant.format.fixed_bytes
    part = 1.0
    content = whole = encode(quality)
    while len(content) > most > fixed and part > LEAST_QUALITY:
        # Bytes fall a little faster than quality, and one step more costs less than a whole encoding.
        step = part * ((most - fixed) / (len(content) - fixed)) ** 0.75
        part = max(LEAST_QUALITY, round(min(part - 0.1, step), 2))
        content = encode(max(1, round(quality * part)))
    return whole if is_graphic and len(content) > most else content
