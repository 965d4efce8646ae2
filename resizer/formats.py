"""The formats we know: one row each, found by name, by extension or by a file's first bytes.

A row holds every fact of its format that is plain data. Four rooms add code for each row: the guards against floods and
against ancillary parts (`engines/guards/`), colours (`engines/containers/cicp.py`) and ends (`storages/endings.py`).
Engines add encoder options. `tests/test_formats.py` fails while any of them lacks a row.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

#: How many of a file's first bytes `sniff` looks at.
SNIFF_BYTES = 64
#: How many of them are read at first for a header. Reading on fetches the whole file.
HEAD_BYTES = 65_536


class Levels(NamedTuple):
    """A format's numbers for the levels of quality, on the scale of its encoder."""

    low: int
    medium: int
    high: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Format:
    """One format. Rows are compared by identity."""

    name: str
    extension: str
    content_type: str
    #: What a file's first bytes match (WHATWG MIME Sniffing §6.1; AV1 Image File Format §6; ISO/IEC 23008-12 §B.4).
    magic: bytes
    #: The longest side that the format or its encoders allow, px.
    max_side: int
    #: What decoding takes at most, bytes a pixel, measured with Pillow; libvips takes as much of AVIF, of others less.
    decoded_bytes: float
    #: The name of Pillow's plug-in, which reads and writes it.
    pillow: str
    #: The operation of libvips that reads it; empty where that is left to Pillow.
    libvips_loader: str = ""
    #: The operation of libvips that writes it.
    libvips_saver: str = ""
    #: Its numbers for the levels of quality: SSIMULACRA2 of about 65, 70 and 80, alike in every format, measured on
    #: photographs of 640 and 1280 px. None where it is always lossless, or not written.
    levels: Levels | None = None
    #: What a file of one plain grey takes: container and tables, of which no quality takes away a byte.
    fixed_bytes: int = 0
    #: The last bytes of every whole file; empty where its structure tells where it ends.
    ending: bytes = b""
    #: Transparency survives in it.
    has_alpha: bool = True
    #: Variants can be written in it; the others are only read.
    is_written: bool = True
    #: Originals of it are opened only where `EXTRA_FORMATS` says so: their decoders are large, and often broken into.
    is_extra: bool = False
    #: It can hold exactly what it is given, and is worth it.
    has_lossless: bool = False
    #: We write animations in it.
    has_motion: bool = False
    #: Originals of it may be animations. Several pictures in a JPEG, a HEIC or a TIFF are none.
    can_move: bool = False
    #: Its frames are layers, which we lay on each other ourselves.
    has_layers: bool = False
    #: Drawings and screenshots come in it, photographs rarely.
    is_for_drawings: bool = False

    def __reduce__(self) -> tuple[Callable[[str], Format], tuple[str]]:
        """Pickle by name: a row is the same object wherever it is."""
        return _row, (self.name,)


AVIF = Format(
    name="avif",
    extension="avif",
    content_type="image/avif",
    # The major brand, the minor version, then compatible brands: four bytes each.
    magic=rb".{4}ftyp(?:.{4})*?avi[fs]",
    max_side=16_384,
    decoded_bytes=16,
    pillow="AVIF",
    # No loader: libheif decodes it with libaom, at 2.4 times the cost of Pillow's dav1d.
    libvips_saver="heifsave",
    levels=Levels(low=47, medium=53, high=72),
    fixed_bytes=270,
    can_move=True,
)
GIF = Format(
    name="gif",
    extension="gif",
    content_type="image/gif",
    magic=rb"GIF8[79]a",
    max_side=65_535,
    decoded_bytes=5,
    # No loader: libvips shows what there is of a GIF that is cut and has an end all the same.
    pillow="GIF",
    can_move=True,
    has_layers=True,
    is_for_drawings=True,
    is_written=False,
)
HEIC = Format(
    name="heic",
    extension="heic",
    content_type="image/heic",
    magic=rb".{4}ftyp(?:.{4})*?hei[cmsx]",
    max_side=16_384,
    decoded_bytes=16,
    pillow="HEIF",
    is_written=False,
    is_extra=True,
)
JPEG = Format(
    name="jpeg",
    extension="jpg",
    content_type="image/jpeg",
    magic=rb"\xff\xd8\xff",
    max_side=65_500,
    decoded_bytes=6.3,
    pillow="JPEG",
    libvips_loader="jpegload",
    libvips_saver="jpegsave",
    levels=Levels(low=54, medium=64, high=82),
    fixed_bytes=260,
    # The end of an image (ITU-T T.81 §B.1.1.3).
    ending=b"\xff\xd9",
    has_alpha=False,
)
PNG = Format(
    name="png",
    extension="png",
    content_type="image/png",
    magic=rb"\x89PNG\r\n\x1a\n",
    max_side=65_535,
    decoded_bytes=8.2,
    pillow="PNG",
    libvips_loader="pngload",
    libvips_saver="pngsave",
    # The last chunk (PNG 3 §11.2.5).
    ending=b"\0\0\0\0IEND\xae\x42\x60\x82",
    can_move=True,
    has_layers=True,
    is_for_drawings=True,
    has_lossless=True,
)
TIFF = Format(
    name="tiff",
    extension="tif",
    content_type="image/tiff",
    magic=rb"II\*\x00|MM\x00\*",
    max_side=65_535,
    decoded_bytes=8.2,
    pillow="TIFF",
    is_written=False,
    is_extra=True,
)
WEBP = Format(
    name="webp",
    extension="webp",
    content_type="image/webp",
    magic=rb"RIFF.{4}WEBPVP",
    max_side=16_383,
    decoded_bytes=19,
    pillow="WEBP",
    libvips_loader="webpload",
    libvips_saver="webpsave",
    levels=Levels(low=62, medium=75, high=88),
    fixed_bytes=40,
    can_move=True,
    has_lossless=True,
    has_motion=True,
)

FORMATS = (AVIF, GIF, HEIC, JPEG, PNG, TIFF, WEBP)
#: One of them stands in where a browser knows none of the modern formats, so they are always offered.
FALLBACKS = (JPEG, PNG)
#: The formats that settings may offer before a fallback.
MODERN = tuple(row for row in FORMATS if row.is_written and row not in FALLBACKS)
#: Those that hold every recipe: what JPEG cannot, is offered in them alone.
UNIVERSAL = tuple(row for row in MODERN if row.has_motion and row.has_lossless)
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
