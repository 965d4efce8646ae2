"""Who made an original and whose it is, from wherever its format says so, into its variants."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resizer.conf import get_settings
from resizer.engines.boxes import find_exif
from resizer.engines.inserting import insert_exif
from resizer.engines.metadata import (
    Rights,
    from_exif,
    from_gif,
    from_iptc,
    from_png,
    from_tiff,
    from_xmp,
    write_exif,
)
from resizer.engines.pillow.files import open_image
from resizer.formats import AVIF, GIF, PNG, TIFF

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import BinaryIO

    from resizer.engines.protocol import Rendered
    from resizer.formats import Format
    from resizer.variant import Variant

#: Where Pillow would decode all pixels to see what is behind them, or sees nothing.
_READING = {GIF: from_gif, PNG: from_png}
#: What it leaves in the file; of an AVIF that boxes turn it writes EXIF anew, with question marks for letters beyond ASCII.
_READING_EXIF: dict[Format, Callable[[BinaryIO], Rights]] = {
    AVIF: lambda file: from_exif(find_exif(file)),
    TIFF: from_tiff,
}
#: Of Photoshop's image resources, that with IPTC-IIM (Adobe Photoshop File Formats, "Image Resource IDs").
_IPTC = 0x0404


def keep_rights(
    file: BinaryIO, variants: Sequence[Variant], rendered: Iterable[Rendered]
) -> Iterator[Rendered]:
    """What was rendered, with creator and copyright of the original where `METADATA` says so."""
    exif = write_exif(_read_rights(file)) if get_settings().METADATA == "copyright" else b""
    for variant, one in zip(variants, rendered, strict=True):
        yield insert_exif(one, variant.format, exif) if exif else one


def _read_rights(file: BinaryIO) -> Rights:
    """Creator and copyright, each from EXIF, else from XMP, else from IPTC."""
    with open_image(file) as (image, found):
        if found in _READING:
            return _READING[found](file)
        exif, xmp = (image.info.get(key) for key in ("exif", "xmp"))
        iptc = image.info.get("photoshop", {}).get(_IPTC)
    rights = _READING_EXIF[found](file) if found in _READING_EXIF else Rights()
    for read, content in ((from_exif, exif), (from_xmp, xmp), (from_iptc, iptc)):
        if isinstance(content, bytes):
            rights = rights.or_else(read(content))
    return rights
