"""The formats: one row each, found by name, by extension or by a file's first bytes.

A row holds a format's plain data. Four packages add code for each row: the guards against floods and
against ancillary parts (`engines/guards/`), colours (`engines/containers/cicp.py`) and ends (`storages/endings.py`).
Engines add encoder options. `tests/test_formats.py` fails while any of them lacks a row.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

#: `sniff` needs this many of a file's first bytes.
SNIFF_BYTES = 64
#: Bytes to read first for a header. To read on, the whole file is fetched.
HEAD_BYTES = 65_536


class Levels(NamedTuple):
    """The levels of quality as numbers, on the scale of a format's encoder."""

    low: int
    medium: int
    high: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Format:
    """One format. Rows are compared by identity."""

    name: str
    extension: str
    content_type: str
    #: Regular expression for a file's first bytes (WHATWG MIME Sniffing §6.1; AV1 Image File Format §6; ISO/IEC 23008-12 §B.4).
    magic: bytes
    #: The `codecs` parameter of its MIME type. Browsers ignore it for images. Empty: variants never have this format.
    codecs: str = ""
    #: The longest side the format or its encoders allow, px.
    max_side: int
    #: Most memory for decoding, bytes for each pixel, measured with Pillow. libvips takes the same for AVIF, less for others.
    decoded_bytes: float
    #: The name of Pillow's plug-in for reading and writing.
    pillow: str
    #: libvips' operation for reading. Empty: Pillow reads this format.
    libvips_loader: str = ""
    #: libvips' operation for writing.
    libvips_saver: str = ""
    #: The levels of quality as numbers. They give the same SSIMULACRA2 in every format: about 65, 70 and 80, measured on
    #: photographs of 640 and 1280 px. None: always lossless, or not written.
    levels: Levels | None = None
    #: Size of a plain grey file: container and tables. No quality makes it smaller.
    fixed_bytes: int = 0
    #: The last bytes of every whole file. Empty: the structure of a file shows its end.
    ending: bytes = b""
    #: Can hold transparency.
    has_alpha: bool = True
    #: Variants can have this format. Others are only read.
    is_written: bool = True
    #: Security: originals are opened only with `EXTRA_FORMATS`. These decoders are large and often attacked.
    is_extra: bool = False
    #: Can be lossless at a reasonable size.
    has_lossless: bool = False
    #: Animated variants can have this format.
    has_motion: bool = False
    #: Originals can be animations. Several images in a JPEG, a HEIC or a TIFF are not an animation.
    can_move: bool = False
    #: Frames are layers, composed by `engines/pillow/layers.py`.
    has_layers: bool = False
    #: Usual for drawings and screenshots, rare for photographs.
    is_for_drawings: bool = False

    def __reduce__(self) -> tuple[Callable[[str], Format], tuple[str]]:
        """Pickle by name, so that each process has one object for each row."""
        return _row, (self.name,)


AVIF = Format(
    name="avif",
    extension="avif",
    content_type="image/avif",
    codecs="av01",
    # The major brand, the minor version, then compatible brands: four bytes each.
    magic=rb".{4}ftyp(?:.{4})*?avi[fs]",
    max_side=16_384,
    decoded_bytes=16,
    pillow="AVIF",
    # No loader: libheif decodes AVIF with libaom, at 2.4 times the cost of Pillow's dav1d.
    libvips_saver="heifsave",
    levels=Levels(low=47, medium=53, high=68),
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
    # No loader: libvips accepts a cut GIF if it has an end marker.
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
    codecs="jpeg",
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
    codecs="png",
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
    codecs="vp8",
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
#: For browsers without the modern formats. Always offered.
FALLBACKS = (JPEG, PNG)
#: Formats you can set in `FORMATS`. They are offered before a fallback.
MODERN = tuple(row for row in FORMATS if row.is_written and row not in FALLBACKS)
#: Formats for every recipe, also animated and lossless ones.
UNIVERSAL = tuple(row for row in MODERN if row.has_motion and row.has_lossless)
BY_NAME = {row.name: row for row in FORMATS}
BY_EXTENSION = {row.extension: row for row in FORMATS if row.is_written}


def _row(name: str) -> Format:
    return BY_NAME[name]


def sniff(head: bytes) -> Format | None:
    """Recognise a format by a file's first `SNIFF_BYTES` bytes. File names and declared types are not trusted."""
    for row in FORMATS:
        if re.match(row.magic, head, re.DOTALL):
            return row
    return None
