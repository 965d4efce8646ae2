"""The faster engine, if libvips is installed."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pyvips
from PIL import Image

from resizer.conf import MAX_FRAMES
from resizer.engines.containers.cicp import told_profile
from resizer.engines.containers.jpeg import only_pixels
from resizer.engines.encoding import Effort, choose_effort, encode_lossy, most_bytes
from resizer.engines.guards.ancillary import open_clean
from resizer.engines.pillow import PillowEngine
from resizer.engines.pillow.animation import render_animation
from resizer.engines.pillow.cuts import refuse_cut
from resizer.engines.pillow.rights import kept_exif
from resizer.engines.profiles import is_usable
from resizer.engines.scoring import find_quality
from resizer.engines.sharing import render_shared
from resizer.errors import UndecodableOriginal
from resizer.formats import AVIF, JPEG, PNG, WEBP
from resizer.keys.geometry import upright
from resizer.keys.variant import LOSSLESS

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from typing import BinaryIO

    from resizer.engines.protocol import Header, Rendered
    from resizer.engines.sharing import Resizing
    from resizer.formats import Format
    from resizer.keys.geometry import Plan
    from resizer.keys.variant import Variant

# Security: never open loaders unsafe for strangers' files.
pyvips.block_untrusted_set(True)
# No operation on a file is repeated, so the cache would only hold memory.
pyvips.cache_set_max(0)
# Many renders run in parallel. More threads for one render gain nothing.
pyvips.concurrency_set(1)

#: libjpeg's warning for bytes between complete pixels and the end marker (jerror.h).
_PADDED = "extraneous bytes before marker 0xd9"
# Loader options for shrinking by a whole factor while decoding.
_SHRINKING: dict[Format, Callable[[int], dict[str, float]]] = {
    JPEG: lambda factor: {"shrink": factor},
    WEBP: lambda factor: {"scale": 1 / factor},
}
_GREYS = {"b-w", "grey16"}
#: Default resolution, pixels/mm: 72 dpi (EXIF 3.0 §4.6.4).
UNKNOWN_RESOLUTION = 72 / 25.4
#: Features of mozjpeg beyond libjpeg: 10 to 15 % fewer bytes at the same SSIMULACRA2.
_MOZJPEG = {"trellis_quant": True, "overshoot_deringing": True, "quant_table": 3}
#: For each format with levels of quality, the saver's options beside the quality.
SAVER_OPTIONS: dict[Format, Callable[[Effort], dict[str, Any]]] = {
    AVIF: lambda effort: {
        "compression": "av1",
        # libheif's effort 0 is libaom's speed 9, 1 is 8.
        "effort": 1 if effort.is_slow else 0,
        "subsample_mode": _subsample_mode(effort),
        "bitdepth": 8,
    },
    JPEG: lambda effort: {
        **_MOZJPEG,
        "interlace": effort.is_progressive,
        "optimize_coding": True,
        "subsample_mode": _subsample_mode(effort),
        "trellis_quant": not effort.is_tiny,
    },
    WEBP: lambda _: {"effort": 4},
}


def _subsample_mode(effort: Effort) -> str:
    return "off" if effort.has_full_colour else "on"


#: Where Linux and macOS show the open files of a process.
DESCRIPTORS = "/dev/fd"


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
            shrinks=header.format in _SHRINKING,
            decode=lambda scale, is_shared: _decode(
                file, header, scale, is_shared=is_shared, is_strict=is_strict
            ),
            resize=lambda image, wanted: _resize(image, wanted, header.orientation),
            encode=lambda image, variant: _encode(image, variant, header, exif),
            animate=lambda variant: render_animation(file, header, variant, exif),
        ):
            yield rendered
            done += 1
    except pyvips.Error as error:
        if not is_strict:
            raise UndecodableOriginal(str(error)) from error
        if _PADDED not in str(error):
            _refuse_corrupt(file)
        yield from _render(file, header, variants[done:], is_strict=False)


def _reads(file: BinaryIO, header: Header) -> bool:
    """Whether libvips, not Pillow, decodes an original. Raises UndecodableOriginal."""
    if not header.format.libvips_loader:
        return False
    if header.format is WEBP and header.frames > MAX_FRAMES:
        # libvips visits all earlier frames for each frame, even for a still: 1 s for 20,000 frames, 25 s for 100,000.
        return False
    try:
        whole = _open(file, header.format)
    except pyvips.Error as error:
        raise UndecodableOriginal(str(error)) from error
    if (whole.width, whole.height) != upright((header.width, header.height), header.orientation):
        raise UndecodableOriginal("the size differs from the header")
    if whole.interpretation != "cmyk":
        return True
    # If a JPEG is cut but has an end marker, Pillow shows the pixels before the cut. Refuse it first.
    _refuse_corrupt(file)
    return False


def _refuse_corrupt(file: BinaryIO) -> None:
    """Raise UndecodableOriginal for a JPEG with missing pixels.

    libjpeg reports only its first warning. So causes of harmless warnings are removed first.
    """
    file.seek(0)
    try:
        pyvips.Image.jpegload_buffer(
            only_pixels(file.read()), access="sequential", fail_on="warning", shrink=8
        ).avg()
    except pyvips.Error as error:
        if _PADDED not in str(error):
            raise UndecodableOriginal(str(error)) from error


def _decode(
    file: BinaryIO, header: Header, scale: int, *, is_shared: bool, is_strict: bool
) -> pyvips.Image:
    image = _open(file, header.format, scale, is_strict=is_strict)
    profile = told_profile(file, header.format, is_grey=image.interpretation in _GREYS)
    if profile:
        image = image.copy()
        image.set_type(pyvips.GValue.blob_type, "icc-profile-data", profile)
    if image.format != "uchar":
        # Before the copy, because 16 bits take twice the memory.
        image = image.colourspace("b-w" if image.interpretation in _GREYS else "srgb")
    # A sequential image can be read once; several variants need it in memory.
    return image.copy_memory() if is_shared else image


def _open(
    file: BinaryIO, found: Format, scale: int = 1, *, is_strict: bool = False
) -> pyvips.Image:
    """Open an image, to decode it at 1/scale while it is read from top to bottom."""
    options: dict[str, Any] = {
        "access": "sequential",
        "fail_on": "warning" if is_strict else "truncated",
    }
    if scale > 1:
        options |= _SHRINKING[found](scale)
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


def _resize(image: pyvips.Image, wanted: Resizing, orientation: int) -> pyvips.Image:
    plan, scale, is_linear = wanted
    image = _crop(image, plan, scale)
    is_grey = image.interpretation in _GREYS
    if is_linear:
        image = _to_srgb(image, is_grey=is_grey).colourspace("scrgb")
    width, height = plan.size
    has_alpha = image.hasalpha()
    if has_alpha:
        # The colours of transparent pixels must not bleed into visible ones.
        image = image.premultiply()
    image = image.resize(width / image.width, vscale=height / image.height, kernel="lanczos3")
    if has_alpha:
        image = image.unpremultiply()
    if is_linear:
        image = image.colourspace("b-w" if is_grey else "srgb")
    # The pipeline runs here, once. Later steps may read the small image in any order.
    image = image.cast("uchar").copy_memory()
    if not is_linear:
        # Convert colours after resizing: there are fewer pixels.
        image = _to_srgb(image, is_grey=is_grey)
    # Only colours and transparency remain. The original's resolution, and fields savers would write, are removed.
    image = image.copy(xres=UNKNOWN_RESOLUTION, yres=UNKNOWN_RESOLUTION)
    for field in image.get_fields():
        image.remove(field)
    image.set_type(pyvips.GValue.gint_type, "orientation", orientation)
    return image.autorot()


def _crop(image: pyvips.Image, plan: Plan, scale: int) -> pyvips.Image:
    left, top = round(plan.box.left / scale), round(plan.box.top / scale)
    # A scaled decoding may have rounded its sides down.
    width = max(1, min(round(plan.box.width / scale), image.width - left))
    height = max(1, min(round(plan.box.height / scale), image.height - top))
    if (width, height) == (image.width, image.height):
        return image
    return image.crop(left, top, width, height)


def _to_srgb(image: pyvips.Image, *, is_grey: bool) -> pyvips.Image:
    if not image.get_typeof("icc-profile-data"):
        return image
    channels = image.bands - int(image.hasalpha())
    if not is_usable(image.get("icc-profile-data"), channels):
        return image
    try:
        # This reads no pixels yet, so an error comes from the profile.
        image = image.icc_transform("srgb", embedded=True, intent="relative")
    except pyvips.Error:
        # Ignore a broken profile.
        return image
    return image.colourspace("b-w") if is_grey else image


def _encode(image: pyvips.Image, variant: Variant, header: Header, exif: bytes) -> bytes:
    if exif:
        image = image.copy()
        image.set_type(pyvips.GValue.blob_type, "exif-data", exif)
    if variant.format is PNG:
        return _encode_png(image, variant, header)
    if image.hasalpha() and not variant.format.has_alpha:
        image = image.flatten(background=255)
    size = image.width, image.height
    effort = choose_effort(header, variant.format, size, has_alpha=image.hasalpha())
    options = SAVER_OPTIONS[variant.format](effort)
    if variant.recipe.quality == LOSSLESS:
        return _save(image, variant.format, lossless=True, **options)

    def write(picture: pyvips.Image, quality: int) -> bytes:
        if variant.format is JPEG:
            # mozjpeg's quantisation table needs higher numbers for the same score: 66 for 60, 83 for 79.
            quality += round((100 - quality) * 0.13)
        return _save(picture, variant.format, Q=quality, **options)

    return encode_lossy(
        variant,
        most_bytes(header, size) + len(exif),
        lambda quality: write(image, quality),
        lambda: find_quality(
            _to_pillow(image),
            variant.format,
            lambda picture, quality: write(_from_pillow(picture), quality),
        ),
        is_graphic=header.is_graphic,
    )


def _encode_png(image: pyvips.Image, variant: Variant, header: Header) -> bytes:
    if header.has_palette and variant.recipe.quality != LOSSLESS:
        # Keep a palette: half the bytes. Dithering adds a third, and is no better by SSIMULACRA2.
        return _save(image, PNG, palette=True, dither=0, effort=1, compression=9)
    if header.has_palette or header.is_graphic:
        return _save(image, PNG)
    # Photographs: up to a third fewer bytes. Filters find what neighbours have in common.
    return _save(image, PNG, filter="all", compression=3)


def _to_pillow(image: pyvips.Image) -> Image.Image:
    mode = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[image.bands]
    return Image.frombytes(mode, (image.width, image.height), image.write_to_memory())


def _from_pillow(picture: Image.Image) -> pyvips.Image:
    """From RGB."""
    image = pyvips.Image.new_from_memory(
        picture.tobytes(), picture.width, picture.height, 3, "uchar"
    )
    return image.copy(interpretation="srgb")


def _save(image: pyvips.Image, target: Format, **options: Any) -> bytes:
    # `_resize` removes all EXIF; only `_encode` adds some. Without any, libvips must not write its own.
    keep = "exif" if image.get_typeof("exif-data") else "none"
    content: bytes = getattr(image, f"{target.libvips_saver}_buffer")(keep=keep, **options)
    return content
