"""Recognise a file's format by its first bytes, before a decoder opens it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resizer.conf import get_settings
from resizer.errors import UnsupportedFormat
from resizer.formats import SNIFF_BYTES, sniff

if TYPE_CHECKING:
    from typing import BinaryIO

    from resizer.formats import Format


def recognise(file: BinaryIO) -> Format:
    """Return the format of a file, and rewind the file. Raises UnsupportedFormat if the format is unknown or not allowed."""
    file.seek(0)
    found = sniff(file.read(SNIFF_BYTES))
    file.seek(0)
    if found is None or not get_settings().may_open(found):
        raise UnsupportedFormat(
            f"the first bytes are of {found.name if found else 'no known format'}"
        )
    return found
