"""What every engine does alike."""

from __future__ import annotations

import io
import random
import re
import struct
import subprocess
import sys
import zlib
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
import pyvips
from PIL import Image, ImageChops, ImageCms, ImageDraw, ImageOps, ImageStat, PngImagePlugin

from resizer.engines import load_engine
from resizer.engines.encoding import encode_lossy
from resizer.engines.libvips import LibvipsEngine
from resizer.engines.pillow import PillowEngine
from resizer.engines.profiles import MAX_PROFILE_BYTES
from resizer.errors import TooManyPixels, UndecodableOriginal, UnsupportedFormat
from resizer.formats import AVIF, GIF, JPEG, PNG, WEBP
from resizer.keys.variant import Fit
from tests.colours import (
    ADOBE_RGB,
    DISPLAY_P3,
    PROPHOTO,
    delta_e,
    expected_grey,
    expected_srgb,
    grey_profile,
    rgb_profile,
)
from tests.engines.rendering import WRITTEN, render, render_one, variant
from tests.hostile_files import png, segment
from tests.pictures import TOLERANCE, decode, difference, draw, encode, photograph
from tests.servers import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from typing import BinaryIO

    from resizer.engines import Engine
    from resizer.formats import Format


@cache
def drawn(
    format: str, size: tuple[int, int] = (640, 480), mode: str = "RGB", **options: Any
) -> bytes:
    """The drawing as a file, which one test gives to several engines."""
    return encode(draw(size, mode), format, **options)


@cache
def shrunk(content: bytes, size: tuple[int, int]) -> Image.Image:
    return decode(content).convert("RGB").resize(size, Image.Resampling.LANCZOS)


@cache
def oriented(orientation: int, size: tuple[int, int] = (640, 400)) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return photograph(size, exif=exif)


@pytest.mark.parametrize("found", [AVIF, GIF, JPEG, PNG, WEBP], ids=lambda one: one.name)
def test_header_is_read(engine: Engine, found: Format) -> None:
    header = engine.read_header(io.BytesIO(encode(draw((60, 40)), found.name.upper())))
    assert (header.format, header.width, header.height) == (found, 60, 40)
    assert (header.orientation, header.has_alpha, header.frames) == (1, False, 1)


def test_header_is_read_without_the_pixels(engine: Engine) -> None:
    content = photograph((4000, 3000))
    header = engine.read_header(io.BytesIO(content[:4096]))
    assert (header.width, header.height) == (4000, 3000)


@pytest.mark.parametrize("options", [{}, {"progressive": True}])
def test_header_tells_what_can_be_decoded_small(engine: Engine, options: dict[str, Any]) -> None:
    header = engine.read_header(io.BytesIO(photograph((60, 40), **options)))
    assert header.is_shrinkable is not bool(options)


@pytest.mark.parametrize(
    ("image", "has_alpha"),
    [
        (draw((60, 40), "RGBA"), True),
        (draw((60, 40), "LA"), True),
        (draw((60, 40)).quantize(16), False),
        (draw((60, 40), "L"), False),
    ],
)
def test_header_tells_transparency(engine: Engine, image: Image.Image, has_alpha: bool) -> None:
    assert engine.read_header(io.BytesIO(encode(image, "PNG"))).has_alpha is has_alpha


def test_palette_can_be_transparent(engine: Engine) -> None:
    content = encode(draw((600, 400)).quantize(16), "PNG", transparency=0)
    assert engine.read_header(io.BytesIO(content)).has_alpha
    assert render_one(engine, content, variant()).has_transparency_data


def test_small_variant_of_a_transparent_palette(engine: Engine) -> None:
    content = encode(draw((600, 400)).quantize(16), "PNG", transparency=0)
    assert len(render(engine, content, variant(16))[0].content) < len(content)


def test_encoders_are_there(engine: Engine) -> None:
    assert all(engine.can_write(target) for target in WRITTEN)


@pytest.mark.parametrize("target", WRITTEN, ids=lambda target: target.name)
@pytest.mark.parametrize("original", ["AVIF", "GIF", "JPEG", "PNG", "WEBP"])
def test_every_format_is_read_and_written(engine: Engine, original: str, target: Format) -> None:
    content = drawn(original)
    image = render_one(engine, content, variant(320, target))
    assert image.format == target.name.upper()
    assert difference(image, shrunk(content, (320, 240))) < TOLERANCE


@pytest.mark.parametrize("width", [2000, 1500, 1000, 640, 320, 160, 16])
def test_shrinking_while_decoding_shows_the_same_picture(engine: Engine, width: int) -> None:
    content = photograph((2000, 1500))
    image = render_one(engine, content, variant(width))
    assert image.size == (width, round(width * 0.75))
    assert difference(image, shrunk(content, image.size)) < 1


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("width", [300, 60])
def test_picture_is_the_right_way_up(engine: Engine, orientation: int, width: int) -> None:
    content = oriented(orientation)
    upright = ImageOps.exif_transpose(decode(content))
    header = engine.read_header(io.BytesIO(content))
    assert (header.width, header.height) == upright.size
    image = render_one(engine, content, variant(width))
    assert image.getexif().get(0x0112) is None
    assert difference(image, upright.resize(image.size, Image.Resampling.LANCZOS)) < 1


