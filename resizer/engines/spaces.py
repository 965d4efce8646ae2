"""Make ICC profiles of colour spaces: primaries and curves of ITU-T H.273. HDR is tone-mapped.

Sources: ITU-T H.273 §8 (tables 2 and 3), ITU-R BT.2100 (PQ, HLG), SMPTE ST 2094-50 (tone curve), ICC.1:2001-04 (profiles).
"""

from __future__ import annotations

import functools
import itertools
import math
import struct
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Triple: TypeAlias = tuple[float, float, float]
Matrix: TypeAlias = tuple[Triple, Triple, Triple]
#: x and y of white, red, green and blue.
Chromaticities: TypeAlias = tuple[float, float, float, float, float, float, float, float]

_D65 = (0.3127, 0.3290)
_C = (0.310, 0.316)
SRGB: Chromaticities = (*_D65, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
_REC2020: Chromaticities = (*_D65, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046)
_SMPTE_170M: Chromaticities = (*_D65, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070)
PRIMARIES: dict[int, Chromaticities] = {
    1: SRGB,
    4: (*_C, 0.67, 0.33, 0.21, 0.71, 0.14, 0.08),
    5: (*_D65, 0.64, 0.33, 0.29, 0.60, 0.15, 0.06),
    6: _SMPTE_170M,
    7: _SMPTE_170M,
    8: (*_C, 0.681, 0.319, 0.243, 0.692, 0.145, 0.049),
    9: _REC2020,
    11: (0.314, 0.351, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
    12: (*_D65, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
    22: (*_D65, 0.630, 0.340, 0.295, 0.605, 0.155, 0.077),
}
SRGB_CURVE, PQ, HLG = 13, 16, 18
#: Reference white of HDR (BT.2408 §2.1), and the peak luminance of HDR by default, candela per square metre.
_WHITE, _BRIGHTEST = 203, 1000
_HEADROOM = _BRIGHTEST / _WHITE
#: Reference white becomes this part of linear light, to leave room for brighter colours.
_WHITE_SHOWN = 0.5
#: How near the curve above white comes to its corner.
_KAPPA = 0.65

_D50: Triple = (0.96422, 1.0, 0.82521)
_BRADFORD: Matrix = (
    (0.8951, 0.2664, -0.1614),
    (-0.7502, 1.7135, 0.0367),
    (0.0389, -0.0685, 1.0296),
)
#: Steps of a curve in a profile, and of each side of a table of colours.
_CURVE_STEPS, _GRID_STEPS, _OUTPUT_STEPS = 1024, 25, 4096
#: The largest XYZ in a profile.
_MOST_XYZ = 65535 / 32768
#: Other numbers in a profile are below this (s15Fixed16Number, ICC.1:2001-04 §5.3.2).
_MOST_NUMBER = 32_767


class Space(NamedTuple):
    primaries: Chromaticities
    #: A transfer characteristic of H.273, unless there is a gamma.
    curve: int
    #: An exponent; 0: use the curve.
    gamma: float = 0

    @property
    def is_hdr(self) -> bool:
        return self.curve in {PQ, HLG} and not self.gamma

    @property
    def is_srgb(self) -> bool:
        return self.primaries == SRGB and self.curve == SRGB_CURVE and not self.gamma


def spans_colours(primaries: Chromaticities) -> bool:
    """Whether red, green and blue are not on one line, and a profile can hold them and white.

    Chromium also ignores coordinates outside 0 to 1 (skcms, `skcms_PrimariesToXYZD50`).
    """
    if not all(0 <= place <= 1 for place in primaries) or abs(_area(primaries)) <= 1e-6:
        return False
    try:
        rows = _to_xyz(primaries)
    except ZeroDivisionError:
        return False
    return all(abs(value) < _MOST_NUMBER for row in rows for value in row)


def _area(primaries: Chromaticities) -> float:
    """The signed area of the triangle of red, green and blue."""
    _, _, *red, green_x, green_y, blue_x, blue_y = primaries
    across, down = green_x - red[0], green_y - red[1]
    return (across * (blue_y - red[1]) - down * (blue_x - red[0])) / 2


def _power(exponent: float) -> Callable[[float], float]:
    return lambda value: math.pow(value, exponent)


def _smpte_240m(value: float) -> float:
    return value / 4 if value < 0.0912 else math.pow((value + 0.1115) / 1.1115, 1 / 0.45)


def _srgb(value: float) -> float:
    return value / 12.92 if value <= 0.04045 else math.pow((value + 0.055) / 1.055, 2.4)


def _smpte_428(value: float) -> float:
    return min(1.0, math.pow(value, 2.6) * 52.37 / 48)


def _pq(value: float) -> float:
    """Linear light; reference white is 1."""
    root = math.pow(value, 1 / 78.84375)
    light = max(0.0, root - 0.8359375) / (18.8515625 - 18.6875 * root)
    return math.pow(light, 1 / 0.1593017578125) * 10_000 / _WHITE


def _hlg(value: float) -> float:
    """Linear light of the scene, 0 to 1."""
    if value <= 0.5:
        return value * value / 3
    return (math.exp((value - 0.55991073) / 0.17883277) + 0.28466892) / 12


#: From numbers to linear light, by the transfer characteristics of H.273.
CURVES: dict[int, Callable[[float], float]] = {
    1: _power(2.4),
    4: _power(2.2),
    5: _power(2.8),
    6: _power(2.4),
    7: _smpte_240m,
    8: _power(1),
    SRGB_CURVE: _srgb,
    14: _power(2.4),
    15: _power(2.4),
    PQ: _pq,
    17: _smpte_428,
    HLG: _hlg,
}


# The table of an HDR space takes 0.1 s, and files can name only a few spaces.
@functools.lru_cache(maxsize=16)
def profile_of(space: Space, *, is_grey: bool) -> bytes:
    """Make an ICC profile for the colours of browsers on an SDR screen."""
    if is_grey:
        light = _light(space)
        steps = [place / (_CURVE_STEPS - 1) for place in range(_CURVE_STEPS)]
        return _profile(b"GRAY", {b"kTRC": _curve(light(one, one, one)[1] for one in steps)})
    if space.is_hdr:
        return _profile(b"RGB ", {b"A2B0": _table(_light(space))})
    return _profile(b"RGB ", _matrix_tags(space))


def _decoder(space: Space) -> Callable[[float], float]:
    return _power(space.gamma) if space.gamma else CURVES[space.curve]


def _light(space: Space) -> Callable[[float, float, float], Triple]:
    """From numbers, 0 to 1, to XYZ of D50."""
    # A table needs a few numbers many times.
    decode = functools.cache(_decoder(space))
    to_xyz = _to_xyz(space.primaries)
    if not space.is_hdr:
        return lambda *numbers: _apply(to_xyz, _each(decode, numbers))
    xyz_of_2020 = _to_xyz(_REC2020)
    to_2020 = _multiply(_invert(xyz_of_2020), to_xyz)
    luminance = xyz_of_2020[1]

    def light(*numbers: float) -> Triple:
        colour = _apply(to_2020, _each(decode, numbers))
        if space.curve == HLG:
            # From light of the scene to light of a screen (BT.2100, table 5).
            seen = sum(part * one for part, one in zip(luminance, colour, strict=True))
            gain = _HEADROOM * math.pow(max(0.0, seen), 0.2)
            colour = _each(lambda value: value * gain, colour)
        brightest = max(colour)
        gain = _shown(brightest) / brightest if brightest > 0 else 0
        return _apply(xyz_of_2020, _each(lambda value: value * gain, colour))

    return light


def _shown(light: float) -> float:
    """The tone curve: a line to reference white, then a quadratic Bézier curve to the peak."""
    if light <= 1:
        return light * _WHITE_SHOWN
    if light >= _HEADROOM:
        return 1
    middle = 1 - _KAPPA + _KAPPA / _WHITE_SHOWN
    middle_shown = (1 - _KAPPA) * _WHITE_SHOWN + _KAPPA
    # The place on the curve: a * t^2 + b * t = light - 1.
    a, b = 1 - 2 * middle + _HEADROOM, 2 * (middle - 1)
    t = (math.sqrt(b * b + 4 * a * (light - 1)) - b) / (2 * a)
    rest = 1 - t
    return _WHITE_SHOWN * rest * rest + 2 * middle_shown * rest * t + t * t


def _each(function: Callable[[float], float], values: tuple[float, ...]) -> Triple:
    red, green, blue = values
    return function(red), function(green), function(blue)


def _apply(matrix: Matrix, vector: Triple) -> Triple:
    x, y, z = vector
    one, two, three = (row[0] * x + row[1] * y + row[2] * z for row in matrix)
    return one, two, three


def _multiply(one: Matrix, other: Matrix) -> Matrix:
    columns = [_apply(one, column) for column in zip(*other, strict=True)]
    return tuple(zip(*columns, strict=True))  # type: ignore[return-value]  # three by three


def _invert(matrix: Matrix) -> Matrix:
    (a, b, c), (d, e, f), (g, h, i) = matrix
    rows = (
        (e * i - f * h, c * h - b * i, b * f - c * e),
        (f * g - d * i, a * i - c * g, c * d - a * f),
        (d * h - e * g, b * g - a * h, a * e - b * d),
    )
    determinant = a * rows[0][0] + b * rows[1][0] + c * rows[2][0]
    return tuple(tuple(one / determinant for one in row) for row in rows)  # type: ignore[return-value]


def _to_xyz(primaries: Chromaticities) -> Matrix:
    """From linear light to XYZ, adapted to D50 for profiles. Raises ZeroDivisionError if the primaries span no colours."""
    white, *colours = (
        (x / y, 1.0, (1 - x - y) / y) for x, y in zip(primaries[::2], primaries[1::2], strict=True)
    )
    columns: Matrix = tuple(zip(*colours, strict=True))  # type: ignore[assignment]  # three by three
    amounts = _apply(_invert(columns), white)
    scaled: Matrix = tuple(  # type: ignore[assignment]  # three by three
        tuple(value * amount for value, amount in zip(row, amounts, strict=True)) for row in columns
    )
    cones = zip(_apply(_BRADFORD, _D50), _apply(_BRADFORD, white), strict=True)
    red, green, blue = (to / of for to, of in cones)
    adaptation: Matrix = ((red, 0, 0), (0, green, 0), (0, 0, blue))
    return _multiply(_invert(_BRADFORD), _multiply(adaptation, _multiply(_BRADFORD, scaled)))


def _matrix_tags(space: Space) -> dict[bytes, bytes]:
    decode = _decoder(space)
    curve = _curve(decode(place / (_CURVE_STEPS - 1)) for place in range(_CURVE_STEPS))
    columns = zip(*_to_xyz(space.primaries), strict=True)
    tags = {
        name: b"XYZ " + bytes(4) + _numbers(*column)
        for name, column in zip((b"rXYZ", b"gXYZ", b"bXYZ"), columns, strict=True)
    }
    return tags | dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)


def _curve(values: Iterable[float]) -> bytes:
    steps = [round(65535 * min(1.0, max(0.0, value))) for value in values]
    return b"curv" + bytes(4) + struct.pack(f">I{len(steps)}H", len(steps), *steps)


def _table(light: Callable[[float, float, float], Triple]) -> bytes:
    """A table of colours (ICC.1:2001-04 §6.5.8). It holds cube roots, because interpolation between them is more exact."""
    side = [place / (_GRID_STEPS - 1) for place in range(_GRID_STEPS)]
    grid = [
        round(65535 * (min(_MOST_XYZ, max(0.0, part)) / _MOST_XYZ) ** (1 / 3))
        for numbers in itertools.product(side, repeat=3)
        for part in light(*numbers)
    ]
    cubes = [round(65535 * (place / (_OUTPUT_STEPS - 1)) ** 3) for place in range(_OUTPUT_STEPS)]
    identity = _numbers(1, 0, 0, 0, 1, 0, 0, 0, 1)
    head = b"mft2" + bytes(4) + struct.pack(">4B", 3, 3, _GRID_STEPS, 0) + identity
    head += struct.pack(">HH", 2, _OUTPUT_STEPS)
    values = [0, 65535] * 3 + grid + cubes * 3
    return head + struct.pack(f">{len(values)}H", *values)


def _numbers(*values: float) -> bytes:
    return b"".join(struct.pack(">i", round(value * 65536)) for value in values)


def _profile(colours: bytes, tags: dict[bytes, bytes]) -> bytes:
    tags = {b"wtpt": b"XYZ " + bytes(4) + _numbers(*_D50), **tags}
    offset = 128 + 4 + 12 * len(tags)
    table, data = struct.pack(">I", len(tags)), b""
    for name, content in tags.items():
        table += name + struct.pack(">II", offset + len(data), len(content))
        data += content + bytes(-len(content) % 4)
    head = struct.pack(">I", offset + len(data)) + bytes(4) + b"\x02\x40\0\0mntr" + colours
    head += b"XYZ " + bytes(12) + b"acsp" + bytes(28) + _numbers(*_D50)
    return head.ljust(128, b"\0") + table + data
