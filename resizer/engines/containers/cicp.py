"""The colours of a file without an ICC profile: cICP, gAMA and cHRM of a PNG, nclx of an AVIF or a HEIC."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from resizer.engines.icc import profile_of, spans_colours
from resizer.engines.spaces import CURVES, PRIMARIES, SRGB, SRGB_CURVE, Space
from resizer.formats import AVIF, GIF, HEIC, JPEG, PNG, TIFF, WEBP

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import BinaryIO

    from resizer.formats import Format

#: Read at most, of an AVIF: colours precede the pixels, and honest profiles have up to 2 MB.
_MOST_BYTES = 4_500_000
#: A gAMA so near to sRGB's exponent, without cHRM, means sRGB, as in Chromium.
_SRGB_GAMMA, _NEAR = 0.45455, 0.05
#: In an AVIF, Chromium reads the curves of video as sRGB's: they describe the encoding of a camera, not a screen.
_VIDEO_CURVES = {1, 6, 14, 15}


#: Chunks about colours, and the length of each.
_LENGTHS = {b"cHRM": 32, b"cICP": 4, b"gAMA": 4}
_NOTHING = memoryview(b"")


def told_profile(file: BinaryIO, found: Format, *, is_grey: bool) -> bytes | None:
    """A profile to use instead of the file's own. None: use the file's own, or sRGB."""
    read = COLOUR_READERS[found]
    space = read(file) if read else None
    return None if space is None or space.is_srgb else profile_of(space, is_grey=is_grey)


def _of_png(file: BinaryIO) -> Space | None:
    """In the order of PNG 3 §4.3: cICP, iCCP, sRGB, then gAMA, with cHRM or alone; as far as Chromium knows them."""
    chunks = dict(_chunks(file))
    primaries, curve, matrix, is_full = chunks.get(b"cICP", bytes(4))
    if primaries in PRIMARIES and curve in CURVES and not matrix and is_full:
        return Space(PRIMARIES[primaries], curve)
    gamma = int.from_bytes(chunks.get(b"gAMA", b"")) / 100_000
    if b"iCCP" in chunks or b"sRGB" in chunks or not gamma:
        return None
    if b"cHRM" not in chunks:
        is_near = abs(gamma / _SRGB_GAMMA - 1) < _NEAR
        return None if is_near else Space(SRGB, 0, 1 / gamma)
    places = struct.unpack(">8I", chunks[b"cHRM"])
    space = Space(tuple(place / 100_000 for place in places), 0, 1 / gamma)
    return space if spans_colours(space.primaries) else None


def _chunks(file: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """Yield name and content of each chunk before the pixels. Only chunks of `_LENGTHS` have content."""
    position, name = 8, b""
    while name != b"IDAT":
        file.seek(position)
        head = file.read(8)
        if len(head) < 8:
            return
        name, length = head[4:], int.from_bytes(head[:4])
        yield name, file.read(length) if length == _LENGTHS.get(name) else b""
        position += length + 12


def _of_items(file: BinaryIO) -> Space | None:
    """The nclx colours of the primary item (ISO/IEC 14496-12 §8.11, §12.1.5). None if it also has a profile."""
    file.seek(0)
    content = memoryview(file.read(_MOST_BYTES))
    meta = _boxes(_inside(content, b"meta")[4:])
    primary = _item_id(meta.get(b"pitm", _NOTHING))
    properties = _inside(meta.get(b"iprp", _NOTHING), b"ipco")
    associations = _inside(meta.get(b"iprp", _NOTHING), b"ipma")
    places = _associated(associations, primary)
    colours = [
        bytes(box[:11])
        for place, (name, box) in enumerate(_each_box(properties), 1)
        if name == b"colr" and place in places
    ]
    kinds = {colour[:4] for colour in colours}
    if kinds != {b"nclx"}:
        return None
    primaries, curve = struct.unpack(">HH", colours[0][4:8].ljust(4, b"\0"))
    if curve in _VIDEO_CURVES or curve not in CURVES:
        curve = SRGB_CURVE
    return Space(PRIMARIES.get(primaries, SRGB), curve)


def _each_box(content: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """Yield name and content of adjacent boxes."""
    while len(content) >= 8:
        length, head = int.from_bytes(content[:4]), 8
        if length == 1:
            length, head = int.from_bytes(content[8:16]), 16
        length = max(length, head) if length else len(content)
        yield bytes(content[4:8]), content[head:length]
        content = content[length:]


def _boxes(content: memoryview) -> dict[bytes, memoryview]:
    return dict(_each_box(content))


def _inside(content: memoryview, name: bytes) -> memoryview:
    return _boxes(content).get(name, _NOTHING)


def _version(box: memoryview) -> int:
    return int.from_bytes(box[:1])


def _item_id(box: memoryview) -> int:
    return int.from_bytes(box[4:8] if _version(box) else box[4:6])


def _associated(box: memoryview, item: int) -> set[int]:
    """The properties of an item, as their places from 1."""
    id_bytes = 4 if _version(box) else 2
    place_bytes = 2 if box[3:4] and box[3] & 1 else 1
    # The first bit of a place means that the property is essential.
    mask = (1 << 8 * place_bytes - 1) - 1
    position = 8
    while position < len(box):
        found = int.from_bytes(box[position : position + id_bytes])
        position += id_bytes + 1
        end = position + place_bytes * int.from_bytes(box[position - 1 : position])
        if found == item:
            places = range(position, end, place_bytes)
            return {int.from_bytes(box[one : one + place_bytes]) & mask for one in places}
        position = end
    return set()


#: For each format, a function of a file. None: only an ICC profile describes the colours.
COLOUR_READERS: dict[Format, Callable[[BinaryIO], Space | None] | None] = {
    AVIF: _of_items,
    GIF: None,
    HEIC: _of_items,
    JPEG: None,
    PNG: _of_png,
    TIFF: None,
    WEBP: None,
}
