"""Crop and resize images of libvips."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyvips

from resizer.engines.libvips.decoding import GREYS
from resizer.engines.profiles import is_usable

if TYPE_CHECKING:
    from resizer.engines.sharing import Resizing
    from resizer.keys.geometry import Plan

#: Default resolution, pixels/mm: 72 dpi (EXIF 3.0 §4.6.4).
UNKNOWN_RESOLUTION = 72 / 25.4


def resize(image: pyvips.Image, wanted: Resizing, orientation: int) -> pyvips.Image:
    """Crop, resize, convert to sRGB and turn upright. Keeps only colours and transparency, no metadata."""
    plan, scale, is_linear = wanted
    image = _crop(image, plan, scale)
    is_grey = image.interpretation in GREYS
    if is_linear:
        image = _to_srgb(image, is_grey=is_grey).colourspace("scrgb")
    width, height = plan.size
    has_alpha = image.hasalpha()
    if has_alpha:
        # The colours of transparent pixels must not bleed into visible ones.
        image = image.premultiply()
    image = image.resize(width / image.width, vscale=height / image.height, kernel="lanczos3")
    if has_alpha:
        image = image.unpremultiply()
    if is_linear:
        image = image.colourspace("b-w" if is_grey else "srgb")
    # The pipeline runs here, once. Later steps may read the small image in any order.
    image = image.cast("uchar").copy_memory()
    if not is_linear:
        # Convert colours after resizing: there are fewer pixels.
        image = _to_srgb(image, is_grey=is_grey)
    # Only colours and transparency remain. The original's resolution, and fields savers would write, are removed.
    image = image.copy(xres=UNKNOWN_RESOLUTION, yres=UNKNOWN_RESOLUTION)
    for field in image.get_fields():
        image.remove(field)
    image.set_type(pyvips.GValue.gint_type, "orientation", orientation)
    return image.autorot()


def _crop(image: pyvips.Image, plan: Plan, scale: int) -> pyvips.Image:
    left, top = round(plan.box.left / scale), round(plan.box.top / scale)
    # A scaled decoding may have rounded its sides down.
    width = max(1, min(round(plan.box.width / scale), image.width - left))
    height = max(1, min(round(plan.box.height / scale), image.height - top))
    if (width, height) == (image.width, image.height):
        return image
    return image.crop(left, top, width, height)


def _to_srgb(image: pyvips.Image, *, is_grey: bool) -> pyvips.Image:
    if not image.get_typeof("icc-profile-data"):
        return image
    channels = image.bands - int(image.hasalpha())
    if not is_usable(image.get("icc-profile-data"), channels):
        return image
    try:
        # This reads no pixels yet, so an error comes from the profile.
        image = image.icc_transform("srgb", embedded=True, intent="relative")
    except pyvips.Error:
        # Ignore a broken profile.
        return image
    return image.colourspace("b-w") if is_grey else image
