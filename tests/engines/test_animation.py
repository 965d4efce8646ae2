"""What moves: frames, their times and their number, from every format that has them."""

from __future__ import annotations

import io
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from resizer.engines.pillow import PillowEngine
from resizer.errors import TooManyPixels, UndecodableOriginal
from resizer.formats import JPEG, WEBP
from tests.engines.rendering import render, render_one, variant
from tests.pictures import decode, difference, draw, encode

if TYPE_CHECKING:
    from pytest_django import Settings

    from resizer.engines import Engine

MOVING = ["AVIF", "GIF", "PNG", "WEBP"]


def frames(mode: str = "RGB") -> list[Image.Image]:
    first = draw((320, 240), mode)
    return [first, *(first.rotate(90 * turn) for turn in (1, 2, 3))]


@cache
def animation(original: str, mode: str = "RGB", **options: Any) -> bytes:
    first, *rest = frames(mode)
    if original == "GIF":
        # Which takes a fifth of the time of Pillow's way to find colours.
        first, *rest = (one.quantize(method=Image.Quantize.FASTOCTREE) for one in (first, *rest))
    duration = list(options.pop("duration", (50, 100, 150, 200)))
    return encode(first, original, save_all=True, append_images=rest, duration=duration, **options)


def shown(content: bytes) -> list[tuple[Image.Image, float]]:
    """All frames of an animation, and how long each is shown, milliseconds."""
    image: Any = decode(content)
    result = []
    for index in range(image.n_frames):
        image.seek(index)
        image.load()
        result.append((image.convert("RGBA"), image.info["duration"]))
    return result


@pytest.mark.parametrize("original", MOVING)
def test_header_counts_frames(engine: Engine, original: str) -> None:
    assert engine.read_header(io.BytesIO(animation(original))).frames == 4


@pytest.mark.parametrize("original", MOVING)
def test_every_frame_is_resized_and_keeps_its_time(engine: Engine, original: str) -> None:
    (rendered,) = render(engine, animation(original), variant(160, WEBP, animated=True))
    assert (rendered.width, rendered.height) == (160, 120)
    assert rendered.decode_seconds > 0 < rendered.encode_seconds
    made = shown(rendered.content)
    assert [duration for _, duration in made] == [50, 100, 150, 200]
    for (frame, _), expected in zip(made, frames(), strict=True):
        assert difference(frame, expected.resize((160, 120))) < 4


@pytest.mark.parametrize("quality", [None, "auto", "lossless", 30])
def test_moving_picture_has_a_quality(engine: Engine, quality: Any) -> None:
    wanted = variant(160, WEBP, animated=True, quality=quality)
    assert len(shown(render(engine, animation("PNG"), wanted)[0].content)) == 4


def test_moving_picture_is_cropped(engine: Engine) -> None:
    wanted = variant(80, WEBP, animated=True, ratio=(1, 1))
    made = shown(render(engine, animation("WEBP"), wanted)[0].content)
    expected = [frame.crop((40, 0, 280, 240)).resize((80, 80)) for frame in frames()]
    for (frame, _), one in zip(made, expected, strict=True):
        assert difference(frame, one) < 4


