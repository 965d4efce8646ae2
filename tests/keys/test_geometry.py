from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from resizer.keys.geometry import Box, height_of, plan, stored_box, upright, widest
from resizer.keys.variant import Fit, Recipe
from tests.pictures import draw

SIDES = st.integers(1, 20_000)
RECIPES = st.builds(
    Recipe,
    ratio=st.none() | st.tuples(st.integers(1, 10_000), st.integers(1, 10_000)),
    fit=st.sampled_from(Fit),
    focal=st.tuples(st.integers(0, 100), st.integers(0, 100)),
)


@pytest.mark.parametrize(
    ("size", "recipe", "width", "box", "target"),
    [
        ((4000, 3000), Recipe(), 640, (0, 0, 4000, 3000), (640, 480)),
        ((4000, 3000), Recipe(), 9999, (0, 0, 4000, 3000), (4000, 3000)),
        ((3000, 4001), Recipe(), 320, (0, 0, 3000, 4001), (320, 427)),
        ((4000, 3000), Recipe(ratio=(1, 1)), 320, (500, 0, 3000, 3000), (320, 320)),
        ((4000, 3000), Recipe(ratio=(1, 1)), 4000, (500, 0, 3000, 3000), (3000, 3000)),
        ((4000, 3000), Recipe(ratio=(1, 1), focal=(0, 50)), 320, (0, 0, 3000, 3000), (320, 320)),
        (
            (4000, 3000),
            Recipe(ratio=(1, 1), focal=(95, 50)),
            320,
            (1000, 0, 3000, 3000),
            (320, 320),
        ),
        ((4000, 3000), Recipe(ratio=(2, 1), focal=(50, 20)), 800, (0, 0, 4000, 2000), (800, 400)),
        ((4000, 3000), Recipe(ratio=(2, 1), focal=(50, 50)), 800, (0, 500, 4000, 2000), (800, 400)),
        ((4000, 3000), Recipe(ratio=(1, 1), fit=Fit.FILL), 320, (0, 0, 4000, 3000), (320, 320)),
        ((1, 1), Recipe(ratio=(21, 9)), 320, (0, 0, 1, 1), (1, 1)),
        ((8000, 4), Recipe(), 400, (0, 0, 8000, 4), (400, 1)),
    ],
)
def test_plan(
    size: tuple[int, int],
    recipe: Recipe,
    width: int,
    box: tuple[int, int, int, int],
    target: tuple[int, int],
) -> None:
    assert plan(size, recipe, width) == (Box(*box), target)


@given(SIDES, SIDES, RECIPES, st.integers(1, 20_000))
def test_box_lies_inside_and_nothing_is_enlarged(
    width: int, height: int, recipe: Recipe, wanted: int
) -> None:
    box, target = plan((width, height), recipe, wanted)
    assert 0 <= box.left <= box.left + box.width <= width
    assert 0 <= box.top <= box.top + box.height <= height
    assert 1 <= target[0] <= min(box.width, wanted)
    assert 1 <= target[1] <= height
    assert target[0] <= widest((width, height), recipe)
    assert target[1] == height_of(target[0], (width, height), recipe)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_stored_box_shows_what_the_upright_box_shows(orientation: int) -> None:
    picture = draw((60, 40))
    box = Box(5, 7, 30, 20)
    wanted = picture.crop((box.left, box.top, box.left + box.width, box.top + box.height))
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored, expected = (
        image.transpose(undo[orientation]) if orientation in undo else image
        for image in (picture, wanted)
    )
    left, top, width, height = stored_box(box, picture.size, orientation)
    assert stored.crop((left, top, left + width, top + height)).tobytes() == expected.tobytes()
    assert upright(stored.size, orientation) == picture.size
