"""What the engines show, beside what Chromium shows: of each original, and of each variant."""

from __future__ import annotations

import io
import struct
from functools import cache, partial
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from PIL import Image

from resizer.engines.libvips import LibvipsEngine
from resizer.engines.pillow import PillowEngine
from resizer.formats import AVIF, JPEG, PNG, WEBP
from tests import apngs
from tests.chromium import Canvas, open_browser
from tests.engines.rendering import render, variant
from tests.gifs import BLUE, CLEAR, GREEN, KEEP, RED, RESTORE, gif, gif_frame
from tests.hostile_files import chunk
from tests.pictures import draw, encode
from tests.webps import webp, webp_frame

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from resizer.engines import Engine

pytestmark = pytest.mark.service("chromium")

SIZE = (240, 180)
#: How far colours may be from each other, 0 to 255, on the average of the picture, and in the worst of its parts.
MEAN, WORST = 2.5, 24
PARTS = (24, 18)
HOLE = (16, 16, 32, 32)


@pytest.fixture(scope="module")
def canvas() -> Iterator[Canvas]:
    """One browser for all tests."""
    with open_browser() as browser:
        yield Canvas(browser)


class Original(NamedTuple):
    content: bytes
    content_type: str


def coloured(*chunks: bytes, mode: str = "RGB", **options: Any) -> bytes:
    """A PNG with chunks behind its first one."""
    content = encode(draw(SIZE, mode), "PNG", **options)
    return content[:33] + b"".join(chunks) + content[33:]


def cicp(primaries: int, curve: int, matrix: int = 0, is_full: int = 1) -> bytes:
    return chunk(b"cICP", bytes((primaries, curve, matrix, is_full)))


def gama(value: int) -> bytes:
    return chunk(b"gAMA", struct.pack(">I", value))


def chrm(*places: int) -> bytes:
    return chunk(b"cHRM", struct.pack(">8I", *places))


P3 = chrm(31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)
OF_SRGB = chrm(31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)
#: Red is where green is.
FLAT = chrm(31270, 32900, 30000, 60000, 30000, 60000, 15000, 6000)


def nclx(primaries: int, curve: int, **options: Any) -> bytes:
    """An AVIF that tells of its colours in a box alone."""
    content = encode(draw(SIZE), "AVIF", quality=95, subsampling="4:4:4", **options)
    place = content.index(b"colrnclx") + 8
    return content[:place] + struct.pack(">HH", primaries, curve) + content[place + 4 :]


def exif(orientation: int) -> Image.Exif:
    made = Image.Exif()
    made[0x0112] = orientation
    return made


