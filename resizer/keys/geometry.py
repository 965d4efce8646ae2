"""Crop box and size of a variant: pure arithmetic that every engine shares, so that all agree to the pixel."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from resizer.errors import TooManyPixels
from resizer.keys.variant import Fit

if TYPE_CHECKING:
    from resizer.keys.variant import Recipe, Variant

#: EXIF orientations whose stored rows are the picture's columns (EXIF 3.0 §4.6.4 A, tag 0x0112).
TRANSPOSED = frozenset({5, 6, 7, 8})

# A picture is first shrunk by whole factors, cheaply, to no less than this multiple of its final size. At 1.5
# nothing is visible after encoding; Pillow's customary 2.0 decodes a 12 MP photograph in full for 1280 px.
REDUCING_GAP = 1.5
#: What libjpeg divides by while decoding; others that can divide do so by the same.
DECODING_SCALES = (8, 4, 2, 1)


class Box(NamedTuple):
    left: int
    top: int
    width: int
    height: int


class Plan(NamedTuple):
    """Cut the box out of the original, then resize it to the size; all px."""

    box: Box
    size: tuple[int, int]


def upright(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    """The (width, height) that a viewer sees of a picture stored as (width, height)."""
    return (size[1], size[0]) if orientation in TRANSPOSED else size


def widest(size: tuple[int, int], recipe: Recipe) -> int:
    """The largest width of a variant that enlarges nothing, px; `size` is the upright original's."""
    width, height = size
    if recipe.ratio is None:
        return width
    across, down = recipe.ratio
    return max(1, min(width, height * across // down))


def height_of(width: int, size: tuple[int, int], recipe: Recipe) -> int:
    """The height of the variant of a width, px; `size` is the upright original's."""
    across, down = recipe.ratio or size
    # Halves round up, as browsers do when they lay out an aspect ratio.
    rounded = (2 * width * down + across) // (2 * across)
    # A single column of pixels may still be too wide for the ratio; the original's height ends it.
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
    """Where a box of the upright picture of (width, height) px lies in the picture as it is stored."""
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
    """The plan for the picture as it is stored, whose result is still to be turned upright.

    `size` is the upright original's, px. Raises TooManyPixels for a variant beyond its format.
    """
    box, target = plan(size, variant.recipe, variant.width)
    if max(target) > variant.format.max_side:
        raise TooManyPixels(f"{target} px is beyond {variant.format.name}")
    return Plan(stored_box(box, size, orientation), upright(target, orientation))


def decoding_scale(plan: Plan) -> int:
    """By how much an original can be shrunk while it is decoded, with room for the final filter."""
    box, target = plan
    room = min(box.width / target[0], box.height / target[1]) / REDUCING_GAP
    return next((scale for scale in DECODING_SCALES if scale <= room), 1)


def _offset(side: int, part: int, percent: int) -> int:
    """Where a part of a side begins so that it is centred on a point, as far as the side allows."""
    return max(0, min(side - part, round(side * percent / 100 - part / 2)))
