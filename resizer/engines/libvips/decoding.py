"""Open and decode a file with libvips."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pyvips

from resizer.engines.containers.cicp import told_profile
from resizer.engines.containers.jpeg import only_pixels
from resizer.errors import UndecodableOriginal
from resizer.formats import JPEG, WEBP

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO

    from resizer.engines.protocol import Header
    from resizer.formats import Format

#: libjpeg's warning for bytes between complete pixels and the end marker (jerror.h).
PADDED = "extraneous bytes before marker 0xd9"
#: Loader options for shrinking by a whole factor while decoding.
SHRINKING: dict[Format, Callable[[int], dict[str, float]]] = {
    JPEG: lambda factor: {"shrink": factor},
    WEBP: lambda factor: {"scale": 1 / factor},
}
GREYS = {"b-w", "grey16"}
#: Where Linux and macOS show the open files of a process.
DESCRIPTORS = "/dev/fd"


def decode(
    file: BinaryIO, header: Header, scale: int, *, is_shared: bool, is_strict: bool
) -> pyvips.Image:
    """Decode at 1/scale, with the colours that the file tells outside of a profile. Raises pyvips.Error.

    `is_shared`: several variants read it. `is_strict`: fail also at harmless warnings.
    """
    image = open_image(file, header.format, scale, is_strict=is_strict)
    profile = told_profile(file, header.format, is_grey=image.interpretation in GREYS)
    if profile:
        image = image.copy()
        image.set_type(pyvips.GValue.blob_type, "icc-profile-data", profile)
    if image.format != "uchar":
        # Before the copy, because 16 bits take twice the memory.
        image = image.colourspace("b-w" if image.interpretation in GREYS else "srgb")
    # A sequential image can be read once; several variants need it in memory.
    return image.copy_memory() if is_shared else image


def open_image(
    file: BinaryIO, found: Format, scale: int = 1, *, is_strict: bool = False
) -> pyvips.Image:
    """Open an image, to decode it at 1/scale while it is read from top to bottom."""
    options: dict[str, Any] = {
        "access": "sequential",
        "fail_on": "warning" if is_strict else "truncated",
    }
    if scale > 1:
        options |= SHRINKING[found](scale)
    path = _path_of(file)
    if path is None:
        file.seek(0)
        return getattr(pyvips.Image, f"{found.libvips_loader}_buffer")(file.read(), **options)
    return getattr(pyvips.Image, found.libvips_loader)(path, **options)


def _path_of(file: BinaryIO) -> str | None:
    """The path of an open file. libvips reads from it step by step, without a copy of the file in memory.

    None for a file without a descriptor, and on Windows.
    """
    try:
        path = f"{DESCRIPTORS}/{file.fileno()}"
    except OSError:
        return None
    return path if os.path.exists(path) else None


def refuse_corrupt(file: BinaryIO) -> None:
    """Raise UndecodableOriginal for a JPEG with missing pixels.

    libjpeg reports only its first warning. So causes of harmless warnings are removed first.
    """
    file.seek(0)
    try:
        pyvips.Image.jpegload_buffer(
            only_pixels(file.read()), access="sequential", fail_on="warning", shrink=8
        ).avg()
    except pyvips.Error as error:
        if PADDED not in str(error):
            raise UndecodableOriginal(str(error)) from error
