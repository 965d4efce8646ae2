"""Moving WebPs of which a test chooses each chunk (RFC 9649 §2.7)."""

from __future__ import annotations

from PIL import Image

from tests.gifs import COLOURS
from tests.hostile_files import riff, riff_chunk, webp_canvas
from tests.pictures import encode

MOVES, HAS_ALPHA = 0x02, 0x10


def webp(size: tuple[int, int], *frames: bytes, flags: int = MOVES) -> bytes:
    """For ever, on blue."""
    return riff(webp_canvas(size, flags), riff_chunk(b"ANIM", b"\xff\0\0\xff" + bytes(2)), *frames)


def webp_frame(box: tuple[int, int, int, int], colour: int, *, is_cleared: bool = False) -> bytes:
    """A rectangle (left, top, width, height), of even left and top, of one of `COLOURS`, for 100 ms."""
    left, top, width, height = box
    # A lossless picture without metadata is one chunk.
    picture = encode(Image.new("RGB", (width, height), COLOURS[colour]), "WEBP", lossless=True)
    numbers = (left // 2, top // 2, width - 1, height - 1, 100)
    head = b"".join(number.to_bytes(3, "little") for number in numbers)
    return riff_chunk(b"ANMF", head + bytes([is_cleared]) + picture[12:])
