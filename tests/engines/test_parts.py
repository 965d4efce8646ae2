from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING

import pytest

from resizer.engines.guards.parts import refuse_floods
from resizer.errors import TooMuchWork
from resizer.formats import AVIF, FORMATS, GIF, PNG, TIFF, WEBP
from tests.engines.rendering import render, render_one, variant
from tests.hostile_files import (
    animated_webp,
    black_webp,
    box,
    chunk,
    exif_of_numbers,
    full_box,
    gif,
    gif_extension,
    gif_frame,
    png,
    riff,
    riff_chunk,
    tiff,
    webp_canvas,
)
from tests.pictures import draw, encode

if TYPE_CHECKING:
    from pytest_django import Settings

    from resizer.engines import Engine
    from resizer.formats import Format

MANY = 100_001


@pytest.fixture(autouse=True)
def extra(settings: Settings) -> None:
    settings.RESIZER = {"EXTRA_FORMATS": ["tiff"]}


ITEMS = full_box(b"meta", 0, full_box(b"iloc", 0, bytes(140_000)))
LONG_ITEMS = struct.pack(">I4sQ", 1, b"meta", len(ITEMS) + 8) + ITEMS[8:]
START = box(b"ftyp", b"avif\0\0\0\0avifmif1")


@pytest.mark.parametrize(
    "content",
    [
        png((64, 64), before=chunk(b"abCd") * MANY),
        gif((1, 1), gif_extension() * 160_000, gif_frame()),
        gif((1, 1), gif_extension(b"\1a" * 310_000), gif_frame()),
        riff(riff_chunk(b"VP8X", bytes(10)), riff_chunk(b"abcd") * MANY),
        START + box(b"free") * MANY,
        START + ITEMS,
        START + LONG_ITEMS,
        START + struct.pack(">I", 0) + ITEMS[4:],
        START + box(b"moov", box(b"trak", ITEMS)),
        START + box(b"meta", bytes(4), box(b"iprp", full_box(b"ipma", 0, bytes(140_000)))),
        tiff((64, 64), b"", (273, 4, 200_000, 8)),
        png((64, 64), before=chunk(b"eXIf", exif_of_numbers())),
        riff(
            webp_canvas((64, 64), 8), black_webp((64, 64)), riff_chunk(b"EXIF", exif_of_numbers())
        ),
    ],
    ids=[
        *("png", "gif", "gif-blocks", "webp", "avif", "avif-items", "avif-long", "avif-open"),
        *("avif-tracks", "avif-properties", "tiff"),
        *("png-exif", "webp-exif"),
    ],
)
def test_flood_is_refused_with_the_header(engine: Engine, content: bytes) -> None:
    with pytest.raises(TooMuchWork):
        engine.read_header(io.BytesIO(content))


@pytest.mark.parametrize(
    "content",
    [
        png((64, 64), after=chunk(b"abCd") * MANY),
        png((64, 64), data=b"", after=chunk(b"IDAT") * MANY),
    ],
    ids=["behind", "data"],
)
def test_flood_behind_the_header_is_refused_before_it_is_decoded(
    engine: Engine, content: bytes
) -> None:
    assert engine.read_header(io.BytesIO(content)).width == 64
    with pytest.raises(TooMuchWork):
        render(engine, content, variant(32))


@pytest.mark.parametrize(
    "content",
    [
        gif((1, 1), gif_frame(), gif_extension() * 160_000),
        gif((1, 1), gif_frame() * 150_000),
        animated_webp((1, 1), (1, 1), 20_000),
    ],
    ids=["gif-extensions", "gif-frames", "webp-frames"],
)
def test_flood_of_what_is_not_shown_is_no_harm(engine: Engine, content: bytes) -> None:
    assert render_one(engine, content, variant(1)).size == (1, 1)


def test_frames_that_a_file_claims_are_not_believed_without_end(engine: Engine) -> None:
    control = struct.pack(">IIIIIHHBB", 0, 64, 64, 0, 0, 1, 10, 0, 0)
    claim = chunk(b"acTL", struct.pack(">II", 2**31 - 1, 0)) + chunk(b"fcTL", control)
    content = png((64, 64), before=claim)
    assert engine.read_header(io.BytesIO(content)).frames == 100_000
    assert render_one(engine, content, variant(32)).size == (32, 32)


@pytest.mark.parametrize("found", [PNG, GIF, WEBP, AVIF, TIFF], ids=lambda one: one.name)
@pytest.mark.parametrize("order", ["II", "MM"])
def test_real_file_is_no_flood(found: Format, order: str) -> None:
    content = encode(draw((64, 48)), found.name.upper())
    if found is TIFF and order == "MM":
        content = encode(draw((64, 48), "L"), "TIFF", big_endian=True)
    refuse_floods(io.BytesIO(content), found, whole=True)


@pytest.mark.parametrize("found", FORMATS, ids=lambda one: one.name)
@pytest.mark.parametrize("length", range(0, 64, 7))
def test_strange_file_is_left_to_its_decoder(found: Format, length: int) -> None:
    for byte in (b"\0", b"\xff", b"\x2c"):
        refuse_floods(io.BytesIO(byte * length), found, whole=True)
