"""Compose the frames of an animation as browsers do: empty and cleared places are transparent."""

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
#: Limit of a frame, in canvases: it is decoded whole, even outside the canvas.
MAX_SCREENS = 2
#: The largest number of a PNG (PNG 3 §7.1), and the largest coordinate Pillow takes.
MAX_PLACE = 0x7FFFFFFF
_CLEAR = (0, 0, 0, 0)


def shows_ground(file: BinaryIO, image: Image.Image, found: Format) -> bool:
    """Whether the first frame of a GIF leaves a part of the screen empty."""
    if found is not GIF:
        return False
    file.seek(0)
    frame = next(frames_of(file.read()), None)
    return frame is not None and not frame.covers(image.size)


def first_layer(content: bytes, size: tuple[int, int]) -> Image.Image:
    """The first image of a GIF, on a screen of (width, height) px. Raises UndecodableOriginal."""
    frame = next(frames_of(content), None)
    if frame is None:
        raise UndecodableOriginal("a GIF without a frame")
    if frame.covers(size):
        return _open(alone(content, frame))
    return next(layers(gif_frames(content, size), size))[0]


def layers(
    frames: Iterable[tuple[Control, Image.Image]], size: tuple[int, int]
) -> Iterator[tuple[Image.Image, int]]:
    """Yield each image of an animation in RGBA, and its milliseconds.

    It is always the same canvas. It changes when you take the next image.
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
    """Yield each frame of a GIF, decoded. Raises UndecodableOriginal for a frame outside the limits."""
    for frame in frames_of(content):
        _refuse_misfit(frame.box, size)
        control = Control(
            box=frame.box,
            milliseconds=frame.milliseconds,
            is_cleared=frame.is_cleared,
            is_restored=frame.is_restored,
            # Transparent pixels of a GIF never replace pixels of the canvas.
            is_over=True,
        )
        yield control, _open(alone(content, frame))


def png_frames(
    content: bytes, size: tuple[int, int], load: Callable[[Image.Image], Image.Image]
) -> Iterator[tuple[Control, Image.Image]]:
    """Yield each frame of an animated PNG, decoded. `load` decodes an open PNG to 8 bits.

    Raises UndecodableOriginal for a frame outside the limits.
    """
    for control, own in apng.frames_of(content):
        _refuse_misfit(control.box, size)
        with Image.open(io.BytesIO(own), formats=["PNG"]) as image:
            yield control, load(image)


def _refuse_misfit(box: tuple[int, int, int, int], size: tuple[int, int]) -> None:
    """Raise UndecodableOriginal for a frame outside the limits. The header's size limits the first frame only."""
    left, top, width, height = box
    if width * height > MAX_SCREENS * size[0] * size[1]:
        raise UndecodableOriginal(f"a frame of {width} x {height} px")
    if max(left + width, top + height) > MAX_PLACE:
        raise UndecodableOriginal(f"a frame at {left}, {top} px")


def _lay(canvas: Image.Image, picture: Image.Image, left: int, top: int, *, is_over: bool) -> None:
    width, height = picture.size
    # In strips, because the whole frame in RGBA would take as much memory as the canvas.
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
