"""What stands beside the pixels of a file does not decide about them."""

from __future__ import annotations

import io
import re
import zlib
from typing import TYPE_CHECKING

import pytest
import pyvips
from PIL import ExifTags, Image

from resizer.engines.containers import heif
from resizer.engines.pillow import PillowEngine
from resizer.errors import UndecodableOriginal
from resizer.formats import WEBP
from tests.engines.rendering import render, render_one, variant
from tests.engines.spoiled import (
    P3,
    SIZE,
    packed,
    spoiled_files,
    whole_jpegs,
    with_chunk,
    with_length,
    with_properties,
    with_wrong_checksum,
    without_chunk,
)
from tests.hostile_files import PNG_START, chunk, riff, riff_chunk, webp_canvas
from tests.pictures import draw, encode, exact_difference, photograph

if TYPE_CHECKING:
    from resizer.engines import Engine
    from tests.engines.spoiled import Spoiled

AVIF_FILE = encode(draw(SIZE, "RGBA"), "AVIF")
PNG_FILE = encode(draw(SIZE), "PNG")
BARE_FILE, PALETTE = without_chunk(encode(draw(SIZE).quantize(16), "PNG"), b"PLTE")
APNG_FILE = encode(draw(SIZE), "PNG", save_all=True, append_images=[draw(SIZE).rotate(180)])


@pytest.mark.parametrize("one", spoiled_files(), ids=lambda one: one.name)
def test_picture_is_shown_as_without_what_is_wrong_beside_it(engine: Engine, one: Spoiled) -> None:
    header = engine.read_header(io.BytesIO(one.content))
    healthy = engine.read_header(io.BytesIO(one.healthy))
    # Whether it is a drawing is told from the length of the file.
    assert header._replace(bytes=0, is_graphic=True) == healthy._replace(bytes=0, is_graphic=True)
    shown = render_one(engine, one.content, variant(SIZE[0]))
    assert exact_difference(shown, render_one(engine, one.healthy, variant(SIZE[0]))) < 1


@pytest.mark.parametrize(
    "content",
    [
        with_chunk(PNG_FILE, chunk(b"ABCD")),
        with_chunk(PNG_FILE, PNG_FILE[8:33]),
        PNG_FILE[:33] + PNG_FILE[-12:],
        PNG_START + PNG_FILE[33:],
        PNG_FILE[:-17],
        BARE_FILE,
        with_chunk(BARE_FILE, PALETTE, b"IEND"),
        with_chunk(BARE_FILE, chunk(b"tRNS", b"\0")),
    ],
    ids=[
        "unknown",
        "two headers",
        "no pixels",
        "no header",
        "cut",
        "no palette",
        "palette behind the pixels",
        "transparency of no palette",
    ],
)
def test_png_without_what_it_takes_is_refused(engine: Engine, content: bytes) -> None:
    with pytest.raises(UndecodableOriginal):
        render(engine, content, variant(SIZE[0]))


def test_frames_of_an_animation_stay(engine: Engine) -> None:
    content = with_chunk(APNG_FILE, chunk(b"tEXt", b"Auteur \xe9\0x"))
    assert engine.read_header(io.BytesIO(content)).frames == 2
    moving = render_one(engine, content, variant(SIZE[0], WEBP, animated=True))
    assert moving.n_frames == 2  # type: ignore[attr-defined]  # WebP has it


def test_orientation_of_a_png_counts_if_its_checksum_is_right(engine: Engine) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    right = chunk(b"eXIf", exif.tobytes()[6:])
    for extra, size in ((right, SIZE[::-1]), (with_wrong_checksum(right), SIZE)):
        content = with_chunk(PNG_FILE, chunk(b"tEXt", b"Auteur \xe9\0x") + extra)
        assert render_one(engine, content, variant(size[0])).size == size


@pytest.mark.parametrize("whole", list(whole_jpegs()), ids=lambda one: one[0])
@pytest.mark.parametrize("missing", [1, 2, 3, 5, 9, 40])
def test_jpeg_without_an_end_that_is_cut_in_its_pixels_is_refused(
    engine: Engine, whole: tuple[str, bytes], missing: int
) -> None:
    """Up to the last byte of its last scan, whether or not a decoder would mind."""
    with pytest.raises(UndecodableOriginal):
        render(engine, whole[1][: -2 - missing], variant(32))


def test_progressive_jpeg_that_is_cut_between_scans_is_refused(engine: Engine) -> None:
    content = photograph(SIZE, progressive=True)
    scans = [found.start() for found in re.finditer(rb"\xff\xda", content)]
    for start in scans[1:]:
        with pytest.raises(UndecodableOriginal):
            render(engine, content[:start], variant(32))


