"""The candidates of a picture: its widths, and the `sizes` that a browser chooses by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from resizer.conf import get_settings
from resizer.markup.options import is_nothing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from resizer.formats import Format

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
        addresses = [f"{stem}{width}.{target.extension}" for width in self.widths]
        if len(addresses) == 1:
            return addresses[0]
        if self.is_fluid:
            described = zip(addresses, self.widths, strict=True)
            return ", ".join(f"{address} {width}w" for address, width in described)
        return ", ".join(f"{address} {density}x" for density, address in enumerate(addresses, 1))


def ladder_of(css_width: int | None, limit: int) -> Ladder:
    if css_width is not None and css_width < get_settings().WIDTHS[0]:
        return Ladder(_dense_widths(css_width, limit), is_fluid=False)
    return Ladder(_fluid_widths(css_width, limit), is_fluid=True)


def _dense_widths(css_width: int, limit: int) -> list[int]:
    """One width for each whole density, from 1x up, as long as the original has the pixels."""
    settings = get_settings()
    densities = range(1, settings.MAX_DENSITY + 1)
    widths = (min(settings.listed_width(css_width * density), limit) for density in densities)
    return list(dict.fromkeys(widths))


def _fluid_widths(css_width: int | None, limit: int) -> list[int]:
    settings = get_settings()
    widths = [width for width in settings.WIDTHS if width < limit]
    if limit <= settings.WIDTHS[-1]:
        if widths and limit not in settings.WIDTHS and widths[-1] * NEAR > limit:
            widths.pop()
        widths.append(limit)
    if css_width is not None:
        wanted = css_width * settings.MAX_DENSITY
        enough = next((place for place, width in enumerate(widths) if width >= wanted), len(widths))
        widths = widths[: enough + 1]
    return widths


def sizes_of(given: object, css_width: int | None, attributes: Mapping[str, Any]) -> str:
    sizes = get_settings().SIZES
    if not is_nothing(given):
        sizes = str(given)
    elif css_width is not None:
        sizes = f"(min-width: {css_width}px) {css_width}px, 100vw"
    # Browsers that know "auto" take the width of the layout, the others the rest of the list; it is
    # valid for lazy images only (HTML §4.8.4.2.2).
    if attributes.get("loading") == "lazy" and not sizes.startswith("auto"):
        sizes = f"auto, {sizes}"
    return sizes
