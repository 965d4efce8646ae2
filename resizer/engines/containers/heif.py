"""The items of an AVIF (ISO/IEC 14496-12 §8.11, 23008-12 §6.5): add the size that old writers leave out for transparency."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

#: Names of an auxiliary image with the transparency of another image (MIAF §7.3.5.2).
_ALPHA = {b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha", b"urn:mpeg:hevc:2015:auxid:1"}
#: Length and name of a box; the same with version and flags.
_HEAD_BYTES, _FULL_HEAD_BYTES = 8, 12
_MAX_PROPERTIES = 255
#: The highest number of a property. One bit of 16 is a flag.
_MAX_NUMBER = 0x7FFF


class _Properties(NamedTuple):
    """The numbers of an item's properties, each with a flag in the highest bit."""

    item: int
    numbers: list[int]


def clean(file: BinaryIO, _whole: bool) -> list[bytes | range]:
    """The file as pieces, with a size for transparency. libheif before 1.12 left it out, and Pillow refuses such a file.

    The new box goes to the end, because items name the positions of their pixels in the file.
    """
    file.seek(0)
    content = file.read()
    unchanged: list[bytes | range] = [range(len(content))]
    meta = _find(content, range(len(content)), b"meta")
    inside = range(meta.start + _FULL_HEAD_BYTES, meta.stop)
    holder = _find(content, inside, b"iprp")
    old = _find(content, range(holder.start + _HEAD_BYTES, holder.stop), b"ipma")
    new = _with_sizes(content, inside, holder, old)
    if not new:
        return unchanged
    more = len(new) - len(old)
    items = (
        _resized(content, meta, more)
        + content[meta.start + 4 : holder.start]
        + _resized(content, holder, more)
        + content[holder.start + 4 : old.start]
        + new
        + content[old.stop : meta.stop]
    )
    return [range(meta.start + 4), b"free", range(meta.start + 8, len(content)), items]


def _with_sizes(content: bytes, inside: range, holder: range, old: range) -> bytes:
    """The new box `ipma`: the properties of each item. Empty if nothing changes."""
    primary = _find(content, inside, b"pitm")
    main = int.from_bytes(content[primary.start + _FULL_HEAD_BYTES : primary.stop])
    kinds = [b""]
    properties = _find(content, range(holder.start + _HEAD_BYTES, holder.stop), b"ipco")
    boxes = _boxes(content, range(properties.start + _HEAD_BYTES, properties.stop))
    kinds += (_kind(content, box) for box in islice(boxes, _MAX_NUMBER))
    wide_items = content[old.start + 8 : old.start + 9] > b"\0"
    wide_numbers = content[old.start + 11 : old.start + 12] > b"\0"
    items = list(_items(content, old, wide_items=wide_items, wide_numbers=wide_numbers))
    flag = 0x8000 if wide_numbers else 0x80
    known = {
        item: {kinds[number & ~flag]: number for number in numbers if number & ~flag < len(kinds)}
        for item, numbers in items
    }
    size = known.get(main, {}).get(b"ispe")
    new = b""
    is_changed = False
    for item, numbers in items:
        lacks = b"alpha" in known[item] and b"ispe" not in known[item]
        if lacks and size is not None and len(numbers) < _MAX_PROPERTIES:
            numbers = [size, *numbers]
            is_changed = True
        new += item.to_bytes(4 if wide_items else 2) + len(numbers).to_bytes()
        new += b"".join(number.to_bytes(2 if wide_numbers else 1) for number in numbers)
    if not is_changed:
        return b""
    head = content[old.start + 4 : old.start + 16]
    return (len(head) + 4 + len(new)).to_bytes(4) + head + new


def _kind(content: bytes, box: range) -> bytes:
    name = content[box.start + 4 : box.start + 8]
    if name != b"auxC":
        return name
    urn = content[box.start + _FULL_HEAD_BYTES : box.stop].split(b"\0")[0]
    return b"alpha" if urn in _ALPHA else name


def _items(
    content: bytes, box: range, *, wide_items: bool, wide_numbers: bool
) -> Iterator[_Properties]:
    position = box.start + 16
    item_bytes, number_bytes = 4 if wide_items else 2, 2 if wide_numbers else 1
    while position + item_bytes < box.stop:
        item = int.from_bytes(content[position : position + item_bytes])
        position += item_bytes
        end = position + 1 + content[position] * number_bytes
        numbers = range(position + 1, end, number_bytes)
        yield _Properties(item, [int.from_bytes(content[at : at + number_bytes]) for at in numbers])
        position = end


def _find(content: bytes, inside: range, name: bytes) -> range:
    """The first box of that name; an empty range if there is none."""
    for box in _boxes(content, inside):
        if content[box.start + 4 : box.start + 8] == name:
            return box
    return range(0)


def _boxes(content: bytes, inside: range) -> Iterator[range]:
    position = inside.start
    while position + _HEAD_BYTES <= inside.stop:
        length = int.from_bytes(content[position : position + 4])
        if not _HEAD_BYTES <= length <= inside.stop - position:
            # The box is cut off; or its length has 64 bits, or reaches to the end of the file, as with no writer of items.
            return
        yield range(position, position + length)
        position += length


def _resized(content: bytes, box: range, more: int) -> bytes:
    return (int.from_bytes(content[box.start : box.start + 4]) + more).to_bytes(4)
