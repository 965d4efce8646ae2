"""The segments of a JPEG (ITU-T T.81 §B.1): what decoding it takes, told before a decoder sees it."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from resizer.errors import TooMuchWork, UndecodableOriginal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

#: A decoder goes through all pixels for each scan: 882 of 17 megapixels, in 64 KB, take 10 to 25 s.
MAX_SCANS = 100
#: So many scans real files have.
USUAL_SCANS = 20
#: Beyond those: scans times pixels, which take 2 to 3 s.
MAX_SCANNED_PIXELS = 2_000_000_000
#: Decoders look at one segment after the other, and at each byte between them. Real files have hundreds.
MAX_SEGMENTS = 100_000

#: Pillow joins what is in several segments, and reads all numbers of a tag: 43 MB take 35 s. One segment has 64 KB.
MAX_EXIF_BYTES = 1_000_000

_SCAN, _APP0, _APP1, _APP2, _APP14 = b"\xda", b"\xe0", b"\xe1", b"\xe2", b"\xee"
#: Segments, the names that their content begins with, and the least length of it: libjpeg ignores shorter ones.
_LEAST_BYTES = {(_APP0, b"JFIF"): 14, (_APP2, b"ICC_PROFILE\0"): 14, (_APP14, b"Adobe"): 12}
#: Frames of which the pixels come out as they go in, unless they come in several scans.
_SEQUENTIAL = {b"\xc0", b"\xc1"}
#: Frames that no browser shows; of those that are cut, libjpeg says nothing.
_ARITHMETIC = {bytes([0xC9 + number]) for number in range(7)} - {b"\xcc"}
_FRAMES = {bytes([0xC0 + number]) for number in range(16)} - {b"\xc4", b"\xc8", b"\xcc"}
#: What follows the first byte of a marker where no segment begins.
_BARE = {b"\0", b"\x01", b"\xff", *(bytes([0xD0 + number]) for number in range(9))}
#: The same for places within a scan.
_SEGMENT = re.compile(rb"\xff([^\x00\x01\xd0-\xd8\xff])")
_END = b"\xd9"


def is_buffered(file: BinaryIO) -> bool:
    """Whether a decoder holds the whole picture: it is progressive, or comes in several scans.

    Raises TooMuchWork for a flood of segments.
    """
    components = b""
    for kind, content in _header_segments(file):
        if kind in _FRAMES:
            if kind not in _SEQUENTIAL:
                return True
            components = content[5:6]
        elif kind == _SCAN:
            return content[:1] != components
    return False


def refuse_segments(file: BinaryIO) -> None:
    """Raises TooMuchWork for floods of segments before the first scan, and of EXIF in them.

    Raises UndecodableOriginal for arithmetic coding.
    """
    for kind, _ in _header_segments(file):
        if kind in _ARITHMETIC:
            raise UndecodableOriginal("arithmetic coding")


def refuse_scans(file: BinaryIO) -> None:
    """Raises TooMuchWork for more than MAX_SCANS scans, or fewer of a large picture."""
    frame = next((content for kind, content in _header_segments(file) if kind in _FRAMES), b"")
    pixels = int.from_bytes(frame[1:3]) * int.from_bytes(frame[3:5])
    most = MAX_SCANS
    if pixels:
        most = min(most, max(USUAL_SCANS, MAX_SCANNED_PIXELS // pixels))
    file.seek(0)
    content = file.read()
    # Nearly always that settles it: a scan has no other beginning.
    if content.count(b"\xff" + _SCAN) <= most:
        return
    if sum(kind == _SCAN for kind, _, _ in _segments(content)) > most:
        raise TooMuchWork(f"more than {most} scans of {pixels} px")


def clean(file: BinaryIO, whole: bool) -> Iterator[bytes | range]:
    """The picture as stretches of the file, and bytes that replace others: segments that can be read, and an end.

    If not `whole`, nothing is read beyond the segment of the first scan. Raises TooMuchWork for a flood of segments.
    """
    position = 0
    for kind, content in _header_segments(file):
        if any(
            kind == segment and content.startswith(name) and len(content) < least
            for (segment, name), least in _LEAST_BYTES.items()
        ):
            yield range(position, file.tell() - len(content) - 4)
            position = file.tell()
    if not whole:
        yield range(position, file.tell())
        return
    stop = find_cut(file)
    if stop is None:
        yield range(position, file.seek(0, os.SEEK_END))
    else:
        yield range(position, stop)
        yield b"\xff" + _END


def find_cut(file: BinaryIO) -> int | None:
    """Where the end marker of a JPEG is missing; None if it is not. Raises TooMuchWork for a flood of segments."""
    last = max(0, file.seek(0, os.SEEK_END) - 2)
    file.seek(last)
    if file.read() == b"\xff" + _END:
        return None
    file.seek(0)
    content = file.read()
    data = 2
    for _, start, end in _segments(content):
        if end > len(content):
            return start
        data = end
    if _SEGMENT.search(content, data):
        return None
    # What may be the first half of the marker, or of a byte that it makes of two.
    return max(data, len(content.rstrip(b"\xff")))


def has_all_scans(content: bytes) -> bool:
    """Whether the scans of a JPEG tell every coefficient of each component to its last bit (T.81 §G.1.1)."""
    missing: dict[int, set[int]] = {}
    for kind, start, end in _segments(content):
        segment = content[start + 4 : end]
        if kind in _FRAMES:
            coefficients = range(1 if kind in _SEQUENTIAL else 64)
            missing = {component: set(coefficients) for component in segment[6::3]}
        elif kind == _SCAN and segment and len(segment) == 4 + 2 * segment[0]:
            first, last, bits = segment[-3:]
            for component in segment[1:-3:2]:
                if not bits & 15:
                    missing.get(component, set()).difference_update(range(first, last + 1))
    return not any(missing.values())


def only_pixels(content: bytes) -> bytes:
    """The same pixels, without what a decoder may warn of though it harms none: texts, profiles, bytes between segments.

    Nor with the selection of coefficients that some cameras write for a sequential scan, which has all of them.
    Raises TooMuchWork for a flood of segments.
    """
    parts = [content[:2]]
    is_sequential = False
    segments = list(_segments(content))
    starts = [start for _, start, _ in segments]
    for (kind, start, end), following in zip(segments, [*starts[1:], len(content)], strict=True):
        if kind in _FRAMES:
            is_sequential = kind in _SEQUENTIAL
        segment = content[start:end]
        if kind == _SCAN:
            if is_sequential:
                segment = segment[:-3] + b"\x00\x3f\x00"
            segment += content[end:following]
        if kind < _APP0:
            parts.append(segment)
    return b"".join([*parts, b"\xff", _END])


def _header_segments(file: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """Each segment up to the first scan: its kind, and its content."""
    file.seek(2)
    previous = b""
    exif = 0
    for _ in range(MAX_SEGMENTS):
        byte = file.read(1)
        if not byte:
            return
        if previous != b"\xff" or byte in _BARE:
            previous = byte
            continue
        content = file.read(max(0, int.from_bytes(file.read(2)) - 2))
        if byte == _APP1 and content.startswith(b"Exif\0\0"):
            exif += len(content)
        if exif > MAX_EXIF_BYTES:
            raise TooMuchWork(f"more than {MAX_EXIF_BYTES} bytes of EXIF")
        yield byte, content
        if byte == _SCAN:
            return
        previous = b""
    raise TooMuchWork(f"more than {MAX_SEGMENTS} segments, or bytes between them")


def _segments(content: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Each segment of the picture itself, not of another within a segment or behind the end: kind, beginning, end.

    The bytes of a scan, which follow its segment, belong to none.
    """
    position = 2
    for _ in range(MAX_SEGMENTS):
        found = _SEGMENT.search(content, position)
        if found is None or found[1] == _END:
            return
        position = found.end() + max(2, int.from_bytes(content[found.end() : found.end() + 2]))
        yield found[1], found.start(), position
    raise TooMuchWork(f"more than {MAX_SEGMENTS} segments")