@pytest.mark.parametrize("orientation", range(1, 9))
def test_crop_keeps_the_focal_point_of_the_upright_picture(
    engine: Engine, orientation: int
) -> None:
    content = oriented(orientation, (1200, 800))
    upright = ImageOps.exif_transpose(decode(content))
    image = render_one(engine, content, variant(200, ratio=(1, 1), focal=(100, 0)))
    side = min(upright.size)
    box = (upright.width - side, 0, upright.width, side)
    assert image.size == (200, 200)
    expected = upright.crop(box).resize((200, 200), Image.Resampling.LANCZOS)
    assert difference(image, expected) < 1


def test_fill_distorts_the_whole_picture(engine: Engine) -> None:
    content = photograph((1200, 800))
    image = render_one(engine, content, variant(200, ratio=(1, 2), fit=Fit.FILL))
    assert image.size == (200, 400)
    assert difference(image, decode(content).resize((200, 400), Image.Resampling.LANCZOS)) < 1


def test_nothing_is_enlarged(engine: Engine) -> None:
    assert render_one(engine, photograph((300, 200)), variant(640)).size == (300, 200)


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 1), (8000, 4), (33, 17)])
def test_odd_sizes(engine: Engine, size: tuple[int, int]) -> None:
    image = render_one(engine, photograph(size), variant(400))
    width = min(400, size[0])
    assert image.size == (width, max(1, round(width * size[1] / size[0])))


def test_several_variants_share_a_decoding_and_differ_in_nothing(engine: Engine) -> None:
    content = photograph((2000, 1500))
    wanted = [
        variant(1920, JPEG),
        variant(320, AVIF),
        variant(320, JPEG, ratio=(1, 1)),
        variant(320, JPEG),
        variant(160, PNG),
        variant(160, WEBP, linear=True),
        variant(1920, JPEG),
    ]
    together = [one.content for one in render(engine, content, *wanted)]
    alone = [render(engine, content, one)[0].content for one in wanted]
    assert together == alone


def test_time_is_told(engine: Engine) -> None:
    (rendered,) = render(engine, photograph(), variant())
    assert rendered.decode_seconds > 0
    assert rendered.encode_seconds > 0


@pytest.mark.parametrize("target", [AVIF, PNG, WEBP], ids=lambda target: target.name)
@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_is_kept(engine: Engine, mode: str, target: Format) -> None:
    original = draw((640, 480), mode)
    image = render_one(engine, encode(original, "PNG"), variant(320, target))
    expected = original.resize((320, 240), Image.Resampling.LANCZOS)
    assert image.has_transparency_data
    # Seen on a ground, because what is hidden may have any colour.
    for ground in ("black", "white"):
        seen, wanted = (
            Image.alpha_composite(Image.new("RGBA", one.size, ground), one.convert("RGBA"))
            for one in (image, expected)
        )
        assert difference(seen, wanted) < TOLERANCE


def test_transparency_becomes_white_where_the_format_has_none(engine: Engine) -> None:
    original = Image.new("RGBA", (640, 480), (255, 0, 0, 0))
    image = render_one(engine, encode(original, "PNG"), variant(320, JPEG))
    assert image.getpixel((100, 100)) == (255, 255, 255)


def test_edges_of_transparency_have_no_fringe(engine: Engine) -> None:
    original = Image.new("RGBA", (600, 600), (0, 0, 0, 0))
    original.paste((0, 255, 0, 255), (0, 0, 301, 600))
    image = render_one(engine, encode(original, "PNG"), variant(100))
    for x in range(100):
        pixel = image.getpixel((x, 50))
        assert isinstance(pixel, tuple)
        assert pixel[3] == 0 or pixel[1] > 250


@pytest.mark.parametrize(
    "original",
    [draw((640, 480), mode) for mode in ("L", "1")] + [draw((640, 480)).quantize(64)],
    ids=["grey", "1-bit", "palette"],
)
def test_other_modes_are_resized_smoothly(engine: Engine, original: Image.Image) -> None:
    image = render_one(engine, encode(original, "PNG"), variant(160))
    expected = original.convert("RGB").resize((160, 120), Image.Resampling.LANCZOS)
    assert difference(image, expected) < TOLERANCE


def test_sixteen_bits_of_grey_are_not_clipped(engine: Engine) -> None:
    grey = draw((640, 480), "L").convert("I").point(lambda value: value * 257).convert("I;16")
    image = render_one(engine, encode(grey, "PNG"), variant(160))
    expected = draw((640, 480), "L").resize((160, 120), Image.Resampling.LANCZOS)
    assert difference(image, expected) < 1


def test_cmyk_becomes_rgb(engine: Engine) -> None:
    image = render_one(engine, encode(draw((640, 480), "CMYK")), variant(160))
    expected = draw((640, 480), "CMYK").resize((160, 120)).convert("RGB")
    assert image.mode == "RGB"
    assert difference(image, expected) < TOLERANCE


def srgb_profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def swapped_profile() -> bytes:
    """sRGB with red and blue exchanged, so that a picture that ignores it is plainly wrong."""
    profile = bytearray(srgb_profile())
    tags = {
        bytes(profile[start : start + 4]): start
        for start in range(132, 132 + 12 * int.from_bytes(profile[128:132]), 12)
    }
    red, blue = tags[b"rXYZ"] + 4, tags[b"bXYZ"] + 4
    profile[red : red + 8], profile[blue : blue + 8] = (
        profile[blue : blue + 8],
        profile[red : red + 8],
    )
    return bytes(profile)


@pytest.mark.parametrize("target", WRITTEN, ids=lambda target: target.name)
def test_colours_become_srgb_and_the_profile_goes(engine: Engine, target: Format) -> None:
    red, green, blue = draw((640, 480)).split()
    content = encode(Image.merge("RGB", (blue, green, red)), "PNG", icc_profile=swapped_profile())
    image = render_one(engine, content, variant(320, target))
    assert "icc_profile" not in image.info
    expected = draw((640, 480)).resize((320, 240), Image.Resampling.LANCZOS)
    assert difference(image, expected) < TOLERANCE


