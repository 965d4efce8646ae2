"""JPEGs without an end marker: refuse them if pixels are missing."""

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

#: Two continuations of a file. If no pixels are missing, both give the same pixels.
_CONTINUATIONS = (b"\x00" * 64, b"\xaa" * 64)
_END = b"\xff\xd9"
_STRIP_HEIGHT = 256  # px


def refuse_cut(file: BinaryIO) -> None:
    """Raise UndecodableOriginal for a JPEG with missing pixels at its end.

    A JPEG without an end marker may be whole: every browser shows it. Raises TooMuchWork for floods of parts,
    UnsupportedFormat.
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
    """The checksum of all pixels, in strips. A copy of the whole image would double the memory."""
    with open_image(io.BytesIO(content + _END)) as (image, _):
        image.load()
        checksum = 0
        for top in range(0, image.height, _STRIP_HEIGHT):
            strip = image.crop((0, top, image.width, min(top + _STRIP_HEIGHT, image.height)))
            checksum = zlib.crc32(strip.tobytes(), checksum)
    return checksum
