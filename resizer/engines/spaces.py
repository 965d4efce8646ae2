"""Colour spaces: primaries and curves of ITU-T H.273. HDR is tone-mapped.

Sources: ITU-T H.273 §8 (tables 2 and 3), ITU-R BT.2100 (PQ, HLG), SMPTE ST 2094-50 (tone curve).
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

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

D50: Triple = (0.96422, 1.0, 0.82521)
_BRADFORD: Matrix = (
    (0.8951, 0.2664, -0.1614),
    (-0.7502, 1.7135, 0.0367),
    (0.0389, -0.0685, 1.0296),
)


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


def decoder_of(space: Space) -> Callable[[float], float]:
    """From a number, 0 to 1, to linear light."""
    return _power(space.gamma) if space.gamma else CURVES[space.curve]


def light_of(space: Space) -> Callable[[float, float, float], Triple]:
    """From numbers, 0 to 1, to XYZ of D50."""
    # A table needs a few numbers many times.
    decode = functools.cache(decoder_of(space))
    own = to_xyz(space.primaries)
    if not space.is_hdr:
        return lambda *numbers: _apply(own, _each(decode, numbers))
    xyz_of_2020 = to_xyz(_REC2020)
    to_2020 = _multiply(_invert(xyz_of_2020), own)
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


def to_xyz(primaries: Chromaticities) -> Matrix:
    """From linear light to XYZ, adapted to D50 for profiles. Raises ZeroDivisionError if the primaries span no colours."""
    white, *colours = (
        (x / y, 1.0, (1 - x - y) / y) for x, y in zip(primaries[::2], primaries[1::2], strict=True)
    )
    columns: Matrix = tuple(zip(*colours, strict=True))  # type: ignore[assignment]  # three by three
    amounts = _apply(_invert(columns), white)
    scaled: Matrix = tuple(  # type: ignore[assignment]  # three by three
        tuple(value * amount for value, amount in zip(row, amounts, strict=True)) for row in columns
    )
    cones = zip(_apply(_BRADFORD, D50), _apply(_BRADFORD, white), strict=True)
    red, green, blue = (to / of for to, of in cones)
    adaptation: Matrix = ((red, 0, 0), (0, green, 0), (0, 0, blue))
    return _multiply(_invert(_BRADFORD), _multiply(adaptation, _multiply(_BRADFORD, scaled)))
