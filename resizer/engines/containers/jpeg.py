"""The segments of a JPEG (ITU-T T.81 §B.1), read before a decoder opens it."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from resizer.errors import TooMuchWork, UndecodableOriginal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

#: A decoder visits all pixels for each scan: 882 scans of 17 megapixels, in 64 KB, take 10 to 25 s.
MAX_SCANS = 100
#: Real files have up to 20 scans.
USUAL_SCANS = 20
#: With more scans, the limit of scans × pixels. They take 2 to 3 s.
MAX_SCANNED_PIXELS = 2_000_000_000
#: Decoders read each segment, and each byte between segments. Real files have hundreds of segments.
MAX_SEGMENTS = 100_000

#: Pillow joins the EXIF of several segments, and reads all numbers of a tag: 43 MB take 35 s. One segment has 64 KB.
MAX_EXIF_BYTES = 1_000_000

_SCAN, _APP0, _APP1, _APP2, _APP14 = b"\xda", b"\xe0", b"\xe1", b"\xe2", b"\xee"
#: Segment and first bytes of its content → its least length. libjpeg ignores shorter segments.
_LEAST_BYTES = {(_APP0, b"JFIF"): 14, (_APP2, b"ICC_PROFILE\0"): 14, (_APP14, b"Adobe"): 12}
#: Frames decoded row by row, if they have one scan.
_SEQUENTIAL = {b"\xc0", b"\xc1"}
#: No browser shows these frames, and libjpeg does not report that they are cut.
_ARITHMETIC = {bytes([0xC9 + number]) for number in range(7)} - {b"\xcc"}
_FRAMES = {bytes([0xC0 + number]) for number in range(16)} - {b"\xc4", b"\xc8", b"\xcc"}
#: Second bytes of markers without a segment.
_BARE = {b"\0", b"\x01", b"\xff", *(bytes([0xD0 + number]) for number in range(9))}
#: A marker with a segment, also within a scan.
_SEGMENT = re.compile(rb"\xff([^\x00\x01\xd0-\xd8\xff])")
_END = b"\xd9"


def is_buffered(file: BinaryIO) -> bool:
    """Whether a decoder keeps the whole image in memory: it is progressive, or has several scans.

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
    """Raise TooMuchWork for a flood of segments or of EXIF before the first scan.

    Raises UndecodableOriginal for arithmetic coding.
    """
    for kind, _ in _header_segments(file):
        if kind in _ARITHMETIC:
            raise UndecodableOriginal("arithmetic coding")


def refuse_scans(file: BinaryIO) -> None:
    """Raise TooMuchWork for more than MAX_SCANS scans. The limit is lower for a large image."""
    if not is_buffered(file):
        # The first scan has the whole image, and libjpeg decodes no other one (jdinput.c, `consume_markers`).
        return
    frame = next((content for kind, content in _header_segments(file) if kind in _FRAMES), b"")
    pixels = int.from_bytes(frame[1:3]) * int.from_bytes(frame[3:5])
    most = MAX_SCANS
    if pixels:
        most = min(most, max(USUAL_SCANS, MAX_SCANNED_PIXELS // pixels))
    file.seek(0)
    content = file.read()
    # Every scan begins with these bytes. Counting them is enough for nearly every file.
    if content.count(b"\xff" + _SCAN) <= most:
        return
    if sum(kind == _SCAN for kind, _, _ in _segments(content)) > most:
        raise TooMuchWork(f"more than {most} scans of {pixels} px")


def clean(file: BinaryIO, whole: bool) -> Iterator[bytes | range]:
    """Yield the file as pieces: without segments that are too short, and with an end marker.

    Without `whole`, reads no further than the segment of the first scan. Raises TooMuchWork for a flood of segments.
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
    """The position of a missing end marker; None if the JPEG has one. Raises TooMuchWork for a flood of segments."""
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
    # A last 0xFF may be half of the marker, or half of an escaped byte.
    return max(data, len(content.rstrip(b"\xff")))


def has_all_scans(content: bytes) -> bool:
    """Whether the scans of a JPEG hold every coefficient of each component to its last bit (T.81 §G.1.1)."""
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
    """The same pixels, without causes of harmless warnings: texts, profiles, bytes between segments.

    Some cameras select coefficients for a sequential scan. A sequential scan always has all, so this is corrected too.
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
    """Yield kind and content of each segment up to the first scan. Raises TooMuchWork."""
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
    """Yield kind, start and end of each segment, but not of images within a segment or behind the end marker.

    The bytes of a scan follow its segment, and belong to no segment. Raises TooMuchWork.
    """
    position = 2
    for _ in range(MAX_SEGMENTS):
        found = _SEGMENT.search(content, position)
        if found is None or found[1] == _END:
            return
        position = found.end() + max(2, int.from_bytes(content[found.end() : found.end() + 2]))
        yield found[1], found.start(), position
    raise TooMuchWork(f"more than {MAX_SEGMENTS} segments")
