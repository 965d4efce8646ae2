"""The faster engine, where its library is installed: libvips."""

from __future__ import annotations

import os
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import pyvips

from resizer.conf import get_settings
from resizer.engines.encoding import encode_within, is_worth_effort
from resizer.engines.pillow import PillowEngine
from resizer.engines.protocol import Rendered
from resizer.errors import UndecodableOriginal
from resizer.formats import AVIF, GIF, JPEG, PNG, WEBP
from resizer.geometry import decoding_scale, stored_plan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import BinaryIO

    from resizer.engines.protocol import Header
    from resizer.formats import Format
    from resizer.geometry import Plan
    from resizer.variant import Variant

# Loaders that are not meant for strangers' files stay closed, whatever we ask for.
pyvips.block_untrusted_set(True)
# The cache is for programs that repeat operations on one file; here it would only hold memory.
pyvips.cache_set_max(0)
# Many renders run beside each other, and one gains nothing from more threads.
pyvips.concurrency_set(1)

# AVIF originals are missing: libheif decodes them with libaom, at 2.4 times the cost of Pillow's dav1d.
_LOADERS = {GIF: "gifload", JPEG: "jpegload", PNG: "pngload", WEBP: "webpload"}
# How a loader is told to shrink by a whole factor while it decodes.
_SHRINKING: dict[Format, Callable[[int], dict[str, float]]] = {
    JPEG: lambda factor: {"shrink": factor},
    WEBP: lambda factor: {"scale": 1 / factor},
}
_SAVERS = {AVIF: "heifsave", JPEG: "jpegsave", PNG: "pngsave", WEBP: "webpsave"}
_GREYS = {"b-w", "grey16"}


class _Fork:
    """Whether this process may use libvips.

    Once it has touched pixels, every operation in a forked child waits for ever, for threads that only the
    parent has.
    """

    has_rendered = False
    is_broken = False

    @classmethod
    def begin_child(cls) -> None:  # pragma: no cover  # coverage does not look into forked children
        cls.is_broken = cls.has_rendered


os.register_at_fork(after_in_child=_Fork.begin_child)


class LibvipsEngine:
    """Leaves to Pillow what that does better, or alike: headers, AVIF originals, CMYK."""

    def __init__(self) -> None:
        self._pillow = PillowEngine()

    def can_write(self, target: Format) -> bool:
        return target in _SAVERS and bool(pyvips.type_find("VipsOperation", _SAVERS[target]))

    def read_header(self, file: BinaryIO) -> Header:
        return self._pillow.read_header(file)

    def render(
        self, file: BinaryIO, header: Header, variants: Sequence[Variant]
    ) -> Iterator[Rendered]:
        size = (header.width, header.height)
        plans = [stored_plan(size, header.orientation, variant) for variant in variants]
        if _Fork.is_broken or header.format not in _LOADERS:
            yield from self._pillow.render(file, header, variants)
            return
        _Fork.has_rendered = True
        try:
            whole = _open(file, header.format)
            if sorted((whole.width, whole.height)) != sorted(size):
                raise UndecodableOriginal("the size is not that of the header")
            if whole.interpretation == "cmyk":
                yield from self._pillow.render(file, header, variants)
                return
            shrinks = header.format in _SHRINKING
            scales = [decoding_scale(plan) if shrinks else 1 for plan in plans]
            uses = Counter(scales)
            decoded: dict[int, pyvips.Image] = {}
            for variant, plan, scale in zip(variants, plans, scales, strict=True):
                started_at = time.perf_counter()
                image = decoded.get(scale)
                if image is None:
                    image = _open(file, header.format, scale)
                    if uses[scale] > 1:
                        # A sequential image can be read once; several variants need it in memory.
                        image = decoded[scale] = image.copy_memory()
                result = _resize(image, plan, scale, header.orientation)
                decoded_at = time.perf_counter()
                content = _encode(result, variant, header)
                yield Rendered(
                    content=content,
                    width=result.width,
                    height=result.height,
                    decode_seconds=decoded_at - started_at,
                    encode_seconds=time.perf_counter() - decoded_at,
                )
        except pyvips.Error as error:
            raise UndecodableOriginal(str(error)) from error


