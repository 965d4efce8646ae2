"""Open and save files with Pillow."""

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

#: Errors Pillow itself takes for a broken file (`ImageFile.__init__`, `Image.open`), and errors of its decoders.
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

# Pillow refuses a PNG with a longer profile or text. `open_clean` removes such chunks before.
PngImagePlugin.MAX_TEXT_CHUNK = MAX_PROFILE_BYTES


GREYS = {"1", "L", "LA", "I", "I;16", "I;16B"}


@contextmanager
def open_image(file: BinaryIO, *, whole: bool = True) -> Iterator[tuple[Image.Image, Format]]:
    """Open a file with the decoder for its first bytes, and with no other.

    Without `whole`, read no more than its header. Raises UnsupportedFormat, UndecodableOriginal for a broken file,
    TooManyPixels, TooMuchWork for floods of parts, RenderKilled if memory runs out.
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
        # Pillow cannot read a text; the pixels may be fine.
        raise
    except MemoryError as error:
        # The process has reached its limit, or the machine has. The file may be fine.
        raise RenderKilled("memory has run out") from error
    except _BROKEN as error:
        raise UndecodableOriginal(f"{type(error).__name__}: {error}") from error
    except RuntimeError as error:
        # Pillow has no other error for a broken AVIF (`_avif.c`, 11.2 to 13.0).
        if not str(error).startswith("Failed to decode "):
            raise
        raise UndecodableOriginal(str(error)) from error


def save(image: Image.Image, target: Format, **options: Any) -> bytes:
    """Encode an image. `options` are those of Pillow's plug-in. Raises Busy if the temporary file fails."""
    # While Pillow writes to a descriptor, other threads run. While it writes to a BytesIO, they wait.
    with open_scratch() as output:
        image.save(output, _plugin(target), **options)
        output.seek(0)
        return output.read()


def has_heic() -> bool:
    """Make Pillow open HEIC. False if pi-heif is not installed."""
    try:
        import pi_heif
    except ImportError:
        return False
    pi_heif.register_heif_opener()
    return True


def _plugin(found: Format) -> str:
    """The name of Pillow's decoder and encoder. Raises UnsupportedFormat for HEIC without pi-heif."""
    if found is HEIC and not has_heic():
        raise UnsupportedFormat("pi-heif is missing. Install django-resized-img[heic]")
    return found.pillow
