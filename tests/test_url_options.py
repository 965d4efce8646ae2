"""Every option of a URL is known wherever recipes are written, read, told and done: a new one fails here first."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, NamedTuple

import pytest

import resizer
from resizer.admin.making import options_of
from resizer.admin.words import words_of
from resizer.engines.libvips import LibvipsEngine
from resizer.engines.pillow import PillowEngine
from resizer.formats import WEBP
from resizer.keys import variant as keys
from resizer.keys.variant import OPS, Fit, Recipe, parse_key, parse_recipe, write_recipe
from resizer.maintenance.explaining import tell_recipe
from tests.conftest import save
from tests.documents import read
from tests.engines.rendering import render, variant
from tests.pictures import draw, encode

if TYPE_CHECKING:
    from collections.abc import Callable

SQUARE = Recipe(ratio=(1, 1))


class Option(NamedTuple):
    #: Two recipes that differ in the option alone.
    without: Recipe
    given: Recipe
    #: As a tag spells it.
    value: object


OPTIONS = {
    "ratio": Option(Recipe(), SQUARE, "1/1"),
    "fit": Option(SQUARE, dataclasses.replace(SQUARE, fit=Fit.FILL), "fill"),
    "focal": Option(SQUARE, dataclasses.replace(SQUARE, focal=(10, 50)), "10,50"),
    "quality": Option(Recipe(), Recipe(quality="high"), "high"),
    "linear": Option(Recipe(), Recipe(linear=True), True),
    "animated": Option(Recipe(), Recipe(animated=True), True),
}
#: What differs with each option.
PLACES: dict[str, Callable[[Recipe], object]] = {
    "a key": write_recipe,
    "the words of the admin": lambda recipe: words_of(write_recipe(recipe)),
    "the variants that the admin makes": lambda recipe: options_of([write_recipe(recipe)]),
    "resizer_explain": tell_recipe,
    "Pillow": lambda recipe: rendered(PillowEngine(), recipe),
    "libvips": lambda recipe: rendered(LibvipsEngine(), recipe),
}
#: The tag knows the present point.
NOT_REPEATED = ("focal", "the variants that the admin makes")


def moving() -> bytes:
    """Two frames of fine texture, not square."""
    frames = [draw((320, 240)), draw((320, 240)).rotate(180)]
    return encode(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True)


def rendered(engine: PillowEngine | LibvipsEngine, recipe: Recipe) -> bytes:
    wanted = dataclasses.replace(variant(64, WEBP), recipe=recipe)
    (made,) = render(engine, moving(), wanted)
    return made.content


def test_no_option_is_missing_here() -> None:
    assert list(OPTIONS) == [field.name for field in dataclasses.fields(Recipe)]
    assert [op.field for op in OPS] == list(OPTIONS)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", OPTIONS)
def test_option_makes_a_difference(name: str, place: str) -> None:
    without, given, _ = OPTIONS[name]
    differs = PLACES[place](without) != PLACES[place](given)
    assert differs is ((name, place) != NOT_REPEATED)


@pytest.mark.parametrize("name", OPTIONS)
def test_key_gives_the_option_back(name: str) -> None:
    given = OPTIONS[name].given
    assert parse_recipe(write_recipe(given)) == given


@pytest.mark.django_db
@pytest.mark.parametrize("name", OPTIONS)
def test_tag_takes_the_option(name: str) -> None:
    save("a.webp", moving())
    without, given, value = OPTIONS[name]
    ratio = {"ratio": "1/1"} if without == SQUARE else {}
    parsed = parse_key(resizer.url("a.webp", width=64, **ratio, **{name: value})[len("/img/") :])
    assert parsed is not None
    assert parsed.variant.recipe == given


def test_documentation_has_every_option() -> None:
    tags = read("reference/tags")
    assert set(OPTIONS) <= set(re.findall(r"^\| `(\w+)` \|", tags, re.MULTILINE))
    (names,) = re.findall(r"^op +=(.*)$", str(keys.__doc__), re.MULTILINE)
    assert [name.strip() for name in names.split("|")] == list(OPTIONS)
    (grammar,) = re.findall(
        r"^recipe +=(.*?)^width", read("reference/urls"), re.MULTILINE | re.DOTALL
    )
    for op, example in zip(OPS, re.findall('"([a-z0-9-]+)"', grammar), strict=True):
        assert re.fullmatch(op.pattern, example)
