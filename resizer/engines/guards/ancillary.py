"""Remove ancillary parts of a file if decoders trip over them.

Because of a text, a checksum or a profile, decoders refuse good pixels, or show other ones. Browsers ignore such parts.
"""

from __future__ import annotations

import io
from contextlib import contextmanager
from typing import TYPE_CHECKING

from resizer.engines.containers import heif, jpeg, png, webp
from resizer.engines.guards.parts import refuse_floods
from resizer.engines.guards.recognition import recognise
from resizer.formats import AVIF, GIF, HEIC, JPEG, PNG, TIFF, WEBP
from resizer.scratch import open_scratch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import BinaryIO

    from resizer.formats import Format


#: For each format, a function of a file, and of whether to clean all of it or its header only. It returns the clean file as
#: pieces: ranges of the file, and new bytes. None: this format needs no cleaning.
CLEANERS: dict[Format, Callable[[BinaryIO, bool], Iterable[bytes | range]] | None] = {
    AVIF: heif.clean,
    GIF: None,
    HEIC: None,
    JPEG: jpeg.clean,
    PNG: png.clean,
    TIFF: None,
    WEBP: webp.clean,
}


@contextmanager
def open_clean(file: BinaryIO, *, whole: bool = True) -> Iterator[tuple[BinaryIO, Format]]:
    """Yield the file itself if it is clean, else a clean copy; and its format.

    Without `whole`, use the result for the header only. Raises UnsupportedFormat, TooMuchWork for floods of parts,
    UndecodableOriginal.
    """
    found = recognise(file)
    refuse_floods(file, found, whole=whole)
    clean = CLEANERS[found]
    pieces = _joined(clean(file, whole)) if clean else []
    if all(isinstance(piece, range) and piece.start == 0 for piece in pieces):
        file.seek(0)
        yield file, found
        return
    # A header is small. libvips reads a whole file by its descriptor.
    with open_scratch() if whole else io.BytesIO() as copy:
        for piece in pieces:
            if isinstance(piece, range):
                file.seek(piece.start)
                piece = file.read(len(piece))
            copy.write(piece)
        copy.seek(0)
        yield copy, found


def _joined(pieces: Iterable[bytes | range]) -> list[bytes | range]:
    """Join adjacent ranges, and drop empty bytes."""
    joined: list[bytes | range] = []
    for piece in pieces:
        last = joined[-1] if joined else b""
        if isinstance(piece, range) and isinstance(last, range) and last.stop == piece.start:
            joined[-1] = range(last.start, piece.stop)
        elif piece:
            joined.append(piece)
    return joined
