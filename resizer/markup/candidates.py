"""The candidates of a picture: its widths."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from resizer.conf import get_settings

if TYPE_CHECKING:
    from resizer.formats import Format
    from resizer.markup.layout import Layout

#: What browsers without `srcset` get of a fluid picture, CSS px.
PLAIN_WIDTH = 800
#: An original's own width replaces a listed one that is less than this factor below it.
NEAR = 1.1


class Ladder(NamedTuple):
    """The widths that a picture offers."""

    widths: list[int]
    #: They differ by the width of the layout, not by the density of the screen.
    is_fluid: bool

    def srcset(self, stem: str, target: Format) -> str:
        ending = f".{target.extension}"
        if len(self.widths) == 1:
            return f"{stem}{self.widths[0]}{ending}"
        if self.is_fluid:
            return ", ".join([f"{stem}{width}{ending} {width}w" for width in self.widths])
        dense = enumerate(self.widths, 1)
        return ", ".join([f"{stem}{width}{ending} {density}x" for density, width in dense])


def ladder_of(layout: Layout, css_width: int | None, limit: int) -> Ladder:
    """The widths for a picture that is at most `css_width` wide, CSS px, and has `limit` px at most."""
    if css_width is not None and layout.is_fixed(css_width):
        return Ladder(_dense_widths(css_width, limit), is_fluid=False)
    return Ladder(_fluid_widths(layout, css_width, limit), is_fluid=True)


def _dense_widths(css_width: int, limit: int) -> list[int]:
    """One width for each whole density, from 1x up, as long as the original has the pixels."""
    settings = get_settings()
    densities = range(1, settings.WIDTH_DENSITY + 1)
    widths = (min(settings.listed_width(css_width * density), limit) for density in densities)
    return list(dict.fromkeys(widths))


def _fluid_widths(layout: Layout, css_width: int | None, limit: int) -> list[int]:
    settings = get_settings()
    listed, first = settings.WIDTHS, layout.narrowest(css_width)
    if first < listed[0]:
        smaller = [width for width in settings.FIXED_WIDTHS if first <= width < listed[0]]
        listed = (*smaller, *listed)
    widths = [width for width in listed if width < limit]
    if limit <= settings.WIDTHS[-1]:
        if widths and limit not in listed and widths[-1] * NEAR > limit:
            widths.pop()
        widths.append(limit)
    widest = css_width or layout.widest()
    if widest is not None:
        wanted = widest * settings.WIDTH_DENSITY
        enough = next((place for place, width in enumerate(widths) if width >= wanted), len(widths))
        widths = widths[: enough + 1]
    return widths
