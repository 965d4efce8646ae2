"""Inspect the file of an original: its header, unless the known one still holds, and the limits of its size."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from resizer.conf import get_settings
from resizer.engines import get_engine
from resizer.engines.containers import svg
from resizer.engines.memory import decoded_megabytes
from resizer.errors import TooManyBytes, TooManyPixels, UnsupportedFormat, VectorOriginal
from resizer.originals.memory import BROKEN_SECONDS
from resizer.records import index
from resizer.records.descriptions import NO_WORDS, Description
from resizer.sources import get_source

if TYPE_CHECKING:
    from typing import BinaryIO

    from resizer.engines import Header
    from resizer.records.descriptions import Reference, Sighted

#: The longest side of an original, px. No JPEG, GIF, WebP or AVIF can be longer, and no real picture is.
MAX_SIDE = 65_535


def inspect(reference: Reference, stat: Sighted, known: Description | None) -> Description:
    """Describe a file, and record it. `stat` is the answer of its source, `known` the former description.

    Raises TooManyBytes, TooManyPixels, VectorOriginal, what the source raises, and what the engine raises.
    """
    if stat.bytes > get_settings().MAX_BYTES:
        raise TooManyBytes(f"{reference} has {stat.bytes} bytes")
    fingerprint = stat.fingerprint
    if known is not None and known.fingerprint == fingerprint and not _is_over(known):
        header = known.header
    else:
        with get_source(reference.source).open(reference.name) as file:
            # Prefer the fingerprint of the opened file. The path may have another file by now.
            fingerprint = getattr(file, "fingerprint", None) or fingerprint
            header = _read_header(file)
    description = Description(
        reference=reference,
        fingerprint=fingerprint,
        header=header,
        checked_at=time.time(),
        words=known.words if known is not None else NO_WORDS,
        sketch=known.sketch if known is not None and known.fingerprint == fingerprint else None,
    )
    _refuse_too_many_pixels(description)
    # An equal row stays as it is, with its time. For a broken original, that is when it was found broken.
    index.record(description, known)
    return description


def _is_over(known: Description) -> bool:
    """Whether to try a broken original again. The file may have been cut off while it was fetched."""
    return known.is_broken and time.time() - known.checked_at >= BROKEN_SECONDS


def _read_header(file: BinaryIO) -> Header:
    """Raises VectorOriginal for an SVG, with its size, and what the engine raises."""
    try:
        return get_engine().read_header(file)
    except UnsupportedFormat as error:
        file.seek(0)
        size = svg.read_size(file.read(svg.HEAD_BYTES))
        if size is None:
            raise
        vector = VectorOriginal("it is an SVG, which is not resized")
        vector.size = size
        raise vector from error


def _refuse_too_many_pixels(description: Description) -> None:
    settings = get_settings()
    width, height = description.size
    megabytes = decoded_megabytes(description.header)
    if (
        width * height > settings.MAX_PIXELS
        or max(width, height) > MAX_SIDE
        or megabytes > settings.MAX_DECODED_MEGABYTES
    ):
        raise TooManyPixels(
            f"{description.reference} has {width} x {height} px and takes {megabytes:.0f} MB decoded"
        )