# No AVIF with transparency is among them: Chromium 156 shows it with other transparency than its encoders were given.
@cache
def originals() -> dict[str, tuple[str, Callable[[], bytes]]]:
    """The subtype of each, and what makes it."""
    picture, clear = draw(SIZE), draw(SIZE, "RGBA")
    kinds: dict[str, tuple[str, Callable[[], bytes]]] = {
        "jpeg": ("jpeg", lambda: encode(picture, quality=95)),
        "jpeg progressive": ("jpeg", lambda: encode(picture, quality=95, progressive=True)),
        "jpeg grey": ("jpeg", lambda: encode(picture.convert("L"), quality=95)),
        "jpeg cmyk": ("jpeg", lambda: encode(picture.convert("CMYK"), quality=95)),
        "png": ("png", lambda: encode(picture, "PNG")),
        "png grey": ("png", lambda: encode(picture.convert("L"), "PNG")),
        "png of 16 bits": ("png", lambda: encode(picture.convert("L").convert("I;16"), "PNG")),
        "png clear": ("png", lambda: encode(clear, "PNG")),
        "png grey and clear": ("png", lambda: encode(clear.convert("LA"), "PNG")),
        "png palette": ("png", lambda: encode(picture.quantize(64), "PNG")),
        "png palette and clear": (
            "png",
            lambda: encode(picture.quantize(16), "PNG", transparency=0),
        ),
        "gif": ("gif", lambda: encode(picture, "GIF")),
        "webp": ("webp", lambda: encode(picture, "WEBP", quality=95)),
        "webp clear": ("webp", lambda: encode(clear, "WEBP", lossless=True)),
        "avif": ("avif", lambda: encode(picture, "AVIF", quality=95)),
        "gif on a larger screen": ("gif", lambda: gif((64, 64), gif_frame((24, 24, 16, 16), RED))),
        "gif over its screen": ("gif", lambda: gif((64, 64), gif_frame((10, 10, 64, 64), RED))),
        "gif with a hole": (
            "gif",
            lambda: gif((64, 64), gif_frame((0, 0, 64, 64), RED, hole=HOLE)),
        ),
        "webp on a larger canvas": (
            "webp",
            lambda: webp((64, 64), webp_frame((24, 24, 16, 16), RED)),
        ),
        "png p3": ("png", lambda: coloured(cicp(12, 13))),
        "png p3 grey": ("png", lambda: coloured(cicp(12, 13), mode="L")),
        "png p3 before another": ("png", lambda: coloured(cicp(12, 13), chunk(b"sRGB", b"\0"))),
        "png pq": ("png", lambda: coloured(cicp(9, 16))),
        "png pq grey": ("png", lambda: coloured(cicp(9, 16), mode="L")),
        "png pq clear": ("png", lambda: coloured(cicp(9, 16), mode="RGBA")),
        "png hlg": ("png", lambda: coloured(cicp(9, 18))),
        "png hlg of sRGB": ("png", lambda: coloured(cicp(1, 18))),
        "png bt2020": ("png", lambda: coloured(cicp(9, 14))),
        "png of part of the range": ("png", lambda: coloured(cicp(12, 13, 0, 0))),
        "png of no known colours": ("png", lambda: coloured(cicp(2, 2), gama(100_000))),
        "png gamma 1": ("png", lambda: coloured(gama(100_000))),
        "png gamma 1 grey": ("png", lambda: coloured(gama(100_000), mode="L")),
        "png gamma 2.2": ("png", lambda: coloured(gama(45_455))),
        "png gamma 2": ("png", lambda: coloured(gama(50_000))),
        "png gamma 2.2 of sRGB": ("png", lambda: coloured(gama(45_455), OF_SRGB)),
        "png gamma 2.2 of p3": ("png", lambda: coloured(gama(45_455), P3)),
        "png p3 without gamma": ("png", lambda: coloured(P3)),
        "png gamma of nothing": ("png", lambda: coloured(gama(0), P3)),
        "png gamma 1 beside sRGB": ("png", lambda: coloured(gama(100_000), chunk(b"sRGB", b"\0"))),
        "png gamma 1 of a line": ("png", lambda: coloured(gama(100_000), FLAT)),
    }
    for primaries in (1, 4, 5, 6, 8, 9, 11, 12, 22, 2):
        kinds[f"avif primaries {primaries}"] = ("avif", partial(nclx, primaries, 13))
    for curve in (1, 2, 4, 5, 6, 7, 8, 14, 16, 17, 18):
        kinds[f"avif curve {curve}"] = ("avif", partial(nclx, 9, curve))
    for orientation in range(2, 9):
        for kind in ("jpeg", "avif"):
            turn = partial(encode, picture, kind.upper(), quality=95, exif=exif(orientation))
            kinds[f"{kind} turned {orientation}"] = (kind, turn)
    return kinds


@cache
def original_of(name: str) -> Original:
    kind, make = originals()[name]
    return Original(make(), f"image/{kind}")


