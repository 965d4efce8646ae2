"""The engine that is always there: Pillow."""

from __future__ import annotations

import functools
import io
import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from PIL import ExifTags, Image, ImageChops, ImageCms, PngImagePlugin, features

from resizer.conf import get_settings
from resizer.engines.encoding import encode_within, is_worth_effort
from resizer.engines.protocol import Header, Rendered
from resizer.errors import ResizerError, TooManyPixels, UndecodableOriginal, UnsupportedFormat
from resizer.formats import AVIF, GIF, JPEG, PNG, SNIFF_BYTES, WEBP, sniff
from resizer.geometry import REDUCING_GAP, decoding_scale, stored_plan, upright

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import BinaryIO

    from resizer.formats import Format
    from resizer.geometry import Plan
    from resizer.variant import Variant

#: A PNG of less for a pixel is no photograph: those take 1 to 2.5, screenshots and drawings 0.1 to 0.6.
GRAPHIC_BYTES = 0.75

#: A profile that is larger is ignored: honest ones have up to 2 MB, and some are remembered.
MAX_PROFILE_BYTES = 4_000_000

# Dithering makes files a third larger, and by SSIMULACRA2 no better.
_NO_DITHER = Image.Dither.NONE

_TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class PillowEngine:
    def can_write(self, target: Format) -> bool:
        return target.name not in {"avif", "webp"} or bool(features.check(target.name))

    def read_header(self, file: BinaryIO) -> Header:
        with _open(file) as (image, found):
            orientation = _orientation(image)
            width, height = upright(image.size, orientation)
            length = file.seek(0, os.SEEK_END)
            return Header(
                format=found,
                width=width,
                height=height,
                orientation=orientation,
                has_alpha=image.has_transparency_data,
                is_shrinkable=found is JPEG and not image.info.get("progressive"),
                is_graphic=found in {GIF, PNG} and length < GRAPHIC_BYTES * width * height,
                has_palette=image.mode in {"1", "P"},
                bytes=length,
            )

    def render(
        self, file: BinaryIO, header: Header, variants: Sequence[Variant]
    ) -> Iterator[Rendered]:
        decoded: dict[int, Image.Image] = {}
        for variant in variants:
            started_at = time.perf_counter()
            plan = stored_plan((header.width, header.height), header.orientation, variant)
            scale = decoding_scale(plan) if header.format is JPEG else 1
            if scale not in decoded:
                decoded[scale] = _decode(file, header, scale)
            image = _resize(decoded[scale], plan, scale, header.orientation)
            decoded_at = time.perf_counter()
            content = _encode(image, variant, header)
            yield Rendered(
                content=content,
                width=image.width,
                height=image.height,
                decode_seconds=decoded_at - started_at,
                encode_seconds=time.perf_counter() - decoded_at,
            )


@contextmanager
def _open(file: BinaryIO) -> Iterator[tuple[Image.Image, Format]]:
    """Open a file with the one decoder that its first bytes ask for; what goes wrong inside is the file's fault."""
    file.seek(0)
    found = sniff(file.read(SNIFF_BYTES))
    if found is None:
        raise UnsupportedFormat("the first bytes are of no supported format")
    file.seek(0)
    try:
        # Never Pillow's whole list of decoders: one of them starts Ghostscript.
        with Image.open(file, formats=[found.name.upper()]) as image:
            yield image, found
    except ResizerError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise TooManyPixels(str(error)) from error
    except Exception as error:
        # Broken files make Pillow raise OSError, SyntaxError, ValueError, TypeError, MemoryError and more.
        raise UndecodableOriginal(f"{type(error).__name__}: {error}") from error


def _orientation(image: Image.Image) -> int:
    exif = Image.Exif()
    try:
        # Not the image's own method, which takes orientation from XMP as well; browsers do not.
        exif.load(image.info.get("exif", b""))
        value = exif.get(ExifTags.Base.Orientation)
    except Exception:
        # Broken EXIF, for which Pillow raises many classes, does not break the picture.
        return 1
    return value if type(value) is int and value in _TRANSPOSE else 1


