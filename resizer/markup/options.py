"""What a tag may ask for: read, checked, and settled for one original."""

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
    from resizer.records.descriptions import Description

#: Tag only: the whole picture inside the box. It crops nothing, so it is no recipe, just a smaller width.
CONTAIN = "contain"
FITS = (*Fit, CONTAIN)

#: Empty fields and undefined variables, as texts.
_NOTHING = ("", "none", "false")
#: A number may come from a field, or from arithmetic in a template.
_NUMBER = r"[0-9]{1,5}(?:\.[0-9]{1,30})?"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of a tag, read. Raises ValueError, naming the choices, for a wrong one."""

    width: int | None = None  # CSS px
    height: int | None = None  # CSS px
    ratio: tuple[int, int] | None = None
    fit: str = Fit.COVER
    focal: tuple[int, int] = CENTRE
    quality: str | int | None = None
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
        """Data may be empty: None, "", 0 and False are as if they were not given."""
        side_width, side_height = _read_side("width", width), _read_side("height", height)
        pair = _read_ratio(ratio)
        if None not in (side_width, side_height, pair):
            raise ValueError("width, height and ratio are too much: two of them give the third.")
        if not is_nothing(fit) and fit not in FITS:
            raise ValueError(f"fit={fit!r} is none of {', '.join(FITS)}.")
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

    def box(self) -> tuple[int | None, int | None]:
        """Width and height in the layout, CSS px, of an original of which nothing is known; None for what only that tells."""
        if self.ratio is None:
            return self.width, self.height
        width = self._width_of_height(self.ratio) or self.width or get_settings().WIDTHS[-1]
        most = (MAX_RATIO_SIDE, MAX_RATIO_SIDE)
        return width, height_of(width, most, Recipe(ratio=self.ratio))

    def _width_of_height(self, ratio: tuple[int, int]) -> int | None:
        return max(1, round(self.height * ratio[0] / ratio[1])) if self.height else None

    def settle(self, description: Description) -> tuple[Recipe, int | None]:
        """The recipe for an original, and the width in the layout, CSS px."""
        size = description.size
        width = self.width
        ratio = self.ratio
        if self.width and self.height:
            ratio = (self.width, self.height)
        elif self.height:
            width = self._width_of_height(ratio or size)
        if self.fit == CONTAIN and ratio and width:
            # Height of the box x the original's ratio, where that is narrower than the box.
            width = max(1, min(width, round(width * ratio[1] / ratio[0] * size[0] / size[1])))
        if ratio and (self.fit == CONTAIN or ratio[0] * size[1] == ratio[1] * size[0]):
            ratio = None
        recipe = Recipe(
            ratio=ratio,
            fit=Fit.COVER if ratio is None else Fit(self.fit),
            focal=self.focal,
            quality=self.quality,
            linear=self.linear,
            animated=self.animated and get_settings().may_move(description.header.frames, size),
        )
        return recipe, width and min(width, widest(size, recipe))


def is_nothing(value: object) -> bool:
    """Whether a value is as if it were not given, such as an empty field or an undefined variable."""
    if not value:
        return True
    text = str(value).strip().lower()
    # Zeros around a point, if any. No pattern: one takes the square of the time that a text of many zeros takes to be read.
    return text in _NOTHING or text.strip("0") in ("", ".")


def read_flag(option: str, value: object) -> bool:
    if is_nothing(value):
        return False
    if str(value).strip().lower() not in {"true", "1"}:
        raise ValueError(f"{option}={value!r} is neither True nor False.")
    return True


def _read_number(value: object) -> int | None:
    """The nearest whole number; None for no number. Halves round up."""
    text = str(value).strip()
    if not re.fullmatch(_NUMBER, text):
        return None
    return int(Decimal(text).quantize(Decimal(1), ROUND_HALF_UP))


def _read_side(option: str, value: object) -> int | None:
    if is_nothing(value):
        return None
    side = _read_number(value)
    if side is None:
        raise ValueError(f"{option}={value!r} is not a number of CSS pixels.")
    return max(1, side)


def _read_pair(option: str, value: object, separator: str, example: str) -> list[str] | None:
    """The texts of two numbers; None if one of them is missing."""
    if is_nothing(value):
        return None
    parts = value if isinstance(value, (tuple, list)) else str(value).split(separator)
    texts = ["" if part is None else str(part).strip() for part in parts]
    if isinstance(value, (tuple, list)) and len(texts) == 2 and "" in texts:
        return None
    if len(texts) != 2 or not all(re.fullmatch(_NUMBER, text) for text in texts):
        raise ValueError(f'{option}={value!r} is not a pair such as "{example}".')
    return texts


def _read_ratio(value: object) -> tuple[int, int] | None:
    pair = _read_pair("ratio", value, "/", "16/9")
    if pair is None:
        return None
    across, down = map(Fraction, pair)
    if not across or not down:
        raise ValueError(f"ratio={value!r} has a side of nothing.")
    return (across / down).as_integer_ratio()


def _read_focal(value: object) -> tuple[int, int]:
    pair = _read_pair("focal", value, ",", "62,35")
    if pair is None:
        return CENTRE
    if max(map(Decimal, pair)) > 100:
        raise ValueError(f"focal={value!r} is not two percentages from 0 to 100.")
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
        raise ValueError(f"quality={value!r} is neither 1 to 100 nor one of {', '.join(levels)}.")
    return number


def read_formats(value: object) -> tuple[Format, ...]:
    """An empty text or list is no format at all. Raises ValueError for a format that the view would refuse."""
    if isinstance(value, str):
        return tuple(map(read_format, value.replace(",", " ").split()))
    if not isinstance(value, (list, tuple)) and is_nothing(value):
        return get_settings().FORMATS
    if not isinstance(value, Iterable):
        raise ValueError(f"formats={value!r} is no list of formats.")
    return tuple(map(read_format, value))


def read_format(name: object) -> Format:
    target = BY_NAME.get(name) if isinstance(name, str) else None
    if target is None or not get_settings().may_write(target):
        choices = [row.name for row in BY_NAME.values() if get_settings().may_write(row)]
        raise ValueError(f"format {name!r} is none of {', '.join(choices)}, as FORMATS has it.")
    return target
