"""Crop and resize decoded images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PIL import Image, ImageMath

from resizer.engines.pillow.colours import from_light, to_light, to_srgb
from resizer.engines.pillow.decoding import in_mode
from resizer.keys.geometry import REDUCING_GAP

if TYPE_CHECKING:
    from resizer.engines.sharing import Resizing

_TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def resize(image: Image.Image, wanted: Resizing, orientation: int) -> Image.Image:
    """Crop, resize, convert to sRGB and turn upright. Keeps only colours and transparency, no metadata."""
    profile = image.info.get("icc_profile")
    if wanted.is_linear:
        resized = _resize_light(to_srgb(image, profile), wanted)
    else:
        # Convert colours after resizing: there are fewer pixels.
        resized = to_srgb(_resize(image, wanted), profile)
    if orientation in _TRANSPOSE:
        resized = resized.transpose(_TRANSPOSE[orientation])
    # Encoders write comments, profiles and GPS positions from `info`.
    resized.info = {}
    return resized


def _resize(image: Image.Image, wanted: Resizing) -> Image.Image:
    # The colours of transparent pixels must not bleed into visible ones, and not reach the variant. Pillow premultiplies only
    # if the size changes.
    premultiplied = {"LA": "La", "RGBA": "RGBa"}.get(image.mode, image.mode)
    return in_mode(_reduce(in_mode(image, premultiplied), wanted), image.mode)


def _resize_light(image: Image.Image, wanted: Resizing) -> Image.Image:
    """Resize in linear light, so that fine texture keeps its brightness."""
    lights = [to_light(image.getchannel(name)) for name in image.mode.removesuffix("A")]
    if not image.mode.endswith("A"):
        channels = [from_light(_reduce(light, wanted)) for light in lights]
        return Image.merge(image.mode, channels)
    alpha = image.getchannel("A")
    weight = alpha.convert("F")
    small_weight = _reduce(weight, wanted)
    channels = []
    for light in lights:
        seen = ImageMath.lambda_eval(
            lambda of: of["light"] * of["weight"], light=light, weight=weight
        )
        small = ImageMath.lambda_eval(
            # Transparent pixels become black: in ImageMath, dividing by 0 gives 0.
            lambda of: of["seen"] / of["weight"],
            seen=_reduce(seen, wanted),
            weight=small_weight,
        )
        channels.append(from_light(small.convert("I")))
    return Image.merge(image.mode, [*channels, _reduce(alpha, wanted)])


def _reduce(image: Image.Image, wanted: Resizing) -> Image.Image:
    left, top, width, height = (side / wanted.scale for side in wanted.plan.box)
    # A scaled decoding rounds its sides up, so the box always fits.
    return image.resize(
        wanted.plan.size,
        Image.Resampling.LANCZOS,
        box=(left, top, left + width, top + height),
        reducing_gap=REDUCING_GAP,
    )
