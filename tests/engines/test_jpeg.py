from __future__ import annotations

import io
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from resizer.engines.containers.jpeg import MAX_SCANS, MAX_SEGMENTS, is_buffered
from resizer.engines.libvips import LibvipsEngine
from resizer.errors import TooMuchWork, UndecodableOriginal
from tests.engines.rendering import render, render_one, variant
from tests.hostile_files import baseline_jpeg, progressive_jpeg, segment
from tests.pictures import difference, draw, encode, photograph

if TYPE_CHECKING:
    from collections.abc import Callable

    from resizer.engines import Engine


def is_shrinkable(engine: Engine, content: bytes) -> bool:
    return engine.read_header(io.BytesIO(content)).is_shrinkable


def test_as_many_scans_as_are_allowed_are_decoded(engine: Engine) -> None:
    image = render_one(engine, progressive_jpeg(64, MAX_SCANS), variant(32))
    assert image.size == (32, 32)


@pytest.mark.parametrize("write", [progressive_jpeg, baseline_jpeg])
def test_more_scans_are_refused(engine: Engine, write: Callable[[int, int], bytes]) -> None:
    content = write(64, MAX_SCANS + 1)
    with pytest.raises(TooMuchWork):
        render(engine, content, variant(32))


def test_large_picture_may_have_as_many_scans_as_real_ones_and_no_more(engine: Engine) -> None:
    assert render_one(engine, progressive_jpeg(8960, 20), variant(32)).size == (32, 32)
    with pytest.raises(TooMuchWork):
        render(engine, progressive_jpeg(8960, 26), variant(32))


@pytest.mark.parametrize(
    "content",
    [
        photograph((64, 48))[:2] + segment(0xED, b"\xff\xda" * 500) + photograph((64, 48))[2:],
        photograph((64, 48)) + b"\xff\xda\0\2" * 500,
    ],
    ids=["within a segment", "behind the end"],
)
def test_scans_of_something_else_do_not_count(engine: Engine, content: bytes) -> None:
    assert render_one(engine, content, variant(32)).size == (32, 24)


def test_no_scan_is_decoded_behind_one_with_all_colours(engine: Engine) -> None:
    content = photograph((64, 48))
    scan = content.index(b"\xff\xda")
    repeated = content[:scan] + content[scan:-2] * 500 + content[-2:]
    # Pillow's decoder takes the second scan for damage. libvips stops before it, and so do browsers.
    with suppress(UndecodableOriginal):
        image = render_one(engine, repeated, variant(32))
        assert difference(image, render_one(engine, content, variant(32))) == 0


@pytest.mark.parametrize("place", ["scans", "a newer JFIF"])
def test_flood_of_segments_behind_a_scan_is_refused(place: str) -> None:
    """Where somebody has to look at each of them."""
    content = progressive_jpeg(64, MAX_SCANS + 1)
    if place == "a newer JFIF":
        content = photograph((64, 48), progressive=True).replace(b"JFIF\0\1", b"JFIF\0\2", 1)
    last = content.rindex(b"\xff\xda")
    if place == "scans":
        last = content.index(b"\xff\xda", content.index(b"\xff\xda") + 2)
    flooded = content[:last] + b"\xff\xfe\0\2" * (MAX_SEGMENTS + 1) + content[last:]
    with pytest.raises(TooMuchWork, match="segments"):
        render(LibvipsEngine(), flooded, variant(32))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (photograph((64, 48)), True),
        (photograph((64, 48), progressive=True), False),
        (encode(draw((64, 48), "L")), True),
        (encode(draw((64, 48)).convert("CMYK")), True),
        (baseline_jpeg(64, 3), False),
        (baseline_jpeg(64, 1, components=1), True),
        (photograph((64, 48), restart_marker_blocks=1), True),
    ],
    ids=["baseline", "progressive", "grey", "CMYK", "three scans", "one scan", "restarts"],
)
def test_only_what_comes_in_one_scan_is_decoded_small(
    engine: Engine, content: bytes, expected: bool
) -> None:
    assert is_shrinkable(engine, content) is expected


def test_fill_bytes_between_segments_are_no_harm(engine: Engine) -> None:
    content = photograph((64, 48))
    filled = content[:2] + b"\xff" * 100 + content[2:]
    assert is_shrinkable(engine, filled)
    assert render_one(engine, filled, variant(32)).size == (32, 24)


@pytest.mark.parametrize(
    "flood", [segment(0xFE) * 101_000, b"\xff" * 101_000], ids=["segments", "fill"]
)
def test_flood_of_segments_is_refused_with_the_header(engine: Engine, flood: bytes) -> None:
    content = photograph((64, 48))
    with pytest.raises(TooMuchWork):
        engine.read_header(io.BytesIO(content[:2] + flood + content[2:]))


def test_much_exif_in_many_segments_is_refused_with_the_header(engine: Engine) -> None:
    content = photograph((64, 48))
    exif = segment(0xE1, b"Exif\0\0" + bytes(60_000))
    assert engine.read_header(io.BytesIO(content[:2] + exif * 16 + content[2:])).width == 64
    with pytest.raises(TooMuchWork):
        engine.read_header(io.BytesIO(content[:2] + exif * 17 + content[2:]))


def test_segments_without_a_scan_are_no_picture(engine: Engine) -> None:
    with pytest.raises(UndecodableOriginal):
        engine.read_header(io.BytesIO(b"\xff\xd8\xff\xfe\0\2"))


def test_picture_that_is_swapped_for_one_of_many_scans_is_refused(engine: Engine) -> None:
    header = engine.read_header(io.BytesIO(photograph((64, 64))))
    with pytest.raises(TooMuchWork):
        list(engine.render(io.BytesIO(progressive_jpeg(64, 500)), header, [variant(32)]))


def test_picture_that_is_swapped_for_scans_without_a_frame_is_broken(engine: Engine) -> None:
    header = engine.read_header(io.BytesIO(photograph((64, 64))))
    with pytest.raises(UndecodableOriginal):
        list(engine.render(io.BytesIO(b"\xff\xd8\xff\xda\0\2" * 9), header, [variant(32)]))
    content = b"\xff\xd8" + b"\xff\xda\0\3\1" * (MAX_SCANS + 1)
    with pytest.raises(TooMuchWork):
        list(engine.render(io.BytesIO(content), header, [variant(32)]))


def test_large_photograph_is_not_counted_through(engine: Engine) -> None:
    """Bytes that only look like scans are told apart, whatever their number."""
    noise = Image.effect_noise((512, 512), 200).convert("RGB")
    content = encode(noise, quality=100, subsampling=0)
    assert render_one(engine, content, variant(64)).size == (64, 64)


def test_file_without_a_scan_holds_nothing() -> None:
    assert not is_buffered(io.BytesIO(progressive_jpeg(64, 1)[:2]))
