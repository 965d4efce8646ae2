"""What recipes ask of every engine beyond a size: light, exactness, as much quality as is needed."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import pytest
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from resizer.engines.scoring import MAX_ENCODINGS, TILE_SIDE, TILES, estimate_score, find_quality
from resizer.formats import AVIF, JPEG, PNG, WEBP
from tests.colours import PROPHOTO, rgb_profile
from tests.engines.rendering import render, render_one, variant
from tests.pictures import decode, difference, draw, encode, photograph

if TYPE_CHECKING:
    from resizer.engines import Engine
    from resizer.formats import Format


def chequered(one: object, other: object, mode: str, size: tuple[int, int]) -> Image.Image:
    """Single pixels of two colours in turn."""
    tile = Image.new(mode, (2, 2), one)  # type: ignore[arg-type]  # of the mode's kind
    for place in ((0, 1), (1, 0)):
        tile.putpixel(place, other)  # type: ignore[arg-type]
    image = Image.new(mode, size)
    for left in range(0, size[0], 2):
        image.paste(tile, (left, 0))
    row = image.crop((0, 0, size[0], 2))
    for top in range(0, size[1], 2):
        image.paste(row, (0, top))
    return image


@pytest.mark.parametrize("linear", [True, False])
@pytest.mark.parametrize("original", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_half_of_the_light_is_more_than_half_of_the_number(
    engine: Engine, mode: str, original: str, linear: bool
) -> None:
    white = 255 if mode == "L" else (255, 255, 255)
    black = 0 if mode == "L" else (0, 0, 0)
    image = chequered(white, black, mode, (640, 480))
    content = encode(image, original, quality=100)
    small = render_one(engine, content, variant(80, linear=linear)).convert("L")
    # IEC 61966-2-1: half of white's light is written 188.
    levels = set(small.crop((10, 10, 70, 50)).tobytes())
    assert levels <= set(range(185, 192) if linear else range(125, 132))


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_light_of_what_nobody_sees_does_not_count(engine: Engine, mode: str) -> None:
    seen, hidden = {"LA": ((90, 255), (255, 0)), "RGBA": ((200, 60, 10, 255), (0, 255, 0, 0))}[mode]
    content = encode(chequered(seen, hidden, mode, (320, 240)), "PNG")
    small = render_one(engine, content, variant(40, linear=True)).convert(mode)
    inner = small.crop((5, 5, 35, 25))
    expected = Image.new(mode, inner.size, (*seen[:-1], 128))
    extremes = ImageChops.difference(inner, expected).getextrema()
    assert all(high <= 3 for _, high in extremes)  # type: ignore[misc]  # of several bands


def test_light_keeps_colours_that_are_even(engine: Engine) -> None:
    content = photograph((1000, 750))
    plain, linear = (render_one(engine, content, variant(200, linear=on)) for on in (False, True))
    assert difference(plain, linear) < 1


def test_light_is_added_up_in_srgb_whatever_the_profile(engine: Engine) -> None:
    profile = rgb_profile(PROPHOTO)
    content = encode(draw((640, 480)), "PNG", icc_profile=profile)
    plain, linear = (render_one(engine, content, variant(160, linear=on)) for on in (False, True))
    assert difference(plain, linear) < 2


@pytest.mark.parametrize("target", [PNG, WEBP], ids=lambda target: target.name)
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
def test_lossless_is_exact(engine: Engine, mode: str, target: Format) -> None:
    content = encode(draw((640, 480), mode), "PNG")
    exact = render_one(engine, content, variant(320))
    image = render_one(engine, content, variant(320, target, quality="lossless"))
    shown = [
        Image.alpha_composite(Image.new("RGBA", one.size, "grey"), one.convert("RGBA"))
        for one in (image, exact)
    ]
    assert ImageChops.difference(*shown).getbbox(alpha_only=False) is None


def test_lossless_palette_is_no_palette_any_more(engine: Engine) -> None:
    content = encode(draw((640, 480)).quantize(64), "PNG")
    exact, dithered = (
        len(
            set(
                render_one(engine, content, variant(320, quality=quality))
                .convert("RGB")
                .get_flattened_data()
            )
        )
        for quality in ("lossless", None)
    )
    assert dithered <= 256 < exact


def test_lossless_webp_is_smaller_than_png(engine: Engine) -> None:
    content = photograph((640, 480))
    webp, png = (
        len(render(engine, content, variant(320, target, quality="lossless"))[0].content)
        for target in (WEBP, PNG)
    )
    assert webp < png


@cache
def rough() -> Image.Image:
    image = draw((800, 600))
    noise = Image.effect_noise(image.size, 60).convert("RGB")
    return Image.blend(image, noise, 0.35)


@cache
def smooth_and_rough() -> tuple[bytes, bytes]:
    smooth = draw((800, 600)).filter(ImageFilter.GaussianBlur(8))
    return encode(smooth, "PNG"), encode(rough(), "PNG")


@pytest.mark.parametrize("target", [AVIF, JPEG, WEBP], ids=lambda target: target.name)
@pytest.mark.parametrize("width", [200, 500])
def test_automatic_quality_evens_out_how_good_pictures_look(
    engine: Engine, target: Format, width: int
) -> None:
    wanted = [variant(width)]
    wanted += [variant(width, target, quality=quality) for quality in (None, "auto")]
    scores = []
    for content in smooth_and_rough():
        rendered = render(engine, content, *wanted)
        exact, *lossy = (decode(one.content).convert("RGB") for one in rendered)
        scores.append([estimate_score(exact, one) for one in lossy])
    fixed, automatic = (abs(one - other) for one, other in zip(*scores, strict=True))
    assert automatic < fixed


def test_automatic_quality_means_nothing_to_png(engine: Engine) -> None:
    content = photograph((400, 300))
    contents = [
        render(engine, content, variant(quality=quality))[0].content for quality in (None, "auto")
    ]
    assert contents[0] == contents[1]


def test_transparency_can_have_automatic_quality(engine: Engine) -> None:
    content = encode(draw((640, 480), "RGBA"), "PNG")
    assert render_one(engine, content, variant(320, WEBP, quality="auto")).has_transparency_data


@pytest.mark.parametrize("size", [(1600, 1200), (300, 200)])
def test_automatic_quality_takes_few_and_small_encodings(size: tuple[int, int]) -> None:
    asked: list[tuple[tuple[int, int], int]] = []

    def write(picture: Image.Image, quality: int) -> bytes:
        asked.append((picture.size, quality))
        return encode(picture, quality=quality)

    quality = find_quality(draw(size, "RGBA"), JPEG, write)
    assert 32 <= quality <= 82
    assert 1 <= len(asked) <= MAX_ENCODINGS
    assert all(width * height <= (TILES * TILE_SIDE) ** 2 for (width, height), _ in asked)


@pytest.mark.parametrize(("constant", "expected"), [(b"", 82), (None, 32)])
def test_automatic_quality_keeps_its_bounds(constant: bytes | None, expected: int) -> None:
    """A picture that no quality makes good, and one that any makes perfect."""

    def write(picture: Image.Image, _: int) -> bytes:
        worst = Image.effect_noise(picture.size, 100).convert("RGB")
        return encode(worst if constant is not None else picture, "PNG")

    assert find_quality(rough(), JPEG, write) == expected


def test_score_falls_with_every_loss() -> None:
    image = draw((400, 300))
    scores = [
        estimate_score(image, decode(encode(image, quality=quality)).convert("RGB"))
        for quality in (95, 75, 50, 25, 5)
    ]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] - scores[-1] > 20


def test_score_sees_what_happens_in_one_place() -> None:
    image = draw((400, 300))
    spoilt = image.copy()
    ImageDraw.Draw(spoilt).rectangle((200, 100, 240, 140), fill="black")
    assert estimate_score(image, spoilt) < estimate_score(image, image) - 30
