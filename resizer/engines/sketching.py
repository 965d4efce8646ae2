"""Look at an original in one tiny view: its colour, a blurred picture, and where a viewer looks first.

The view is a variant like any other, so every engine makes it.
"""

from __future__ import annotations

import base64
import io
import math
from itertools import accumulate
from typing import NamedTuple

from PIL import Image, features

from resizer.engines.protocol import Sketch
from resizer.engines.sharing import VIEW_SIDE
from resizer.errors import UndecodableOriginal

#: The longest side of the blurred picture, px: 80 to 150 bytes of WebP for a photograph.
BLUR_SIDE = 16
#: Below, colours are seen that the picture has not.
BLUR_QUALITY = 60

#: Where nothing stands out.
CENTRE = (50, 50)
#: The colour of skin as a direction among red, green and blue, whatever the light and the complexion.
_SKIN = (0.78, 0.57, 0.44)
#: Skin is no further from it than this.
_SKIN_DISTANCE = 0.15
#: Lightness that has a colour to be seen, 0 to 255.
_LIT = range(30, 235)
#: How much each counts: fine detail, strong colours, skin.
_EDGES, _COLOURS, _FLESH = 3.0, 0.6, 1.0
#: By how much the corners count less: most photographers put what matters near the middle.
_MIDDLE = 0.5
#: A place stands out if it has so many times the mean.
_OUTSTANDING = 1.15


class _Pixels(NamedTuple):
    width: int
    height: int
    #: (red, green, blue, alpha), row by row, 0 to 255.
    values: list[tuple[int, int, int, int]]


def sketch(view: bytes, *, has_alpha: bool) -> Sketch:
    """Make a sketch of the rendered view. Raises UndecodableOriginal for something else."""
    try:
        with Image.open(io.BytesIO(view), formats=["PNG"]) as image:
            if max(image.size) > VIEW_SIDE:
                raise UndecodableOriginal(f"a view of {image.width} x {image.height} px")
            picture = image.convert("RGBA")
    except (OSError, SyntaxError, ValueError) as error:
        raise UndecodableOriginal(f"a view is no PNG: {error!r:.200}") from error
    channels = (picture.getchannel(name).tobytes() for name in "RGBA")
    pixels = _Pixels(*picture.size, list(zip(*channels, strict=True)))
    # It would shine through a transparent picture.
    blur = "" if has_alpha else _blur_picture(picture)
    return Sketch(_find_focal(pixels), _mean_color(pixels), blur)


def _blur_picture(picture: Image.Image) -> str:
    """A data URI. Empty where Pillow cannot write WebP."""
    if not features.check_module("webp"):
        return ""
    part = BLUR_SIDE / max(picture.size)
    size = max(1, round(part * picture.width)), max(1, round(part * picture.height))
    file = io.BytesIO()
    picture.convert("RGB").resize(size, Image.Resampling.LANCZOS).save(
        file, "webp", quality=BLUR_QUALITY
    )
    return "data:image/webp;base64," + base64.b64encode(file.getvalue()).decode()


def _mean_color(pixels: _Pixels) -> str:
    """As the eye would see it from afar: light adds up, and the numbers of sRGB are about its square root."""
    weight = sum(value[3] for value in pixels.values) or 1
    means = (
        (sum(value[3] * value[channel] ** 2 for value in pixels.values) / weight) ** 0.5
        for channel in range(3)
    )
    return "#" + "".join(f"{round(mean):02x}" for mean in means)


def _find_focal(pixels: _Pixels) -> tuple[int, int]:
    """The place with most detail, colour and skin around it, as in libvips's `smartcrop` by attention."""
    width, height, values = pixels
    lights = [(299 * red + 587 * green + 114 * blue) / 1000 for red, green, blue, _ in values]
    scores = [
        value[3] / 255 * (_EDGES * edge / 255 + _appeal(value, light))
        for value, light, edge in zip(values, lights, _edges(lights, width), strict=True)
    ]
    mean = sum(scores) / len(scores)
    around = _blur(_blur(scores, width, height), width, height)
    weighed = [
        score * (1 - _MIDDLE * _offset(place, width, height)) for place, score in enumerate(around)
    ]
    best = max(range(len(weighed)), key=weighed.__getitem__)
    if around[best] <= _OUTSTANDING * mean:
        return CENTRE
    y, x = divmod(best, width)
    return round(100 * (x + 0.5) / width), round(100 * (y + 0.5) / height)


def _edges(lights: list[float], width: int) -> list[float]:
    """How much each pixel differs from its four neighbours."""
    last = len(lights) - 1

    def edge(place: int) -> float:
        x = place % width
        left = place - 1 if x else place
        right = place + 1 if x < width - 1 else place
        above = place - width if place >= width else place
        below = place + width if place + width <= last else place
        return abs(4 * lights[place] - lights[left] - lights[right] - lights[above] - lights[below])

    return [edge(place) for place in range(len(lights))]


def _appeal(value: tuple[int, int, int, int], light: float) -> float:
    """Strong colours, and skin."""
    if int(light) not in _LIT:
        return 0
    rgb = value[:3]
    length = math.hypot(*rgb)
    distance = math.dist([one / length for one in rgb], _SKIN)
    flesh = max(0.0, 1 - distance / _SKIN_DISTANCE)
    return _COLOURS * (max(rgb) - min(rgb)) / 255 + _FLESH * flesh


def _offset(place: int, width: int, height: int) -> float:
    """The squared distance from the middle, 0 to 1."""
    y, x = divmod(place, width)
    across, down = (x + 0.5) / width - 0.5, (y + 0.5) / height - 0.5
    return 2 * (across**2 + down**2)


def _blur(scores: list[float], width: int, height: int) -> list[float]:
    """The mean of a square around each pixel."""
    rows = [_blur_line(scores[y * width : (y + 1) * width]) for y in range(height)]
    columns = [_blur_line([row[x] for row in rows]) for x in range(width)]
    return [columns[x][y] for y in range(height) for x in range(width)]


def _blur_line(line: list[float]) -> list[float]:
    reach = max(1, len(line) // 8)
    sums = list(accumulate(line, initial=0.0))
    spans = (
        (max(0, place - reach), min(len(line), place + reach + 1)) for place in range(len(line))
    )
    # Beyond the border there is nothing to look at.
    return [(sums[end] - sums[start]) / (2 * reach + 1) for start, end in spans]
