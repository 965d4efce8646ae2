"""From decoded pixels to those of a variant."""

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
    """Crop, resize, bring into sRGB and turn upright; of the original only its colours and transparency are left."""
    profile = image.info.get("icc_profile")
    if wanted.is_linear:
        resized = _resize_light(to_srgb(image, profile), wanted)
    else:
        # Colours are converted after resizing: there are fewer of them.
        resized = to_srgb(_resize(image, wanted), profile)
    if orientation in _TRANSPOSE:
        resized = resized.transpose(_TRANSPOSE[orientation])
    # Comments, profiles and positions end here: encoders write what they find in `info`.
    resized.info = {}
    return resized


def _resize(image: Image.Image, wanted: Resizing) -> Image.Image:
    # Colours that nobody sees must neither bleed into those that are seen nor get out; Pillow would see to it
    # only where the size changes.
    premultiplied = {"LA": "La", "RGBA": "RGBa"}.get(image.mode, image.mode)
    return in_mode(_reduce(in_mode(image, premultiplied), wanted), image.mode)


def _resize_light(image: Image.Image, wanted: Resizing) -> Image.Image:
    """The same with the light of each channel, so that fine texture keeps its brightness."""
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
            # What nobody sees is black: ImageMath divides by nothing to nothing.
            lambda of: of["seen"] / of["weight"],
            seen=_reduce(seen, wanted),
            weight=small_weight,
        )
        channels.append(from_light(small.convert("I")))
    return Image.merge(image.mode, [*channels, _reduce(alpha, wanted)])


def _reduce(image: Image.Image, wanted: Resizing) -> Image.Image:
    left, top, width, height = (side / wanted.scale for side in wanted.plan.box)
    # A scaled decoding rounds its sides up, hence never down from the box's.
    return image.resize(
        wanted.plan.size,
        Image.Resampling.LANCZOS,
        box=(left, top, left + width, top + height),
        reducing_gap=REDUCING_GAP,
    )