SPACES = {"Adobe RGB": ADOBE_RGB, "Display P3": DISPLAY_P3, "ProPhoto": PROPHOTO}
PATCHES = [
    (red, green, blue)
    for red in (40, 128, 200)
    for green in (40, 128, 200)
    for blue in (40, 128, 200)
]


def patches(colours: Sequence[Any], mode: str) -> Image.Image:
    """One square of 40 px for each colour, side by side."""
    image = Image.new(mode, (40 * len(colours), 40))
    for place, colour in enumerate(colours):
        image.paste(colour, (40 * place, 0, 40 * place + 40, 40))
    return image


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("original", ["PNG", "WEBP"])
def test_wide_colours_become_what_they_mean_in_srgb(
    engine: Engine, original: str, space: str
) -> None:
    options = {"lossless": True} if original == "WEBP" else {}
    profile = rgb_profile(SPACES[space])
    content = encode(patches(PATCHES, "RGB"), original, icc_profile=profile, **options)
    image = render_one(engine, content, variant(20 * len(PATCHES)))
    for place, colour in enumerate(PATCHES):
        seen = image.getpixel((20 * place + 10, 10))
        assert isinstance(seen, tuple)
        assert delta_e(seen, expected_srgb(colour, SPACES[space])) < 1.5, colour  # type: ignore[arg-type]  # three


@pytest.mark.parametrize("gamma", [1.0, 1.8, 2.2])
def test_grey_profile_becomes_srgb(engine: Engine, gamma: float) -> None:
    greys = [16, 64, 128, 192, 240]
    content = encode(patches(greys, "L"), "PNG", icc_profile=grey_profile(gamma))
    image = render_one(engine, content, variant(20 * len(greys))).convert("L")
    for place, grey in enumerate(greys):
        assert abs(image.getpixel((20 * place + 10, 10)) - expected_grey(grey, gamma)) < 2  # type: ignore[operator]  # one


def test_transparency_survives_a_profile(engine: Engine) -> None:
    original = draw((640, 480), "RGBA")
    content = encode(original, "PNG", icc_profile=srgb_profile())
    image = render_one(engine, content, variant(320))
    expected = original.resize((320, 240), Image.Resampling.LANCZOS)
    assert difference(image.getchannel("A"), expected.getchannel("A")) < 1


@pytest.mark.parametrize(
    "profile", [b"no profile", swapped_profile()[:200]], ids=["broken", "truncated"]
)
def test_profile_that_cannot_be_used_is_ignored(engine: Engine, profile: bytes) -> None:
    image = render_one(engine, encode(draw((640, 480)), "PNG", icc_profile=profile), variant(320))
    assert difference(image, draw((640, 480)).resize((320, 240))) < TOLERANCE


def test_text_that_is_named_like_a_profile_is_none(engine: Engine) -> None:
    texts = PngImagePlugin.PngInfo()
    texts.add_text("icc_profile", "text")
    content = encode(draw((640, 480)), "PNG", pnginfo=texts)
    image = render_one(engine, content, variant(320))
    assert difference(image, draw((640, 480)).resize((320, 240))) < TOLERANCE


def test_profile_for_other_channels_is_ignored(engine: Engine) -> None:
    content = encode(draw((640, 480), "L"), "PNG", icc_profile=srgb_profile())
    image = render_one(engine, content, variant(320))
    assert difference(image, draw((640, 480), "L").resize((320, 240))) < TOLERANCE


@pytest.mark.parametrize("original", [PNG, WEBP], ids=["png", "webp"])
def test_damage_within_the_pixels_is_told(engine: Engine, original: Format) -> None:
    content = bytearray(encode(draw((640, 480)), original.name.upper()))
    place = len(content) // 3
    content[place : place + 400] = random.Random(1).randbytes(400)
    with pytest.raises(UndecodableOriginal):
        render(engine, bytes(content), variant())