@cache
def moving() -> dict[str, Original]:
    whole = gif_frame((0, 0, 64, 64), RED)
    found = {}
    for name, disposal in {"none": 0, "keep": KEEP, "clear": CLEAR, "restore": RESTORE}.items():
        left = gif_frame((0, 16, 32, 32), GREEN, disposal=disposal)
        right = gif_frame((32, 16, 32, 32), BLUE, hole=(0, 0, 32, 16))
        found[f"first, {name}"] = gif((64, 64), left, right)
        found[f"later, {name}"] = gif((64, 64), whole, left, right)
    made = {name: Original(content, "image/gif") for name, content in found.items()}
    for mode, alpha in (("RGB", 255), ("RGBA", 128), ("L", 255)):
        for disposal in (apngs.KEEP, apngs.CLEAR, apngs.RESTORE):
            content = apngs.apng(
                (64, 64),
                mode,
                apngs.apng_frame((0, 0, 64, 64), (200, 30, 30, 255)),
                apngs.apng_frame(
                    (0, 0, 32, 32), (20, 200, 20, alpha), disposal=disposal, is_over=True
                ),
                apngs.apng_frame((32, 32, 32, 32), (30, 60, 200, alpha)),
            )
            made[f"png {mode}, {disposal}"] = Original(content, "image/png")
    for is_cleared in (False, True):
        left = webp_frame((0, 16, 32, 32), GREEN, is_cleared=is_cleared)
        rest = left, webp_frame((32, 16, 32, 32), BLUE)
        made[f"webp first, {is_cleared}"] = Original(webp((64, 64), *rest), "image/webp")
        content = webp((64, 64), webp_frame((0, 0, 64, 64), RED), *rest)
        made[f"webp later, {is_cleared}"] = Original(content, "image/webp")
    return made


def compare(seen: Image.Image, expected: Image.Image, mean: float = MEAN) -> None:
    """On white and on black, because what is hidden may have any colour."""
    assert seen.size == expected.size
    parts = tuple(min(sides) for sides in zip(PARTS, seen.size, strict=True))
    for ground in ("white", "black"):
        one, other = (
            Image.alpha_composite(Image.new("RGBA", image.size, ground), image)
            .convert("RGB")
            .resize(parts, Image.Resampling.BOX)
            .tobytes()
            for image in (seen, expected)
        )
        errors = [abs(a - b) for a, b in zip(one, other, strict=True)]
        assert sum(errors) / len(errors) < mean
        assert max(errors) < WORST


@pytest.mark.parametrize("name", originals())
def test_variant_looks_as_its_original(canvas: Canvas, name: str) -> None:
    original = original_of(name)
    expected = canvas.draw(*original)
    for engine in (LibvipsEngine(), PillowEngine()):
        header = engine.read_header(io.BytesIO(original.content))
        assert (header.width, header.height) == expected.size
        for width in (expected.width, expected.width // 2):
            size = (width, round(expected.height * width / expected.width))
            small = expected.convert("RGBa").resize(size, Image.Resampling.LANCZOS).convert("RGBA")
            (rendered,) = render(engine, original.content, variant(width, PNG))
            compare(canvas.draw(rendered.content, "image/png"), small)


@pytest.mark.parametrize("target", [AVIF, JPEG, WEBP], ids=lambda target: target.name)
@pytest.mark.parametrize("name", ["jpeg", "png clear", "png pq", "avif curve 18"])
def test_every_format_looks_as_its_original(
    canvas: Canvas, engine: Engine, name: str, target: Any
) -> None:
    original = original_of(name)
    expected = canvas.draw(*original)
    if target is JPEG:
        ground = Image.new("RGBA", expected.size, "white")
        expected = Image.alpha_composite(ground, expected)
    (rendered,) = render(engine, original.content, variant(expected.width, target, quality="high"))
    compare(canvas.draw(rendered.content, target.content_type), expected, mean=4)


@pytest.mark.parametrize("name", moving())
def test_moving_variant_looks_as_its_original(canvas: Canvas, engine: Engine, name: str) -> None:
    original = moving()[name]
    wanted = variant(64, WEBP, animated=True, quality="lossless")
    (rendered,) = render(engine, original.content, wanted)
    for frame in range(engine.read_header(io.BytesIO(original.content)).frames):
        expected = canvas.draw(*original, frame)
        compare(canvas.draw(rendered.content, "image/webp", frame), expected)
