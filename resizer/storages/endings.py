"""Whether a variant's file is complete. Half a variant must not be shown for ever."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resizer.formats import AVIF, WEBP

if TYPE_CHECKING:
    from collections.abc import Callable

    from resizer.formats import Format


def has_end(content: bytes, written_as: Format) -> bool:
    """Whether the content of a variant is complete, judged by its structure alone. This takes microseconds."""
    if written_as.ending:
        return content.endswith(written_as.ending)
    return STRUCTURES[written_as](content)


def _has_all_of_riff(content: bytes) -> bool:
    """Whether the file is as long as its first eight bytes say (RFC 9649 §2.4)."""
    return int.from_bytes(content[4:8], "little") + 8 == len(content)


def _has_all_boxes(content: bytes) -> bool:
    """Whether boxes fill the file, and one of them holds the picture (ISO/IEC 14496-12 §4.2)."""
    position = 0
    has_data = False
    while position < len(content):
        size = int.from_bytes(content[position : position + 4], "big")
        has_data |= content[position + 4 : position + 8] == b"mdat"
        if size < 8:
            # A length of 64 bits, or up to the end of the file. No encoder writes a variant like this: 32 bits suffice.
            return False
        position += size
    return has_data and position == len(content)


#: Checks for the formats without an `ending`.
STRUCTURES: dict[Format, Callable[[bytes], bool]] = {
    AVIF: _has_all_boxes,
    WEBP: _has_all_of_riff,
}
