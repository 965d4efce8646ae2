"""Files as Pillow reads and writes them."""

from __future__ import annotations

import struct
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from PIL import Image, PngImagePlugin

from resizer.engines.containers.cicp import told_profile
from resizer.engines.guards.ancillary import open_clean
from resizer.engines.profiles import MAX_PROFILE_BYTES
from resizer.errors import (
    RenderKilled,
    ResizerError,
    TooManyPixels,
    UndecodableOriginal,
    UnsupportedFormat,
)
from resizer.formats import HEIC
from resizer.scratch import open_scratch

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from resizer.formats import Format

#: What Pillow takes for a sign of a broken file itself (`ImageFile.__init__`, `Image.open`), and what its decoders raise.
_BROKEN = (
    EOFError,
    IndexError,
    KeyError,
    OSError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)

# Pillow refuses a PNG with a longer profile or text. Those that are too long for us never reach it.
PngImagePlugin.MAX_TEXT_CHUNK = MAX_PROFILE_BYTES


GREYS = {"1", "L", "LA", "I", "I;16", "I;16B"}


@contextmanager
def open_image(file: BinaryIO, *, whole: bool = True) -> Iterator[tuple[Image.Image, Format]]:
    """Open a file with the one decoder that its first bytes ask for. What Pillow raises for broken files is their fault.

    Not `whole`, no more than its header may be read. Raises TooMuchWork for floods of parts, RenderKilled where
    memory runs out.
    """
    try:
        with (
            open_clean(file, whole=whole) as (clean, found),
            # Never Pillow's whole list of decoders: one of them starts Ghostscript.
            Image.open(clean, formats=[_plugin(found)]) as image,
        ):
            if whole:
                profile = told_profile(clean, found, is_grey=image.mode in GREYS)
                image.info.update({"icc_profile": profile} if profile else {})
            yield image, found
    except ResizerError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise TooManyPixels(str(error)) from error
    except UnicodeError:
        # A text that Pillow cannot read is not the picture.
        raise
    except MemoryError as error:
        # Of this process, or of its limit: the file may be as good as any.
        raise RenderKilled("memory has run out") from error
    except _BROKEN as error:
        raise UndecodableOriginal(f"{type(error).__name__}: {error}") from error


def save(image: Image.Image, target: Format, **options: Any) -> bytes:
    # While Pillow writes to a descriptor, other threads run; a BytesIO keeps them waiting.
    with open_scratch() as output:
        image.save(output, _plugin(target), **options)
        output.seek(0)
        return output.read()


def has_heic() -> bool:
    """Make Pillow open HEIC; False where the library that does it is not installed."""
    try:
        import pi_heif
    except ImportError:
        return False
    pi_heif.register_heif_opener()
    return True


def _plugin(found: Format) -> str:
    """The name of Pillow's decoder and encoder. Raises UnsupportedFormat."""
    if found is HEIC and not has_heic():
        raise UnsupportedFormat("pi-heif is not installed")
    return found.pillow
