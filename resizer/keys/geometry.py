"""Crop box and size of a variant: pure arithmetic for all engines, so that they agree to the pixel."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from resizer.errors import TooManyPixels
from resizer.keys.variant import Fit

if TYPE_CHECKING:
    from resizer.keys.variant import Recipe, Variant

#: EXIF orientations with rows and columns exchanged (EXIF 3.0 §4.6.4 A, tag 0x0112).
TRANSPOSED = frozenset({5, 6, 7, 8})

# First an original is shrunk by whole factors, cheaply, to no less than this multiple of its final size. At 1.5
# nothing is visible after encoding. With Pillow's usual 2.0, a 12 MP photograph is decoded in full for 1280 px.
REDUCING_GAP = 1.5
#: libjpeg's factors for shrinking while decoding. Other decoders are used with the same factors.
DECODING_SCALES = (8, 4, 2, 1)


class Box(NamedTuple):
    """A rectangle, px; origin top left."""

    left: int
    top: int
    width: int
    height: int


class Plan(NamedTuple):
    """Crop an original to a box, then resize it to a size."""

    box: Box
    #: (width, height), px.
    size: tuple[int, int]


def upright(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    """Apply an EXIF orientation to a stored (width, height)."""
    return (size[1], size[0]) if orientation in TRANSPOSED else size


def widest(size: tuple[int, int], recipe: Recipe) -> int:
    """The largest width of a variant without enlarging, px. `size` is the upright original's."""
    width, height = size
    if recipe.ratio is None:
        return width
    across, down = recipe.ratio
    return max(1, min(width, height * across // down))


def height_of(width: int, size: tuple[int, int], recipe: Recipe) -> int:
    """The height of a variant, px. `size` is the upright original's."""
    across, down = recipe.ratio or size
    # Halves round up, as in browsers' layout of an aspect ratio.
    rounded = (2 * width * down + across) // (2 * across)
    # A variant 1 px wide can be too wide for its ratio. Then the original's height is the limit.
    return max(1, min(size[1], rounded))


def plan(size: tuple[int, int], recipe: Recipe, width: int) -> Plan:
    """Fit an upright original of (width, height) px into a variant's width. Never enlarges."""
    width = min(width, widest(size, recipe))
    target = (width, height_of(width, size, recipe))
    if recipe.ratio is None or recipe.fit is Fit.FILL:
        return Plan(Box(0, 0, *size), target)
    across, down = recipe.ratio
    box_width = widest(size, recipe)
    box_height = max(1, min(size[1], round(box_width * down / across)))
    left = _offset(size[0], box_width, recipe.focal[0])
    top = _offset(size[1], box_height, recipe.focal[1])
    return Plan(Box(left, top, box_width, box_height), target)


def stored_box(box: Box, size: tuple[int, int], orientation: int) -> Box:
    """Convert a box of an upright original of (width, height) px to a box of the original as it is stored."""
    left, top, width, height = box
    right = size[0] - left - width
    bottom = size[1] - top - height
    return {
        1: box,
        2: Box(right, top, width, height),
        3: Box(right, bottom, width, height),
        4: Box(left, bottom, width, height),
        5: Box(top, left, height, width),
        6: Box(top, right, height, width),
        7: Box(bottom, right, height, width),
        8: Box(bottom, left, height, width),
    }[orientation]


def stored_plan(size: tuple[int, int], orientation: int, variant: Variant) -> Plan:
    """The plan for an original as it is stored. Turn the result upright afterwards.

    `size` is the upright original's, px. Raises TooManyPixels for a variant larger than its format allows.
    """
    box, target = plan(size, variant.recipe, variant.width)
    if max(target) > variant.format.max_side:
        raise TooManyPixels(f"{target} px is beyond {variant.format.name}")
    return Plan(stored_box(box, size, orientation), upright(target, orientation))


def decoding_scale(plan: Plan) -> int:
    """The largest factor of DECODING_SCALES for a plan. It leaves REDUCING_GAP for the final filter."""
    box, target = plan
    room = min(box.width / target[0], box.height / target[1]) / REDUCING_GAP
    return next((scale for scale in DECODING_SCALES if scale <= room), 1)


def _offset(side: int, part: int, percent: int) -> int:
    """The start of a part of a side, centred on a point as far as the side allows. All px."""
    return max(0, min(side - part, round(side * percent / 100 - part / 2)))
