"""What a tag may ask for: read, checked, and settled for one original."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from resizer.conf import get_settings
from resizer.formats import BY_NAME
from resizer.geometry import widest
from resizer.variant import AUTO, CENTRE, LOSSLESS, Fit, Recipe

if TYPE_CHECKING:
    from collections.abc import Iterable

    from resizer.descriptions import Description
    from resizer.formats import Format

#: Tag only: the whole picture inside the box. It crops nothing, so it is no recipe, just a smaller width.
CONTAIN = "contain"
FITS = (*Fit, CONTAIN)


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
        linear: object = False,
        animated: object = False,
    ) -> Options:
        if None not in (width, height, ratio):
            raise ValueError("width, height and ratio are too much: two of them give the third.")
        if fit is not None and fit not in FITS:
            raise ValueError(f"fit={fit!r} is none of {', '.join(FITS)}.")
        return cls(
            width=_read_side("width", width),
            height=_read_side("height", height),
            ratio=None if ratio is None else _read_ratio(ratio),
            fit=str(fit or Fit.COVER),
            focal=CENTRE if focal is None else _read_focal(focal),
            quality=_read_quality(quality),
            linear=_read_flag("linear", linear),
            animated=_read_flag("animated", animated),
        )

    def settle(self, description: Description) -> tuple[Recipe, int | None]:
        """The recipe for an original, and the width in the layout, CSS px."""
        size = description.size
        width = self.width
        ratio = self.ratio
        if self.width and self.height:
            ratio = (self.width, self.height)
        elif self.height:
            across, down = ratio or size
            width = max(1, round(self.height * across / down))
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


def _read_side(option: str, value: object) -> int | None:
    if value is None:
        return None
    if not re.fullmatch(r"[1-9][0-9]{0,4}", str(value)):
        raise ValueError(f"{option}={value!r} is not a whole number of CSS pixels.")
    return int(str(value))


def _read_pair(option: str, value: object, separator: str, example: str) -> tuple[int, int]:
    text = separator.join(map(str, value)) if isinstance(value, (tuple, list)) else str(value)
    match = re.fullmatch(rf"([0-9]{{1,5}}){separator}([0-9]{{1,5}})", text.replace(" ", ""))
    if match is None:
        raise ValueError(f'{option}={value!r} is not a pair such as "{example}".')
    return int(match[1]), int(match[2])


def _read_ratio(value: object) -> tuple[int, int]:
    across, down = _read_pair("ratio", value, "/", "16/9")
    if not across or not down:
        raise ValueError(f"ratio={value!r} has a side of nothing.")
    return across, down


def _read_focal(value: object) -> tuple[int, int]:
    focal = _read_pair("focal", value, ",", "62,35")
    if max(focal) > 100:
        raise ValueError(f"focal={value!r} is not two percentages from 0 to 100.")
    return focal


def _read_flag(option: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{option}={value!r} is neither True nor False.")
    return value


def _read_quality(value: object) -> str | int | None:
    levels = [*get_settings().QUALITIES, AUTO, LOSSLESS]
    if value is None or (isinstance(value, str) and value in levels):
        return value
    if not re.fullmatch(r"[1-9][0-9]?|100", str(value)):
        raise ValueError(f"quality={value!r} is neither 1 to 100 nor one of {', '.join(levels)}.")
    return int(str(value))


def read_formats(value: str | Iterable[str] | None) -> tuple[Format, ...]:
    """Raises ValueError for a format that the view would refuse."""
    offered = get_settings().FORMATS
    if value is None:
        return offered
    names = value.replace(",", " ").split() if isinstance(value, str) else list(value)
    return tuple(read_format(name) for name in names)


def read_format(name: str) -> Format:
    target = BY_NAME.get(name)
    if target is None or not get_settings().may_write(target):
        choices = [row.name for row in BY_NAME.values() if get_settings().may_write(row)]
        raise ValueError(f"format {name!r} is none of {', '.join(choices)}, as FORMATS has it.")
    return target
