"""Frames of a PNG that are blended, and what is left of them: as browsers show it."""

from __future__ import annotations

import io
import random
import time
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from resizer.engines.containers.apng import frames_of
from resizer.errors import UndecodableOriginal
from resizer.formats import WEBP
from tests.apngs import CLEAR, KEEP, RESTORE, apng, apng_frame
from tests.colours import grey_profile
from tests.engines.rendering import render, variant
from tests.engines.spoiled import with_chunk
from tests.engines.test_gif import moving
from tests.hostile_files import chunk
from tests.pictures import decode, encode

if TYPE_CHECKING:
    from resizer.engines import Engine

SCREEN, WHOLE, LEFT, RIGHT = (64, 64), (0, 0, 64, 64), (0, 0, 32, 32), (32, 32, 32, 32)
RED, GREEN, BLUE = (200, 30, 30, 255), (20, 200, 20, 255), (30, 60, 200, 255)
HALF_GREEN = (20, 200, 20, 128)
CLEARED = (0, 0, 0, 0)


def pixels(image: Image.Image) -> list[Any]:
    """In the middles of left, right, and neither."""
    return [image.convert("RGBA").getpixel(place) for place in ((8, 8), (48, 48), (8, 48))]


@pytest.mark.parametrize(
    ("disposal", "left_over"), [(KEEP, GREEN), (CLEAR, CLEARED), (RESTORE, RED)]
)
def test_frame_is_disposed_of(
    engine: Engine, disposal: int, left_over: tuple[int, int, int, int]
) -> None:
    frames = [
        apng_frame(WHOLE, RED),
        apng_frame(LEFT, GREEN, disposal=disposal),
        apng_frame(RIGHT, BLUE),
    ]
    for mode in ("RGB", "RGBA"):
        _, second, third = moving(engine, apng(SCREEN, mode, *frames))
        assert pixels(second) == [GREEN, RED, RED]
        assert pixels(third) == [left_over, BLUE, RED]


@pytest.mark.parametrize("disposal", [CLEAR, RESTORE])
def test_first_frame_leaves_nothing_that_it_is_to_take_away(engine: Engine, disposal: int) -> None:
    frames = [apng_frame(WHOLE, RED, disposal=disposal), apng_frame(RIGHT, BLUE)]
    _, second = moving(engine, apng(SCREEN, "RGB", *frames))
    assert pixels(second) == [CLEARED, BLUE, CLEARED]


def test_half_transparent_frame_is_blended_or_replaces(engine: Engine) -> None:
    frames = [
        apng_frame(WHOLE, RED),
        apng_frame(LEFT, HALF_GREEN, is_over=True),
        apng_frame(LEFT, HALF_GREEN),
    ]
    _, second, third = moving(engine, apng(SCREEN, "RGBA", *frames))
    (red, green, blue, alpha), *_ = pixels(second)
    assert (abs(red - 110), abs(green - 115), abs(blue - 25)) <= (2, 2, 2)
    assert alpha == 255
    assert abs(pixels(third)[0][3] - 128) <= 1


def test_grey_stays_in_its_profile(engine: Engine) -> None:
    greys = [(grey, grey, grey, 255) for grey in (128, 64)]
    content = apng(SCREEN, "L", *(apng_frame(WHOLE, grey) for grey in greys))
    tagged = encode(decode(content), "PNG", icc_profile=grey_profile(1.0))
    profile = tagged[33 : tagged.index(b"IDAT") - 4]
    first, second = moving(engine, content[:33] + profile + content[33:])
    # Light of a half, and of a quarter.
    assert abs(pixels(first)[0][0] - 188) < 3
    assert abs(pixels(second)[0][0] - 137) < 3


def test_time_without_a_unit_is_in_hundredths(engine: Engine) -> None:
    frames = [apng_frame(WHOLE, RED, unit=0), apng_frame(WHOLE, BLUE, unit=4)]
    wanted = variant(64, WEBP, animated=True)
    (rendered,) = render(engine, apng(SCREEN, "RGB", *frames), wanted)
    image: Any = decode(rendered.content)
    durations = []
    for place in range(2):
        image.seek(place)
        image.load()
        durations.append(image.info["duration"])
    # 10 ms are less than browsers show.
    assert durations == [100, 250]


