from __future__ import annotations

from dataclasses import fields

import pytest

from resizer.admin.making import options_of
from resizer.admin.words import words_of
from resizer.keys.variant import OPS, Fit, Recipe, write_recipe
from resizer.maintenance.explaining import tell_recipe
from resizer.markup.options import Options

#: Each option in use, by its field.
RECIPES = {
    "ratio": Recipe(ratio=(3, 2)),
    "fit": Recipe(ratio=(3, 2), fit=Fit.FILL),
    "focal": Recipe(ratio=(3, 2), focal=(90, 50)),
    "quality": Recipe(quality="high"),
    "linear": Recipe(linear=True),
    "animated": Recipe(animated=True),
}


@pytest.mark.parametrize(
    ("recipe", "words"),
    [
        (Recipe(), "whole picture"),
        (Recipe(ratio=(1, 1)), "square"),
        (Recipe(ratio=(3, 2), focal=(50, 20)), "3:2, focus top"),
        (Recipe(ratio=(1, 1), focal=(85, 55)), "square, focus right"),
        (Recipe(ratio=(1, 1), focal=(10, 90)), "square, focus bottom left"),
        (Recipe(ratio=(16, 9), fit=Fit.FILL), "16:9 stretched"),
        (Recipe(quality="high"), "whole picture, quality high"),
        (Recipe(quality=60, linear=True), "whole picture, quality 60, linear light"),
        (Recipe(animated=True), "whole picture, animated"),
    ],
)
def test_recipes_are_told_in_words(recipe: Recipe, words: str) -> None:
    assert words_of(write_recipe(recipe)) == words


def test_every_option_has_words() -> None:
    names = [one.name for one in fields(Recipe)]
    assert list(RECIPES) == names == [op.field for op in OPS]
    recipes = [Recipe(), *RECIPES.values()]
    for told in (map(tell_recipe, recipes), map(words_of, map(write_recipe, recipes))):
        assert len(set(told)) == len(recipes)


@pytest.mark.parametrize("name", [name for name in RECIPES if name != "focal"])
def test_every_option_is_an_option_of_the_tag_that_makes_a_recipe_again(name: str) -> None:
    recipe = RECIPES[name]
    options = Options.read(**options_of([write_recipe(recipe)])[-1])
    for one in fields(Recipe):
        if one.name != "focal":
            assert getattr(options, one.name) == getattr(recipe, one.name)


def test_text_that_is_no_recipe_stays_as_it_is() -> None:
    assert words_of("rot90") == "rot90"
