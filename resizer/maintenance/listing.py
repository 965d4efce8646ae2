"""What a file is, by its name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resizer.errors import InvalidOption
from resizer.formats import FORMATS
from resizer.keys.variant import parse_key

if TYPE_CHECKING:
    from resizer.keys.variant import Variant

#: A format's own name is the long form of its extension, such as ".jpeg".
_ENDINGS = tuple(f".{one}" for row in FORMATS for one in (row.extension, row.name))


def may_be_picture(name: str) -> bool:
    """Whether the extension of an original is that of a format we read."""
    return name.lower().endswith(_ENDINGS)


def variant_of(name: str) -> Variant | None:
    """The variant with this key, of a file in the variants storage. None for any other file, also for a key with unknown parts."""
    try:
        parsed = parse_key(name)
    except InvalidOption:
        return None
    return None if parsed is None else parsed.variant
