"""Colours that are told by numbers, in files of every build."""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from resizer.engines.containers.cicp import told_profile
from resizer.formats import AVIF, HEIC, JPEG, PNG, WEBP
from tests.colours import (
    DISPLAY_P3,
    SRGB_PRIMARIES,
    delta_e,
    invert,
    linear_of,
    multiply,
    srgb_of,
    to_xyz,
)
from tests.engines.rendering import render_one, variant
from tests.hostile_files import box, chunk, full_box
from tests.pictures import encode

if TYPE_CHECKING:
    from resizer.engines import Engine
    from tests.colours import Triple

NCLX = box(b"colr", b"nclx" + struct.pack(">HHHB", 12, 13, 6, 0x80))
PROFILE = box(b"colr", b"prof" + bytes(200))
OTHER = box(b"ispe", bytes(12))


def items(
    *properties: bytes,
    has: tuple[int, ...],
    version: int = 0,
    long: bool = False,
    before: bytes = b"",
) -> bytes:
    """Boxes of a file whose primary item, the second one, has some of the properties, by their places."""
    width = ">I" if version else ">H"
    place = ">H" if long else ">B"
    essential = 0x8000 if long else 0x80

    def associated(item: int, places: tuple[int, ...]) -> bytes:
        listed = b"".join(struct.pack(place, essential | one) for one in places)
        return struct.pack(width, item) + bytes([len(places)]) + listed

    rows = associated(1, (1, 1, 1)) + associated(2, has)
    associations = box(b"ipma", struct.pack(">II", version << 24 | long, 2) + rows)
    primary = full_box(b"pitm", version, struct.pack(width, 2))
    found = box(b"iprp", box(b"ipco", *properties) + associations)
    return box(b"ftyp", b"avif") + before + full_box(b"meta", 0, primary + found)


def is_told(content: bytes) -> bool:
    tellings = {
        told_profile(io.BytesIO(content), found, is_grey=False) is not None
        for found in (AVIF, HEIC)
    }
    (told,) = tellings
    return told


@pytest.mark.parametrize("version", [0, 1])
@pytest.mark.parametrize("long", [False, True])
def test_colours_of_the_primary_item_count(version: int, long: bool) -> None:
    options = {"version": version, "long": long}
    assert is_told(items(OTHER, NCLX, has=(1, 2), **options))  # type: ignore[arg-type]
    assert not is_told(items(NCLX, OTHER, has=(2,), **options))  # type: ignore[arg-type]


def test_profile_counts_before_numbers() -> None:
    assert not is_told(items(NCLX, PROFILE, has=(1, 2)))


@pytest.mark.parametrize(
    "before",
    [
        box(b"free", bytes(100)),
        struct.pack(">I4sQ", 1, b"free", 116) + bytes(100),
        struct.pack(">I4s", 3, b"free"),
    ],
    ids=["short", "long", "too short"],
)
def test_other_boxes_are_passed(before: bytes) -> None:
    assert is_told(items(NCLX, has=(1,), before=before))


def test_box_to_the_end_of_the_file_is_read() -> None:
    content = items(NCLX, has=(1,))
    place = content.index(b"meta") - 4
    assert is_told(content[:place] + bytes(4) + content[place + 4 :])


def test_file_that_is_cut_tells_what_it_can() -> None:
    content = items(NCLX, has=(1,))
    assert [is_told(content[:length]) for length in range(len(content) + 1)][-1]
    png = encode(Image.new("RGB", (8, 8)), "PNG")
    png = png[:33] + chunk(b"gAMA", struct.pack(">I", 100_000)) + png[33:]
    for length in range(len(png)):
        told_profile(io.BytesIO(png[:length]), PNG, is_grey=False)


def test_other_formats_tell_nothing() -> None:
    assert told_profile(io.BytesIO(b""), JPEG, is_grey=False) is None


def of_p3(colour: Triple) -> Triple:
    """What a colour of P3 with the curve of sRGB is in sRGB."""
    xyz = multiply(to_xyz(DISPLAY_P3), linear_of(colour))
    return srgb_of(multiply(invert(to_xyz(SRGB_PRIMARIES)), xyz))


def test_p3_with_the_curve_of_srgb_is_read_as_its_profile(engine: Engine) -> None:
    content = encode(
        Image.new("RGB", (64, 64), (200, 100, 60)), "AVIF", quality=100, subsampling="4:4:4"
    )
    place = content.index(b"colrnclx") + 8
    content = content[:place] + struct.pack(">H", 12) + content[place + 2 :]
    seen = render_one(engine, content, variant(64)).convert("RGB").getpixel((32, 32))
    assert delta_e(seen, (215, 93, 47)) < 1.5  # type: ignore[arg-type]  # three


def test_moving_picture_has_its_colours_in_every_frame(engine: Engine) -> None:
    colours: list[Triple] = [(200, 100, 60), (60, 100, 200)]
    frames = [Image.new("RGB", (64, 64), colour) for colour in colours]
    content = encode(frames[0], "PNG", save_all=True, append_images=frames[1:], duration=100)
    content = content[:33] + chunk(b"cICP", bytes((12, 13, 0, 1))) + content[33:]
    image = render_one(engine, content, variant(64, WEBP, animated=True, quality="lossless"))
    for place, colour in enumerate(colours):
        image.seek(place)
        seen = image.convert("RGB").getpixel((32, 32))
        assert delta_e(seen, of_p3(colour)) < 1.5  # type: ignore[arg-type]  # three
