"""Recipes in words, short enough for a list: "square, focus right" for `1x1,fp85-75`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from resizer.errors import InvalidOption
from resizer.keys.variant import Fit, parse_recipe

if TYPE_CHECKING:
    from resizer.keys.variant import Recipe

#: From the middle of a side to here, a focal point is not worth a word, percent.
NEAR = 10


def words_of(text: str) -> str:
    """A recipe as a key spells it, in words. Text that is no recipe stays as it is."""
    try:
        recipe = parse_recipe(text)
    except InvalidOption:
        return text
    return ", ".join(
        filter(None, (_shape(recipe), _focus(recipe), _quality(recipe), *_rest(recipe)))
    )


def _shape(recipe: Recipe) -> str:
    if recipe.ratio is None:
        return _("whole picture")
    shape = _("square") if recipe.ratio == (1, 1) else "{}:{}".format(*recipe.ratio)
    return _("{shape} stretched").format(shape=shape) if recipe.fit is Fit.FILL else shape


def _focus(recipe: Recipe) -> str:
    across, down = (side_of(percent) for percent in recipe.focal)
    return {
        (-1, -1): _("focus top left"),
        (0, -1): _("focus top"),
        (1, -1): _("focus top right"),
        (-1, 0): _("focus left"),
        (0, 0): "",
        (1, 0): _("focus right"),
        (-1, 1): _("focus bottom left"),
        (0, 1): _("focus bottom"),
        (1, 1): _("focus bottom right"),
    }[across, down]


def side_of(percent: int) -> int:
    """-1 for left or top, 1 for right or bottom, 0 for the middle."""
    return (percent > 50 + NEAR) - (percent < 50 - NEAR)


def _quality(recipe: Recipe) -> str:
    if recipe.quality is None:
        return ""
    return _("quality {level}").format(level=recipe.quality)


def _rest(recipe: Recipe) -> list[str]:
    rest = []
    if recipe.linear:
        rest.append(_("linear light"))
    if recipe.animated:
        rest.append(_("animated"))
    return rest
