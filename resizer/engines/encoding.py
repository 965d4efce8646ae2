"""Rules of encoding that all engines share, so that they make files alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from resizer.engines.protocol import Header

#: Of an AVIF beyond which the faster setting pays, px.
SMALL_WIDTH = 320


def is_worth_effort(header: Header, width: int, *, has_alpha: bool) -> bool:
    """Whether an AVIF is made with libaom's speed 8 instead of 9.

    Speed 9 costs less than WebP and is smaller, but not for small pictures, graphics and transparency.
    """
    return header.is_graphic or header.has_palette or has_alpha or width <= SMALL_WIDTH


def encode_within(limit: int, quality: int, encode: Callable[[int], bytes]) -> bytes:
    """Encode; with less quality, down to half of it, while that is larger than the limit in bytes.

    A variant has no more pixels than its original, and should have no more bytes: what the original has lost
    already, no quality brings back.
    """
    for tenths in (10, 9, 8, 7, 6, 5):
        content = encode(max(1, quality * tenths // 10))
        if len(content) <= limit:
            break
    return content