def _open(file: BinaryIO, found: Format, scale: int = 1) -> pyvips.Image:
    """An image that is decoded, at 1/scale, while it is read from top to bottom."""
    options: dict[str, Any] = {"access": "sequential", "fail_on": "truncated"}
    if scale > 1:
        options |= _SHRINKING[found](scale)
    try:
        # From a path libvips reads as it goes, and holds no copy of the file.
        path = f"/dev/fd/{file.fileno()}"
    except OSError:
        file.seek(0)
        return getattr(pyvips.Image, f"{_LOADERS[found]}_buffer")(file.read(), **options)
    return getattr(pyvips.Image, _LOADERS[found])(path, **options)


def _resize(image: pyvips.Image, plan: Plan, scale: int, orientation: int) -> pyvips.Image:
    image = _crop(image, plan, scale)
    is_grey = image.interpretation in _GREYS
    if image.format != "uchar":
        image = image.colourspace("b-w" if is_grey else "srgb")
    width, height = plan.size
    has_alpha = image.hasalpha()
    if has_alpha:
        # Colours that nobody sees must not bleed into those that are seen.
        image = image.premultiply()
    image = image.resize(width / image.width, vscale=height / image.height, kernel="lanczos3")
    if has_alpha:
        image = image.unpremultiply().cast("uchar")
    # The pipeline runs here, once; what follows may go through the small picture in any order.
    image = image.copy_memory()
    image = _to_srgb(image, is_grey=is_grey).copy()
    image.set_type(pyvips.GValue.gint_type, "orientation", orientation)
    return image.autorot()


def _crop(image: pyvips.Image, plan: Plan, scale: int) -> pyvips.Image:
    left, top = round(plan.box.left / scale), round(plan.box.top / scale)
    # A scaled decoding may have lost a last part of a pixel.
    width = max(1, min(round(plan.box.width / scale), image.width - left))
    height = max(1, min(round(plan.box.height / scale), image.height - top))
    if (width, height) == (image.width, image.height):
        return image
    return image.crop(left, top, width, height)


def _to_srgb(image: pyvips.Image, *, is_grey: bool) -> pyvips.Image:
    if "icc-profile-data" not in image.get_fields():
        return image
    # A broken profile, or one for another number of channels, counts as none.
    image = image.icc_transform("srgb", embedded=True, intent="relative")
    return image.colourspace("b-w") if is_grey else image


def _encode(image: pyvips.Image, variant: Variant, header: Header) -> bytes:
    if variant.format is PNG:
        if not header.has_palette:
            return _save(image, PNG)
        # A palette stays one: half the bytes. Dithering makes them a third more, and by SSIMULACRA2 no better.
        return _save(image, PNG, palette=True, dither=0, effort=1, compression=9)
    if image.hasalpha() and not variant.format.has_alpha:
        image = image.flatten(background=255)
    quality = get_settings().quality_of(variant)
    options: dict[str, Any]
    if variant.format is AVIF:
        has_effort = is_worth_effort(header, image.width, has_alpha=image.hasalpha())
        # libheif's effort 0 is libaom's speed 9, 1 is 8.
        options = {
            "compression": "av1",
            "effort": 1 if has_effort else 0,
            "subsample_mode": "on",
            "bitdepth": 8,
        }
    elif variant.format is WEBP:
        options = {"effort": 4}
    else:
        options = {
            "interlace": True,
            "optimize_coding": True,
            "subsample_mode": "on",
            # What mozjpeg has beyond libjpeg: 10 to 15 % fewer bytes at the same SSIMULACRA2, …
            "trellis_quant": True,
            "overshoot_deringing": True,
            "quant_table": 3,
        }
        # … which its quantisation table reaches at higher numbers: 66 for 60, 83 for 79.
        quality += round((100 - quality) * 0.13)
    return encode_within(
        header.bytes,
        quality,
        lambda quality: _save(image, variant.format, Q=quality, **options),
    )


def _save(image: pyvips.Image, target: Format, **options: Any) -> bytes:
    # Otherwise positions, names and thumbnails of the original would go out with the picture.
    content: bytes = getattr(image, f"{_SAVERS[target]}_buffer")(keep="none", **options)
    return content
