from __future__ import annotations

import pytest

from resizer.admin.words import words_of
from resizer.keys.variant import Fit, Recipe, write_recipe


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


def test_text_that_is_no_recipe_stays_as_it_is() -> None:
    assert words_of("rot90") == "rot90"
