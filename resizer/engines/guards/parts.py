"""What a file is made of, counted before a decoder sees it: floods of small parts keep one busy for minutes."""

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

#: Pillow takes up to 5 microseconds for a chunk. A PNG of 50 MB has 6000, of the 8 KB that libpng writes.
MAX_CHUNKS = 100_000
#: libavif looks for each item among those before it: 2 MB of them take 5 s. A grid of 1000 tiles takes 50 KB.
MAX_ITEM_BYTES = 65_536
#: What one tag of a TIFF lists: the strips of 65,535 rows, in three planes.
MAX_NUMBERS = 3 * 65_535

#: Boxes that hold others, and what stands before those, bytes (ISO/IEC 14496-12 §8).
_HOLDERS = {b"iprp": 0, b"meta": 4, b"moov": 0, b"trak": 0}
#: Boxes that name items.
_OF_ITEMS = {b"iinf", b"iloc", b"ipma", b"iref"}
#: Types of a tag that stay bytes: BYTE, ASCII, UNDEFINED (TIFF 6.0 §2).
_BYTES = {1, 2, 7}


def refuse_floods(file: BinaryIO, found: Format, *, whole: bool) -> None:
    """Raises TooMuchWork. For a header only what precedes the pixels is looked at, where a decoder does no more."""
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
    # Stretches of boxes that are yet to be looked at: from, to.
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


#: Is given a file, and whether it may be read to its end.
FLOOD_GUARDS: dict[Format, Callable[[BinaryIO, bool], None]] = {
    AVIF: _refuse_items,
    GIF: _refuse_blocks,
    HEIC: _refuse_items,
    JPEG: _refuse_jpeg,
    PNG: _refuse_chunks,
    TIFF: _refuse_numbers,
    WEBP: _refuse_riff_chunks,
}