def test_webp_is_shown_as_browsers_do_whatever_its_exif_says(engine: Engine) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    for options in ({}, {"lossless": True}):
        content = encode(draw(SIZE), "WEBP", exif=exif, **options)
        header = engine.read_header(io.BytesIO(content))
        assert (header.width, header.height, header.orientation) == (*SIZE, 1)
        plain = render_one(engine, encode(draw(SIZE), "WEBP", **options), variant(32))
        assert exact_difference(render_one(engine, content, variant(32)), plain) < 1


def test_webp_that_is_cut_is_refused(engine: Engine) -> None:
    whole = riff(webp_canvas(SIZE), encode(draw(SIZE), "WEBP")[12:], riff_chunk(b"abcd", b"odd"))
    for content in (whole[:-2], whole[:-20], encode(draw(SIZE), "WEBP")[:-1]):
        with pytest.raises(UndecodableOriginal):
            engine.read_header(io.BytesIO(content))


def test_transparency_without_a_size_is_as_libheif_reads_it() -> None:
    (one,) = (one for one in spoiled_files() if one.name == "AVIF with transparency of no size")
    image = pyvips.Image.heifload_buffer(one.content)
    expected = Image.frombytes("RGBA", SIZE, image.write_to_memory())
    shown = render_one(PillowEngine(), one.content, variant(SIZE[0]))
    # Each enlarges the colours of half the width in its own way.
    assert exact_difference(shown, expected) < 4
    assert exact_difference(shown.getchannel("A"), expected.getchannel("A")) < 1


@pytest.mark.parametrize(
    "content",
    [
        AVIF_FILE.replace(b"auxC", b"auxX"),
        AVIF_FILE.replace(b"auxiliary:alpha", b"auxiliary:depth"),
        AVIF_FILE.replace(b"pitm", b"pitX"),
        AVIF_FILE.replace(b"ipco", b"ipcX"),
        with_properties(AVIF_FILE, (1, [1] * 9), (2, [7] * 255)),
        with_properties(AVIF_FILE, (1, [2, 3]), (2, [7])),
        with_properties(AVIF_FILE, (1, [1, 99]), (2, [99, 0])),
        AVIF_FILE[:-700],
        AVIF_FILE[:40] + bytes(8) + AVIF_FILE[48:],
        b"",
        bytes(64),
    ],
)
def test_odd_items_stay_as_they_are(content: bytes) -> None:
    assert heif.clean(io.BytesIO(content), True) == [range(len(content))]


@pytest.mark.parametrize("name", [b"meta", b"iprp"])
@pytest.mark.parametrize("length", [0x7FFFFFFF, 0xFFFFFFFF])
def test_box_that_is_longer_than_its_file_is_damaged(
    engine: Engine, name: bytes, length: int
) -> None:
    (one,) = (one for one in spoiled_files() if one.name == "AVIF with transparency of no size")
    with pytest.raises(UndecodableOriginal):
        engine.read_header(io.BytesIO(with_length(one.content, name, length)))


@pytest.mark.parametrize("count", [3, 1000])
def test_few_broken_chunks_are_looked_into(engine: Engine, count: int) -> None:
    """A process would be busy for seconds with thousands, of which each can hold 4 MB."""
    broken = chunk(b"iCCP", packed(P3)[:-20])
    content = with_chunk(PNG_FILE, broken * count + chunk(b"iCCP", packed(P3)))
    healthy = with_chunk(PNG_FILE, chunk(b"iCCP", packed(P3))) if count < 16 else PNG_FILE
    shown = render_one(engine, content, variant(SIZE[0]))
    assert exact_difference(shown, render_one(engine, healthy, variant(SIZE[0]))) < 1


class CountingFile(io.BytesIO):
    bytes_read = 0

    def read(self, size: int | None = -1, /) -> bytes:
        content = super().read(size)
        self.bytes_read += len(content)
        return content


@pytest.mark.parametrize(
    "whole",
    [
        chunk(b"iCCP", packed(P3 + bytes(1_000_000))),
        chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(bytes(1_000_000))),
    ],
    ids=["profile", "XMP"],
)
def test_second_chunk_of_a_name_is_not_read(engine: Engine, whole: bytes) -> None:
    file = CountingFile(with_chunk(PNG_FILE, whole * 1000))
    assert engine.read_header(file).width == SIZE[0]
    assert file.bytes_read < 100 * len(whole)
