"""EXIF in the boxes of an AVIF (ISO/IEC 14496-12, 23008-12 annex A): `find_exif` beside `add_exif`.

For boxes as encoders of pictures write them: lengths of 32 bits, numbers of items of 16, the table of locations in version 0.
"""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import BinaryIO

#: What is larger is not looked into. Profiles are in it; each of one to three items takes some 100 bytes.
MAX_META_BYTES = 1_000_000
MAX_EXIF_BYTES = 1_000_000
#: Of a file, before the one that describes the picture.
_MOST_BOXES = 16


def find_exif(file: BinaryIO) -> bytes:
    """The EXIF of an original, beginning with its TIFF header; empty where there is none, or none to be found."""
    try:
        meta = _parse(_find_meta(file)[4:])
        items = _parse_items(meta[b"iinf"][6:])
        ((place, length),) = _read_locations(meta[b"iloc"])[items[b"Exif"]]
    except (KeyError, IndexError, ValueError, struct.error):
        return b""
    file.seek(place)
    content = file.read(min(length, MAX_EXIF_BYTES))
    # Before the header stands how many bytes are before it still.
    return content[4 + int.from_bytes(content[:4]) :]


def add_exif(content: bytes, exif: bytes) -> bytes:
    """An AVIF with an item that describes its picture; its data come last. With another table it stays as it is."""
    boxes = _parse(content)
    meta = _parse(boxes[b"meta"][4:])
    try:
        locations = _read_locations(meta[b"iloc"])
    except ValueError:
        return content
    item = max(locations) + 1
    (count,) = struct.unpack_from(">H", meta[b"iinf"], 4)
    entry = _box(b"infe", struct.pack(">IHH4sx", 2 << 24, item, 0, b"Exif"))
    meta[b"iinf"] = meta[b"iinf"][:4] + struct.pack(">H", count + 1) + meta[b"iinf"][6:] + entry
    reference = _box(b"cdsc", struct.pack(">HH2s", item, 1, meta[b"pitm"][4:6]))
    meta[b"iref"] = meta.get(b"iref", bytes(4)) + reference
    payload = bytes(4) + exif
    moved, end = 0, 0
    # The table is as long whatever is in it, so the first one tells how far the data move.
    for _ in range(2):
        shifted = {
            key: [(place + moved, length) for place, length in extents]
            for key, extents in locations.items()
        }
        shifted[item] = [(end + 8, len(payload))]
        meta[b"iloc"] = _write_locations(shifted)
        boxes[b"meta"] = boxes[b"meta"][:4] + _join(meta)
        joined = _join(boxes)
        moved, end = len(joined) - len(content), len(joined)
    return joined + _box(b"mdat", payload)


def _find_meta(file: BinaryIO) -> bytes:
    place = 0
    for _ in range(_MOST_BOXES):
        file.seek(place)
        length, kind = struct.unpack(">I4s", file.read(8))
        if kind == b"meta" and length <= MAX_META_BYTES:
            return file.read(length - 8)
        place += length
    return b""


def _parse(content: bytes) -> dict[bytes, bytes]:
    """The bodies of boxes that stand one behind the other, by kind."""
    bodies = {}
    place = 0
    while place < len(content):
        length, kind = struct.unpack_from(">I4s", content, place)
        if length < 8:
            raise ValueError("a box that has no end")
        bodies[kind] = content[place + 8 : place + length]
        place += length
    return bodies


def _parse_items(content: bytes) -> dict[bytes, int]:
    """The number of an item of each type."""
    items = {}
    place = 0
    while place < len(content):
        length, item, kind = struct.unpack_from(">I8xH2x4s", content, place)
        if length < 8:
            raise ValueError("an item that has no end")
        items[kind] = item
        place += length
    return items


def _join(boxes: dict[bytes, bytes]) -> bytes:
    return b"".join(_box(kind, body) for kind, body in boxes.items())


def _box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(body), kind) + body


def _read_locations(table: bytes) -> dict[int, list[tuple[int, int]]]:
    """Where the data of each item are, (place, length) of their parts. Raises ValueError for another table."""
    place_bytes, length_bytes, base_bytes = table[4] >> 4, table[4] & 15, table[5] >> 4
    if table[0] != 0 or place_bytes == 0:
        raise ValueError("a table of locations of another version")
    file = io.BytesIO(table[6:])

    def number(length: int) -> int:
        return int.from_bytes(file.read(length))

    locations = {}
    for _ in range(number(2)):
        item, _data_reference, base, count = number(2), number(2), number(base_bytes), number(2)
        parts = [(base + number(place_bytes), number(length_bytes)) for _ in range(count)]
        locations[item] = parts
    return locations


def _write_locations(locations: dict[int, list[tuple[int, int]]]) -> bytes:
    table = struct.pack(">IBBH", 0, 0x44, 0, len(locations))
    for item, parts in locations.items():
        table += struct.pack(">HHH", item, 0, len(parts))
        table += b"".join(struct.pack(">II", *part) for part in parts)
    return table
