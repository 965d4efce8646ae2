"""Moving PNGs of which a test chooses each chunk (PNG 3 §11.3.6)."""

from __future__ import annotations

import struct
import zlib
from typing import NamedTuple

from PIL import Image

from tests.hostile_files import chunk

KEEP, CLEAR, RESTORE = 0, 1, 2
_KINDS = {"L": 0, "RGB": 2, "RGBA": 6}


class ApngFrame(NamedTuple):
    box: tuple[int, int, int, int]
    colour: tuple[int, int, int, int]
    disposal: int
    is_over: bool
    time: int
    unit: int


def apng_frame(
    box: tuple[int, int, int, int],
    colour: tuple[int, int, int, int],
    *,
    disposal: int = KEEP,
    is_over: bool = False,
    time: int = 1,
    unit: int = 10,
) -> ApngFrame:
    """A rectangle (left, top, width, height) of one colour, for time/unit seconds."""
    return ApngFrame(box, colour, disposal, is_over, time, unit)


def apng(size: tuple[int, int], mode: str, *frames: ApngFrame, default: bytes = b"") -> bytes:
    """For ever; `default` are the chunks of a picture for those who see no motion."""
    parts = [
        b"\x89PNG\r\n\x1a\n",
        chunk(b"IHDR", struct.pack(">II5B", *size, 8, _KINDS[mode], 0, 0, 0)),
        chunk(b"acTL", struct.pack(">II", len(frames), 0)),
        default,
    ]
    number = 0
    for place, frame in enumerate(frames):
        left, top, width, height = frame.box
        places = (number, width, height, left, top)
        rest = (frame.time, frame.unit, frame.disposal, frame.is_over)
        parts.append(chunk(b"fcTL", struct.pack(">5I2H2B", *places, *rest)))
        data = _data(Image.new("RGBA", (width, height), frame.colour).convert(mode))
        if place or default:
            parts.append(chunk(b"fdAT", struct.pack(">I", number + 1) + data))
            number += 1
        else:
            parts.append(chunk(b"IDAT", data))
        number += 1
    return b"".join([*parts, chunk(b"IEND")])


def _data(image: Image.Image) -> bytes:
    content = image.tobytes()
    row = len(content) // image.height
    rows = (b"\0" + content[place : place + row] for place in range(0, len(content), row))
    return zlib.compress(b"".join(rows))