def _decode(file: BinaryIO, header: Header, scale: int) -> Image.Image:
    """Decode the whole picture, at 1/scale where the format can, in a mode that can be resized."""
    with _open(file) as (image, _):
        if image.size != upright((header.width, header.height), header.orientation):
            # Whatever was checked of another picture says nothing about this one.
            raise UndecodableOriginal("the size is not that of the header")
        _correct_transparency(image)
        if scale > 1:
            image.draft(None, (image.width // scale, image.height // scale))
        image.load()
        return _resizable(image)


def _correct_transparency(image: Image.Image) -> None:
    """A PNG names its transparent colour in its own depth; Pillow compares that with pixels of 8 bits."""
    colour = image.info.get("transparency")
    depth = image.tile[0].args if isinstance(image, PngImagePlugin.PngImageFile) else None
    if isinstance(colour, int) and depth in {"L;2", "L;4"}:
        image.info["transparency"] = colour * {"L;2": 85, "L;4": 17}[depth]
    if isinstance(colour, tuple) and depth == "RGB;16B":
        image.info["transparency"] = tuple(value >> 8 for value in colour)


def _from_sixteen_bits(image: Image.Image) -> Image.Image:
    # Pillow's own conversion clips to white.
    grey = image.convert("I").point(lambda value: value * (1 / 257) + 0.5).convert("L")
    colour = image.info.get("transparency")
    if colour is not None:
        # Compared byte by byte, low and high, for want of a comparison of 16 bits.
        planes = Image.frombytes("LA", image.size, image.tobytes()).split()
        same = [
            plane.point(lambda value, wanted=wanted: 255 * (value == wanted))
            for plane, wanted in zip(planes, (colour % 256, colour // 256), strict=True)
        ]
        grey.info.pop("transparency")
        grey.putalpha(ImageChops.invert(ImageChops.darker(*same)))
    return grey


def _resizable(image: Image.Image) -> Image.Image:
    """Bring an image into L, LA, RGB, RGBA or CMYK, of 8 bits; Pillow resizes palettes by nearest neighbour."""
    if image.mode.startswith("I"):
        return _from_sixteen_bits(image)
    has_alpha = image.has_transparency_data
    if image.mode in {"1", "L", "LA"}:
        return _in_mode(image, "LA" if has_alpha else "L")
    if image.mode == "CMYK":
        return image
    return _in_mode(image, "RGBA" if has_alpha else "RGB")


def _in_mode(image: Image.Image, mode: str) -> Image.Image:
    """The image itself where it is in that mode: Pillow's own conversion would copy it."""
    return image if image.mode == mode else image.convert(mode)


def _resize(image: Image.Image, plan: Plan, scale: int, orientation: int) -> Image.Image:
    left, top, width, height = (side / scale for side in plan.box)
    # Colours that nobody sees must neither bleed into those that are seen nor get out; Pillow would see to it
    # only where the size changes.
    premultiplied = {"LA": "La", "RGBA": "RGBa"}.get(image.mode, image.mode)
    # A scaled decoding rounds its sides up, hence never down from the box's.
    resized = _in_mode(image, premultiplied).resize(
        plan.size,
        Image.Resampling.LANCZOS,
        box=(left, top, left + width, top + height),
        reducing_gap=REDUCING_GAP,
    )
    # Colours are converted after resizing: there are fewer of them.
    coloured = _to_srgb(_in_mode(resized, image.mode), image.info.get("icc_profile"))
    if orientation in _TRANSPOSE:
        coloured = coloured.transpose(_TRANSPOSE[orientation])
    # Comments, profiles and positions end here: encoders write what they find in `info`.
    coloured.info = {}
    return coloured


def _to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    alpha = image.getchannel("A") if image.mode in {"LA", "RGBA"} else None
    colours = image.convert({"LA": "L", "RGBA": "RGB"}[image.mode]) if alpha else image
    if profile and len(profile) <= MAX_PROFILE_BYTES:
        try:
            transform = _transform(profile, colours.mode)
            converted = ImageCms.applyTransform(colours, transform)
        except (ImageCms.PyCMSError, OSError, ValueError):
            # A broken profile, or one for another number of channels: browsers ignore it as well.
            converted = None
        if converted is not None:
            colours = converted.convert("L") if colours.mode == "L" else converted
    if colours.mode == "CMYK":
        colours = colours.convert("RGB")
    if alpha:
        colours.putalpha(alpha)
    return colours


# Building a transform takes as long as applying it to a small picture, and most originals share a few profiles.
@functools.lru_cache(maxsize=16)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform:
    return ImageCms.buildTransform(
        ImageCms.ImageCmsProfile(io.BytesIO(profile)),
        ImageCms.createProfile("sRGB"),
        mode,
        "RGB",
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
    )


def _encode(image: Image.Image, variant: Variant, header: Header) -> bytes:
    if variant.format is PNG:
        return _encode_png(image, header)
    if image.mode in {"LA", "RGBA"} and not variant.format.has_alpha:
        background = Image.new("RGBA", image.size, "white")
        background.alpha_composite(image.convert("RGBA"))
        image = background.convert("RGB")
    options: dict[str, Any]
    if variant.format is AVIF:
        has_effort = is_worth_effort(header, image.width, has_alpha=image.mode == "RGBA")
        options = {"speed": 8 if has_effort else 9, "subsampling": "4:2:0", "max_threads": 1}
    elif variant.format is WEBP:
        options = {"method": 4}
    else:
        options = {"optimize": True, "progressive": True, "subsampling": "4:2:0"}
    return encode_within(
        header.bytes,
        get_settings().quality_of(variant),
        lambda quality: _save(image, variant.format, quality=quality, **options),
    )


def _encode_png(image: Image.Image, header: Header) -> bytes:
    """A palette stays one: half the bytes; Pillow harms it little, except where colours are transparent."""
    if header.has_palette and image.mode in {"L", "RGB"}:
        palette = image.convert("RGB").quantize(256, Image.Quantize.MEDIANCUT, dither=_NO_DITHER)
        return _save(palette, PNG, compress_level=9)
    content = _save(image, PNG)
    if header.has_palette and len(content) > header.bytes:
        palette = image.convert("RGBA").quantize(256, Image.Quantize.FASTOCTREE, dither=_NO_DITHER)
        return _save(palette, PNG, compress_level=9)
    return content


def _save(image: Image.Image, target: Format, **options: Any) -> bytes:
    with _scratch_file() as output:
        image.save(output, target.name.upper(), **options)
        output.seek(0)
        return output.read()


def _scratch_file() -> BinaryIO:
    """A file in memory with a descriptor: while Pillow writes to one, other threads run; a BytesIO keeps them waiting."""
    if hasattr(os, "memfd_create"):
        return open(os.memfd_create("resizer"), "w+b")
    return io.BytesIO()  # pragma: no cover  # Linux has it, other systems do with less
