from __future__ import annotations

import pytest

from resizer.errors import InvalidOption
from resizer.formats import AVIF, JPEG
from resizer.keys.variant import (
    MAX_KEY_BYTES,
    Fit,
    ParsedKey,
    Recipe,
    Variant,
    parse_key,
    parse_recipe,
    signed_text,
    write_key,
    write_recipe,
)

SIGNATURE = "nFGBozSE6GBqnk"
ALPHABET = set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/_.,=-")


def variant(
    name: str = "photos/a.jpg", source: str = "default", recipe: Recipe | None = None
) -> Variant:
    return Variant(
        source=source,
        name=name,
        version="5d41402a",
        recipe=recipe or Recipe(),
        width=640,
        format=AVIF,
    )


def test_key_of_the_default_recipe() -> None:
    assert write_key(variant(), SIGNATURE) == "photos/a.jpg/5d41402a-nFGBozSE6GBqnk/640.avif"


def test_key_with_source_and_every_option() -> None:
    recipe = Recipe(ratio=(16, 9), focal=(62, 35), quality="high")
    key = write_key(variant(source="web", recipe=recipe), SIGNATURE)
    assert key == "_web/photos/a.jpg/5d41402a-nFGBozSE6GBqnk/16x9,fp62-35,q-high/640.avif"


@pytest.mark.parametrize(
    "name",
    [
        "a.jpg",
        "photos/2026/annapurna.jpg",
        "with space+plus%percent=equals.jpg",
        "_looks/like/a/source.jpg",
        "=5F",
        "==a",
        "照片/日本 語.jpg",
        "_照片.jpg",
        "Löwenzahn.JPG",
        "family 👨‍👩‍👧.png",
        "Screenshot at 9.41\u202fAM.png",
        "~'()!*&$#?;:@\"<>[]{}|^`.gif",
        "640/name-like-a-width.jpg",
        "a/5d41402a-nFGBozSE6GBqnk/640.avif",
        "-" * 255,
    ],
)
@pytest.mark.parametrize("source", ["default", "web"])
def test_key_is_read_back(name: str, source: str) -> None:
    wanted = variant(name, source, Recipe(ratio=(7, 3)))
    key = write_key(wanted, SIGNATURE)
    assert parse_key(key) == ParsedKey(wanted, SIGNATURE, signed_text(wanted))
    assert set(key) <= ALPHABET


@pytest.mark.parametrize(
    ("recipe", "text"),
    [
        (Recipe(), ""),
        (Recipe(ratio=(1400, 600)), "7x3"),
        (Recipe(ratio=(1, 1), fit=Fit.FILL), "1x1,fit-fill"),
        (Recipe(ratio=(1, 1), focal=(0, 100)), "1x1,fp0-100"),
        (Recipe(quality=60), "q-60"),
        (Recipe(quality="low"), "q-low"),
        (Recipe(quality="lossless"), "q-lossless"),
        (Recipe(quality="auto", linear=True, animated=True), "q-auto,linear,animated"),
    ],
)
def test_recipe_is_read_back(recipe: Recipe, text: str) -> None:
    assert write_recipe(recipe) == text
    assert parse_recipe(text) == recipe


def test_options_that_change_nothing_are_dropped() -> None:
    assert Recipe(fit=Fit.FILL, focal=(10, 10), quality="medium") == Recipe()
    assert Recipe(ratio=(1, 1), fit=Fit.FILL, focal=(10, 10)) == Recipe(ratio=(1, 1), fit=Fit.FILL)


@pytest.mark.parametrize(
    "text",
    [
        "14x6",  # not reduced
        "07x3",
        "7x3,7x3",
        "q-low,7x3",  # another order
        "fp62-35",  # nothing is cropped
        "7x3,fp50-50",
        "7x3,fp062-35",
        "7x3,fp162-35",
        "7x3,fit-cover",
        "7x3,fit-none",
        "q-0",
        "q-101",
        "q-medium",
        "blur-5",
        "7x3,",
        ",",
        "100000x1",
    ],
)
def test_recipe_in_another_spelling_is_refused(text: str) -> None:
    with pytest.raises(InvalidOption):
        parse_recipe(text)


@pytest.mark.parametrize(
    ("ratio", "focal", "quality"),
    [((0, 1), (50, 50), None), ((1, 1), (50, 101), None), ((1, 1), (50, 50), 101)],
)
def test_recipe_out_of_range_is_refused(
    ratio: tuple[int, int], focal: tuple[int, int], quality: int | None
) -> None:
    with pytest.raises(InvalidOption):
        Recipe(ratio=ratio, focal=focal, quality=quality)


STEM = "photos/a.jpg/5d41402a-nFGBozSE6GBqnk/"


@pytest.mark.parametrize(
    "key",
    [
        STEM + "640.exe",
        STEM + "640.gif",  # read, never written
        STEM + "640.jpeg",
        STEM + "0640.avif",
        STEM + "+640.avif",
        STEM + "６４０.avif",
        STEM + "100000.avif",
        STEM + "nonsense/640.avif",
        "_default/" + STEM + "640.avif",
        "a b/5d41402a-nFGBozSE6GBqnk/640.avif",
        "x/" * 500 + STEM + "640.avif",
    ],
)
def test_key_with_wrong_parts_is_refused(key: str) -> None:
    with pytest.raises(InvalidOption):
        parse_key(key)


@pytest.mark.parametrize(
    "path",
    [
        "a.jpg",
        "640/a.jpg",
        "5d41402a-nFGBozSE6GBqnk/640.avif",
        STEM,
        STEM + "640",
        STEM + "640.avif/",
    ],
)
def test_path_of_another_form_is_no_key(path: str) -> None:
    assert parse_key(path) is None


def test_the_longest_key_fits() -> None:
    name = "/".join(["x" * 199] * 4)
    recipe = Recipe(ratio=(99991, 99989), focal=(100, 100), quality="sixteenletterslo")
    key = write_key(variant(name, "s" * 64, recipe), SIGNATURE)
    assert len(key) <= MAX_KEY_BYTES
    assert parse_key(key) is not None


def test_width_is_part_of_the_key() -> None:
    assert write_key(variant(), SIGNATURE).endswith("/640.avif")
    wanted = Variant(
        source="default", name="photos/a.jpg", version="5d41402a", width=800, format=JPEG
    )
    assert parse_key(STEM + "800.jpg") == ParsedKey(wanted, SIGNATURE, signed_text(wanted))
