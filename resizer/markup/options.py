"""The options of a tag: read and check them, then apply them to one original."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, cast

from resizer.conf import get_settings
from resizer.formats import BY_NAME
from resizer.keys.geometry import height_of, widest
from resizer.keys.variant import AUTO, CENTRE, LOSSLESS, MAX_RATIO_SIDE, Fit, Recipe

if TYPE_CHECKING:
    from resizer.formats import Format
    from resizer.records.descriptions import Description, Point

#: Only in tags: show the whole picture inside the box. Nothing is cropped, so this only reduces the width.
CONTAIN = "contain"
FITS = (*Fit, CONTAIN)

#: Empty fields and undefined variables, as strings.
_NOTHING = ("", "none", "false")
#: Decimals are allowed, because a number may come from a field or from arithmetic in a template.
_NUMBER = r"[0-9]{1,5}(?:\.[0-9]{1,30})?"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of a tag, checked. Sizes are CSS px."""

    width: int | None = None  # CSS px
    height: int | None = None  # CSS px
    ratio: tuple[int, int] | None = None  # (across, down), reduced
    fit: str = Fit.COVER
    #: Percent from the left and from the top, 0 to 100; "auto"; None for the stored point, or the centre.
    focal: tuple[int, int] | str | None = None
    quality: str | int | None = None  # a level, or 1 to 100; None is "medium"
    linear: bool = False
    animated: bool = False

    @classmethod
    def read(
        cls,
        *,
        width: object = None,
        height: object = None,
        ratio: object = None,
        fit: object = None,
        focal: object = None,
        quality: object = None,
        linear: object = None,
        animated: object = None,
    ) -> Options:
        """Check the options of a tag. None, "", 0 and False mean that an option is not given.

        Raises ValueError for a wrong value, with the choices.
        """
        side_width, side_height = read_side("width", width), read_side("height", height)
        pair = _read_ratio(ratio)
        if None not in (side_width, side_height, pair):
            raise ValueError("width, height and ratio are given. Remove one: two give the third.")
        if not is_nothing(fit) and fit not in FITS:
            raise ValueError(f"fit={fit!r} is unknown. Use one of {', '.join(FITS)}.")
        return cls(
            width=side_width,
            height=side_height,
            ratio=pair,
            fit=Fit.COVER if is_nothing(fit) else str(fit),
            focal=_read_focal(focal),
            quality=_read_quality(quality),
            linear=read_flag("linear", linear),
            animated=read_flag("animated", animated),
        )

    @property
    def has_box(self) -> bool:
        """Whether the options alone determine a ratio."""
        return self.ratio is not None or None not in (self.width, self.height)

    def box(self, own: tuple[int, int] | None = None) -> tuple[int | None, int | None]:
        """Layout (width, height) for an original that is not resized, CSS px. `own` is the size of an SVG.

        A side is None if only the original determines it.
        """
        if own is not None and (not self.has_box or self.fit == CONTAIN):
            return self._vector_box(own)
        if self.ratio is None:
            return self.width, self.height
        unlimited = own[0] if own is not None else get_settings().WIDTHS[-1]
        width = self._width_of_height(self.ratio) or self.width or unlimited
        most = (MAX_RATIO_SIDE, MAX_RATIO_SIDE)
        return width, height_of(width, most, Recipe(ratio=self.ratio))

    def _vector_box(self, own: tuple[int, int]) -> tuple[int, int]:
        """Scale an SVG in proportion: to the width, to the height, or into both. It may be larger than its own size."""
        width, height = self.width, self.height
        if self.ratio is not None and width is not None:
            height = round(width * self.ratio[1] / self.ratio[0])
        elif self.ratio is not None and height is not None:
            width = round(height * self.ratio[0] / self.ratio[1])
        scales = [
            side / whole
            for side, whole in zip((width, height), own, strict=True)
            if side is not None
        ]
        scale = min(scales, default=1)
        return max(1, round(own[0] * scale)), max(1, round(own[1] * scale))

    def _width_of_height(self, ratio: tuple[int, int]) -> int | None:
        return max(1, round(self.height * ratio[0] / ratio[1])) if self.height else None

    def settle(
        self, description: Description, stored_focal: Point | None = None
    ) -> tuple[Recipe, int | None]:
        """The recipe for an original, and its layout width in CSS px. The width is None if no option limits it.

        Never enlarges. `stored_focal` is the point stored beside the image.
        """
        size = description.size
        width = self.width
        ratio = self.ratio
        if self.width and self.height:
            ratio = (self.width, self.height)
        elif self.height:
            width = self._width_of_height(ratio or size)
        if self.fit == CONTAIN and ratio and width:
            # Use the height of the box times the original's ratio, if narrower than the box.
            width = max(1, min(width, round(width * ratio[1] / ratio[0] * size[0] / size[1])))
        if ratio and (self.fit == CONTAIN or ratio[0] * size[1] == ratio[1] * size[0]):
            ratio = None
        recipe = Recipe(
            ratio=ratio,
            fit=Fit.COVER if ratio is None else Fit(self.fit),
            focal=CENTRE if ratio is None else self._focal(description, stored_focal),
            quality=self.quality,
            linear=self.linear,
            animated=self.animated and get_settings().may_move(description.header.frames, size),
        )
        return recipe, width and min(width, widest(size, recipe))

    def _focal(self, description: Description, stored: Point | None) -> Point:
        """The point of the tag, else an editor's, else the automatic one if that is wanted and known."""
        if isinstance(self.focal, tuple):
            return self.focal
        if stored := stored or description.words.focal:
            return stored
        if self.focal == AUTO and description.sketch:
            return description.sketch.focal
        return CENTRE


