"""Rules of encoding for all engines, so that their files are alike."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from resizer.conf import get_settings
from resizer.engines.protocol import TINY_PIXELS
from resizer.formats import AVIF, JPEG
from resizer.keys.variant import AUTO

if TYPE_CHECKING:
    from collections.abc import Callable

    from resizer.engines.protocol import Header
    from resizer.formats import Format
    from resizer.keys.variant import Variant

#: A variant keeps at least this part of its quality.
LEAST_QUALITY = 0.3
#: Up to this width in px, a slower AVIF and a JPEG of one scan take fewer bytes.
SMALL_WIDTH = 320


class Effort(NamedTuple):
    """What to spend bytes and CPU time on, for one variant."""

    #: AVIF in libaom's speed 8 instead of 9. Speed 9 takes less time than WebP and makes smaller files, but not for small
    #: variants, graphics and transparency.
    is_slow: bool
    #: Colours in full resolution (4:4:4).
    has_full_colour: bool
    #: JPEG in several scans. For small variants, their headers take more bytes than they save.
    is_progressive: bool
    #: Few bytes are at stake, so the quality is kept.
    is_tiny: bool


def choose_effort(
    header: Header, target: Format, size: tuple[int, int], *, has_alpha: bool
) -> Effort:
    """Choose for a variant of (width, height) px. Measured: docs/benchmarks.md, "Encoders"."""
    is_graphic = header.is_graphic or header.has_palette
    is_small = size[0] <= SMALL_WIDTH
    return Effort(
        is_slow=is_graphic or has_alpha or is_small,
        # Thin coloured lines turn grey in half the resolution. In JPEG, full colour costs more than it gains.
        has_full_colour=is_tiny(size) or (is_graphic and target is AVIF),
        is_progressive=not is_small,
        is_tiny=is_tiny(size),
    )


def is_tiny(size: tuple[int, int]) -> bool:
    """Whether a variant of (width, height) px keeps its quality and all of its colour: few bytes are at stake."""
    return size[0] * size[1] <= TINY_PIXELS


def most_bytes(header: Header, size: tuple[int, int]) -> float:
    """The limit for the file of a variant of (width, height) px.

    A variant has no more pixels than its original, so it should have no more bytes. A higher quality cannot bring back lost
    details. For a JPEG original, the limit is in proportion to the width. So a variant is never a larger file than the next
    wider one: bytes of photographs grow a little faster than their width.
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
    """Encode with the recipe's quality. For AUTO, call `find_quality`.

    If the file has more than `most` bytes, lower the quality, at least to `LEAST_QUALITY` of it. If that is not enough, a
    graphic keeps its quality: a lower one would blur its edges for nothing. A photograph keeps the lowest.
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
