"""EXIF into files that have none, as encoders write them: the same bytes for every engine, and no tag but those given."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

from resizer.engines.boxes import add_exif
from resizer.formats import AVIF, JPEG, PNG, WEBP

if TYPE_CHECKING:
    from resizer.engines.protocol import Rendered
    from resizer.formats import Format


def insert_exif(rendered: Rendered, target: Format, exif: bytes) -> Rendered:
    """Put EXIF, beginning with its TIFF header, into a variant."""
    return rendered._replace(content=_INSERTING[target](rendered, exif))


def _into_jpeg(rendered: Rendered, exif: bytes) -> bytes:
    """A segment APP1 (EXIF 3.0 §4.7.2), behind that of JFIF, with which encoders begin."""
    content = rendered.content
    place = 4 + int.from_bytes(content[4:6])
    segment = b"Exif\0\0" + exif
    head = b"\xff\xe1" + struct.pack(">H", 2 + len(segment))
    return content[:place] + head + segment + content[place:]


def _into_png(rendered: Rendered, exif: bytes) -> bytes:
    """A chunk eXIf (PNG 3 §11.3.4.5) behind the first, IHDR."""
    content = rendered.content
    place = 33
    chunk = b"eXIf" + exif
    length, checksum = struct.pack(">I", len(exif)), struct.pack(">I", zlib.crc32(chunk))
    return content[:place] + length + chunk + checksum + content[place:]


def _into_webp(rendered: Rendered, exif: bytes) -> bytes:
    """A chunk EXIF at the end, announced in VP8X at the beginning (RFC 9649 §2.7)."""
    content = rendered.content
    chunks = content[12:]
    has_exif, has_alpha = 0x08, 0x10
    if chunks.startswith(b"VP8X"):
        chunks = chunks[:8] + bytes([chunks[8] | has_exif]) + chunks[9:]
    else:
        # Of the simple ones only VP8L may be transparent; its header says it with the same bit.
        flags = has_exif | (chunks[12] & has_alpha if chunks.startswith(b"VP8L") else 0)
        sides = (rendered.height - 1 << 24 | rendered.width - 1).to_bytes(6, "little")
        chunks = struct.pack("<4sII", b"VP8X", 10, flags) + sides + chunks
    chunks += struct.pack("<4sI", b"EXIF", len(exif)) + exif + b"\0" * (len(exif) % 2)
    return struct.pack("<4sI4s", b"RIFF", 4 + len(chunks), b"WEBP") + chunks


_INSERTING = {
    AVIF: lambda rendered, exif: add_exif(rendered.content, exif),
    JPEG: _into_jpeg,
    PNG: _into_png,
    WEBP: _into_webp,
}