@pytest.mark.parametrize("original", [AVIF, GIF, JPEG, PNG, WEBP], ids=lambda one: one.name)
def test_truncated_original_is_refused(engine: Engine, original: Format) -> None:
    content = drawn(original.name.upper())
    with pytest.raises(UndecodableOriginal):
        render(engine, content[: len(content) * 3 // 5], variant())


def restarts(content: bytes) -> list[int]:
    """Where the intervals of a JPEG end (T.81 §B.2.1)."""
    return [found.start() for found in re.finditer(rb"\xff[\xd0-\xd7]", content)]


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_rows": 1}])
@pytest.mark.parametrize("width", [100, 1000], ids=["small", "full"])
def test_cut_jpeg_that_was_closed_is_refused(
    mode: str, options: dict[str, Any], width: int
) -> None:
    """Which Pillow does not notice."""
    content = encode(draw((1000, 750), mode), quality=90, **options)
    with pytest.raises(UndecodableOriginal, match="premature end"):
        render(LibvipsEngine(), content[: len(content) * 3 // 5] + b"\xff\xd9", variant(width))


#: Of each, libjpeg warns, and then of nothing else.
HARMLESS: dict[str, Callable[[bytes], bytes]] = {
    "newer JFIF": lambda content: content.replace(b"JFIF\0\1", b"JFIF\0\2", 1),
    "bytes between segments": lambda content: content.replace(
        b"\xff\xdb", bytes(4) + b"\xff\xdb", 1
    ),
    "few coefficients": lambda content: content.replace(b"\0\x3f\0", b"\0\0\0", 1),
}

#: The same at the end.
ENDS: dict[str, Callable[[bytes], bytes]] = {
    "bytes": lambda content: content[:-2] + bytes(100) + content[-2:],
    "bytes between segments and bytes": lambda content: HARMLESS["bytes between segments"](
        ENDS["bytes"](content)
    ),
    "a comment behind bytes between segments": lambda content: HARMLESS["bytes between segments"](
        content[:-2] + segment(0xFE, b"bye") + content[-2:]
    ),
}


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("fault", HARMLESS)
@pytest.mark.parametrize("options", [{}, {"restart_marker_rows": 1}])
def test_cut_jpeg_is_refused_whatever_comes_before(
    mode: str, fault: str, options: dict[str, Any]
) -> None:
    content = HARMLESS[fault](encode(draw((1000, 750), mode), quality=90, **options))
    with pytest.raises(UndecodableOriginal, match="premature end"):
        render(LibvipsEngine(), content[: len(content) * 3 // 5] + b"\xff\xd9", variant(100))


@pytest.mark.parametrize("fault", HARMLESS)
def test_cut_progressive_jpeg_is_refused_whatever_comes_before(fault: str) -> None:
    content = HARMLESS[fault](encode(draw((1000, 750)), quality=90, progressive=True))
    with pytest.raises(UndecodableOriginal, match="premature end"):
        render(LibvipsEngine(), content[: len(content) * 3 // 5] + b"\xff\xd9", variant(100))


def test_arithmetic_coding_is_refused(engine: Engine) -> None:
    content = encode(draw((64, 48))).replace(b"\xff\xc0", b"\xff\xc9", 1)
    with pytest.raises(UndecodableOriginal, match="arithmetic"):
        engine.read_header(io.BytesIO(content))


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("lost", "instead of RST"),
        ("ones", "bad Huffman code"),
        ("too many", "extraneous bytes before marker 0xd5"),
    ],
)
def test_jpeg_with_a_broken_interval_is_refused(fault: str, words: str) -> None:
    content = encode(draw((1000, 750)), quality=90, restart_marker_rows=1)
    places = restarts(content)
    start, end = places[20] + 2, places[21] + 2
    instead = {
        "lost": b"",
        "ones": b"\xff\0" * 20 + content[start + 40 : end],
        "too many": content[start : end - 2] + bytes(100) + content[end - 2 : end],
    }[fault]
    with pytest.raises(UndecodableOriginal, match=words):
        render(LibvipsEngine(), content[:start] + instead + content[end:], variant(1000))


def test_cut_gif_that_was_closed_is_refused(engine: Engine) -> None:
    content = encode(draw((1000, 750)), "GIF")
    start = Image.open(io.BytesIO(content)).tile[0].offset
    # A block is preceded by its length.
    middle = start + 256 * ((len(content) - start) // 512)
    assert content[start] == content[middle] == 255
    with pytest.raises(UndecodableOriginal):
        render(engine, content[:middle] + b"\0;", variant())


@pytest.mark.parametrize("mode", ["RGB", "CMYK"])
@pytest.mark.parametrize("fault", [*HARMLESS, *ENDS])
def test_jpeg_with_harmless_faults_is_rendered(engine: Engine, mode: str, fault: str) -> None:
    size = (1600, 1200)
    # A decoder comes to the end of a progressive one before it gives pixels.
    content = drawn("JPEG", size, mode, quality=90, progressive=fault not in HARMLESS)
    faulty = HARMLESS[fault](content) if fault in HARMLESS else ENDS[fault](content)
    # The upper part is whole before a decoder comes to the end.
    upper, whole = variant(40, ratio=(8, 1), focal=(50, 0)), variant(640)
    images = [decode(rendered.content) for rendered in render(engine, faulty, upper, whole)]
    assert [image.size for image in images] == [(40, 5), (640, 480)]
    assert difference(images[1], shrunk(drawn("TIFF", size, mode), (640, 480))) < TOLERANCE


@pytest.mark.parametrize(
    "content",
    [b"", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"%!PS-Adobe-3.0 EPSF-3.0\n"],
)
def test_other_files_are_not_opened(engine: Engine, content: bytes) -> None:
    with pytest.raises(UnsupportedFormat):
        engine.read_header(io.BytesIO(content))


@pytest.mark.parametrize(
    "head", [b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"RIFF\0\0\0\0WEBPVP8 "]
)
def test_broken_header_is_undecodable(engine: Engine, head: bytes) -> None:
    with pytest.raises(UndecodableOriginal):
        engine.read_header(io.BytesIO(head + b"nonsense" * 20))


@pytest.mark.parametrize(("part", "at"), [(b"mdat", 8), (b"ispe", 4), (b"av01", -8)])
def test_broken_avif_is_undecodable(engine: Engine, part: bytes, at: int) -> None:
    content = bytearray(encode(draw((160, 120)), "AVIF"))
    begin = content.index(part) + at
    content[begin : begin + 4] = bytes(255 - value for value in content[begin : begin + 4])
    with pytest.raises(UndecodableOriginal) as told:
        render_one(engine, bytes(content), variant(width=96))
    # Not the engine's own failure, of which the log would tell an operator.
    assert type(told.value) is UndecodableOriginal


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
@pytest.mark.parametrize("original", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("exif", [b"II*\0\xff\xff\xff\xff nonsense", b"nonsense"])
def test_broken_exif_does_not_break_the_picture(engine: Engine, original: str, exif: bytes) -> None:
    content = encode(draw((640, 480)), original, exif=b"Exif\0\0" + exif)
    assert engine.read_header(io.BytesIO(content)).orientation == 1
    assert render_one(engine, content, variant(320)).size == (320, 240)


@pytest.mark.parametrize("orientation", [0, 9, 300])
def test_orientation_out_of_range_is_none(engine: Engine, orientation: int) -> None:
    assert engine.read_header(io.BytesIO(oriented(orientation))).orientation == 1


@pytest.mark.parametrize("original", ["AVIF", "JPEG", "PNG", "WEBP"])
def test_orientation_in_xmp_is_ignored_as_in_browsers(engine: Engine, original: str) -> None:
    xmp = b'<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    options: dict[str, Any] = {"xmp": xmp}
    if original == "PNG":
        options = {"pnginfo": PngImagePlugin.PngInfo()}
        options["pnginfo"].add_itxt("XML:com.adobe.xmp", xmp.decode())
    content = encode(draw((60, 40)), original, **options)
    assert b"Orientation" in content
    assert engine.read_header(io.BytesIO(content)).orientation == 1


def test_orientation_of_another_type_is_none(engine: Engine) -> None:
    # Type 5, a fraction, 6/1, where a SHORT belongs.
    tag = struct.pack("<HHII", 0x0112, 5, 1, 26) + struct.pack("<I", 0) + struct.pack("<II", 6, 1)
    exif = b"Exif\0\0" + b"II*\0" + struct.pack("<IH", 8, 1) + tag
    assert engine.read_header(io.BytesIO(photograph((60, 40), exif=exif))).orientation == 1


def test_png_can_have_an_orientation(engine: Engine) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    header = engine.read_header(io.BytesIO(encode(draw((60, 40)), "PNG", exif=exif)))
    assert (header.orientation, header.width, header.height) == (6, 40, 60)


def test_bomb_is_refused(engine: Engine) -> None:
    content = png((20_000, 20_000), depth=1)
    with pytest.raises(TooManyPixels):
        engine.read_header(io.BytesIO(content))


def test_variant_beyond_its_format_is_refused(engine: Engine) -> None:
    content = encode(Image.new("L", (100, 17_000)), "PNG")
    with pytest.raises(TooManyPixels):
        render(engine, content, variant(100, WEBP))


@pytest.mark.parametrize("target", [AVIF, JPEG, WEBP], ids=lambda target: target.name)
def test_quality_costs_bytes(engine: Engine, target: Format) -> None:
    content = photograph()
    qualities = ["low", None, "high", 95]
    sizes = [
        len(one.content)
        for one in render(
            engine, content, *(variant(640, target, quality=one) for one in qualities)
        )
    ]
    assert sizes == sorted(sizes)
    assert len(set(sizes)) == 4


def test_quality_means_nothing_to_png(engine: Engine) -> None:
    low, high = render(engine, photograph(), variant(quality="low"), variant(quality=90))
    assert low.content == high.content


def test_automatic_engine_is_libvips_where_it_imports(monkeypatch: pytest.MonkeyPatch) -> None:
    load_engine.cache_clear()
    assert isinstance(load_engine("auto"), LibvipsEngine)
    load_engine.cache_clear()
    monkeypatch.setitem(sys.modules, "resizer.engines.libvips", None)
    assert isinstance(load_engine("auto"), PillowEngine)
    load_engine.cache_clear()


FORK = """
import io, os, signal, sys
from django.conf import settings
settings.configure()
from tests.pictures import decode, photograph
from tests.engines.rendering import render_one, variant
from resizer.engines.libvips import LibvipsEngine
engine = LibvipsEngine()
content = photograph((800, 600))
engine.read_header(io.BytesIO(content))
if sys.argv[1] == "rendered":
    render_one(engine, content, variant())
child = os.fork()
if child == 0:
    signal.alarm(20)
    print(render_one(engine, content, variant()).size, flush=True)
    os._exit(0)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.parametrize("parent", ["rendered", "read a header"])
def test_forked_child_renders_whatever_its_parent_has_done(parent: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORK, parent],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split("\n")[:2] == ["(320, 240)", "0"]


@pytest.mark.parametrize("where", ["disk", "memory"])
def test_original_is_read_from_its_path_or_its_bytes(
    engine: Engine, tmp_path: Path, where: str
) -> None:
    content = photograph()
    (tmp_path / "a.jpg").write_bytes(content)
    file: BinaryIO = (tmp_path / "a.jpg").open("rb") if where == "disk" else io.BytesIO(content)
    with file:
        (rendered,) = engine.render(file, engine.read_header(file), [variant()])
    assert rendered.content == render(engine, content, variant())[0].content


def test_engines_make_the_same_picture() -> None:
    for wanted in (
        variant(640, JPEG),
        variant(333, ratio=(3, 2), focal=(20, 80)),
        variant(700, AVIF),
    ):
        one, other = (
            render_one(engine(), oriented(6, (2000, 1400)), wanted)
            for engine in (LibvipsEngine, PillowEngine)
        )
        assert difference(one, other) < 1


def through_libvips(
    image: Image.Image, saver: str, *, sixteen_bits: bool = False, **options: Any
) -> bytes:
    """Write what Pillow cannot."""
    source = pyvips.Image.pngload_buffer(encode(image, "PNG"))
    if sixteen_bits:
        kind = "grey16" if source.bands < 3 else "rgb16"
        source = (source.cast("ushort") * 257).cast("ushort").copy(interpretation=kind)
    content: bytes = getattr(source, f"{saver}_buffer")(**options)
    return content


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_sixteen_bits_become_eight(engine: Engine, mode: str) -> None:
    original = draw((640, 480), mode)
    content = through_libvips(original, "pngsave", sixteen_bits=True)
    assert engine.read_header(io.BytesIO(content)).has_alpha is mode.endswith("A")
    image = render_one(engine, content, variant(160))
    expected = original.resize((160, 120), Image.Resampling.LANCZOS)
    for ground in ("black", "white"):
        seen, wanted = (
            Image.alpha_composite(Image.new("RGBA", one.size, ground), one.convert("RGBA"))
            for one in (image, expected)
        )
        assert difference(seen, wanted) < 1.5


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
def test_interlaced_png(engine: Engine, mode: str) -> None:
    original = draw((641, 479), mode)
    image = render_one(engine, through_libvips(original, "pngsave", interlace=True), variant(160))
    assert difference(image, original.resize(image.size, Image.Resampling.LANCZOS)) < TOLERANCE


@pytest.mark.parametrize("width", [80, 300, 640])
@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
def test_progressive_jpeg(engine: Engine, subsampling: str, width: int) -> None:
    content = photograph((640, 480), progressive=True, subsampling=subsampling)
    image = render_one(engine, content, variant(width))
    expected = decode(content).resize(image.size, Image.Resampling.LANCZOS)
    assert difference(image, expected) < 1


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("options", [{"bitdepth": 10}, {"bitdepth": 12}, {"subsample_mode": "off"}])
def test_avif_of_many_bits_and_full_colour(
    engine: Engine, mode: str, options: dict[str, Any]
) -> None:
    original = draw((320, 240), mode)
    content = through_libvips(original, "heifsave", compression="av1", Q=90, effort=0, **options)
    assert engine.read_header(io.BytesIO(content)).has_alpha is (mode == "RGBA")
    image = render_one(engine, content, variant(160))
    expected = original.resize((160, 120), Image.Resampling.LANCZOS)
    grounds = [
        Image.alpha_composite(Image.new("RGBA", one.size, "white"), one.convert("RGBA"))
        for one in (image, expected)
    ]
    assert difference(*grounds) < TOLERANCE


@cache
def avif_of(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    # Pillow writes the orientation as irot and imir boxes, where AVIF keeps it.
    return encode(draw((400, 250)), "AVIF", exif=exif, quality=90)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_avif_is_turned_by_its_boxes(engine: Engine, orientation: int) -> None:
    content = avif_of(orientation)
    upright = ImageOps.exif_transpose(decode(content))
    image = render_one(engine, content, variant(160))
    assert (upright.width > upright.height) == (orientation < 5)
    assert difference(image, upright.resize(image.size, Image.Resampling.LANCZOS)) < TOLERANCE


@cache
def turning(format: str) -> bytes:
    first = draw((160, 120))
    frames = [first.rotate(90 * turn) for turn in (1, 2, 3)]
    return encode(first, format, save_all=True, append_images=frames, duration=100)


@pytest.mark.parametrize("original", ["AVIF", "GIF", "PNG", "WEBP"])
def test_animation_shows_its_first_frame(engine: Engine, original: str) -> None:
    image = render_one(engine, turning(original), variant(80))
    assert difference(image, draw((160, 120)).resize((80, 60))) < 4


def test_lossless_webp(engine: Engine) -> None:
    original = draw((640, 480), "RGBA")
    content = encode(original, "WEBP", lossless=True)
    image = render_one(engine, content, variant(160))
    expected = original.resize((160, 120), Image.Resampling.LANCZOS)
    assert difference(image.getchannel("A"), expected.getchannel("A")) < 1


@pytest.mark.parametrize(("mode", "key"), [("L", 0), ("RGB", (230, 40, 30))])
def test_one_colour_of_a_png_can_be_transparent(engine: Engine, mode: str, key: Any) -> None:
    original = Image.new(mode, (640, 480), key)
    original.paste(draw((320, 480), mode), (320, 0))
    content = encode(original, "PNG", transparency=key)
    assert engine.read_header(io.BytesIO(content)).has_alpha
    image = render_one(engine, content, variant(160)).convert("RGBA")
    assert image.getpixel((20, 60))[3] == 0  # type: ignore[index]  # four channels
    assert image.getpixel((150, 115))[3] == 255  # type: ignore[index]  # four channels


def test_photograph_of_several_pictures_shows_the_first(engine: Engine) -> None:
    first = draw((640, 480))
    content = encode(first, "MPO", save_all=True, append_images=[first.rotate(180)])
    assert engine.read_header(io.BytesIO(content)).format is JPEG
    expected = first.resize((320, 240), Image.Resampling.LANCZOS)
    assert difference(render_one(engine, content, variant(320)), expected) < TOLERANCE


@cache
def drawing(mode: str = "RGB") -> Image.Image:
    """Flat areas and letters."""
    size = (800, 600)
    image = Image.new(mode, size, "white" if mode == "RGB" else (255, 255, 255, 0))
    pen = ImageDraw.Draw(image)
    choice = random.Random(5)
    for _ in range(60):
        left, top = choice.randrange(size[0]), choice.randrange(size[1])
        colour = tuple(choice.randrange(256) for _ in range(3))
        pen.rectangle((left, top, left + 100, top + 50), fill=colour)
        pen.text((top, left), "The quick brown fox", fill=colour, font_size=15)
    return image


@cache
def palette(colours: int, mode: str = "RGB") -> bytes:
    """The same as a PNG of so many colours."""
    return encode(drawing(mode).quantize(colours), "PNG", optimize=True)


@pytest.mark.parametrize(
    ("make", "is_graphic"),
    [
        (lambda: encode(drawing(), "PNG"), True),
        (lambda: palette(64), True),
        (lambda: encode(drawing(), "GIF"), True),
        (lambda: encode(draw((400, 300)).quantize(256), "PNG"), True),
        (lambda: encode(Image.effect_noise((400, 300), 60).convert("RGB"), "PNG"), False),
        (lambda: photograph((400, 300)), False),
        (lambda: encode(drawing(), "WEBP"), False),
    ],
    ids=["png", "palette", "gif", "photographic palette", "photographic png", "jpeg", "webp"],
)
def test_graphic_is_told_from_a_photograph(
    engine: Engine, make: Callable[[], bytes], is_graphic: bool
) -> None:
    content = make()
    header = engine.read_header(io.BytesIO(content))
    assert (header.is_graphic, header.bytes) == (is_graphic, len(content))
    assert header.has_palette is (decode(content).mode == "P")


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize(
    ("target", "width"),
    [(AVIF, 800), (AVIF, 160), (PNG, 800), (PNG, 320), (PNG, 160), (WEBP, 320)],
)
def test_variant_of_a_palette_is_no_larger_than_its_original(
    engine: Engine, target: Format, mode: str, width: int
) -> None:
    original, content = drawing(mode), palette(256, mode)
    (rendered,) = render(engine, content, variant(width, target))
    assert len(rendered.content) <= len(content)
    expected = original.resize((width, width * 3 // 4), Image.Resampling.LANCZOS)
    grounds = [
        Image.alpha_composite(Image.new("RGBA", one.size, "white"), one.convert("RGBA"))
        for one in (decode(rendered.content), expected)
    ]
    assert difference(*grounds) < TOLERANCE


@pytest.mark.parametrize("target", [AVIF, JPEG, WEBP], ids=lambda target: target.name)
def test_variant_is_no_larger_than_an_original_of_low_quality(
    engine: Engine, target: Format
) -> None:
    content = encode(draw((1200, 900)), "JPEG", quality=30)
    (rendered,) = render(engine, content, variant(1200, target, quality="high"))
    assert len(rendered.content) <= len(content)


@pytest.mark.parametrize("target", WRITTEN, ids=lambda target: target.name)
@pytest.mark.parametrize("original", ["photograph", "palette"])
def test_wider_variants_are_larger_files(engine: Engine, original: str, target: Format) -> None:
    content = photograph((800, 600)) if original == "photograph" else palette(64)
    widths = [80, 160, 240, 320, 400]
    wanted = [variant(width, target) for width in widths]
    sizes = [len(one.content) for one in render(engine, content, *wanted)]
    assert sizes == sorted(sizes)


@cache
def clock() -> Image.Image:
    """A real photograph."""
    with Image.open(ROOT / "config/gallery/photographs/clock.jpg") as image:
        image.thumbnail((1000, 1000))
        return image.copy()


@pytest.mark.parametrize("target", [AVIF, JPEG, WEBP], ids=lambda target: target.name)
@pytest.mark.parametrize("quality", [25, 50])
def test_smaller_variant_of_a_poor_photograph_is_a_smaller_file(
    engine: Engine, quality: int, target: Format
) -> None:
    image = clock()
    content = encode(image, quality=quality)
    widths = [200, 320, 480, 640, 800, image.width]
    made = render(engine, content, *(variant(width, target) for width in widths))
    sizes = [len(one.content) for one in made]
    assert sizes == sorted(sizes)
    assert sizes[-1] <= len(content)


@pytest.mark.parametrize(
    ("most", "is_graphic", "asked", "kept"),
    [
        (10, False, [80], 80),
        (260, False, [80], 80),
        (270, False, [80, 24], 24),
        (270, True, [80, 24], 80),
        (700, False, [80, 54], 54),
        (700, True, [80, 54], 54),
        (999, False, [80, 72, 64, 56, 48, 40, 32, 24], 24),
        (999, True, [80, 72, 64, 56, 48, 40, 32, 24], 80),
    ],
)
def test_less_quality_ends_at_a_part_of_it(
    most: int, is_graphic: bool, asked: list[int], kept: int
) -> None:
    tried: list[int] = []

    def encode_all(quality: int) -> bytes:
        tried.append(quality)
        length = 600 if quality < 80 and most == 700 else 1000
        return bytes([quality]) + bytes(length - 1)

    content = encode_lossy(
        variant(320, JPEG, quality=80),
        most,
        encode_all,
        find_quality=lambda: 1,
        is_graphic=is_graphic,
    )
    assert tried == asked
    assert content[0] == kept


def chessboard(side: int, field: int, *colours: Any) -> Image.Image:
    board = Image.new("RGB", (side, side), colours[0])
    for x in range(side):
        for y in range(side):
            if (x // field + y // field) % 2:
                board.putpixel((x, y), colours[1])
    return board


@pytest.mark.parametrize("target", WRITTEN, ids=lambda target: target.name)
@pytest.mark.parametrize(
    ("side", "field", "colours"),
    [
        (16, 2, [(0, 0, 0), (255, 255, 255)]),
        (10, 1, [(0, 0, 0), (255, 255, 255)]),
        (16, 4, [(200, 30, 30), (30, 60, 200)]),
        (48, 8, [(200, 30, 30), (240, 230, 60)]),
    ],
)
def test_tiny_graphic_stays_what_it_is(
    engine: Engine, side: int, field: int, colours: list[Any], target: Format
) -> None:
    board = chessboard(side, field, *colours)
    for content in (encode(board.quantize(2), "PNG", optimize=True), encode(board, "GIF")):
        image = render_one(engine, content, variant(side, target)).convert("RGB")
        errors = ImageChops.difference(image, board)
        # Of WebP each 2 x 2 px have one colour.
        limit = 40 if target is WEBP else 20
        assert max(ImageStat.Stat(errors).rms) < limit


def diagram() -> bytes:
    """Boxes, lines and letters in 16 colours, as PNG."""
    image = Image.new("RGB", (800, 500), "white")
    pen = ImageDraw.Draw(image)
    for place, colour in enumerate([(255, 220, 200), (200, 255, 220), (220, 200, 255)] * 2):
        left = 40 + 120 * place
        pen.rectangle((left, 60, left + 90, 140), outline="black", width=2, fill=colour)
        pen.text((left + 10, 90), f"Box {place}", fill="black", font_size=18)
        pen.line((left + 45, 140, 400, 400), fill=(30, 30, 160))
    pen.ellipse((350, 380, 450, 460), fill=(250, 240, 90), outline="black")
    return encode(image.quantize(16), "PNG", optimize=True)


def test_graphic_whose_bytes_cannot_be_reached_keeps_its_quality(engine: Engine) -> None:
    content = diagram()
    (bounded,) = render(engine, content, variant(800, JPEG))
    # Of an original that is large enough to bound nothing.
    (free,) = render(engine, content + bytes(100_000), variant(800, JPEG))
    assert bounded.content == free.content


def test_drawing_of_few_colours_needs_a_png(engine: Engine) -> None:
    icon = encode(chessboard(10, 1, (200, 30, 30), (30, 60, 200)), "PNG")
    for content in (diagram(), palette(64), icon):
        assert engine.read_header(io.BytesIO(content)).needs_png
    assert not engine.read_header(io.BytesIO(encode(clock(), "GIF"))).needs_png
    for content in (encode(drawing(), "PNG"), photograph((400, 300)), encode(draw(), "WEBP")):
        assert not engine.read_header(io.BytesIO(content)).needs_png


@pytest.mark.parametrize("width", [640, 320])
@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_hidden_colours_do_not_get_out(engine: Engine, mode: str, width: int) -> None:
    hidden = {"RGBA": (10, 200, 30, 0), "LA": (200, 0)}[mode]
    content = encode(Image.new(mode, (640, 480), hidden), "PNG")
    image = render_one(engine, content, variant(width))
    assert not any(image.convert("RGBA").tobytes())


def test_profile_of_megabytes_is_ignored() -> None:
    profile = swapped_profile() + bytes(MAX_PROFILE_BYTES)
    content = photograph((640, 480), icc_profile=profile)
    image = render_one(PillowEngine(), content, variant(320))
    assert difference(image, draw((640, 480)).resize((320, 240))) < TOLERANCE


@pytest.mark.parametrize("original", ["JPEG", "PNG", "AVIF"])
def test_another_picture_than_the_header_was_read_of_is_refused(
    engine: Engine, original: str
) -> None:
    header = engine.read_header(io.BytesIO(encode(draw((640, 480)), original)))
    other = io.BytesIO(encode(draw((300, 200)), original))
    with pytest.raises(UndecodableOriginal):
        list(engine.render(other, header, [variant()]))


def raw_png(bits: int, kind: int, rows: list[bytes], width: int, transparent: bytes) -> bytes:
    """A PNG of any depth with a tRNS chunk (PNG third edition §11.3.1.1)."""

    def chunk(name: bytes, data: bytes) -> bytes:
        checked = name + data
        return struct.pack(">I", len(data)) + checked + struct.pack(">I", zlib.crc32(checked))

    header = struct.pack(">IIBBBBB", width, len(rows), bits, kind, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"tRNS", transparent)
        + chunk(b"IDAT", pixels)
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("bits", "kind", "hidden", "shown", "transparent"),
    [
        (1, 0, b"\0", b"\xff", struct.pack(">H", 0)),
        (2, 0, b"\x55", b"\xaa", struct.pack(">H", 1)),
        (4, 0, b"\x33", b"\x99", struct.pack(">H", 3)),
        (8, 0, b"\x33", b"\x99", struct.pack(">H", 0x33)),
        (16, 0, b"\x33\x44", b"\x33\x45", struct.pack(">H", 0x3344)),
        (16, 2, b"\x33\x44" * 3, b"\x99\x44" * 3, struct.pack(">HHH", 0x3344, 0x3344, 0x3344)),
    ],
    ids=["1 bit", "2 bits", "4 bits", "8 bits", "16 bits", "16 bits of colour"],
)
def test_transparent_colour_of_any_depth(
    engine: Engine, bits: int, kind: int, hidden: bytes, shown: bytes, transparent: bytes
) -> None:
    half = 40 * bits * (3 if kind == 2 else 1) // 8 // len(hidden)
    rows = [hidden * half + shown * half] * 40
    content = raw_png(bits, kind, rows, 80, transparent)
    assert engine.read_header(io.BytesIO(content)).has_alpha
    image = render_one(engine, content, variant(80)).convert("RGBA")
    assert image.getpixel((10, 20))[3] == 0  # type: ignore[index]  # four channels
    assert image.getpixel((70, 20))[3] == 255  # type: ignore[index]  # four channels