@pytest.mark.parametrize(
    ("count", "milliseconds"),
    [
        # A WebP has 24 bits for the time of a frame, and libwebp 31 for that of all.
        (3, 0xFFFFFF),
        (200, 0x7FFFFFFF // 200),
    ],
)
def test_frames_are_shown_for_as_long_as_a_webp_can_say(
    engine: Engine, count: int, milliseconds: int
) -> None:
    colours = [(RED, BLUE)[number % 2] for number in range(count)]
    frames = [apng_frame((0, 0, 8, 8), one, time=65_535, unit=1) for one in colours]
    wanted = variant(8, WEBP, animated=True)
    (rendered,) = render(engine, apng((8, 8), "RGB", *frames), wanted)
    image: Any = decode(rendered.content)
    assert image.n_frames == count
    for place in range(count):
        image.seek(place)
        image.load()
        assert image.info["duration"] == milliseconds


@pytest.mark.parametrize("place", [0x7FFFFFFF, 0x80000000, 0xFFFFFFFF])
@pytest.mark.parametrize("is_over", [False, True])
def test_frame_that_lies_beyond_all_canvases_is_refused(
    engine: Engine, place: int, is_over: bool
) -> None:
    for left, top in ((place, 0), (0, place)):
        far = apng_frame((left, top, 8, 8), BLUE, is_over=is_over)
        with pytest.raises(UndecodableOriginal):
            moving(engine, apng(SCREEN, "RGBA", apng_frame(WHOLE, RED), far))


@pytest.mark.parametrize("is_over", [False, True])
def test_frame_that_lies_far_away_is_not_seen(engine: Engine, is_over: bool) -> None:
    box = (0x7FFFFFF7, 0x7FFFFFF7, 8, 8)
    far = apng_frame(box, BLUE, is_over=is_over, disposal=CLEAR)
    content = apng(SCREEN, "RGBA", apng_frame(WHOLE, RED), far, apng_frame(LEFT, GREEN))
    assert pixels(moving(engine, content)[-1]) == [GREEN, RED, RED]


def test_frames_that_are_missing_are_not_made_up(engine: Engine) -> None:
    frames = [apng_frame(WHOLE, RED), apng_frame(WHOLE, BLUE)]
    content = apng(SCREEN, "RGB", *frames)
    header = engine.read_header(io.BytesIO(content))
    cut = content[: content.rindex(b"fcTL") - 4] + chunk(b"IEND")
    with pytest.raises(UndecodableOriginal):
        list(engine.render(io.BytesIO(cut), header, [variant(64, WEBP, animated=True)]))


def test_frame_that_is_far_larger_than_its_canvas_is_refused(engine: Engine) -> None:
    content = apng(SCREEN, "RGB", apng_frame(WHOLE, RED), apng_frame((0, 0, 256, 64), BLUE))
    with pytest.raises(UndecodableOriginal):
        moving(engine, content)


def test_frames_of_a_palette_share_it(engine: Engine) -> None:
    first = Image.new("P", SCREEN, 1)
    first.putpalette([9, 9, 9, *RED[:3], *BLUE[:3]])
    second = first.copy()
    second.paste(2, (16, 16, 64, 64))
    options = {"save_all": True, "append_images": [second], "transparency": 0, "duration": 100}
    content = encode(first, "PNG", **options)
    assert b"PLTE" in content
    assert b"tRNS" in content
    one, other = moving(engine, content)
    assert pixels(one) == [RED, RED, RED]
    assert pixels(other) == [RED, BLUE, RED]


def test_picture_without_the_frames_that_were_counted_is_refused(engine: Engine) -> None:
    frames = [apng_frame(WHOLE, RED), apng_frame(WHOLE, BLUE)]
    header = engine.read_header(io.BytesIO(apng(SCREEN, "RGB", *frames)))
    still = io.BytesIO(encode(Image.new("RGB", SCREEN), "PNG"))
    with pytest.raises(UndecodableOriginal):
        list(engine.render(still, header, [variant(64, WEBP, animated=True)]))


def test_frame_in_many_chunks_takes_hardly_more_than_in_one() -> None:
    content = apng(SCREEN, "RGB", apng_frame(WHOLE, RED), apng_frame(WHOLE, BLUE))
    data = random.Random(1).randbytes(4_000_000)
    seconds = []
    for step in (len(data), 200):
        places = range(0, len(data), step)
        parts = b"".join(chunk(b"IDAT", data[place : place + step]) for place in places)
        spread = with_chunk(content, parts)
        begun_at = time.process_time()
        (_, first), _ = frames_of(spread)
        seconds.append(time.process_time() - begun_at)
        assert data in first
    # Copying what has come so far for each chunk would take a thousand times as long.
    assert seconds[1] < 100 * seconds[0]
