"""Frames of a GIF, laid over each other as browsers do: where nothing lies, the screen is transparent."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from PIL import Image

from resizer.engines.gif import alone, frames_of
from resizer.errors import UndecodableOriginal
from resizer.formats import GIF

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from resizer.engines.gif import Frame
    from resizer.formats import Format

STRIP_ROWS = 256
#: Of a frame that is larger than its screen a part is seen; it is decoded whole.
MAX_SCREENS = 2
_CLEAR = (0, 0, 0, 0)


def shows_ground(file: BinaryIO, image: Image.Image, found: Format) -> bool:
    """Whether the first frame of an open GIF leaves a part of the screen free."""
    if found is not GIF:
        return False
    file.seek(0)
    frame = next(frames_of(file.read()), None)
    return frame is not None and not frame.covers(image.size)


def first_layer(content: bytes, size: tuple[int, int]) -> Image.Image:
    """What a GIF shows first, on a screen of that size. Raises UndecodableOriginal."""
    frame = next(frames_of(content), None)
    if frame is None:
        raise UndecodableOriginal("a GIF without a frame")
    if frame.covers(size):
        return _decode(content, frame)
    return next(layers(content, size))[0]


def layers(content: bytes, size: tuple[int, int]) -> Iterator[tuple[Image.Image, int]]:
    """What a GIF shows in turn, and for how many milliseconds.

    Each picture is the same canvas, which changes when the next one is taken. Raises UndecodableOriginal.
    """
    canvas = Image.new("RGBA", size)
    for frame in frames_of(content):
        left, top, width, height = frame.box
        if width * height > MAX_SCREENS * size[0] * size[1]:
            # A first frame makes its screen large enough, and that is checked; nothing is known of others.
            raise UndecodableOriginal(f"a frame of {width} x {height} px")
        before = canvas.copy() if frame.is_restored else None
        _lay(canvas, _decode(content, frame), left, top)
        yield canvas, frame.milliseconds
        if frame.is_cleared:
            canvas.paste(_CLEAR, (left, top, left + width, top + height))
        canvas = before or canvas


def _lay(canvas: Image.Image, picture: Image.Image, left: int, top: int) -> None:
    """Pixels are there or not; those that are not keep what lies below."""
    width, height = picture.size
    # In strips, because four bytes a pixel for all of it would be as much as the canvas takes.
    for start in range(0, height, STRIP_ROWS):
        strip = picture.crop((0, start, width, min(height, start + STRIP_ROWS))).convert("RGBA")
        canvas.paste(strip, (left, top + start), strip)


def _decode(content: bytes, frame: Frame) -> Image.Image:
    with Image.open(io.BytesIO(alone(content, frame)), formats=["GIF"]) as image:
        image.load()
        return image
