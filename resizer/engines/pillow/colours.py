"""Colours: from any profile to sRGB; from sRGB to linear light and back."""

from __future__ import annotations

import functools
import io

from PIL import Image, ImageCms

from resizer.engines.profiles import is_usable

#: Steps of linear light.
LIGHT_STEPS = 65_535


def to_srgb(image: Image.Image, profile: object) -> Image.Image:
    """Convert L, LA, RGB, RGBA or CMYK with a profile to L, LA, RGB or RGBA in sRGB. Transparency does not change."""
    alpha = image.getchannel("A") if image.mode in {"LA", "RGBA"} else None
    colours = image.convert({"LA": "L", "RGBA": "RGB"}[image.mode]) if alpha else image
    # A text chunk of a PNG may have the same name in `info` as the profile.
    if isinstance(profile, bytes) and is_usable(profile, len(colours.getbands())):
        try:
            transform = _transform(profile, colours.mode)
            converted = ImageCms.applyTransform(colours, transform)
        except (ImageCms.PyCMSError, OSError, ValueError):
            # A broken profile: ignore it, as browsers do.
            converted = None
        if converted is not None:
            colours = converted.convert("L") if colours.mode == "L" else converted
    if colours.mode == "CMYK":
        colours = colours.convert("RGB")
    if alpha:
        colours.putalpha(alpha)
    return colours


# Building a transform takes as long as applying it to a small picture, and most originals share a few profiles.
@functools.lru_cache(maxsize=16)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform:
    return ImageCms.buildTransform(
        ImageCms.ImageCmsProfile(io.BytesIO(profile)),
        ImageCms.createProfile("sRGB"),
        mode,
        "RGB",
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
    )


def to_light(channel: Image.Image) -> Image.Image:
    """Convert one channel of sRGB (L) to linear light (I, 0 to `LIGHT_STEPS`)."""
    return channel.point(_light_of(), "I")


def from_light(channel: Image.Image) -> Image.Image:
    """Convert linear light (I, also out of range) to one channel of sRGB (L)."""
    return channel.point(_srgb_of(), "L")


# IEC 61966-2-1 §5.2, as in CSS Color 4 §10.2.
@functools.cache
def _light_of() -> list[int]:
    parts = (value / 255 for value in range(256))
    return [
        round(LIGHT_STEPS * (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4))
        for part in parts
    ]


@functools.cache
def _srgb_of() -> list[int]:
    parts = (value / LIGHT_STEPS for value in range(LIGHT_STEPS + 1))
    return [
        round(255 * (12.92 * part if part <= 0.0031308 else 1.055 * part ** (1 / 2.4) - 0.055))
        for part in parts
    ]
