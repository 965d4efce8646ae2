"""Crops around a focal point, drawn by the browser from one file. No crop is rendered."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from django.utils.html import format_html
from django.utils.translation import gettext as _

from resizer.conf import get_settings
from resizer.errors import InvalidOption
from resizer.keys.geometry import plan, widest
from resizer.keys.variant import CENTRE, Fit, Recipe, parse_recipe
from resizer.markup.options import Options

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from django.utils.safestring import SafeString

    from resizer.records.descriptions import Point

#: Shown if neither a preset nor a variant has a ratio.
USUAL = ((1, 1), (16, 9), (4, 5))
#: The most crops to show.
MOST = 8


class Crop(NamedTuple):
    #: (across, down)
    ratio: tuple[int, int]
    #: Of presets with this ratio.
    names: list[str]

    def __str__(self) -> str:
        ratio = _("square") if self.ratio == (1, 1) else "{}:{}".format(*self.ratio)
        return f"{', '.join(self.names)} ({ratio})" if self.names else ratio


def crops_in_use(recipes: Iterable[str]) -> list[Crop]:
    """The ratios of presets, then of recipes as keys spell them."""
    found: dict[tuple[int, int], list[str]] = {}
    for name, preset in get_settings().PRESETS.items():
        ratio = _ratio_of(preset)
        if ratio is not None:
            found.setdefault(ratio, []).append(name)
    for text in recipes:
        try:
            recipe = parse_recipe(text)
        except InvalidOption:
            continue
        if recipe.ratio is not None and recipe.fit is Fit.COVER:
            found.setdefault(recipe.ratio, [])
    return [Crop(*one) for one in list(found.items())[:MOST]] or [Crop(one, []) for one in USUAL]


def _ratio_of(preset: Mapping[str, object]) -> tuple[int, int] | None:
    given = {name: preset.get(name) for name in ("width", "height", "ratio")}
    try:
        options = Options.read(**given)
    except ValueError:
        # A system check says so.
        return None
    if options.ratio is None and options.width and options.height:
        return Recipe(ratio=(options.width, options.height)).ratio
    return options.ratio


def draw(crop: Crop, url: str, size: tuple[int, int], focal: Point | None) -> SafeString:
    """A crop as an SVG with a window on the file: a strict policy allows no style in HTML. `size` is the original's."""
    recipe = Recipe(ratio=crop.ratio, focal=focal or CENTRE)
    box = plan(size, recipe, widest(size, recipe)).box
    return format_html(
        '<figure class="resizer-crop"><svg viewBox="{}" data-ratio="{}" role="img" aria-label="{}">'
        '<image href="{}" width="{}" height="{}" preserveAspectRatio="none"/></svg>'
        "<figcaption>{}</figcaption></figure>",
        " ".join(map(str, box)),
        "{}/{}".format(*crop.ratio),
        crop,
        url,
        str(size[0]),
        str(size[1]),
        crop,
    )
