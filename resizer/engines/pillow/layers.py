"""Frames laid over each other as browsers do: where nothing lies, and where a frame was cleared, it is transparent."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from PIL import Image

from resizer.engines.containers import apng
from resizer.engines.containers.apng import Control
from resizer.engines.containers.gif import alone, frames_of
from resizer.errors import UndecodableOriginal
from resizer.formats import GIF

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import BinaryIO

    from resizer.formats import Format

STRIP_ROWS = 256
#: Of a frame that is larger than its screen a part is seen; it is decoded whole.
MAX_SCREENS = 2
#: No number of a PNG is larger (PNG 3 §7.1), and Pillow takes none for a place.
MAX_PLACE = 0x7FFFFFFF
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
        return _open(alone(content, frame))
    return next(layers(gif_frames(content, size), size))[0]


def layers(
    frames: Iterable[tuple[Control, Image.Image]], size: tuple[int, int]
) -> Iterator[tuple[Image.Image, int]]:
    """What a picture shows in turn, in RGBA, and for how many milliseconds.

    Each is the same canvas, which changes when the next one is taken.
    """
    canvas = Image.new("RGBA", size)
    for frame, picture in frames:
        left, top, width, height = frame.box
        before = canvas.copy() if frame.is_restored else None
        _lay(canvas, picture, left, top, is_over=frame.is_over)
        yield canvas, frame.milliseconds
        if frame.is_cleared:
            canvas.paste(_CLEAR, (left, top, left + width, top + height))
        canvas = before or canvas


def gif_frames(content: bytes, size: tuple[int, int]) -> Iterator[tuple[Control, Image.Image]]:
    """Raises UndecodableOriginal."""
    for frame in frames_of(content):
        _refuse_misfit(frame.box, size)
        control = Control(
            box=frame.box,
            milliseconds=frame.milliseconds,
            is_cleared=frame.is_cleared,
            is_restored=frame.is_restored,
            # Pixels are there or not; those that are not keep what lies below.
            is_over=True,
        )
        yield control, _open(alone(content, frame))


def png_frames(
    content: bytes, size: tuple[int, int], load: Callable[[Image.Image], Image.Image]
) -> Iterator[tuple[Control, Image.Image]]:
    """`load` makes pixels of 8 bits of an open PNG. Raises UndecodableOriginal."""
    for control, own in apng.frames_of(content):
        _refuse_misfit(control.box, size)
        with Image.open(io.BytesIO(own), formats=["PNG"]) as image:
            yield control, load(image)


def _refuse_misfit(box: tuple[int, int, int, int], size: tuple[int, int]) -> None:
    """A first frame makes its screen large enough, and that is checked; nothing is known of others."""
    left, top, width, height = box
    if width * height > MAX_SCREENS * size[0] * size[1]:
        raise UndecodableOriginal(f"a frame of {width} x {height} px")
    if max(left + width, top + height) > MAX_PLACE:
        raise UndecodableOriginal(f"a frame at {left}, {top} px")


def _lay(canvas: Image.Image, picture: Image.Image, left: int, top: int, *, is_over: bool) -> None:
    width, height = picture.size
    # In strips, because four bytes a pixel for all of it would be as much as the canvas takes.
    for start in range(0, height, STRIP_ROWS):
        strip = picture.crop((0, start, width, min(height, start + STRIP_ROWS))).convert("RGBA")
        place = (left, top + start)
        if is_over:
            canvas.alpha_composite(strip, place)
        else:
            canvas.paste(strip, place)


def _open(content: bytes) -> Image.Image:
    with Image.open(io.BytesIO(content), formats=["GIF"]) as image:
        image.load()
        return image
