"""Rules of encoding that all engines share, so that they make files alike."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from resizer.conf import get_settings
from resizer.formats import JPEG
from resizer.variant import AUTO

if TYPE_CHECKING:
    from collections.abc import Callable

    from resizer.engines.protocol import Header
    from resizer.variant import Variant

#: How much of the quality that is wanted a variant keeps in any case.
LEAST_QUALITY = 0.3
#: Of an AVIF beyond which the faster setting pays, px.
SMALL_WIDTH = 320


def is_worth_effort(header: Header, width: int, *, has_alpha: bool) -> bool:
    """Whether an AVIF is made with libaom's speed 8 instead of 9.

    Speed 9 costs less than WebP and is smaller, but not for small pictures, graphics and transparency.
    """
    return header.is_graphic or header.has_palette or has_alpha or width <= SMALL_WIDTH


def most_bytes(header: Header, pixels: int) -> float:
    """How large the file of a variant of so many pixels may be.

    It has no more pixels than its original, and should have no more bytes: what that has lost already, no quality
    brings back. Of a JPEG it has as large a part as it has of the width, so that it is no larger a file than the next
    larger one: bytes of photographs grow a little faster.
    """
    part = math.sqrt(min(1, pixels / (header.width * header.height)))
    return header.bytes * (part if header.format is JPEG else 1)


def encode_lossy(
    variant: Variant,
    most: float,
    encode: Callable[[int], bytes],
    find_quality: Callable[[], int],
) -> bytes:
    """Encode with the quality that is wanted, or with what `find_quality` finds the picture to need.

    With less, down to `LEAST_QUALITY` of it, while that is more than so many bytes.
    """
    is_found = variant.recipe.quality == AUTO
    quality = find_quality() if is_found else get_settings().quality_of(variant)
    part = 1.0
    while True:
        content = encode(max(1, round(quality * part)))
        if len(content) <= most or part <= LEAST_QUALITY:
            return content
        # Bytes fall a little faster than quality, and one step more costs less than a whole encoding.
        part = round(min(part - 0.1, part * (most / len(content)) ** 0.75), 2)
        part = max(LEAST_QUALITY, part)
