"""Split an animated PNG (PNG 3 §11.3.6) into its frames, each as a PNG of its own."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

from resizer.engines.containers.png import write_chunk

if TYPE_CHECKING:
    from collections.abc import Iterator

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_CLEARED, _RESTORED = 1, 2
#: Chunks needed by every frame.
_SHARED = {b"PLTE", b"tRNS"}


class Control(NamedTuple):
    """The place, the time and the disposal of a frame."""

    #: Left, top, width, height on the canvas, px.
    box: tuple[int, int, int, int]
    milliseconds: int
    #: After its time, its box becomes transparent.
    is_cleared: bool
    #: After its time, its box becomes the same as before.
    is_restored: bool
    #: Blended with the canvas. Otherwise it replaces the canvas in its box.
    is_over: bool


def frames_of(content: bytes) -> Iterator[tuple[Control, bytes]]:
    """Yield each frame of a clean PNG. A default image outside the animation is left out."""
    header, shared = b"", b""
    data: list[bytes] = []
    control: Control | None = None
    for name, part in _chunks(content):
        if name == b"IHDR":
            header = part
        elif name in _SHARED:
            shared += write_chunk(name, part)
        elif name == b"fcTL":
            if control:
                yield control, _alone(control, header, shared, data)
            control, data = _read(part), []
        elif name == b"IDAT":
            data.append(part)
        elif name == b"fdAT":
            data.append(part[4:])
    if control:
        yield control, _alone(control, header, shared, data)


def _chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    position = len(_SIGNATURE)
    while position + 8 <= len(content):
        length = int.from_bytes(content[position : position + 4])
        name = content[position + 4 : position + 8]
        yield name, content[position + 8 : position + 8 + length]
        position += length + 12


def _read(part: bytes) -> Control:
    _, width, height, left, top, time, unit, disposal, blend = struct.unpack(">5I2H2B", part[:26])
    return Control(
        box=(left, top, width, height),
        milliseconds=round(1000 * time / (unit or 100)),
        is_cleared=disposal == _CLEARED,
        is_restored=disposal == _RESTORED,
        is_over=blend == 1,
    )


def _alone(control: Control, header: bytes, shared: bytes, data: list[bytes]) -> bytes:
    size = struct.pack(">II", *control.box[2:])
    parts = (
        write_chunk(b"IHDR", size + header[8:]),
        shared,
        write_chunk(b"IDAT", b"".join(data)),
        write_chunk(b"IEND", b""),
    )
    return _SIGNATURE + b"".join(parts)
