"""Frames of a WebP that do not fill its canvas, where it does not say that it has transparency."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from resizer.engines.containers.webp import clean
from resizer.formats import PNG, WEBP
from tests.engines.rendering import render_one, variant
from tests.engines.test_gif import LEFT, MIDDLE, PAGE, RIGHT, SCREEN, WHOLE, moving, seen
from tests.gifs import BLUE, GREEN, RED
from tests.hostile_files import riff, riff_chunk, webp_canvas
from tests.webps import HAS_ALPHA, MOVES, webp, webp_frame

if TYPE_CHECKING:
    from resizer.engines import Engine


@pytest.mark.parametrize("flags", [MOVES, MOVES | HAS_ALPHA])
def test_canvas_around_the_first_frame_is_transparent(engine: Engine, flags: int) -> None:
    content = webp(SCREEN, webp_frame(MIDDLE, RED), webp_frame(WHOLE, BLUE), flags=flags)
    assert engine.read_header(io.BytesIO(content)).has_alpha
    for target in (PNG, WEBP):
        image = render_one(engine, content, variant(64, target))
        assert seen(image, (32, 32), (4, 4)) == [RED, PAGE]
    first, second = moving(engine, content)
    assert seen(first, (32, 32), (4, 4)) == [RED, PAGE]
    assert seen(second, (32, 32), (4, 4)) == [BLUE, BLUE]


def test_one_frame_on_a_larger_canvas_stands_still(engine: Engine) -> None:
    content = webp(SCREEN, webp_frame(MIDDLE, RED))
    header = engine.read_header(io.BytesIO(content))
    assert (header.has_alpha, header.frames) == (True, 1)
    assert seen(render_one(engine, content, variant(64)), (32, 32), (4, 4)) == [RED, PAGE]


@pytest.mark.parametrize("is_first", [True, False])
def test_frame_that_is_cleared_leaves_nothing(engine: Engine, is_first: bool) -> None:
    frames = [
        webp_frame(WHOLE, RED, is_cleared=is_first),
        webp_frame(LEFT, GREEN, is_cleared=not is_first),
        webp_frame(RIGHT, BLUE),
    ]
    content = webp(SCREEN, *frames)
    # What stands still has no transparency.
    assert not engine.read_header(io.BytesIO(content)).has_alpha
    assert seen(render_one(engine, content, variant(64)), (16, 32), (48, 32)) == [RED, RED]
    _, second, third = moving(engine, content)
    left_over = PAGE if is_first else RED
    assert seen(second, (16, 32), (48, 32), (4, 4)) == [GREEN, left_over, left_over]
    assert seen(third, (16, 32), (48, 32), (4, 4)) == [
        *((GREEN, BLUE, PAGE) if is_first else (PAGE, BLUE, RED))
    ]


def test_frames_that_cover_the_canvas_have_no_transparency(engine: Engine) -> None:
    content = webp(SCREEN, webp_frame(WHOLE, RED), webp_frame(LEFT, GREEN))
    assert not engine.read_header(io.BytesIO(content)).has_alpha
    for frame in moving(engine, content):
        assert frame.getchannel("A").getextrema() == (255, 255)


def test_picture_that_says_that_it_moves_but_does_not_is_shown(engine: Engine) -> None:
    frame = webp_frame(WHOLE, RED)
    still = riff(webp_canvas(SCREEN), frame[24:])
    assert seen(render_one(engine, still, variant(64)), (32, 32)) == [RED]


@pytest.mark.parametrize("length", [3, 12, 25, 30, 38])
def test_motion_without_a_frame_is_left_as_it_is(length: int) -> None:
    content = riff(webp_canvas(SCREEN, MOVES), riff_chunk(b"ANIM", bytes(6)))[:length]
    pieces = clean(io.BytesIO(content), True)
    left = (content[one.start : one.stop] if isinstance(one, range) else one for one in pieces)
    assert b"".join(left) == content
