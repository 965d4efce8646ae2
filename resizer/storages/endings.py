"""Whether a file has its end, told from its structure in no time: half a variant must not be shown for ever."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resizer.formats import AVIF, JPEG, PNG, WEBP

if TYPE_CHECKING:
    from resizer.formats import Format

#: The end of an image (ITU-T T.81 §B.1.1.3), and the chunk that is the last one of a PNG (PNG 3 §11.2.5).
_ENDS = {JPEG: b"\xff\xd9", PNG: b"\0\0\0\0IEND\xae\x42\x60\x82"}


def has_end(content: bytes, written_as: Format) -> bool:
    """Whether a file in a format that variants are written in is there up to its last byte."""
    if written_as is WEBP:
        # RIFF tells the length of what follows its first eight bytes.
        return int.from_bytes(content[4:8], "little") + 8 == len(content)
    if written_as is AVIF:
        return _has_all_boxes(content)
    return content.endswith(_ENDS[written_as])


def _has_all_boxes(content: bytes) -> bool:
    """Whether the file's boxes fill it, and one of them holds the picture (ISO/IEC 14496-12 §4.2)."""
    position = 0
    has_data = False
    while position < len(content):
        size = int.from_bytes(content[position : position + 4], "big")
        has_data |= content[position + 4 : position + 8] == b"mdat"
        if size < 8:
            # Of 64 bits, or up to the end of the file: nobody writes a variant so, as lengths of a picture fit 32.
            return False
        position += size
    return has_data and position == len(content)
