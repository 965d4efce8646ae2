"""A file without the parts that are not its picture, where a decoder could trip over them.

Decoders refuse a good picture, or show another one, for a text, a checksum or a profile beside its pixels. Browsers
ignore such parts.
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


#: Makes stretches of the file, and bytes that replace others, of a file; is told whether all of it is wanted. None
#: where decoders trip over nothing.
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
    """The file itself where it is clean, else a copy; and its format.

    Not `whole`, it is only good for its header. Raises UnsupportedFormat, TooMuchWork for floods of parts,
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
    # Of a header there is little; of a whole file libvips takes a descriptor.
    with open_scratch() if whole else io.BytesIO() as copy:
        for piece in pieces:
            if isinstance(piece, range):
                file.seek(piece.start)
                piece = file.read(len(piece))
            copy.write(piece)
        copy.seek(0)
        yield copy, found


def _joined(pieces: Iterable[bytes | range]) -> list[bytes | range]:
    """One stretch for all that follow each other."""
    joined: list[bytes | range] = []
    for piece in pieces:
        last = joined[-1] if joined else b""
        if isinstance(piece, range) and isinstance(last, range) and last.stop == piece.start:
            joined[-1] = range(last.start, piece.stop)
        elif piece:
            joined.append(piece)
    return joined