def is_nothing(value: object) -> bool:
    """Whether a value counts as not given, such as an empty field or an undefined variable."""
    if not value:
        return True
    text = str(value).strip().lower()
    # Zeros, perhaps around a point. A regular expression would take quadratic time for a string of many zeros.
    return text in _NOTHING or text.strip("0") in ("", ".")


def read_flag(option: str, value: object) -> bool:
    """Read True, False or their strings; a value that `is_nothing` is False. Raises ValueError for anything else."""
    if is_nothing(value):
        return False
    if str(value).strip().lower() not in {"true", "1"}:
        raise ValueError(f"{option}={value!r} is not a flag. Use True or False.")
    return True


def _read_number(value: object) -> int | None:
    """The nearest whole number. Halves round up. None if the value is not a number."""
    text = str(value).strip()
    if not re.fullmatch(_NUMBER, text):
        return None
    return int(Decimal(text).quantize(Decimal(1), ROUND_HALF_UP))


def read_side(option: str, value: object) -> int | None:
    """A number, rounded, at least 1. Raises ValueError for anything else, but for what `is_nothing`."""
    if is_nothing(value):
        return None
    side = _read_number(value)
    if side is None:
        raise ValueError(
            f"{option}={value!r} is not a size. Use a number of CSS pixels, such as 600."
        )
    return max(1, side)


def _read_pair(option: str, value: object, separator: str, example: str) -> list[str] | None:
    """Two numbers as strings. None if the value, or one of the numbers, is not given."""
    if is_nothing(value):
        return None
    parts = value if isinstance(value, (tuple, list)) else str(value).split(separator)
    texts = ["" if part is None else str(part).strip() for part in parts]
    if isinstance(value, (tuple, list)) and len(texts) == 2 and "" in texts:
        return None
    if len(texts) != 2 or not all(re.fullmatch(_NUMBER, text) for text in texts):
        raise ValueError(f'{option}={value!r} is not a pair. Use two numbers, such as "{example}".')
    return texts


def _read_ratio(value: object) -> tuple[int, int] | None:
    pair = _read_pair("ratio", value, "/", "16/9")
    if pair is None:
        return None
    across, down = map(Fraction, pair)
    if not across or not down:
        raise ValueError(f"ratio={value!r} has a side of 0. Use two numbers above 0.")
    return (across / down).as_integer_ratio()


def _read_focal(value: object) -> tuple[int, int] | str | None:
    if str(value).strip().lower() == AUTO:
        return AUTO
    pair = _read_pair("focal", value, ",", "62,35")
    if pair is None:
        return None
    if max(map(Decimal, pair)) > 100:
        raise ValueError(f"focal={value!r} is out of range. Use two percentages from 0 to 100.")
    across, down = (cast("int", _read_number(text)) for text in pair)
    return across, down


def _read_quality(value: object) -> str | int | None:
    levels = [*get_settings().QUALITIES, AUTO, LOSSLESS]
    if is_nothing(value):
        return None
    if isinstance(value, str) and value in levels:
        return value
    number = _read_number(value)
    if number is None or not 1 <= number <= 100:
        raise ValueError(
            f"quality={value!r} is unknown. Use one of {', '.join(levels)}, or 1 to 100."
        )
    return number


def read_formats(value: object) -> tuple[Format, ...] | None:
    """Read a list of formats, or a string with commas or spaces. None, 0 and False are None, for those of the settings.

    An empty string or list gives no formats. Raises ValueError for a format that may not be written.
    """
    if isinstance(value, str):
        return tuple(map(read_format, value.replace(",", " ").split()))
    if not isinstance(value, (list, tuple)) and is_nothing(value):
        return None
    if not isinstance(value, Iterable):
        raise ValueError(
            f'formats={value!r} is not a list. Use a list or a string, such as "avif".'
        )
    return tuple(map(read_format, value))


def read_format(name: object) -> Format:
    """Find a format by its name. Raises ValueError for a format that may not be written."""
    target = BY_NAME.get(name) if isinstance(name, str) else None
    if target is None or not get_settings().may_write(target):
        choices = [row.name for row in BY_NAME.values() if get_settings().may_write(row)]
        raise ValueError(
            f"format {name!r} is not offered. Use one of {', '.join(choices)}, or add it to FORMATS."
        )
    return target
