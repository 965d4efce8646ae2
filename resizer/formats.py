"""The picture formats we know: one row each, found by name, by extension or by a file's first bytes."""

from __future__ import annotations

import re
from dataclasses import dataclass

#: How many of a file's first bytes `sniff` looks at.
SNIFF_BYTES = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    name: str
    extension: str
    content_type: str
    #: What a file's first bytes match (WHATWG MIME Sniffing §6.1; AV1 Image File Format §6).
    magic: bytes
    #: The longest side that the format or its encoders allow, px.
    max_side: int
    #: Transparency survives in it.
    has_alpha: bool = True
    #: Variants can be written in it; the others are only read.
    is_written: bool = True


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
)
WEBP = Format(
    name="webp",
    extension="webp",
    content_type="image/webp",
    magic=rb"RIFF.{4}WEBPVP",
    max_side=16_383,
)

FORMATS = (AVIF, GIF, JPEG, PNG, WEBP)
#: One of them stands in where a browser knows none of the modern formats, so they are always offered.
FALLBACKS = (JPEG, PNG)
BY_NAME = {row.name: row for row in FORMATS}
BY_EXTENSION = {row.extension: row for row in FORMATS if row.is_written}


def fallback(*, has_alpha: bool) -> Format:
    """The format for browsers that know none of the modern ones."""
    return PNG if has_alpha else JPEG


def sniff(head: bytes) -> Format | None:
    """Tell the format by a file's first `SNIFF_BYTES` bytes; names and declared types are not trusted."""
    for row in FORMATS:
        if re.match(row.magic, head, re.DOTALL):
            return row
    return None
