"""The chunks of a WebP (RFC 9649 §2): complete its end, and the transparency flag of an animation."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

#: Positions of the flags, of the canvas's size, and of the first chunk behind VP8X.
_FLAGS, _CANVAS, _CHUNKS = 20, 24, 30
_MOVES, _HAS_ALPHA = 0x02, 0x10
_FRAME_BYTES = 16


class _Frame(NamedTuple):
    #: Left and top in units of 2 px, width and height less 1 px.
    place: bytes
    is_cleared: bool

    def covers(self, canvas: bytes) -> bool:
        return self.place == bytes(6) + canvas


def clean(file: BinaryIO, whole: bool) -> list[bytes | range]:
    """The file as pieces, mended in two places. Browsers need neither, decoders need both.

    - The byte to make the last chunk even (§2.3), if nothing else is missing.
    - The flag for transparency. Without it, decoders fill the canvas outside the frames with black. Without `whole`, only
      the first frame counts: a still shows no other.
    """
    end = file.seek(0, os.SEEK_END)
    size, padding = _padded(file, end)
    flags = _corrected_flags(file, whole)
    return [
        range(4),
        size or range(4, 8),
        range(8, _FLAGS),
        flags or range(_FLAGS, _FLAGS + 1),
        range(_FLAGS + 1, end),
        padding,
    ]


def _padded(file: BinaryIO, end: int) -> tuple[bytes, bytes]:
    """The correct length field, and the missing last byte. Both are empty if no byte, or more than one, is missing."""
    position, length = 12, 0
    while position + 8 <= end:
        file.seek(position + 4)
        length = int.from_bytes(file.read(4), "little")
        position += 8 + length + length % 2
    file.seek(4)
    claimed = 8 + int.from_bytes(file.read(4), "little")
    if position != end + 1 or not length % 2 or claimed not in {end, position}:
        return b"", b""
    return (position - 8).to_bytes(4, "little"), b"\0"


def _corrected_flags(file: BinaryIO, whole: bool) -> bytes:
    """The flags with transparency. Empty if they are correct, or if the file is no animation."""
    file.seek(0)
    head = file.read(_CHUNKS)
    if head[12:16] != b"VP8X" or len(head) < _CHUNKS:
        return b""
    flags, canvas = head[_FLAGS], head[_CANVAS:]
    if not flags & _MOVES or flags & _HAS_ALPHA:
        return b""
    frames = _frames(file)
    first = next(frames, None)
    if first is None:
        return b""
    is_clear = not first.covers(canvas)
    if whole and not is_clear:
        is_clear = first.is_cleared or any(one.is_cleared for one in frames)
    return bytes([flags | _HAS_ALPHA]) if is_clear else b""


def _frames(file: BinaryIO) -> Iterator[_Frame]:
    position = _CHUNKS
    while True:
        file.seek(position)
        head = file.read(8)
        if len(head) < 8:
            return
        length = int.from_bytes(head[4:], "little")
        if head[:4] == b"ANMF":
            content = file.read(_FRAME_BYTES)
            yield _Frame(content[:12], bool(content[15:] and content[15] & 1))
        position += 8 + length + length % 2
