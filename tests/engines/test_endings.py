from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from resizer.formats import AVIF, WEBP
from resizer.storages.endings import has_end
from tests.engines.rendering import WRITTEN, render, variant
from tests.pictures import draw, encode

if TYPE_CHECKING:
    from resizer.engines import Engine
    from resizer.formats import Format


@pytest.mark.parametrize("target", WRITTEN, ids=lambda one: one.name)
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
def test_variant_has_its_end_and_no_part_of_it_has(
    engine: Engine, target: Format, mode: str
) -> None:
    original = encode(draw((400, 300), mode), "PNG")
    for width in (1, 33, 320):
        (rendered,) = render(engine, original, variant(width, target))
        content = rendered.content
        assert has_end(content, target)
        assert not has_end(content + b"\0", target)
        for length in {*range(0, len(content), 7), len(content) - 1}:
            assert not has_end(content[:length], target), length


def test_moving_variant_has_its_end(engine: Engine) -> None:
    first = draw((64, 48))
    original = encode(first, "GIF", save_all=True, append_images=[first.rotate(90)], duration=100)
    (rendered,) = render(engine, original, variant(64, WEBP, animated=True))
    assert has_end(rendered.content, WEBP)
    assert not has_end(rendered.content[:-2], WEBP)


@pytest.mark.parametrize(
    "content",
    [
        b"\0\0\0\x0cftypavif",
        b"\0\0\0\x0cftypavif\0\0\0\x00mdat1234",
        b"\0\0\0\x0cftypavif\0\0\0\x01mdat\0\0\0\0\0\0\0\x14",
        b"\0\0\0\x0cftypavif\0\0\0\x0dmdat1234",
        b"\0\0\0\x0cftypavif\0\0",
        b"",
    ],
)
def test_boxes_that_lack_something(content: bytes) -> None:
    assert not has_end(content, AVIF)
    assert has_end(b"\0\0\0\x0cftypavif\0\0\0\x0cmdat1234", AVIF)
