"""Colour, worked out in floating point: ICC profiles made from primaries, and what their numbers mean in sRGB.

Sources: ICC.1:2001-04 (profile format), IEC 61966-2-1 (sRGB), Lindbloom's Bradford adaptation, CIE 15 (Lab).
"""

from __future__ import annotations

import struct
from typing import NamedTuple, TypeAlias

Triple: TypeAlias = tuple[float, float, float]
Matrix: TypeAlias = tuple[Triple, Triple, Triple]

D50: Triple = (0.96422, 1.0, 0.82521)
BRADFORD: Matrix = (
    (0.8951, 0.2664, -0.1614),
    (-0.7502, 1.7135, 0.0367),
    (0.0389, -0.0685, 1.0296),
)


class Space(NamedTuple):
    """An RGB space of one gamma: chromaticities (x, y) of red, green, blue and white."""

    red: tuple[float, float]
    green: tuple[float, float]
    blue: tuple[float, float]
    white: tuple[float, float]
    gamma: float


D65_WHITE = (0.3127, 0.3290)
SRGB_PRIMARIES = Space((0.64, 0.33), (0.30, 0.60), (0.15, 0.06), D65_WHITE, 2.2)
ADOBE_RGB = Space((0.64, 0.33), (0.21, 0.71), (0.15, 0.06), D65_WHITE, 2.19921875)
DISPLAY_P3 = Space((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), D65_WHITE, 2.2)
PROPHOTO = Space((0.7347, 0.2653), (0.1596, 0.8404), (0.0366, 0.0001), (0.3457, 0.3585), 1.8)


def multiply(matrix: Matrix, vector: Triple) -> Triple:
    one, two, three = (
        sum(factor * value for factor, value in zip(row, vector, strict=True)) for row in matrix
    )
    return one, two, three


def invert(matrix: Matrix) -> Matrix:
    (a, b, c), (d, e, f), (g, h, i) = matrix
    determinant = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)
    return (
        (
            (e * i - f * h) / determinant,
            (c * h - b * i) / determinant,
            (b * f - c * e) / determinant,
        ),
        (
            (f * g - d * i) / determinant,
            (a * i - c * g) / determinant,
            (c * d - a * f) / determinant,
        ),
        (
            (d * h - e * g) / determinant,
            (b * g - a * h) / determinant,
            (a * e - b * d) / determinant,
        ),
    )


def to_xyz(space: Space) -> Matrix:
    """The matrix from linear RGB to XYZ, adapted to D50 as profiles demand."""
    columns = [(x / y, 1.0, (1 - x - y) / y) for x, y in space[:3]]
    x, y = space.white
    white: Triple = (x / y, 1.0, (1 - x - y) / y)
    primaries: Matrix = tuple(zip(*columns, strict=True))  # type: ignore[assignment]  # three by three
    amounts = multiply(invert(primaries), white)
    scales = [
        to / of for to, of in zip(multiply(BRADFORD, D50), multiply(BRADFORD, white), strict=True)
    ]
    adapted = []
    for column, amount in zip(columns, amounts, strict=True):
        cone = multiply(BRADFORD, column)
        scaled = tuple(part * scale * amount for part, scale in zip(cone, scales, strict=True))
        adapted.append(multiply(invert(BRADFORD), scaled))  # type: ignore[arg-type]  # three
    return tuple(zip(*adapted, strict=True))  # type: ignore[return-value]  # three by three


def _number(value: float) -> bytes:
    return struct.pack(">i", round(value * 65536))


def _tag(kind: bytes, content: bytes) -> bytes:
    data = kind + bytes(4) + content
    return data + bytes(-len(data) % 4)


def _profile(colour_space: bytes, tags: dict[bytes, bytes]) -> bytes:
    offset = 128 + 4 + 12 * len(tags)
    table, data = struct.pack(">I", len(tags)), b""
    for name, content in tags.items():
        table += name + struct.pack(">II", offset + len(data), len(content))
        data += content
    header = struct.pack(">I", offset + len(data)) + bytes(4) + b"\x02\x10\0\0mntr" + colour_space
    header += b"XYZ " + bytes(12) + b"acsp" + bytes(24) + bytes(4)
    header += b"".join(map(_number, D50))
    return header.ljust(128, b"\0") + table + data


def _curve(gamma: float) -> bytes:
    return _tag(b"curv", struct.pack(">IH", 1, round(gamma * 256)))


def _common(name: str) -> dict[bytes, bytes]:
    text = name.encode() + b"\0"
    return {
        b"desc": _tag(b"desc", struct.pack(">I", len(text)) + text + bytes(78)),
        b"cprt": _tag(b"text", b"none\0"),
        b"wtpt": _tag(b"XYZ ", b"".join(map(_number, D50))),
    }


def rgb_profile(space: Space) -> bytes:
    red, green, blue = zip(*to_xyz(space), strict=True)
    tags = _common("test")
    for name, column in ((b"rXYZ", red), (b"gXYZ", green), (b"bXYZ", blue)):
        tags[name] = _tag(b"XYZ ", b"".join(map(_number, column)))
    for name in (b"rTRC", b"gTRC", b"bTRC"):
        tags[name] = _curve(space.gamma)
    return _profile(b"RGB ", tags)


def grey_profile(gamma: float) -> bytes:
    return _profile(b"GRAY", _common("test grey") | {b"kTRC": _curve(gamma)})


def srgb_of(linear: Triple) -> Triple:
    """Encoded sRGB, 0 to 255, of linear sRGB light; what lies outside is clipped."""
    red, green, blue = (
        255 * (12.92 * value if value <= 0.0031308 else 1.055 * value ** (1 / 2.4) - 0.055)
        for value in (min(1.0, max(0.0, value)) for value in linear)
    )
    return red, green, blue


def linear_of(encoded: Triple) -> Triple:
    red, green, blue = (
        value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
        for value in (value / 255 for value in encoded)
    )
    return red, green, blue


def expected_srgb(colour: Triple, space: Space) -> Triple:
    """What a colour of a space, 0 to 255, is in sRGB, 0 to 255."""
    red, green, blue = ((value / 255) ** space.gamma for value in colour)
    xyz = multiply(to_xyz(space), (red, green, blue))
    return srgb_of(multiply(invert(to_xyz(SRGB_PRIMARIES)), xyz))


def expected_grey(value: float, gamma: float) -> float:
    light = (value / 255) ** gamma
    return srgb_of((light, light, light))[0]


def delta_e(one: Triple, other: Triple) -> float:
    """CIE 1976 colour difference of two sRGB colours; 1 is about what eyes can tell."""
    first, second = (
        _lab(multiply(to_xyz(SRGB_PRIMARIES), linear_of(colour))) for colour in (one, other)
    )
    return float(sum((a - b) ** 2 for a, b in zip(first, second, strict=True)) ** 0.5)


def _lab(xyz: Triple) -> Triple:
    x, y, z = (
        ratio ** (1 / 3) if ratio > 216 / 24389 else (24389 / 27 * ratio + 16) / 116
        for ratio in (value / white for value, white in zip(xyz, D50, strict=True))
    )
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)