@pytest.mark.parametrize("width", [64, 32])
@pytest.mark.parametrize("original", ["GIF", "PNG", "WEBP"])
def test_moving_picture_stays_transparent(engine: Engine, original: str, width: int) -> None:
    clear = [Image.new("RGBA", (64, 64)) for _ in range(3)]
    for place, frame in enumerate(clear):
        frame.paste((200, 30, 30, 255), (20 * place, 0, 20 * place + 20, 64))
        if original == "WEBP":
            # Without a pixel that is half transparent, Pillow forgets all transparency.
            frame.putpixel((63, 63), (0, 0, 0, 128))
    first, *rest = clear
    content = encode(first, original, save_all=True, append_images=rest, duration=100, disposal=2)
    made = shown(render(engine, content, variant(width, WEBP, animated=True))[0].content)
    for place, (frame, _) in enumerate(made):
        middles = [((20 * column + 10) * width // 64, width // 2) for column in range(3)]
        alphas = [frame.getpixel(middle)[3] for middle in middles]  # type: ignore[index]
        assert [alpha > 200 for alpha in alphas] == [column == place for column in range(3)]


@pytest.mark.parametrize(
    ("original", "options", "plays"),
    [
        ("GIF", {}, 1),
        ("GIF", {"loop": 0}, 0),
        ("GIF", {"loop": 2}, 3),
        ("GIF", {"loop": 65_534}, 65_535),
        ("GIF", {"loop": 65_535}, 65_535),
        ("PNG", {"loop": 0}, 0),
        ("PNG", {"loop": 2}, 2),
        ("PNG", {"loop": 70_000}, 65_535),
        ("PNG", {"loop": 0xFFFFFFFF}, 65_535),
        ("WEBP", {"loop": 5}, 5),
        ("AVIF", {}, 0),
    ],
)
def test_moving_picture_is_played_as_often(
    engine: Engine, original: str, options: dict[str, Any], plays: int
) -> None:
    wanted = variant(16, WEBP, animated=True)
    (rendered,) = render(engine, animation(original, **options), wanted)
    assert decode(rendered.content).info["loop"] == plays


def test_frames_without_a_time_take_what_browsers_give_them() -> None:
    content = animation("GIF", duration=(0, 10, 20, 500))
    (rendered,) = render(PillowEngine(), content, variant(160, WEBP, animated=True))
    assert [duration for _, duration in shown(rendered.content)] == [100, 100, 20, 500]


def test_picture_for_those_who_see_no_motion_is_no_frame() -> None:
    still = Image.new("RGB", (320, 240), "white")
    content = encode(still, "PNG", save_all=True, append_images=frames(), default_image=True)
    (rendered,) = render(PillowEngine(), content, variant(160, WEBP, animated=True))
    made = shown(rendered.content)
    assert len(made) == 4
    assert difference(made[0][0], frames()[0].resize((160, 120))) < 4


@pytest.mark.parametrize("quality", [None, "lossless"])
def test_animation_of_one_frame_stays_transparent(engine: Engine, quality: str | None) -> None:
    clear = draw((64, 48), "RGBA")
    options = {"save_all": True, "append_images": [clear], "default_image": True}
    content = encode(Image.new("RGBA", (64, 48), "white"), "PNG", **options)
    wanted = variant(64, WEBP, animated=True, quality=quality)
    image = render_one(engine, content, wanted)
    assert difference(image.getchannel("A"), clear.getchannel("A")) < 4


def test_orientation_turns_every_frame() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    content = animation("PNG", exif=exif.tobytes())
    (rendered,) = render(PillowEngine(), content, variant(120, WEBP, animated=True))
    expected = frames()[1].rotate(-90, expand=True).resize((120, 160))
    assert difference(shown(rendered.content)[1][0], expected) < 4


def test_what_stands_still_and_what_moves_are_made_together(engine: Engine) -> None:
    content = animation("GIF")
    wanted = [variant(160), variant(160, WEBP, animated=True), variant(80, JPEG)]
    together = [one.content for one in render(engine, content, *wanted)]
    assert together == [render(engine, content, one)[0].content for one in wanted]
    assert getattr(decode(together[0]), "n_frames", 1) == 1


@pytest.mark.parametrize("original", MOVING)
def test_picture_that_does_not_move_is_rendered_once(engine: Engine, original: str) -> None:
    content = encode(draw((320, 240)), original)
    assert engine.read_header(io.BytesIO(content)).frames == 1
    image = render_one(engine, content, variant(160, WEBP, animated=True))
    assert getattr(image, "n_frames", 1) == 1


def test_photograph_of_several_pictures_does_not_move(engine: Engine) -> None:
    content = encode(draw((320, 240)), "MPO", save_all=True, append_images=[draw((320, 240))])
    assert engine.read_header(io.BytesIO(content)).frames == 1


def test_too_many_pixels_in_all_frames_are_refused(engine: Engine, settings: Settings) -> None:
    content = animation("WEBP")
    settings.RESIZER = {"MAX_ANIMATION_PIXELS": 4 * 320 * 240}
    assert render(engine, content, variant(160, WEBP, animated=True))
    settings.RESIZER = {"MAX_ANIMATION_PIXELS": 4 * 320 * 240 - 1}
    with pytest.raises(TooManyPixels):
        render(engine, content, variant(160, WEBP, animated=True))


@pytest.mark.parametrize("original", MOVING)
def test_truncated_animation_is_refused(engine: Engine, original: str) -> None:
    content = animation(original)
    header = engine.read_header(io.BytesIO(content))
    cut = io.BytesIO(content[: len(content) * 6 // 10])
    with pytest.raises(UndecodableOriginal):
        list(engine.render(cut, header, [variant(160, WEBP, animated=True)]))


@pytest.mark.parametrize(
    ("tail", "count"),
    [
        (b"", 4),
        (b"\x2c", 5),
        (
            b"\x21\xfe\x05hello\x00\x2c" + bytes(8) + b"\x81" + bytes(12) + b"\x02\x01\x00\x00",
            5,
        ),
        (b"\x21\xf9", 4),
        (b"\x21\xfe\x00" * 200_000 + b"\x2c", 4),
    ],
    ids=["whole", "cut", "with a table", "cut in an extension", "of nothing but extensions"],
)
def test_frames_of_a_strange_gif_are_counted(tail: bytes, count: int) -> None:
    # Behind the last frame, in front of the trailer.
    content = animation("GIF")[:-1] + tail + b";"
    assert PillowEngine().read_header(io.BytesIO(content)).frames == count
