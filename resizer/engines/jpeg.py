"""The segments of a JPEG (ITU-T T.81 §B.1): what decoding it takes, told before a decoder sees it."""

from __future__ import annotations

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

_SCAN, _APP0, _APP1 = b"\xda", b"\xe0", b"\xe1"
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
