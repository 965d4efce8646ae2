"""Write ICC profiles of colour spaces (ICC.1:2001-04)."""

from __future__ import annotations

import functools
import itertools
import struct
from typing import TYPE_CHECKING

from resizer.engines.spaces import D50, decoder_of, light_of, to_xyz

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from resizer.engines.spaces import Chromaticities, Space, Triple

#: Steps of a curve in a profile, and of each side of a table of colours.
_CURVE_STEPS, _GRID_STEPS, _OUTPUT_STEPS = 1024, 25, 4096
#: The largest XYZ in a profile.
_MOST_XYZ = 65535 / 32768
#: Other numbers in a profile are below this (s15Fixed16Number, ICC.1:2001-04 §5.3.2).
_MOST_NUMBER = 32_767


def spans_colours(primaries: Chromaticities) -> bool:
    """Whether red, green and blue are not on one line, and a profile can hold them and white.

    Chromium also ignores coordinates outside 0 to 1 (skcms, `skcms_PrimariesToXYZD50`).
    """
    if not all(0 <= place <= 1 for place in primaries) or abs(_area(primaries)) <= 1e-6:
        return False
    try:
        rows = to_xyz(primaries)
    except ZeroDivisionError:
        return False
    return all(abs(value) < _MOST_NUMBER for row in rows for value in row)


def _area(primaries: Chromaticities) -> float:
    """The signed area of the triangle of red, green and blue."""
    _, _, *red, green_x, green_y, blue_x, blue_y = primaries
    across, down = green_x - red[0], green_y - red[1]
    return (across * (blue_y - red[1]) - down * (blue_x - red[0])) / 2


# The table of an HDR space takes 0.1 s, and files can name only a few of them.
@functools.lru_cache(maxsize=16)
def profile_of(space: Space, *, is_grey: bool) -> bytes:
    """Make an ICC profile for the colours of browsers on an SDR screen."""
    if is_grey:
        light = light_of(space)
        steps = [place / (_CURVE_STEPS - 1) for place in range(_CURVE_STEPS)]
        return _profile(b"GRAY", {b"kTRC": _curve(light(one, one, one)[1] for one in steps)})
    if space.is_hdr:
        return _profile(b"RGB ", {b"A2B0": _table(light_of(space))})
    return _profile(b"RGB ", _matrix_tags(space))


def _matrix_tags(space: Space) -> dict[bytes, bytes]:
    decode = decoder_of(space)
    curve = _curve(decode(place / (_CURVE_STEPS - 1)) for place in range(_CURVE_STEPS))
    columns = zip(*to_xyz(space.primaries), strict=True)
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
    tags = {b"wtpt": b"XYZ " + bytes(4) + _numbers(*D50), **tags}
    offset = 128 + 4 + 12 * len(tags)
    table, data = struct.pack(">I", len(tags)), b""
    for name, content in tags.items():
        table += name + struct.pack(">II", offset + len(data), len(content))
        data += content + bytes(-len(content) % 4)
    head = struct.pack(">I", offset + len(data)) + bytes(4) + b"\x02\x40\0\0mntr" + colours
    head += b"XYZ " + bytes(12) + b"acsp" + bytes(28) + _numbers(*D50)
    return head.ljust(128, b"\0") + table + data
