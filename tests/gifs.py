"""GIFs of which a test chooses each block (GIF89a)."""

from __future__ import annotations

import struct

#: The colours of a table by their place in it. The first one is what a careless decoder fills the screen with.
COLOURS = [(250, 0, 250), (220, 30, 30), (30, 160, 40), (40, 60, 210)]
PINK, RED, GREEN, BLUE = range(4)
KEEP, CLEAR, RESTORE, RESTORE_OF_OLD = 1, 2, 3, 4
_TABLE = b"".join(map(bytes, COLOURS))


def gif(size: tuple[int, int], *frames: bytes) -> bytes:
    """With a table of `COLOURS`, for ever."""
    head = b"GIF89a" + struct.pack("<HHBBB", *size, 0x81, 0, 0) + _TABLE
    repeat = b"\x21\xff\x0bNETSCAPE2.0\x03\x01\0\0\0"
    return head + repeat + b"".join(frames) + b";"


def gif_frame(
    box: tuple[int, int, int, int],
    colour: int,
    *,
    disposal: int = 0,
    hole: tuple[int, int, int, int] | None = None,
    block: int = 255,
) -> bytes:
    """A rectangle (left, top, width, height) of one colour, for 100 ms; in it a transparent one.

    `block` bytes of data are kept together.
    """
    left, top, width, height = hole or (0, 0, 0, 0)
    clear = (colour + 1) % len(COLOURS)
    pixels = bytes(
        clear if left <= x < left + width and top <= y < top + height else colour
        for y in range(box[3])
        for x in range(box[2])
    )
    flags = disposal << 2 | (hole is not None)
    control = b"\x21\xf9\x04" + struct.pack("<BHBB", flags, 10, clear, 0)
    return control + b"\x2c" + struct.pack("<HHHHB", *box, 0) + _compressed(pixels, block)


def _compressed(pixels: bytes, length: int) -> bytes:
    """LZW that never repeats: the table is cleared before its codes grow beyond a byte."""
    codes = b"".join(b"\x80" + pixels[place : place + 100] for place in range(0, len(pixels), 100))
    codes += b"\x81"
    blocks = (codes[place : place + length] for place in range(0, len(codes), length))
    return b"\x07" + b"".join(bytes([len(block)]) + block for block in blocks) + b"\0"
