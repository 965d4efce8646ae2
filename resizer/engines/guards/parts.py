"""Count the parts of a file before a decoder opens it: floods of small parts keep a decoder busy for minutes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from resizer.engines.containers import jpeg
from resizer.engines.containers.gif import frames_of
from resizer.errors import TooMuchWork
from resizer.formats import AVIF, GIF, HEIC, JPEG, PNG, TIFF, WEBP

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO, Literal

    from resizer.formats import Format

#: Pillow takes up to 5 microseconds for a chunk. A PNG of 50 MB has 6000 chunks: libpng writes 8 KB in each.
MAX_CHUNKS = 100_000
#: libavif compares each item with all items before it: 2 MB of items take 5 s. A grid of 1000 tiles takes 50 KB.
MAX_ITEM_BYTES = 65_536
#: In one tag of a TIFF: the strips of 65,535 rows, in three planes.
MAX_NUMBERS = 3 * 65_535

#: Boxes with boxes inside, and the bytes before the first inner box (ISO/IEC 14496-12 §8).
_HOLDERS = {b"iprp": 0, b"meta": 4, b"moov": 0, b"trak": 0}
#: Boxes about items.
_OF_ITEMS = {b"iinf", b"iloc", b"ipma", b"iref"}
#: Types of tags read as bytes, not as numbers: BYTE, ASCII, UNDEFINED (TIFF 6.0 §2).
_BYTES = {1, 2, 7}


def refuse_floods(file: BinaryIO, found: Format, *, whole: bool) -> None:
    """Raise TooMuchWork for a flood of parts.

    Without `whole`, the parts of a JPEG or a PNG are counted only up to the pixels, as far as a decoder reads a header.
    """
    FLOOD_GUARDS[found](file, whole)


def _refuse_jpeg(file: BinaryIO, whole: bool) -> None:
    jpeg.refuse_segments(file)
    if whole:
        jpeg.refuse_scans(file)


def _refuse_blocks(file: BinaryIO, _whole: bool) -> None:
    file.seek(0)
    next(frames_of(file.read()), None)


def _refuse_chunks(file: BinaryIO, whole: bool) -> None:
    """Chunks of a PNG: length, name, content, checksum (PNG §5.3)."""
    file.seek(8)
    for _ in range(MAX_CHUNKS):
        head = file.read(8)
        if len(head) < 8 or (head[4:] == b"IDAT" and not whole):
            return
        file.seek(int.from_bytes(head[:4]) + 4, os.SEEK_CUR)
    raise TooMuchWork(f"more than {MAX_CHUNKS} chunks")


def _refuse_riff_chunks(file: BinaryIO, _whole: bool) -> None:
    """Chunks of a WebP: name, length, content, a byte to make it even (RFC 9649 §2.3)."""
    file.seek(12)
    for _ in range(MAX_CHUNKS):
        head = file.read(8)
        if len(head) < 8:
            return
        length = int.from_bytes(head[4:], "little")
        file.seek(length + length % 2, os.SEEK_CUR)
    raise TooMuchWork(f"more than {MAX_CHUNKS} chunks")


def _refuse_items(file: BinaryIO, _whole: bool) -> None:
    file.seek(0)
    content = file.read()
    weight = 0
    # Ranges of boxes still to walk through: start, end.
    left = [(0, len(content))]
    for _ in range(MAX_CHUNKS):
        if not left:
            break
        position, end = left.pop()
        if position + 8 > end:
            continue
        name = content[position + 4 : position + 8]
        length = int.from_bytes(content[position : position + 4])
        head = 8
        if length == 1:
            head = 16
            length = int.from_bytes(content[position + 8 : position + 16])
        elif length == 0:
            length = end - position
        after = min(position + max(length, head), end)
        left.append((after, end))
        if name in _HOLDERS:
            left.append((position + head + _HOLDERS[name], after))
        elif name in _OF_ITEMS:
            weight += after - position
    if left or weight > MAX_ITEM_BYTES:
        raise TooMuchWork(f"{weight} bytes of items, and {len(left)} boxes more")


def _refuse_numbers(file: BinaryIO, _whole: bool) -> None:
    """The tags of a TIFF's first page: tag, type, count, value (TIFF 6.0 §2)."""
    file.seek(0)
    start = file.read(8)
    order: Literal["little", "big"] = "little" if start.startswith(b"II") else "big"
    file.seek(int.from_bytes(start[4:], order))
    tags = file.read(12 * int.from_bytes(file.read(2), order))
    for position in range(0, len(tags), 12):
        kind = int.from_bytes(tags[position + 2 : position + 4], order)
        count = int.from_bytes(tags[position + 4 : position + 8], order)
        if kind not in _BYTES and count > MAX_NUMBERS:
            raise TooMuchWork(f"a tag of {count} numbers")


#: For each format, a function of a file, and of whether to read it to its end. Raises TooMuchWork.
FLOOD_GUARDS: dict[Format, Callable[[BinaryIO, bool], None]] = {
    AVIF: _refuse_items,
    GIF: _refuse_blocks,
    HEIC: _refuse_items,
    JPEG: _refuse_jpeg,
    PNG: _refuse_chunks,
    TIFF: _refuse_numbers,
    WEBP: _refuse_riff_chunks,
}
