"""From a file to pixels that can be resized."""

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
    """Decode the whole picture, at 1/scale where the format can, in a mode that can be resized."""
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
    """Whatever was checked of another picture says nothing about this one. Raises UndecodableOriginal."""
    if image.size != upright((header.width, header.height), header.orientation):
        raise UndecodableOriginal("the size is not that of the header")


def correct_transparency(image: Image.Image) -> None:
    """A PNG names its transparent colour in its own depth; Pillow compares that with pixels of 8 bits."""
    colour = image.info.get("transparency")
    depth = image.tile[0].args if isinstance(image, PngImagePlugin.PngImageFile) else None
    if isinstance(colour, int) and depth in {"L;2", "L;4"}:
        image.info["transparency"] = colour * {"L;2": 85, "L;4": 17}[depth]
    if isinstance(colour, tuple) and depth == "RGB;16B":
        image.info["transparency"] = tuple(value >> 8 for value in colour)


def resizable(image: Image.Image) -> Image.Image:
    """Bring an image into L, LA, RGB, RGBA or CMYK, of 8 bits; Pillow resizes palettes by nearest neighbour."""
    if image.mode.startswith("I"):
        return _from_sixteen_bits(image)
    has_alpha = image.has_transparency_data
    if image.mode in {"1", "L", "LA"}:
        return in_mode(image, "LA" if has_alpha else "L")
    if image.mode == "CMYK":
        return image
    return in_mode(image, "RGBA" if has_alpha else "RGB")


def opaque(image: Image.Image, *, is_grey: bool) -> Image.Image:
    """RGBA without transparency where every pixel is opaque, and without colours where there are none."""
    least, _ = image.getchannel("A").getextrema()
    return in_mode(image, ("L" if is_grey else "RGB") + ("" if least == 255 else "A"))


def in_mode(image: Image.Image, mode: str) -> Image.Image:
    """The image itself where it is in that mode: Pillow's own conversion would copy it."""
    return image if image.mode == mode else image.convert(mode)


def _from_sixteen_bits(image: Image.Image) -> Image.Image:
    # Pillow's own conversion clips to white.
    grey = image.convert("I").point(lambda value: value * (1 / 257) + 0.5).convert("L")
    colour = image.info.get("transparency")
    if colour is not None:
        # Compared byte by byte, low and high, for want of a comparison of 16 bits.
        planes = Image.frombytes("LA", image.size, image.tobytes()).split()
        same = [
            plane.point(lambda value, wanted=wanted: 255 * (value == wanted))
            for plane, wanted in zip(planes, (colour % 256, colour // 256), strict=True)
        ]
        grey.info.pop("transparency")
        grey.putalpha(ImageChops.invert(ImageChops.darker(*same)))
    return grey
