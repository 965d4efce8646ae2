"""Read headers and render variants with Pillow alone."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from PIL import ExifTags, Image, features

from resizer.engines.containers.jpeg import MAX_EXIF_BYTES, is_buffered
from resizer.engines.guards.ancillary import open_clean
from resizer.engines.pillow.animation import count_frames, render_animation
from resizer.engines.pillow.cuts import refuse_cut
from resizer.engines.pillow.decoding import decode
from resizer.engines.pillow.encoding import encode
from resizer.engines.pillow.files import has_heic, open_image
from resizer.engines.pillow.layers import shows_ground
from resizer.engines.pillow.resizing import resize
from resizer.engines.pillow.rights import kept_exif
from resizer.engines.protocol import Header
from resizer.engines.sharing import render_shared
from resizer.errors import TooMuchWork
from resizer.formats import HEIC, JPEG, WEBP
from resizer.keys.geometry import upright

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from typing import BinaryIO

    from resizer.engines.protocol import Rendered
    from resizer.formats import Format
    from resizer.keys.variant import Variant

#: File size for each pixel of a PNG: photographs take 1 to 2.5, screenshots and drawings 0.1 to 0.6.
GRAPHIC_BYTES = 0.75


class PillowEngine:
    """Reads all formats, HEIC with pi-heif, and renders with Pillow."""

    #: Fallback (`guarded.py`).
    other = "resizer.engines.libvips.LibvipsEngine"

    def can_read(self, found: Format) -> bool:
        return found is not HEIC or has_heic()

    def can_write(self, target: Format) -> bool:
        return target.name not in features.modules or features.check_module(target.name)

    def read_header(self, file: BinaryIO) -> Header:
        with open_image(file, whole=False) as (image, found):
            orientation = _orientation(image, found)
            width, height = upright(image.size, orientation)
            length = file.seek(0, os.SEEK_END)
            return Header(
                format=found,
                width=width,
                height=height,
                orientation=orientation,
                has_alpha=image.has_transparency_data or shows_ground(file, image, found),
                is_shrinkable=found is JPEG and not is_buffered(file),
                is_graphic=found.is_for_drawings and length < GRAPHIC_BYTES * width * height,
                has_palette=image.mode in {"1", "P"},
                frames=count_frames(file, image, found),
                bytes=length,
            )

    def render(
        self, file: BinaryIO, header: Header, variants: Sequence[Variant]
    ) -> Generator[Rendered]:
        refuse_cut(file)
        with open_clean(file) as (clean, _):
            exif = kept_exif(clean)
            yield from render_shared(
                header,
                variants,
                shrinks=header.format is JPEG,
                decode=lambda scale, _: decode(clean, header, scale),
                resize=lambda image, wanted: resize(image, wanted, header.orientation),
                encode=lambda image, variant: encode(image, variant, header, exif),
                animate=lambda variant: render_animation(clean, header, variant, exif),
            )


def _orientation(image: Image.Image, found: Format) -> int:
    content = image.info.get("exif") or b""
    if len(content) > MAX_EXIF_BYTES:
        raise TooMuchWork(f"{len(content)} bytes of EXIF")
    if found is WEBP:
        # Browsers ignore the orientation of a WebP.
        return 1
    exif = Image.Exif()
    try:
        # `image.getexif()` also takes the orientation from XMP; browsers do not.
        exif.load(content)
        value = exif.get(ExifTags.Base.Orientation)
    except Exception:
        # Ignore broken EXIF. Pillow raises many classes for it.
        return 1
    return value if type(value) is int and 1 <= value <= 8 else 1
