"""What is seen of an original in two tiny views: its colour, a blurred picture, and where a viewer looks first.

The views are variants like any other, so every engine makes them, and a child process too. Here no image library is
needed: a view has at most a thousand pixels.
"""

from __future__ import annotations

import base64
import math
import struct
import zlib
from dataclasses import replace
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

from resizer.engines.sharing import VIEW
from resizer.errors import UndecodableOriginal
from resizer.formats import PNG, WEBP
from resizer.keys.variant import LOSSLESS, Recipe

if TYPE_CHECKING:
    from resizer.engines.protocol import Header
    from resizer.formats import Format
    from resizer.keys.variant import Variant

#: The longest side of the view that is looked at, px: enough for a point of some percent.
LOOK_SIDE = 32
#: The longest side of the view that is shown blurred, px: 80 to 150 bytes of WebP for a photograph.
BLUR_SIDE = 16
#: Below, colours are seen that the picture has not.
BLUR_QUALITY = 60
#: A longer one is no such picture, or holds a copyright note.
MAX_BLUR_BYTES = 600

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

_CHANNELS = {0: 1, 2: 3, 4: 2, 6: 4}  # PNG 3 §11.2.1, table 9


class Sketch(NamedTuple):
    """What was seen when the file was first decoded."""

    #: Where a viewer looks first, percent from the left and from the top.
    focal: tuple[int, int]
    color: str  # "#rrggbb"
    #: A data URI; empty for a picture with transparency.
    blur: str


class _Pixels(NamedTuple):
    width: int
    height: int
    #: (red, green, blue, alpha), row by row, 0 to 255.
    values: list[tuple[int, int, int, int]]


def views(header: Header, wanted: Variant, *, with_blur: bool) -> list[Variant]:
    """The tiny variants of the original of `wanted` for a sketch. None of an original that is too narrow for one."""
    if header.height > LOOK_SIDE * header.width:
        return []

    def view(side: int, quality: str | int, target: Format) -> Variant:
        # Rounded up, it would be higher than `side`.
        width = max(1, side * header.width // max(header.width, header.height))
        recipe = Recipe(quality=quality)
        return replace(wanted, version=VIEW, recipe=recipe, width=width, format=target)

    found = [view(LOOK_SIDE, LOSSLESS, PNG)]
    # It would shine through a transparent picture.
    if with_blur and not header.has_alpha:
        found.append(view(BLUR_SIDE, BLUR_QUALITY, WEBP))
    return found


def sketch(look: bytes, blur: bytes = b"") -> Sketch:
    """Make a sketch of the rendered views. Raises UndecodableOriginal for something else."""
    pixels = _read_png(look)
    is_small = 0 < len(blur) <= MAX_BLUR_BYTES
    uri = f"data:image/webp;base64,{base64.b64encode(blur).decode()}" if is_small else ""
    return Sketch(_find_focal(pixels), _mean_color(pixels), uri)


def _read_png(content: bytes) -> _Pixels:
    """Read a PNG of 8 bits a channel without a palette, of at most `LOOK_SIDE` px. Raises UndecodableOriginal."""
    try:
        width, height, depth, kind, *rest = struct.unpack(">II5B", content[16:29])
        channels = _CHANNELS[kind]
        if depth != 8 or any(rest) or not 1 <= max(width, height) <= LOOK_SIDE:
            raise UndecodableOriginal(f"a view of {width} x {height} px with {depth} bits")
        stride = width * channels
        unpacker = zlib.decompressobj()
        data = unpacker.decompress(b"".join(_image_data(content)), (stride + 1) * height)
        rows = _unfilter(data, height, stride, channels)
        values = [
            _rgba(row[start : start + channels])
            for row in rows
            for start in range(0, stride, channels)
        ]
    except (IndexError, KeyError, ValueError, struct.error, zlib.error) as error:
        raise UndecodableOriginal(f"a view is no PNG: {error!r:.200}") from error
    return _Pixels(width, height, values)


def _image_data(content: bytes) -> list[bytes]:
    found, position = [], 8
    while position + 8 <= len(content):
        (length,) = struct.unpack_from(">I", content, position)
        if content[position + 4 : position + 8] == b"IDAT":
            found.append(content[position + 8 : position + 8 + length])
        position += 12 + length
    return found


def _unfilter(data: bytes, height: int, stride: int, step: int) -> list[bytearray]:
    """Undo the filters (PNG 3 §9.2)."""
    rows = [bytearray(stride)]
    for number in range(height):
        start = number * (stride + 1)
        filter_type, above = data[start], rows[-1]
        row = bytearray(data[start + 1 : start + 1 + stride])
        if filter_type > 4 or len(row) < stride:
            raise ValueError(f"row {number}")
        for place in range(stride):
            left = row[place - step] if place >= step else 0
            corner = above[place - step] if place >= step else 0
            guess = (
                0,
                left,
                above[place],
                (left + above[place]) // 2,
                _paeth(left, above[place], corner),
            )
            row[place] = (row[place] + guess[filter_type]) & 255
        rows.append(row)
    return rows[1:]


def _paeth(left: int, above: int, corner: int) -> int:
    """PNG 3 §9.4."""
    guess = left + above - corner
    return min((left, above, corner), key=lambda one: abs(guess - one))


def _rgba(pixel: bytearray) -> tuple[int, int, int, int]:
    has_alpha = len(pixel) in (2, 4)
    alpha = pixel[-1] if has_alpha else 255
    # A grey is the same in all channels.
    red, green, blue = pixel[:3] if len(pixel) > 2 else pixel[:1] * 3
    return red, green, blue, alpha


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
