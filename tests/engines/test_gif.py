"""Frames of a GIF that do not fill its screen, and what is left of them: as browsers show it."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest

from resizer.errors import UndecodableOriginal
from resizer.formats import AVIF, JPEG, PNG, WEBP
from tests.engines.rendering import render, render_one, variant
from tests.gifs import (
    BLUE,
    CLEAR,
    COLOURS,
    GREEN,
    KEEP,
    PINK,
    RED,
    RESTORE,
    RESTORE_OF_OLD,
    gif,
    gif_frame,
)
from tests.pictures import decode

if TYPE_CHECKING:
    from PIL import Image

    from resizer.engines import Engine
    from resizer.formats import Format

SCREEN = (64, 64)
WHOLE = (0, 0, 64, 64)
MIDDLE = (24, 24, 16, 16)
LEFT, RIGHT = (0, 16, 32, 32), (32, 16, 32, 32)
#: Of a frame the middle stays free.
HOLE = (16, 16, 32, 32)
#: Where nothing lies, a visitor sees the page.
PAGE = -1


def seen(image: Image.Image, *points: tuple[int, int]) -> list[int]:
    """Which of `COLOURS` is nearest at each point, or `PAGE`."""
    found = []
    for point in points:
        *colour, alpha = image.convert("RGBA").getpixel(point)  # type: ignore[misc]  # four
        distances = [
            sum(abs(one - other) for one, other in zip(colour, known, strict=True))
            for known in COLOURS
        ]
        assert alpha < 20 or alpha > 235
        found.append(distances.index(min(distances)) if alpha > 127 else PAGE)
    return found


def moving(engine: Engine, content: bytes, width: int = 64) -> list[Image.Image]:
    wanted = variant(width, WEBP, animated=True, quality="lossless")
    image: Any = decode(render(engine, content, wanted)[0].content)
    result = []
    for index in range(image.n_frames):
        image.seek(index)
        result.append(image.convert("RGBA"))
    return result


@pytest.mark.parametrize("target", [AVIF, PNG, WEBP], ids=lambda target: target.name)
@pytest.mark.parametrize("width", [64, 32])
def test_screen_around_the_first_frame_is_transparent(
    engine: Engine, width: int, target: Format
) -> None:
    content = gif(SCREEN, gif_frame(MIDDLE, RED))
    header = engine.read_header(io.BytesIO(content))
    assert header.has_alpha
    assert (header.width, header.height) == SCREEN
    image = render_one(engine, content, variant(width, target))
    middle, corner = width // 2, width // 8
    assert seen(image, (middle, middle), (corner, corner)) == [RED, PAGE]


def test_screen_around_the_first_frame_is_white_where_the_format_has_no_transparency(
    engine: Engine,
) -> None:
    image = render_one(engine, gif(SCREEN, gif_frame(MIDDLE, RED)), variant(64, JPEG))
    corner = image.convert("RGB").getpixel((4, 4))
    assert min(corner) > 245  # type: ignore[arg-type]  # three


@pytest.mark.parametrize(
    ("frame", "has_alpha"),
    [
        (gif_frame(WHOLE, RED), False),
        (gif_frame(WHOLE, RED, hole=HOLE), True),
        (gif_frame((1, 0, 63, 64), RED), True),
        (gif_frame((0, 0, 64, 63), RED), True),
        (gif_frame((0, 0, 80, 80), RED), False),
        (gif_frame((10, 10, 64, 64), RED), True),
    ],
    ids=["whole", "hole", "from the second column", "less a row", "larger", "overhanging"],
)
def test_transparency_is_told_by_the_first_frame(
    engine: Engine, frame: bytes, has_alpha: bool
) -> None:
    content = gif(SCREEN, frame, gif_frame(WHOLE, BLUE))
    assert engine.read_header(io.BytesIO(content)).has_alpha is has_alpha
    assert render_one(engine, content, variant(64)).has_transparency_data is has_alpha


@pytest.mark.parametrize(
    ("disposal", "left_over"),
    [(0, RED), (KEEP, RED), (CLEAR, PAGE), (RESTORE, PAGE), (RESTORE_OF_OLD, PAGE)],
)
def test_first_frame_is_disposed_of(engine: Engine, disposal: int, left_over: int) -> None:
    content = gif(SCREEN, gif_frame(LEFT, RED, disposal=disposal), gif_frame(RIGHT, BLUE))
    first, second = moving(engine, content)
    assert seen(first, (16, 32), (48, 32), (32, 4)) == [RED, PAGE, PAGE]
    assert seen(second, (16, 32), (48, 32), (32, 4)) == [left_over, BLUE, PAGE]


@pytest.mark.parametrize(
    ("disposal", "left_over"),
    [(KEEP, GREEN), (CLEAR, PAGE), (RESTORE, RED), (RESTORE_OF_OLD, RED)],
)
def test_later_frame_is_disposed_of(engine: Engine, disposal: int, left_over: int) -> None:
    content = gif(
        SCREEN,
        gif_frame(WHOLE, RED),
        gif_frame(LEFT, GREEN, disposal=disposal),
        gif_frame(RIGHT, BLUE, hole=(0, 0, 32, 16)),
    )
    _, second, third = moving(engine, content)
    points = [(16, 32), (48, 40), (48, 20), (32, 4)]
    assert seen(second, *points) == [GREEN, RED, RED, RED]
    assert seen(third, *points) == [left_over, BLUE, RED, RED]


@pytest.mark.parametrize("box", [(32, 32, 64, 64), (32, 32, 80, 80)])
def test_later_frame_is_cut_at_the_screen(engine: Engine, box: tuple[int, int, int, int]) -> None:
    content = gif(SCREEN, gif_frame(WHOLE, RED), gif_frame(box, BLUE))
    _, second = moving(engine, content, width=32)
    assert second.size == (32, 32)
    assert seen(second, (8, 8), (24, 24)) == [RED, BLUE]


def test_later_frame_that_is_far_larger_than_its_screen_is_refused(engine: Engine) -> None:
    content = gif(SCREEN, gif_frame(WHOLE, RED), gif_frame((0, 0, 129, 64), BLUE))
    with pytest.raises(UndecodableOriginal):
        moving(engine, content)


def test_frame_of_many_rows_is_whole(engine: Engine) -> None:
    content = gif((8, 700), gif_frame((2, 10, 4, 680), PINK))
    image = render_one(engine, content, variant(8))
    assert seen(image, (4, 4), (4, 12), (4, 350), (4, 685), (4, 695)) == [
        *(PAGE, PINK, PINK, PINK, PAGE)
    ]


def test_frame_in_very_many_blocks_is_whole(engine: Engine) -> None:
    content = gif((600, 600), gif_frame((0, 0, 600, 510), RED, block=1))
    image = render_one(engine, content, variant(60))
    assert seen(image, (3, 3), (50, 48), (50, 57)) == [RED, RED, PAGE]


def test_what_browsers_do_not_show_is_refused(engine: Engine) -> None:
    header = engine.read_header(io.BytesIO(gif(SCREEN, gif_frame(MIDDLE, RED))))
    with pytest.raises(UndecodableOriginal):
        list(engine.render(io.BytesIO(gif(SCREEN)), header, [variant()]))
    with pytest.raises(UndecodableOriginal):
        render(engine, gif(SCREEN, b"\0", gif_frame(MIDDLE, RED)), variant())


def test_fewer_frames_than_the_header_counted_are_shown(engine: Engine) -> None:
    header = engine.read_header(io.BytesIO(gif(SCREEN, *[gif_frame(WHOLE, RED)] * 3)))
    shorter = io.BytesIO(gif(SCREEN, gif_frame(WHOLE, RED), gif_frame(WHOLE, BLUE)))
    wanted = variant(64, WEBP, animated=True)
    (rendered,) = engine.render(shorter, header, [wanted])
    assert decode(rendered.content).n_frames == 2  # type: ignore[attr-defined]  # WebP has it
