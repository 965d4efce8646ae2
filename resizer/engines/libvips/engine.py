"""Render variants with libvips, and with Pillow what it does as well or better."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

import pyvips

from resizer.conf import MAX_FRAMES
from resizer.engines.guards.ancillary import open_clean
from resizer.engines.libvips.decoding import PADDED, SHRINKING, decode, open_image, refuse_corrupt
from resizer.engines.libvips.encoding import encode
from resizer.engines.libvips.resizing import resize
from resizer.engines.pillow import PillowEngine
from resizer.engines.pillow.animation import render_animation
from resizer.engines.pillow.cuts import refuse_cut
from resizer.engines.pillow.rights import kept_exif
from resizer.engines.sharing import render_shared
from resizer.errors import UndecodableOriginal
from resizer.formats import JPEG, WEBP
from resizer.keys.geometry import upright

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from typing import BinaryIO

    from resizer.engines.protocol import Header, Rendered
    from resizer.formats import Format
    from resizer.keys.variant import Variant


class _Fork:
    """Whether this process may use libvips.

    After libvips has processed pixels, every operation in a forked child hangs: it waits for threads of the parent.
    """

    has_rendered = False
    is_broken = False

    @classmethod
    def begin_child(cls) -> None:  # pragma: no cover  # coverage does not look into forked children
        cls.is_broken = cls.has_rendered


with suppress(AttributeError):
    # Windows has no forks.
    os.register_at_fork(after_in_child=_Fork.begin_child)


class LibvipsEngine:
    """Renders by libvips. Leaves headers, AVIF, GIF, CMYK, animations and rare formats to Pillow: it does them as well or better."""

    #: Fallback (`guarded.py`).
    other = "resizer.engines.pillow.PillowEngine"

    def __init__(self) -> None:
        self._pillow = PillowEngine()

    def can_read(self, found: Format) -> bool:
        return self._pillow.can_read(found)

    def can_write(self, target: Format) -> bool:
        return bool(pyvips.type_find("VipsOperation", target.libvips_saver))

    def read_header(self, file: BinaryIO) -> Header:
        return self._pillow.read_header(file)

    def render(
        self, file: BinaryIO, header: Header, variants: Sequence[Variant]
    ) -> Generator[Rendered]:
        refuse_cut(file)
        with open_clean(file) as (clean, _):
            if _Fork.is_broken or not _reads(clean, header):
                yield from self._pillow.render(clean, header, variants)
                return
            _Fork.has_rendered = True
            yield from _render(clean, header, variants, is_strict=header.format is JPEG)


def _render(
    file: BinaryIO, header: Header, variants: Sequence[Variant], *, is_strict: bool
) -> Generator[Rendered]:
    """Render variants. With `is_strict`, begin again after a harmless warning, with the remaining variants."""
    exif = kept_exif(file)
    done = 0
    try:
        for rendered in render_shared(
            header,
            variants,
            shrinks=header.format in SHRINKING,
            decode=lambda scale, is_shared: decode(
                file, header, scale, is_shared=is_shared, is_strict=is_strict
            ),
            resize=lambda image, wanted: resize(image, wanted, header.orientation),
            encode=lambda image, variant: encode(image, variant, header, exif),
            animate=lambda variant: render_animation(file, header, variant, exif),
        ):
            yield rendered
            done += 1
    except pyvips.Error as error:
        if not is_strict:
            raise UndecodableOriginal(str(error)) from error
        if PADDED not in str(error):
            refuse_corrupt(file)
        yield from _render(file, header, variants[done:], is_strict=False)


def _reads(file: BinaryIO, header: Header) -> bool:
    """Whether libvips, not Pillow, decodes an original. Raises UndecodableOriginal."""
    if not header.format.libvips_loader:
        return False
    if header.format is WEBP and header.frames > MAX_FRAMES:
        # libvips visits all earlier frames for each frame, even for a still: 1 s for 20,000 frames, 25 s for 100,000.
        return False
    try:
        whole = open_image(file, header.format)
    except pyvips.Error as error:
        raise UndecodableOriginal(str(error)) from error
    if (whole.width, whole.height) != upright((header.width, header.height), header.orientation):
        raise UndecodableOriginal("the size differs from the header")
    if whole.interpretation != "cmyk":
        return True
    # If a JPEG is cut but has an end marker, Pillow shows the pixels before the cut. Refuse it first.
    refuse_corrupt(file)
    return False
