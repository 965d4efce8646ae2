"""JPEGs without an end: those that have all their pixels, told from those that are cut within."""

from __future__ import annotations

import io
import zlib
from typing import TYPE_CHECKING

from resizer.engines.containers.jpeg import find_cut, has_all_scans
from resizer.engines.guards.parts import refuse_floods
from resizer.engines.guards.recognition import recognise
from resizer.engines.pillow.files import open_image
from resizer.errors import UndecodableOriginal
from resizer.formats import JPEG

if TYPE_CHECKING:
    from typing import BinaryIO

#: What may follow the last byte: bits that make one picture where all is there, and two where some are missing.
_CONTINUATIONS = (b"\x00" * 64, b"\xaa" * 64)
_END = b"\xff\xd9"
_STRIP_HEIGHT = 256  # px


def refuse_cut(file: BinaryIO) -> None:
    """Raises UndecodableOriginal for a JPEG that ends within its pixels, TooMuchWork for floods of parts.

    One of which only the end marker is missing is whole: every browser shows it.
    """
    if recognise(file) is not JPEG:
        return
    refuse_floods(file, JPEG, whole=True)
    stop = find_cut(file)
    if stop is None:
        return
    file.seek(0)
    content = file.read(stop)
    if (
        not has_all_scans(content)
        or len({_checksum(content + more) for more in _CONTINUATIONS}) > 1
    ):
        raise UndecodableOriginal("the pixels are cut off")


def _checksum(content: bytes) -> int:
    """Of all pixels, in strips: a copy of the whole picture would take its memory once more."""
    with open_image(io.BytesIO(content + _END)) as (image, _):
        image.load()
        checksum = 0
        for top in range(0, image.height, _STRIP_HEIGHT):
            strip = image.crop((0, top, image.width, min(top + _STRIP_HEIGHT, image.height)))
            checksum = zlib.crc32(strip.tobytes(), checksum)
    return checksum
