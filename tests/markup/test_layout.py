from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from resizer.markup import picture
from tests.conftest import save
from tests.markup.test_picture import build, candidates
from tests.pictures import encode, photograph

if TYPE_CHECKING:
    from pytest_django import Settings

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("options", "sizes"),
    [
        ({"columns": 1}, "100vw"),
        ({"container": 1100}, "(min-width: 1100px) 1100px, 100vw"),
        ({"columns": 1, "container": 1100}, "(min-width: 1100px) 1100px, 100vw"),
        (
            {"columns": 2, "container": 1100},
            "(min-width: 1100px) 550px, (min-width: 768px) 50vw, 100vw",
        ),
        (
            {"columns": 3, "container": 1100},
            "(min-width: 1100px) 367px, (min-width: 1024px) 33.4vw, (min-width: 768px) 50vw, 100vw",
        ),
        (
            {"columns": "3", "container": "700.0"},
            "(min-width: 1024px) 234px, (min-width: 768px) 350px, (min-width: 700px) 700px, 100vw",
        ),
        ({"columns": 2}, "(min-width: 768px) 50vw, 100vw"),
        (
            {"columns": 2, "width": 300, "layout": "fluid"},
            "(min-width: 768px) min(50vw, 300px), min(100vw, 300px)",
        ),
        (
            {"columns": 2, "container": 1000, "width": 400},
            "(min-width: 1000px) 400px, (min-width: 768px) min(50vw, 400px), min(100vw, 400px)",
        ),
        (
            {"columns": 7},
            "(min-width: 1536px) 14.3vw, (min-width: 1280px) 25vw, (min-width: 1024px) 33.4vw, (min-width: 768px) 50vw, 100vw",
        ),
    ],
)
def test_columns_give_sizes(options: dict[str, Any], sizes: str) -> None:
    assert build(priority=True, **options).sizes == sizes
    assert build(**options).sizes == f"auto, {sizes}"


def test_breakpoints_can_be_set(settings: Settings) -> None:
    settings.RESIZER = {"BREAKPOINTS": [600]}
    assert build(columns=3, priority=True).sizes == "(min-width: 600px) 33.4vw, 100vw"


def test_columns_limit_the_candidates() -> None:
    """At most 767 px wide: one column just below the first breakpoint."""
    made = build(columns=3, container=1100)
    assert candidates(made.srcset)[-1] == "1600.jpg 1600w"
    assert (made.width, made.height) == (767, 575)
    assert candidates(build(columns=3).srcset)[-1] == "2560.jpg 2560w"


def test_narrow_columns_have_smaller_candidates() -> None:
    made = build(columns=6, container=1100)
    assert candidates(made.srcset)[:4] == ["192.jpg 192w", "256.jpg 256w", "320.jpg 320w", "480.jpg 480w"]  # fmt: skip


def test_picture_below_the_first_width_can_be_fluid() -> None:
    made = build(width=240, layout="fluid")
    assert candidates(made.srcset) == [f"{width}.jpg {width}w" for width in (128, 192, 256, 320, 480)]  # fmt: skip
    assert made.sizes == "auto, (min-width: 240px) 240px, 100vw"
    assert candidates(build(width=400, layout="fluid").srcset)[0] == "320.jpg 320w"
    assert build(layout="fluid") == build()


def test_large_picture_can_differ_by_density() -> None:
    made = build(width=600, layout="fixed")
    assert candidates(made.srcset) == ["640.jpg 1x", "1200.jpg 2x"]
    assert made.sizes == ""
    assert made.width == 600
    assert build(layout="fixed") == build()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"columns": "many"}, "columns='many' is not a size"),
        ({"columns": 13}, "Use 1 to 12"),
        ({"container": "wide"}, "container='wide' is not a size"),
        ({"layout": "grid"}, "layout='grid' is unknown. Use one of fluid, fixed"),
        ({"exact": "yes"}, "exact='yes' is not a flag"),
        ({"exact": True}, "exact=True needs width"),
        ({"exact": True, "width": 20}, "no candidates of 20, 40 px. Add them to RESIZER['EXACT"),
        ({"sizes": "50%"}, 'Write each length in vw or px, such as "50vw". Percent has no meaning'),
        ({"sizes": "(min-width: 600px) calc(50% - 1rem), 100vw"}, "Percent has no meaning there"),
        ({"sizes": "600"}, 'such as "600px". A number needs a unit'),
        ({"sizes": "(min-width: 600px) 300, 100vw"}, "A number needs a unit"),
    ],
)
def test_wrong_option_names_the_choices(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        build(**options)


@pytest.mark.parametrize("sizes", ["auto", "auto, 50vw", "50vw"])
def test_picture_that_loads_at_once_has_no_auto(settings: Settings, sizes: str) -> None:
    """It is valid for lazy images only (HTML §4.8.4.2.2)."""
    lengths = sizes.removeprefix("auto").removeprefix(", ") or "100vw"
    assert build(sizes=sizes, priority=True).sizes == lengths
    assert build(sizes=sizes).sizes == f"auto, {lengths}"
    settings.RESIZER = {"SIZES": sizes}
    assert build(priority=True).sizes == lengths
    assert build().sizes == f"auto, {lengths}"


@pytest.mark.parametrize(
    "sizes",
    ["50vw", "0", "calc(100vw / 3)", "(min-width: 600px) min(50vw, 30rem), 100vw", "auto, 20.5em"],
)
def test_right_sizes_are_printed(sizes: str) -> None:
    assert sizes in build(sizes=sizes).sizes


def test_exact_widths_are_for_their_own_pictures_only(settings: Settings) -> None:
    assert candidates(build(width=20).srcset) == ["24.jpg 1x", "48.jpg 2x"]
    settings.RESIZER = {"EXACT_WIDTHS": [20, 40, 420, 840]}
    for exact in (False, True):
        assert candidates(build(width=20, exact=exact).srcset) == ["20.jpg 1x", "40.jpg 2x"]
    assert candidates(build(width=18).srcset) == ["24.jpg 1x", "48.jpg 2x"]
    assert candidates(build(width=420, layout="fixed").srcset) == ["420.jpg 1x", "840.jpg 2x"]
    assert candidates(build(width=24, exact=True).srcset) == ["24.jpg 1x", "48.jpg 2x"]
    assert picture.url("a.jpg", width=20).endswith("/20.jpg")
    assert picture.url("a.jpg", width=410).endswith("/480.jpg")


def test_lazy_avif_names_its_codec() -> None:
    """Else WebKit up to 2.50 loads each lazy picture twice: measured, 16 requests for 8 pictures."""
    assert '<source type="image/avif;codecs=av01" ' in str(build())
    assert '<source type="image/avif" ' in str(build(priority=True))
    assert '<source type="image/avif" ' in str(build(attributes={"loading": "eager"}))
    save("a.jpg")
    assert build().candidates[0].content_type == "image/avif"


def test_all_sources_of_a_lazy_picture_name_a_codec(settings: Settings) -> None:
    settings.RESIZER = {"FORMATS": ["avif", "webp"]}
    frames = [photograph((400, 300)), photograph((400, 301))]
    images = [Image.open(io.BytesIO(one)).convert("P") for one in frames]
    save("a.gif", encode(images[0], "GIF", save_all=True, append_images=images[1:]))
    for made in (picture.build("a.gif", alt="", animated=True), build(formats="avif webp")):
        types = re.findall(' type="([^"]+)"', str(made))
        assert len(types) == 2
        assert all(";codecs=" in one for one in types)
