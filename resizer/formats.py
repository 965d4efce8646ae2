"""The picture formats we know: one row each, found by name, by extension or by a file's first bytes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

#: How many of a file's first bytes `sniff` looks at.
SNIFF_BYTES = 64
#: How many of them are read at first for a header; who reads on gets the whole file fetched.
HEAD_BYTES = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    name: str
    extension: str
    content_type: str
    #: What a file's first bytes match (WHATWG MIME Sniffing §6.1; AV1 Image File Format §6; ISO/IEC 23008-12 §B.4).
    magic: bytes
    #: The longest side that the format or its encoders allow, px.
    max_side: int
    #: Transparency survives in it.
    has_alpha: bool = True
    #: Variants can be written in it; the others are only read.
    is_written: bool = True
    #: Originals of it are opened only where `EXTRA_FORMATS` says so: their decoders are large, and often broken into.
    is_extra: bool = False
    #: It can hold exactly what it is given, and is worth it.
    has_lossless: bool = False
    #: We write moving pictures in it.
    has_motion: bool = False

    def __reduce__(self) -> tuple[Callable[[str], Format], tuple[str]]:
        """Pickled by name: a row is the same object wherever it is, and compared by identity."""
        return _row, (self.name,)


AVIF = Format(
    name="avif",
    extension="avif",
    content_type="image/avif",
    # The major brand, the minor version, then compatible brands: four bytes each.
    magic=rb".{4}ftyp(?:.{4})*?avi[fs]",
    max_side=16_384,
)
GIF = Format(
    name="gif",
    extension="gif",
    content_type="image/gif",
    magic=rb"GIF8[79]a",
    max_side=65_535,
    is_written=False,
)
HEIC = Format(
    name="heic",
    extension="heic",
    content_type="image/heic",
    magic=rb".{4}ftyp(?:.{4})*?hei[cmsx]",
    max_side=16_384,
    is_written=False,
    is_extra=True,
)
JPEG = Format(
    name="jpeg",
    extension="jpg",
    content_type="image/jpeg",
    magic=rb"\xff\xd8\xff",
    max_side=65_500,
    has_alpha=False,
)
PNG = Format(
    name="png",
    extension="png",
    content_type="image/png",
    magic=rb"\x89PNG\r\n\x1a\n",
    max_side=65_535,
    has_lossless=True,
)
TIFF = Format(
    name="tiff",
    extension="tif",
    content_type="image/tiff",
    magic=rb"II\*\x00|MM\x00\*",
    max_side=65_535,
    is_written=False,
    is_extra=True,
)
WEBP = Format(
    name="webp",
    extension="webp",
    content_type="image/webp",
    magic=rb"RIFF.{4}WEBPVP",
    max_side=16_383,
    has_lossless=True,
    has_motion=True,
)

FORMATS = (AVIF, GIF, HEIC, JPEG, PNG, TIFF, WEBP)
#: One of them stands in where a browser knows none of the modern formats, so they are always offered.
FALLBACKS = (JPEG, PNG)
BY_NAME = {row.name: row for row in FORMATS}
BY_EXTENSION = {row.extension: row for row in FORMATS if row.is_written}


def _row(name: str) -> Format:
    return BY_NAME[name]


def sniff(head: bytes) -> Format | None:
    """Tell the format by a file's first `SNIFF_BYTES` bytes; names and declared types are not trusted."""
    for row in FORMATS:
        if re.match(row.magic, head, re.DOTALL):
            return row
    return None
