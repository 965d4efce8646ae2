"""Animations: count their frames, decode frame by frame, and encode as WebP."""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING, Any

from resizer.conf import get_settings
from resizer.engines.containers.gif import frames_of
from resizer.engines.encoding import encode_lossy
from resizer.engines.guards.ancillary import open_clean
from resizer.engines.pillow.decoding import correct_transparency, opaque, refuse_other, resizable
from resizer.engines.pillow.files import GREYS, open_image, save
from resizer.engines.pillow.layers import gif_frames, layers, png_frames
from resizer.engines.pillow.resizing import resize
from resizer.engines.protocol import Rendered
from resizer.engines.scoring import find_quality
from resizer.engines.sharing import plan_resizing
from resizer.errors import TooManyPixels, UndecodableOriginal
from resizer.formats import GIF, PNG
from resizer.keys.variant import LOSSLESS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from PIL import Image

    from resizer.engines.protocol import Header
    from resizer.formats import Format
    from resizer.keys.variant import Variant

#: Browsers show frames of less than LEAST_MILLISECONDS for USUAL_MILLISECONDS. Old GIFs often have 0.
LEAST_MILLISECONDS = 11
USUAL_MILLISECONDS = 100

#: Limits of a WebP (RFC 9649 §2.7.1.1): number of plays, and duration of a frame.
MAX_PLAYS = 0xFFFF
MAX_MILLISECONDS = 0xFFFFFF
#: The sum of all durations: libwebp counts it in 32 bits with a sign.
MAX_TOTAL_MILLISECONDS = 0x7FFFFFFF

#: Higher counts make no difference. A PNG may claim two thousand million frames.
MAX_COUNTED = 100_000


def count_frames(file: BinaryIO, image: Image.Image, found: Format) -> int:
    """Count the frames of an open image, up to MAX_COUNTED. 1: a still."""
    if not found.can_move:
        return 1
    if found is GIF:
        # Pillow's own count takes 2.5 microseconds a frame: 7 s for a file of 50 MB with tiny frames only.
        file.seek(0)
        return max(1, sum(1 for _ in frames_of(file.read())))
    frames: int = image.n_frames  # type: ignore[attr-defined]  # all of these plug-ins have it
    return min(MAX_COUNTED, frames)


def render_animation(file: BinaryIO, header: Header, variant: Variant, exif: bytes) -> Rendered:
    """Resize every frame, and encode them as WebP.

    Raises TooManyPixels beyond `MAX_ANIMATION_PIXELS` or MAX_FRAMES, and the errors of `open_image`.
    """
    if not get_settings().may_move(header.frames, (header.width, header.height)):
        raise TooManyPixels(f"{header.frames} frames of {header.width} x {header.height} px")
    started_at = time.perf_counter()
    wanted = plan_resizing(header, variant, shrinks=False)
    with open_image(file) as (image, found):
        refuse_other(image, header)
        frames, milliseconds = [], []
        for frame, duration in _frames(file, image, found, header.frames):
            frames.append(resize(frame, wanted, header.orientation))
            milliseconds.append(duration if duration >= LEAST_MILLISECONDS else USUAL_MILLISECONDS)
        plays = min(MAX_PLAYS, _plays(image, found))
    longest = min(MAX_MILLISECONDS, MAX_TOTAL_MILLISECONDS // len(frames))
    decoded_at = time.perf_counter()

    def write(picture: Image.Image, quality: int) -> bytes:
        return save(picture, variant.format, quality=quality, method=4)

    def write_all(**options: Any) -> bytes:
        content = save(
            frames[0],
            variant.format,
            save_all=True,
            append_images=frames[1:],
            duration=[min(longest, duration) for duration in milliseconds],
            loop=plays,
            method=4,
            exif=exif,
            **options,
        )
        has_alpha = any(frame.has_transparency_data for frame in frames)
        return _declare_alpha(content) if has_alpha else content

    if variant.recipe.quality == LOSSLESS:
        content = write_all(lossless=True)
    else:
        content = encode_lossy(
            variant,
            header.bytes + len(exif),
            lambda quality: write_all(quality=quality),
            lambda: find_quality(frames[0], variant.format, write),
        )
    return Rendered(
        content=content,
        width=frames[0].width,
        height=frames[0].height,
        decode_seconds=decoded_at - started_at,
        encode_seconds=time.perf_counter() - decoded_at,
    )


def _declare_alpha(content: bytes) -> bytes:
    """Set the alpha flag of an animated WebP (RFC 9649 §2.7).

    If only the canvas around the frames is transparent, libwebp leaves the flag out, and the canvas turns black.
    """
    flags = 20
    if content[12:16] != b"VP8X":
        return content
    return content[:flags] + bytes([content[flags] | 0x10]) + content[flags + 1 :]


def _frames(
    file: BinaryIO, image: Any, found: Format, count: int
) -> Iterator[tuple[Image.Image, int]]:
    """Yield `count` frames, as counted and checked before, and their milliseconds. The file may claim more now.

    Raises UndecodableOriginal if frames of a PNG are missing.
    """
    if found.has_layers:
        with open_clean(file) as (clean, _):
            content = clean.read()
        size = image.size
        frames = gif_frames(content, size) if found is GIF else png_frames(content, size, _load)
        profile = image.info.get("icc_profile")
        is_grey = found is PNG and image.mode in GREYS
        # A PNG may begin with a default image outside the animation.
        left = count - 1 if image.info.get("default_image") else count
        for layer, milliseconds in itertools.islice(layers(frames, size), left):
            picture = opaque(layer, is_grey=is_grey)
            picture.info = {"icc_profile": profile}
            yield picture, milliseconds
            left -= 1
        if left and found is PNG:
            raise UndecodableOriginal(f"{left} frames are missing")
        return
    for index in range(count):
        image.seek(index)
        image.load()
        yield resizable(image), round(image.info.get("duration", 0))


def _load(image: Image.Image) -> Image.Image:
    correct_transparency(image)
    image.load()
    return resizable(image)


def _plays(image: Image.Image, found: Format) -> int:
    """How many times to play an animation; 0: forever."""
    loop = image.info.get("loop")
    if found is not GIF:
        return loop or 0
    # A GIF gives the number of repetitions. Without it, a GIF plays once.
    return 1 if loop is None else loop and loop + 1
