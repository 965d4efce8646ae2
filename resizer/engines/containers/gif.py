"""The blocks of a GIF: its screen, and the place, time and disposal of each frame (GIF89a §18 to §27)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

from resizer.errors import TooMuchWork

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Blocks and their data blocks of up to 255 bytes. A file of 50 MB has 200,000.
MAX_BLOCKS = 300_000

_EXTENSION, _IMAGE = b"\x21", b"\x2c"
_CONTROL = b"\x21\xf9\x04"
_HEAD_BYTES = 13
_HAS_TABLE, _TABLE_SIZE = 0x80, 0x07
_CLEARED = 2
#: "Restore to previous" is 3. Some writers write 4, and browsers take both.
_RESTORED = {3, 4}


class Frame(NamedTuple):
    #: Left, top, width, height on the screen, px.
    box: tuple[int, int, int, int]
    #: Its graphic control extension, or empty.
    control: bytes
    #: Positions of its image descriptor, and behind its data.
    start: int
    end: int

    @property
    def milliseconds(self) -> int:
        return 10 * int.from_bytes(self.control[4:6], "little")

    @property
    def is_cleared(self) -> bool:
        """After its time, its box becomes transparent."""
        return self._disposal == _CLEARED

    @property
    def is_restored(self) -> bool:
        """After its time, its box becomes the same as before."""
        return self._disposal in _RESTORED

    def covers(self, size: tuple[int, int]) -> bool:
        left, top, width, height = self.box
        return left == top == 0 and width >= size[0] and height >= size[1]

    @property
    def _disposal(self) -> int:
        return self.control[3] >> 2 & 7 if self.control else 0


def frames_of(content: bytes) -> Iterator[Frame]:
    """Yield each frame, up to a cut, an unknown block, or MAX_BLOCKS blocks.

    Raises TooMuchWork for MAX_BLOCKS blocks without a frame.
    """
    position = _HEAD_BYTES + _table_bytes(content, 10)
    control, start = b"", None
    has_frame = is_data = False
    for _ in range(MAX_BLOCKS):
        first = content[position : position + 1]
        if is_data:
            # The length precedes each data block. The last data block is empty.
            length = int.from_bytes(first)
            position += 1 + length
            is_data = length > 0
            if is_data or start is None:
                continue
            yield Frame(_box(content, start), control, start, position)
            control, start = b"", None
        elif first == _IMAGE:
            has_frame, is_data, start = True, True, position
            position += 11 + _table_bytes(content, position + 9)
        elif first == _EXTENSION:
            if content.startswith(_CONTROL, position):
                control = content[position : position + 8]
            position += 2
            is_data = True
        else:
            return
    if start is not None:
        yield Frame(_box(content, start), control, start, len(content))
    if not has_frame:
        raise TooMuchWork(f"more than {MAX_BLOCKS} blocks before the first frame")


def alone(content: bytes, frame: Frame) -> bytes:
    """A GIF of one frame. Its screen is as large as the frame."""
    flags = content[10:_HEAD_BYTES]
    table = content[_HEAD_BYTES : _HEAD_BYTES + _table_bytes(content, 10)]
    size = struct.pack("<HH", *frame.box[2:])
    place = _IMAGE + bytes(4) + size
    data = content[frame.start + len(place) : frame.end]
    return b"".join((b"GIF89a", size, flags, table, frame.control, place, data, b";"))


def _box(content: bytes, start: int) -> tuple[int, int, int, int]:
    left, top, width, height = struct.unpack("<4H", content[start + 1 : start + 9].ljust(8, b"\0"))
    return left, top, width, height


def _table_bytes(content: bytes, position: int) -> int:
    """The length of a colour table, from the flags at `position`."""
    flags = int.from_bytes(content[position : position + 1])
    return 3 << (flags & _TABLE_SIZE) + 1 if flags & _HAS_TABLE else 0
