"""The common part of both drop-in tags: a size in px, a crop and the result. The URL is that of `resized_url`.

The width and the height of a thumbnail are those that the other package would have told, in CSS px. Its file is the variant
of the next listed width, and exactly that wide if `EXACT_WIDTHS` has the width.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from django.conf import settings as django_settings
from django.utils.safestring import SafeString, mark_safe

from resizer import originals
from resizer.errors import OriginalNotFound, ResizerError
from resizer.markup import picture
from resizer.markup.html import VariantURL, element
from resizer.markup.mistakes import tell_once
from resizer.markup.options import CONTAIN, read_flag
from resizer.markup.stored import read_stored

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from resizer.originals import File

#: Where a crop begins along one side: an offset in px, from the px outside of the crop and the px inside.
Offset: TypeAlias = "Callable[[float, float], float]"
#: One side of a crop: the point to keep in view, in percent, or an offset.
Side: TypeAlias = "int | Offset"


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """What a template gets from `as`. False if there is no picture."""

    url: VariantURL
    #: CSS px. None for an original as it is, if the template does not say it.
    width: int | None = None
    height: int | None = None

    def __bool__(self) -> bool:
        return bool(self.url)

    def __str__(self) -> str:
        return self.url

    @property
    def src(self) -> VariantURL:
        return self.url

    @property
    def x(self) -> int | None:
        return self.width

    @property
    def y(self) -> int | None:
        return self.height

    @property
    def size(self) -> tuple[int | None, int | None]:
        return self.width, self.height

    @property
    def ratio(self) -> float | None:
        return self.width / self.height if self.width and self.height else None

    @property
    def is_portrait(self) -> bool:
        return bool(self.width and self.height and self.height > self.width)

    def tag(self, alt: str = "", **attributes: object) -> SafeString:
        """An `img` element."""
        own = {"src": self.url, "width": self.width, "height": self.height, "alt": alt}
        return mark_safe(element("img", {**own, **attributes}) if self else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The options of a tag, checked. Sides are CSS px; None if the ratio of the original decides."""

    width: int | None = None
    height: int | None = None
    #: None shows all of the original inside the box. "scale" covers the box, and crops nothing.
    crop: tuple[Side, Side] | Literal["stored", "smart", "scale"] | None = None
    #: Whether a small original is shown larger than it is. The browser enlarges it, never the server.
    is_enlarged: bool = False
    #: Options of `resized_url`.
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def has_box(self) -> bool:
        return None not in (self.width, self.height)

    @property
    def is_cropped(self) -> bool:
        return self.has_box and self.crop is not None and self.crop != "scale"

    @property
    def has_width(self) -> bool:
        """Whether all originals get the same width."""
        return self.is_cropped or (self.width is not None and self.height is None)

    def within(self, size: tuple[int, int]) -> Wanted:
        """The same crop of a small original, which is cut without enlarging it."""
        return replace(
            self,
            width=min(self.width or size[0], size[0]),
            height=min(self.height or size[1], size[1]),
        )


def want(
    sides: tuple[int | None, int | None], crop: Any, upscale: object, **options: object
) -> Wanted:
    """Check the options that both packages have. `options` are those of `resized_url`. Raises ValueError for a wrong one."""
    picture.check_url(**options)
    width, height = sides
    return Wanted(
        width=width,
        height=height,
        crop=crop,
        is_enlarged=read_flag("upscale", upscale),
        options=options,
    )


def make(original: File, wanted: Wanted) -> Thumbnail:
    """A thumbnail of an original. An empty field and a missing original have none."""
    url = picture.url(original, **_options(original, wanted))
    if url.width is None:
        # Shown as it is. Only here: to ask again what is known costs a call of the cache.
        return Thumbnail(url, wanted.width, wanted.height) if _exists(original) else NONE
    if wanted.is_cropped and not wanted.is_enlarged and url.width < (wanted.width or 0):
        smaller = wanted.within(size_of(original) or (url.width, url.height or 1))
        if smaller != wanted:
            return make(original, smaller)
    shown = _shown((url.width, url.height or 1), wanted)
    if not wanted.is_cropped and url.original_size:
        # The rounded sides of a small file tell its ratio too roughly.
        exact = _shown(url.original_size, wanted)
        shown = exact if wanted.is_enlarged or exact[0] <= url.width else shown
    if django_settings.DEBUG and wanted.has_width and url.width > shown[0]:
        tell_once(
            f"The file of a thumbnail of {shown[0]} px is {url.width} px wide. If its width matters,"
            f" add {shown[0]} to RESIZER['EXACT_WIDTHS'].",
            logging.WARNING,
        )
    return Thumbnail(url, *shown)


#: Of an empty field.
NONE = Thumbnail(VariantURL(""))


def _exists(original: File) -> bool:
    try:
        originals.look_up(read_stored(original).file)
    except (OriginalNotFound, TypeError):
        # Anything but a file: the tag has told.
        return False
    except ResizerError:
        pass
    return True


def size_of(value: object) -> tuple[int, int] | None:
    """The size of a thumbnail or of an original. None if it is not known."""
    if isinstance(value, Thumbnail):
        return (value.width, value.height) if value.width and value.height else None
    try:
        return originals.look_up(read_stored(value).file).size
    except (ResizerError, TypeError):
        return None


def _options(original: File, wanted: Wanted) -> dict[str, Any]:
    """The options of `resized_url` for an original."""
    options = {"width": wanted.width, "height": wanted.height, **wanted.options}
    if not wanted.has_box:
        return options
    if wanted.crop is None:
        return {**options, "fit": CONTAIN}
    if wanted.crop == "stored":
        return options
    if wanted.crop == "smart":
        return {**options, "focal": "auto"}
    if wanted.crop == "scale":
        return {**options, **_covering(original, wanted)}
    across, down = wanted.crop
    if isinstance(across, int) and isinstance(down, int):
        return {**options, "focal": (across, down)}
    return {**options, "focal": _focal((across, down), original, wanted)}


def _covering(original: File, wanted: Wanted) -> dict[str, Any]:
    """The smallest size that covers the box, as a width."""
    width, height = wanted.width or 1, wanted.height or 1
    size = size_of(original) or (width, height)
    return {"width": max(width, round(height * size[0] / size[1])), "height": None}


def _focal(crop: tuple[Side, Side], original: File, wanted: Wanted) -> tuple[float, float]:
    """The middle of the crop, in percent of the original."""
    box = wanted.width or 1, wanted.height or 1
    size = size_of(original) or box
    scale = max(part / whole for part, whole in zip(box, size, strict=True))
    across, down = (
        _percent(side, whole * scale, part)
        for side, whole, part in zip(crop, size, box, strict=True)
    )
    return across, down


def _percent(side: Side, whole: float, part: float) -> float:
    if isinstance(side, int):
        return side
    middle = side(whole - part, part) + part / 2
    return round(min(100.0, max(0.0, 100 * middle / whole)), 2)


def _shown(size: tuple[int, int], wanted: Wanted) -> tuple[int, int]:
    """The size of a thumbnail in the page, CSS px. `size` is that of its file."""
    sides = (wanted.width, wanted.height)
    scales = [side / own for side, own in zip(sides, size, strict=True) if side is not None]
    scale = (min if wanted.crop is None else max)(scales, default=1.0)
    if scale > 1 and not wanted.is_enlarged:
        return size
    if wanted.has_width and wanted.width and wanted.height:
        return wanted.width, wanted.height
    width, height = (max(1, round(side * scale)) for side in size)
    return width, height
