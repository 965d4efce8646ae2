"""Decode a file, in a mode Pillow can resize."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PIL import Image, ImageChops, PngImagePlugin

from resizer.engines.pillow.files import open_image
from resizer.engines.pillow.layers import first_layer
from resizer.errors import UndecodableOriginal
from resizer.formats import GIF
from resizer.keys.geometry import upright

if TYPE_CHECKING:
    from typing import BinaryIO

    from resizer.engines.protocol import Header


def decode(file: BinaryIO, header: Header, scale: int) -> Image.Image:
    """Decode the whole image, at 1/scale if the format supports it, in a mode of `resizable`.

    Raises UndecodableOriginal, TooManyPixels, TooMuchWork, UnsupportedFormat, RenderKilled.
    """
    with open_image(file) as (image, found):
        refuse_other(image, header)
        if found is GIF:
            file.seek(0)
            return resizable(first_layer(file.read(), image.size))
        correct_transparency(image)
        if scale > 1:
            image.draft(None, (image.width // scale, image.height // scale))
        image.load()
        return resizable(image)


def refuse_other(image: Image.Image, header: Header) -> None:
    """Raise UndecodableOriginal for another size than in the header: the file has changed since the checks."""
    if image.size != upright((header.width, header.height), header.orientation):
        raise UndecodableOriginal("the size differs from the header")


def correct_transparency(image: Image.Image) -> None:
    """Convert the transparent colour of a PNG from its own depth to 8 bits. Pillow does not."""
    colour = image.info.get("transparency")
    depth = image.tile[0].args if isinstance(image, PngImagePlugin.PngImageFile) else None
    if isinstance(colour, int) and depth in {"L;2", "L;4"}:
        image.info["transparency"] = colour * {"L;2": 85, "L;4": 17}[depth]
    if isinstance(colour, tuple) and depth == "RGB;16B":
        image.info["transparency"] = tuple(value >> 8 for value in colour)


def resizable(image: Image.Image) -> Image.Image:
    """Convert to L, LA, RGB, RGBA or CMYK of 8 bits. Pillow would resize a palette by nearest neighbour."""
    if image.mode.startswith("I"):
        return _from_sixteen_bits(image)
    has_alpha = image.has_transparency_data
    if image.mode in {"1", "L", "LA"}:
        return in_mode(image, "LA" if has_alpha else "L")
    if image.mode == "CMYK":
        return image
    return in_mode(image, "RGBA" if has_alpha else "RGB")


def opaque(image: Image.Image, *, is_grey: bool) -> Image.Image:
    """Drop the transparency of RGBA if every pixel is opaque, and the colours if the original is grey."""
    least, _ = image.getchannel("A").getextrema()
    return in_mode(image, ("L" if is_grey else "RGB") + ("" if least == 255 else "A"))


def in_mode(image: Image.Image, mode: str) -> Image.Image:
    """Convert to a mode. Returns the image itself if nothing changes: Pillow would copy it."""
    return image if image.mode == mode else image.convert(mode)


def _from_sixteen_bits(image: Image.Image) -> Image.Image:
    # Pillow would clip to white.
    grey = image.convert("I").point(lambda value: value * (1 / 257) + 0.5).convert("L")
    colour = image.info.get("transparency")
    if colour is not None:
        # Pillow cannot compare 16 bits, so compare low and high bytes.
        planes = Image.frombytes("LA", image.size, image.tobytes()).split()
        same = [
            plane.point(lambda value, wanted=wanted: 255 * (value == wanted))
            for plane, wanted in zip(planes, (colour % 256, colour // 256), strict=True)
        ]
        grey.info.pop("transparency")
        grey.putalpha(ImageChops.invert(ImageChops.darker(*same)))
    return grey
