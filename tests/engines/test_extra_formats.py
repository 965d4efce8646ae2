"""Formats of originals that are opened on request only: TIFF and HEIC."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING, Any

import pillow_heif
import pytest
from PIL import Image, TiffImagePlugin

from resizer.errors import UndecodableOriginal, UnsupportedFormat
from resizer.formats import HEIC, JPEG, TIFF
from tests.colours import ADOBE_RGB, rgb_profile
from tests.engines.rendering import render, render_one, variant
from tests.pictures import TOLERANCE, difference, draw, encode

if TYPE_CHECKING:
    from pytest_django import Settings

    from resizer.engines import Engine
    from resizer.formats import Format


def heic(image: Image.Image, **options: Any) -> bytes:
    output = io.BytesIO()
    pillow_heif.from_pillow(image).save(output, format="HEIF", quality=90, **options)
    return output.getvalue()


def tiff(image: Image.Image, **options: Any) -> bytes:
    return encode(image, "TIFF", **options)


ENCODERS = [(HEIC, heic), (TIFF, tiff)]


@pytest.fixture(autouse=True)
def extra(settings: Settings) -> None:
    settings.RESIZER = {"EXTRA_FORMATS": ["heic", "tiff"]}


@pytest.mark.parametrize(("found", "write"), ENCODERS, ids=["heic", "tiff"])
def test_extra_format_is_read(engine: Engine, found: Format, write: Any) -> None:
    original = draw((640, 480))
    content = write(original)
    header = engine.read_header(io.BytesIO(content))
    assert (header.format, header.width, header.height) == (found, 640, 480)
    assert (header.orientation, header.has_alpha, header.frames) == (1, False, 1)
    image = render_one(engine, content, variant(160, JPEG))
    assert difference(image, original.resize((160, 120), Image.Resampling.LANCZOS)) < TOLERANCE


@pytest.mark.parametrize(("found", "write"), ENCODERS, ids=["heic", "tiff"])
def test_extra_format_is_refused_unless_asked_for(
    engine: Engine, settings: Settings, found: Format, write: Any
) -> None:
    settings.RESIZER = {"EXTRA_FORMATS": []}
    with pytest.raises(UnsupportedFormat):
        engine.read_header(io.BytesIO(write(draw((64, 48)))))


@pytest.mark.parametrize(("found", "write"), ENCODERS, ids=["heic", "tiff"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_extra_format_is_the_right_way_up(
    engine: Engine, orientation: int, found: Format, write: Any
) -> None:
    turned = draw((160, 120))
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = write(turned, exif=exif.tobytes() if found is HEIC else exif)
    upright = Image.open(io.BytesIO(encode(turned, exif=exif)))
    from PIL import ImageOps

    expected = ImageOps.exif_transpose(upright)
    header = engine.read_header(io.BytesIO(content))
    assert (header.width, header.height) == expected.size
    image = render_one(engine, content, variant(60))
    assert difference(image, expected.resize(image.size)) < TOLERANCE


@pytest.mark.parametrize(("found", "write"), ENCODERS, ids=["heic", "tiff"])
def test_transparency_of_an_extra_format_is_kept(engine: Engine, found: Format, write: Any) -> None:
    original = draw((320, 240), "RGBA")
    image = render_one(engine, write(original), variant(160))
    expected = original.resize((160, 120), Image.Resampling.LANCZOS)
    assert difference(image.getchannel("A"), expected.getchannel("A")) < TOLERANCE


@pytest.mark.parametrize(("found", "write"), ENCODERS, ids=["heic", "tiff"])
def test_profile_of_an_extra_format_becomes_srgb(engine: Engine, found: Format, write: Any) -> None:
    profile = rgb_profile(ADOBE_RGB)
    red = Image.new("RGB", (64, 64), (180, 60, 60))
    plain, wide = write(red), write(red, icc_profile=profile)
    images = [render_one(engine, one, variant(32)).convert("RGB") for one in (plain, wide)]
    pixels = [image.getpixel((16, 16)) for image in images]
    assert pixels[1][0] > pixels[0][0] + 10  # type: ignore[index]


@pytest.mark.parametrize(("found", "write"), ENCODERS, ids=["heic", "tiff"])
def test_truncated_extra_format_is_refused(engine: Engine, found: Format, write: Any) -> None:
    content = write(draw((640, 480)))
    with pytest.raises(UndecodableOriginal):
        render(engine, content[: len(content) * 2 // 3], variant())


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "I;16", "CMYK", "LAB"])
def test_tiff_of_any_mode(engine: Engine, mode: str) -> None:
    original = draw((320, 240))
    image: Image.Image
    if mode == "I;16":
        grey = original.convert("L")
        image = Image.merge("LA", (grey, grey))
        image = Image.frombytes("I;16", grey.size, image.tobytes())
    elif mode == "LAB":
        from PIL import ImageCms

        lab = ImageCms.createProfile("LAB")
        image = ImageCms.profileToProfile(
            original, ImageCms.createProfile("sRGB"), lab, outputMode="LAB"
        )  # type: ignore[assignment]
    else:
        image = original.convert(mode)
    small = render_one(engine, tiff(image), variant(80))
    expected = original if mode in {"P", "CMYK", "LAB"} else original.convert("L")
    assert difference(small.convert("RGB"), expected.resize((80, 60)).convert("RGB")) < 8


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate", "jpeg", "packbits"])
def test_tiff_of_any_compression(engine: Engine, compression: str) -> None:
    original = draw((320, 240))
    image = render_one(engine, tiff(original, compression=compression), variant(160))
    assert difference(image, original.resize((160, 120))) < TOLERANCE


def test_tiff_of_many_pages_shows_the_first(engine: Engine) -> None:
    first = draw((320, 240))
    content = tiff(first, save_all=True, append_images=[first.rotate(180)])
    assert engine.read_header(io.BytesIO(content)).frames == 1
    image = render_one(engine, content, variant(160))
    assert difference(image, first.resize((160, 120))) < TOLERANCE


def test_big_endian_tiff_is_read(engine: Engine) -> None:
    directory = TiffImagePlugin.ImageFileDirectory_v2(prefix=b"MM")
    content = tiff(draw((320, 240)), tiffinfo=directory)
    assert engine.read_header(io.BytesIO(content)).format is TIFF


def test_heic_is_refused_without_its_library(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert engine.can_read(HEIC)
    content = heic(draw((64, 48)))
    monkeypatch.setitem(sys.modules, "pi_heif", None)
    assert not engine.can_read(HEIC)
    with pytest.raises(UnsupportedFormat):
        engine.read_header(io.BytesIO(content))
