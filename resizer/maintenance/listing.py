"""What a file in the variants storage is, by its name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resizer.errors import InvalidOption
from resizer.keys.variant import parse_key

if TYPE_CHECKING:
    from resizer.keys.variant import Variant


def variant_of(name: str) -> Variant | None:
    """The variant with this key. None for any other file, also for a key with unknown parts."""
    try:
        parsed = parse_key(name)
    except InvalidOption:
        return None
    return None if parsed is None else parsed.variant
