from __future__ import annotations

import logging
import re
from decimal import Decimal
from functools import cache
from html import unescape
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest
from django.core.files.storage import storages
from django.template import Context, Template
from django.utils.safestring import mark_safe
from django.utils.translation import gettext_lazy
from jinja2 import Undefined
from markupsafe import Markup
from PIL import Image

import resizer
from resizer.conf import MAX_FRAMES
from resizer.errors import SourceTimedOut
from resizer.keys.variant import parse_key, write_recipe
from resizer.links import signing
from resizer.markup import picture
from resizer.sources import get_source
from tests.calls import recorded
from tests.conftest import save
from tests.pictures import draw, encode, photograph

if TYPE_CHECKING:
    from django.test import Client
    from freezegun.api import FrozenDateTimeFactory
    from pytest_django import Settings

    from resizer.markup.html import Picture

pytestmark = pytest.mark.django_db


def build(size: tuple[int, int] = (4000, 3000), **options: Any) -> Picture:
    save("a.jpg", photograph(size))
    return picture.build("a.jpg", **{"alt": "", **options})


def candidates(srcset: str) -> list[str]:
    """Only what differs: "640.avif 640w"."""
    return [candidate.rpartition("/")[2] for candidate in srcset.split(", ")]


def test_fluid_picture_has_every_listed_width() -> None:
    made = build()
    ladder = [320, 480, 640, 720, 800, 1080, 1200, 1366, 1600, 1920, 2560]
    assert candidates(made.srcset) == [f"{width}.jpg {width}w" for width in ladder]
    (avif,) = made.candidates
    assert avif.content_type == "image/avif"
    assert candidates(avif.srcset) == [f"{width}.avif {width}w" for width in ladder]
    assert (made.width, made.height) == (2560, 1920)
    assert made.url.endswith("/800.jpg")
    assert made.sizes == "auto, 100vw"


def test_no_candidate_is_wider_than_the_original() -> None:
    made = build((1000, 750))
    assert candidates(made.srcset)[-1] == "1000.jpg 1000w"
    assert (made.width, made.height) == (1000, 750)


@pytest.mark.parametrize(
    ("width", "last"),
    [
        (1366, ["1200.jpg 1200w", "1366.jpg 1366w"]),
        (1300, ["1080.jpg 1080w", "1300.jpg 1300w"]),
        (1340, ["1200.jpg 1200w", "1340.jpg 1340w"]),
        (2561, ["1920.jpg 1920w", "2560.jpg 2560w"]),
        (2560, ["1920.jpg 1920w", "2560.jpg 2560w"]),
    ],
)
def test_own_width_replaces_a_listed_one_close_below(width: int, last: list[str]) -> None:
    assert candidates(build((width, 500)).srcset)[-2:] == last


def test_small_original_is_its_only_candidate() -> None:
    made = build((200, 150))
    assert made.srcset == ""
    assert made.sizes == ""
    assert made.url.endswith("/200.jpg")
    assert made.candidates[0].srcset.endswith("/200.avif")
    assert (made.width, made.height) == (200, 150)


def test_width_limits_the_candidates_to_twice_as_many_pixels() -> None:
    made = build(width=600)
    assert candidates(made.srcset)[-1] == "1200.jpg 1200w"
    assert (made.width, made.height) == (600, 450)
    assert made.url.endswith("/640.jpg")
    assert made.sizes == "auto, (min-width: 600px) 600px, 100vw"


def test_density_can_be_raised(settings: Settings) -> None:
    settings.RESIZER = {"WIDTH_DENSITY": 3}
    assert candidates(build(width=600).srcset)[-1] == "1920.jpg 1920w"
    assert candidates(build(width=48).srcset) == ["48.jpg 1x", "96.jpg 2x", "192.jpg 3x"]


def test_small_width_differs_by_density() -> None:
    made = build(width=48, ratio="1/1")
    assert candidates(made.srcset) == ["48.jpg 1x", "96.jpg 2x"]
    assert made.sizes == ""
    assert (made.width, made.height) == (48, 48)


def test_small_width_of_a_small_original() -> None:
    made = build((100, 75), width=80)
    assert candidates(made.srcset) == ["96.jpg 1x", "100.jpg 2x"]
    assert made.width == 80


def test_picture_is_never_shown_larger_than_it_is() -> None:
    made = build((500, 400), width=600)
    assert (made.width, made.height) == (500, 400)


def recipe_of(made: Picture) -> str:
    match = re.search(r"/[0-9a-f]{8}-[\w-]{14}/(?:(.+)/)?\d+\.jpg$", made.url)
    assert match
    return match[1] or ""


@pytest.mark.parametrize(
    ("options", "recipe", "size"),
    [
        ({"ratio": "16/9"}, "16x9", (2560, 1440)),
        ({"ratio": (16, 9)}, "16x9", (2560, 1440)),
        ({"ratio": "4/3"}, "", (2560, 1920)),
        ({"width": 600, "height": 400}, "3x2", (600, 400)),
        ({"width": "600", "ratio": "2/1"}, "2x1", (600, 300)),
        ({"height": 300, "ratio": "2/1"}, "2x1", (600, 300)),
        ({"height": 300}, "", (400, 300)),
        ({"width": 600, "height": 300, "fit": "contain"}, "", (400, 300)),
        ({"width": 300, "height": 600, "fit": "contain"}, "", (300, 225)),
        ({"width": 600, "ratio": "2/1", "fit": "contain"}, "", (400, 300)),
        ({"ratio": "2/1", "fit": "contain"}, "", (2560, 1920)),
        ({"width": 600, "height": 300, "fit": "fill"}, "2x1,fit-fill", (600, 300)),
        ({"ratio": "1/1", "focal": "62,35"}, "1x1,fp62-35", (2560, 2560)),
        ({"focal": "62,35"}, "", (2560, 1920)),
        ({"quality": "high"}, "q-high", (2560, 1920)),
        ({"quality": "medium"}, "", (2560, 1920)),
        ({"quality": 60}, "q-60", (2560, 1920)),
        ({"quality": "60"}, "q-60", (2560, 1920)),
        ({"quality": "auto"}, "q-auto", (2560, 1920)),
        ({"linear": True}, "linear", (2560, 1920)),
        ({"linear": False}, "", (2560, 1920)),
        ({"linear": "True", "width": "600.0"}, "linear", (600, 450)),
        ({"linear": 1, "width": 600.0}, "linear", (600, 450)),
        ({"width": Decimal("600.00"), "height": 400.4}, "3x2", (600, 400)),
        ({"width": 0.3}, "", (1, 1)),
        ({"quality": 60.0}, "q-60", (2560, 1920)),
        ({"ratio": "1/1", "focal": "62.5,35"}, "1x1,fp63-35", (2560, 2560)),
        ({"ratio": "1 / 1", "focal": "62.4, 35.0"}, "1x1,fp62-35", (2560, 2560)),
        ({"ratio": "1/1", "focal": (Decimal("62.49"), 0.0)}, "1x1,fp62-0", (2560, 2560)),
        ({"ratio": "1/1", "focal": (0, 0)}, "1x1,fp0-0", (2560, 2560)),
        ({"ratio": "1.91/1", "width": 382}, "191x100", (382, 200)),
        ({"ratio": (16.0, 9.0)}, "16x9", (2560, 1440)),
    ],
)
def test_recipe(options: dict[str, Any], recipe: str, size: tuple[int, int]) -> None:
    made = build(**options)
    assert recipe_of(made) == recipe
    assert (made.width, made.height) == size


@pytest.mark.parametrize("nothing", [None, "", " ", 0, "0", 0.0, "0.00", False, Undefined()])
def test_option_without_a_value_is_not_given(nothing: Any) -> None:
    names = ("sizes", "width", "height", "ratio", "fit", "focal", "quality", "linear", "animated")
    plain = build()
    for name in (*names, "priority"):
        assert build(**{name: nothing}) == plain
    assert build(width=300, height=nothing, ratio="2/1") == build(width=300, ratio="2/1")
    assert build(width=300, sizes=nothing) == build(width=300)
    assert picture.url("a.jpg", format=nothing, width=nothing) == picture.url("a.jpg")
    if not isinstance(nothing, str):
        assert build(formats=nothing) == plain


@pytest.mark.parametrize("pair", [(None, None), (None, 35), ("", "")])
def test_pair_without_a_number_is_not_given(pair: Any) -> None:
    assert build(width=300, focal=pair, ratio=pair) == build(width=300)


@pytest.mark.parametrize(
    ("given", "is_first"), [("False", False), ("false", False), ("True", True), (1, True)]
)
def test_priority_may_be_a_text(given: object, is_first: bool) -> None:
    assert ("fetchpriority" in str(build(priority=given))) is is_first


def test_large_numbers_of_a_ratio_are_reduced() -> None:
    assert recipe_of(build(ratio="12000/8000")) == "3x2"
    assert recipe_of(build(width=20_000, height=10_000)) == "2x1"


def test_wrong_option_is_told_though_the_original_is_missing() -> None:
    for options in ({"quality": 500}, {"ratio": "0/0"}, {"focal": "1,101"}):
        with pytest.raises(ValueError, match=next(iter(options))):
            picture.build("missing.jpg", alt="", **options)


def test_crop_has_no_more_pixels_than_the_original() -> None:
    made = build((1600, 1200), ratio="1/2")
    assert candidates(made.srcset)[-1] == "600.jpg 600w"
    assert (made.width, made.height) == (600, 1200)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": 600, "height": 400, "ratio": "3/2"}, "two give the third"),
        ({"width": "wide"}, "width='wide' is not a size"),
        ({"width": "1e3"}, "width='1e3' is not a size"),
        ({"width": float("nan")}, "width=nan is not a size"),
        ({"height": -5}, "height=-5"),
        ({"ratio": "wide"}, 'is not a pair. Use two numbers, such as "16/9"'),
        ({"ratio": "0/1"}, "ratio='0/1' has a side of 0"),
        ({"ratio": "16/0", "height": 100}, "ratio='16/0' has a side of 0"),
        ({"quality": -1}, "1 to 100"),
        ({"quality": "0.4"}, "1 to 100"),
        ({"ratio": 1.5}, 'is not a pair. Use two numbers, such as "16/9"'),
        ({"focal": (1, 2, None)}, 'is not a pair. Use two numbers, such as "62,35"'),
        ({"focal": "1,2,3"}, 'is not a pair. Use two numbers, such as "62,35"'),
        ({"ratio": "1/1", "focal": "101,0"}, "percentages"),
        ({"fit": "stretch"}, "Use one of cover, fill, contain"),
        ({"quality": "superb"}, "low, medium, high, auto, lossless"),
        ({"linear": "yes"}, "linear='yes' is not a flag"),
        ({"animated": 2}, "animated=2 is not a flag"),
        ({"priority": "soon"}, "priority='soon' is not a flag"),
        ({"quality": 101}, "1 to 100"),
        ({"formats": "tiff"}, "Use one of avif, jpeg, png"),
        ({"formats": "webp"}, "Use one of avif, jpeg, png"),
        ({"formats": [["avif"]]}, "Use one of avif, jpeg, png"),
        ({"formats": 5}, "formats=5 is not a list"),
        ({"formats": True}, "formats=True is not a list"),
    ],
)
def test_wrong_option_names_the_choices(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        build(**options)


def test_formats_are_offered_best_first(settings: Settings) -> None:
    settings.RESIZER = {"FORMATS": ["avif", "webp"]}
    assert [one.content_type for one in build().candidates] == ["image/avif", "image/webp"]
    assert [one.content_type for one in build(formats="webp").candidates] == ["image/webp"]
    assert [one.content_type for one in build(formats=["webp", "avif"]).candidates] == [
        "image/webp",
        "image/avif",
    ]
    assert build(formats="").candidates == build(formats=[]).candidates == ()


def test_format_that_cannot_be_so_tall_is_left_out() -> None:
    save("a.png", encode(draw((330, 17_000)), "PNG"))
    made = picture.build("a.png", alt="")
    assert made.candidates == ()
    assert made.url.endswith("/330.jpg")


def test_no_candidate_is_too_large_to_be_made(client: Client, settings: Settings) -> None:
    settings.RESIZER = {"MAX_VARIANT_PIXELS": 480 * 640, "WIDTH_DENSITY": 4}
    # Its own width is near a listed one, and beyond the limit.
    made = build((500, 667))
    assert candidates(made.srcset) == ["320.jpg 320w", "480.jpg 480w"]
    assert (made.width, made.height) == (480, 640)
    dense = picture.build("a.jpg", alt="", width=200)
    assert candidates(dense.srcset) == ["256.jpg 1x", "480.jpg 2x"]
    for url in (made.url, picture.url("a.jpg"), picture.url("a.jpg", width=500)):
        assert client.get(url).status_code == 200


def test_transparency_falls_back_to_png() -> None:
    save("a.png", encode(draw((640, 480), "RGBA"), "PNG"))
    assert picture.build("a.png", alt="").url.endswith("/640.png")


def test_html_of_the_default() -> None:
    html = str(build((500, 400), alt="A <cat>"))
    assert re.sub(r"/img/a\.jpg/[0-9a-f]{8}-[\w-]{14}/", "…/", html) == (
        '<picture><source type="image/avif;codecs=av01" srcset="…/320.avif 320w, …/500.avif 500w" '
        'sizes="auto, 100vw"><img src="…/500.jpg" srcset="…/320.jpg 320w, …/500.jpg 500w" '
        'sizes="auto, 100vw" width="500" height="400" alt="A &lt;cat&gt;" loading="lazy" '
        'decoding="async"></picture>'
    )


def test_what_is_html_already_is_not_escaped_again() -> None:
    assert 'alt="Tom &amp; Jerry"' in str(build((500, 400), alt=mark_safe("Tom &amp; Jerry")))
    assert 'alt="Tom &amp; Jerry"' in str(build((500, 400), alt="Tom & Jerry"))


QUOTED = 'The "Bean" <b>&amp;</b> x" onload="alert(1)'


@pytest.mark.parametrize(
    "wrap",
    [mark_safe, Markup, gettext_lazy, lambda text: gettext_lazy(mark_safe(text))],
    ids=["safe", "markup", "translation", "safe translation"],
)
@pytest.mark.parametrize("is_saved", [True, False], ids=["resized", "as it is"])
def test_nothing_leaves_the_quotes_of_an_attribute(wrap: Any, is_saved: bool) -> None:
    if is_saved:
        save("a.jpg")
    value = wrap(QUOTED)
    made = picture.build(
        "a.jpg",
        alt=value,
        sizes=value,
        attributes={"title": value, "data-x": value, "class": value, "loading": value},
    )
    page = Page(str(made))
    allowed = {
        "src",
        "srcset",
        "sizes",
        "type",
        "width",
        "height",
        "alt",
        "decoding",
        "data-resizer",
    }
    assert page.names <= {*allowed, "title", "data-x", "class", "loading"}
    assert set(page.tags) <= {"picture", "source", "img"}
    for name in ("alt", "title", "data-x", "class", "loading"):
        # What is HTML already is read once, what is text stays as it is.
        plain = unescape(QUOTED) if hasattr(str(value), "__html__") or wrap is Markup else QUOTED
        assert page.image[name] == plain


class Page(HTMLParser):
    """What a browser reads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.names: set[str] = set()
        self.image: dict[str, str | None] = {}
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.names |= {name for name, _ in attributes}
        if tag == "img":
            self.image = dict(attributes)


def test_sizes_of_a_safe_string_are_no_html() -> None:
    assert 'sizes="(width &gt; 600px) 50vw, 100vw"' in str(
        build(sizes=mark_safe("(width > 600px) 50vw, 100vw"), priority=True)
    )


@pytest.mark.parametrize("value", [None, 7, gettext_lazy("A cat")])
def test_alternative_text_may_be_any_value(value: object) -> None:
    text = "" if value is None else str(value)
    made = build((500, 400), alt=value)
    assert made.alt == text
    assert f'alt="{text}"' in str(made)


@pytest.mark.parametrize("name", ['x" onload="alert(1)', "a b", "a=b", "a>", "a/", "", "a\n", "'"])
def test_name_of_an_attribute_is_one_name(name: str) -> None:
    with pytest.raises(ValueError, match="is not the name of an attribute"):
        build(attributes={name: "x"})


def test_one_format_needs_no_picture_element() -> None:
    html = str(build(formats=""))
    assert html.startswith("<img ")
    assert "data-resizer" not in html


def test_style_sheet_finds_a_picture_of_one_candidate() -> None:
    assert " data-resizer loading=" in str(build((200, 150), formats=""))


@pytest.mark.parametrize(
    ("options", "fit"),
    [
        ({"ratio": "1/1"}, "cover"),
        ({"width": 48, "height": 48, "fit": "contain"}, "contain"),
        ({"width": 48, "height": 48, "fit": "fill"}, "fill"),
        ({"width": 48, "fit": "fill"}, ""),
    ],
)
def test_original_as_it_is_fits_its_box(options: dict[str, Any], fit: str) -> None:
    made = picture.build("missing.jpg", alt="", **options)
    assert made.fit == fit
    assert " data-resizer" + (f'="{fit}"' if fit else "") + " loading=" in str(made)


def test_priority_loads_at_once() -> None:
    made = build(priority=True)
    html = str(made)
    assert 'fetchpriority="high"' in html
    assert "loading=" not in html
    assert "decoding=" not in html
    assert made.sizes == "100vw"


@pytest.mark.parametrize(
    ("given", "printed"),
    [
        ("(min-width: 800px) 50vw, 100vw", "auto, (min-width: 800px) 50vw, 100vw"),
        ("auto, 50vw", "auto, 50vw"),
    ],
)
def test_sizes_can_be_given(given: str, printed: str) -> None:
    assert build(sizes=given).sizes == printed


def test_sizes_are_not_automatic_when_the_picture_is_not_lazy() -> None:
    assert build(attributes={"loading": "eager"}).sizes == "100vw"
    assert build(sizes="50vw", priority=True).sizes == "50vw"


def test_site_can_set_sizes(settings: Settings) -> None:
    settings.RESIZER = {"SIZES": "min(100vw, 60rem)"}
    assert build().sizes == "auto, min(100vw, 60rem)"


def test_attributes_are_passed_on() -> None:
    html = str(
        build(
            attributes={"data-id": 7, "class": 'a"b', "hidden": True, "title": None, "is-x": False}
        )
    )
    assert 'data-id="7"' in html
    assert 'class="a&quot;b"' in html
    assert " hidden>" in html
    assert "title" not in html
    assert "is-x" not in html


def test_all_urls_of_a_picture_share_one_signature() -> None:
    html = str(build())
    assert len(set(re.findall(r"[0-9a-f]{8}-[\w-]{14}", html))) == 1


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ('{% resized_img "a.jpg" alt="" %}', 1),
        ('{% resized_img "a.jpg" alt="" width=600 ratio="3/2" quality="high" %}', 1),
        ('{% resized_img "a.jpg" alt="" animated=True %}', 1),
        ('{% resized_img "a.jpg" alt="" quality="lossless" %}', 1),
        ('{% resized_url "a.jpg" width=600 %}', 1),
        # One picture moves, and one stands still for visitors with less motion.
        ('{% resized_img "a.gif" alt="" animated=True %}', 2),
    ],
)
def test_picture_is_signed_once_for_each_recipe(text: str, count: int) -> None:
    save("a.jpg")
    animate()
    template = Template("{% load resizer %}" + text)
    with recorded() as entered:
        html = template.render(Context())
    assert len(set(re.findall(r"[0-9a-f]{8}-[\w-]{14}", html))) == count
    assert entered.count(signing._sign.__code__) == count


@pytest.mark.parametrize("content", [None, b"nonsense"])
def test_original_that_cannot_be_resized_is_shown_as_it_is(
    content: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "resizer")
    if content:
        save("a.svg", content)
    made = picture.build("a.svg", alt="Logo", attributes={"class": "logo"})
    assert str(made) == (
        '<img src="/originals/a.svg" alt="Logo" data-resizer loading="lazy" decoding="async" class="logo">'
    )
    assert "is shown as it is" in caplog.text
    assert picture.url("a.svg") == "/originals/a.svg"


@pytest.mark.parametrize(
    ("name", "content", "level"),
    [
        ("logo.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "INFO"),
        ("old.bmp", b"BM", "INFO"),
        ("phone.heic", b"\0\0\0\x18ftypheic\0\0\0\0", "INFO"),
        ("a.jpg", b"nonsense", "WARNING"),
        ("a.JPEG", b"<html>", "WARNING"),
        ("a.jpg", b"\xff\xd8\xff\xe0 broken", "WARNING"),
        ("missing.jpg", None, "WARNING"),
        ("missing.svg", None, "WARNING"),
    ],
)
def test_original_that_cannot_be_resized_is_logged_once(
    name: str,
    content: bytes | None,
    level: str,
    caplog: pytest.LogCaptureFixture,
    clock: FrozenDateTimeFactory,
) -> None:
    save("another.jpg")
    if content:
        save(name, content)
    caplog.set_level("INFO", "resizer.markup")
    for _ in range(3):
        picture.build(name, alt="")
        picture.url(name)
    ((_, found, message),) = caplog.record_tuples
    assert logging.getLevelName(found) == level
    assert name in message
    clock.tick(301 if content and content.startswith(b"<svg") else 61)
    picture.url(name)
    assert len(caplog.records) == 2


@pytest.mark.parametrize(("is_debug", "levels"), [(True, [30, 30]), (False, [30, 20])])
def test_each_missing_original_is_a_warning_in_development(
    settings: Settings, caplog: pytest.LogCaptureFixture, is_debug: bool, levels: list[int]
) -> None:
    save("another.jpg")
    settings.DEBUG = is_debug
    caplog.set_level("INFO", "resizer.markup")
    for name in ("a.jpg", "b.jpg", "a.jpg"):
        picture.build(name, alt="")
    assert [record.levelno for record in caplog.records] == levels


def test_originals_of_a_source_that_was_slow_a_moment_ago_are_not_logged_each(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def stat(*_: object) -> None:
        raise SourceTimedOut("slow")

    monkeypatch.setattr(get_source("default"), "stat", stat)
    for name in ("a.jpg", "b.jpg", "c.jpg", "a.jpg"):
        picture.build(name, alt="")
    (message,) = [one for one in caplog.messages if "as it is" in one]
    assert "a.jpg" in message


@pytest.mark.parametrize(
    "content",
    [
        None,
        encode(draw((64, 48)), "BMP"),
        b"\xff\xd8\xff\xe0 broken",
    ],
    ids=["missing", "bmp", "broken"],
)
@pytest.mark.parametrize(
    ("options", "box"),
    [
        ({"width": 600, "height": 400}, (600, 400)),
        ({"width": 600, "height": 400, "fit": "contain"}, (600, 400)),
        ({"width": 600, "ratio": "16/9"}, (600, 338)),
        ({"height": 100, "ratio": "16/9"}, (178, 100)),
        ({"height": 100, "ratio": "1/3"}, (33, 99)),
        ({"ratio": "16/9"}, (2560, 1440)),
        ({"width": 600}, (600, None)),
        ({"height": 48}, (None, 48)),
        ({}, (None, None)),
    ],
)
def test_original_that_cannot_be_resized_keeps_its_box(
    content: bytes | None, options: dict[str, Any], box: tuple[int | None, int | None]
) -> None:
    if content:
        save("box", content)
    made = picture.build("box", alt="", **options)
    assert (made.width, made.height) == box
    for name, side in zip(("width", "height"), box, strict=True):
        assert (f'{name}="{side}"' in str(made)) is (side is not None)
    if None not in box and "fit" not in options:
        good = build(**options)
        assert (good.width, good.height) == box


VECTOR = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 20"/>'


@pytest.mark.parametrize(
    ("options", "box", "fit"),
    [
        ({}, (40, 20), ""),
        ({"width": 100}, (100, 50), ""),
        ({"height": 100}, (200, 100), ""),
        ({"width": 48, "height": 48}, (48, 48), "cover"),
        ({"ratio": "1/1"}, (40, 40), "cover"),
        ({"width": 48, "ratio": "1/1"}, (48, 48), "cover"),
        ({"height": 48, "ratio": "1/1"}, (48, 48), "cover"),
        ({"width": 48, "height": 48, "fit": "contain"}, (48, 24), "contain"),
        ({"width": 48, "ratio": "4/1", "fit": "contain"}, (24, 12), "contain"),
        ({"height": 48, "ratio": "1/1", "fit": "contain"}, (48, 24), "contain"),
        ({"ratio": "1/1", "fit": "contain"}, (40, 20), "contain"),
    ],
)
def test_vector_has_a_box_without_any_option(
    options: dict[str, Any], box: tuple[int, int], fit: str, clock: FrozenDateTimeFactory
) -> None:
    save("logo.svg", VECTOR)
    # Also once it is remembered.
    for _ in range(2):
        made = picture.build("logo.svg", alt="", **options)
        assert (made.width, made.height, made.fit) == (*box, fit)
        assert made.url == "/originals/logo.svg"
    clock.tick(301)
    save("logo.svg", VECTOR.replace(b"40 20", b"40 40"))
    assert picture.build("logo.svg", alt="", width=20).height == 20


def test_vector_is_looked_at_no_more_often_than_a_photograph(
    clock: FrozenDateTimeFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    save("logo.svg", VECTOR)
    assert picture.build("logo.svg", alt="").height == 20
    monkeypatch.setattr(get_source("default"), "stat", None)
    clock.tick(290)
    assert picture.build("logo.svg", alt="").height == 20


def test_vectors_can_be_left_out(settings: Settings) -> None:
    settings.RESIZER = {"SHOW_SVG": False}
    save("logo.svg", VECTOR)
    for _ in range(2):
        assert str(picture.build("logo.svg", alt="Logo")) == ""
        assert picture.url("logo.svg") == ""
    assert "src" in str(picture.build("missing.svg", alt="Logo"))


def test_original_without_a_url_shows_its_alternative_text(settings: Settings) -> None:
    settings.STORAGES["default"]["OPTIONS"]["base_url"] = None
    settings.MEDIA_URL = None
    settings.STORAGES = dict(settings.STORAGES)
    storages["default"]
    assert "src" not in str(picture.build("../a.jpg", alt="Gone"))


def parsed_width(url: str) -> int:
    parsed = parse_key(url.removeprefix("/img/"))
    assert parsed is not None
    return parsed.variant.width


@pytest.mark.parametrize(
    ("width", "given"),
    [(None, 2560), (600, 640), (640, 640), (3, 16), (2561, 2560), (9000, 2560)],
)
def test_url_of_the_next_listed_width(width: int | None, given: int) -> None:
    save("a.jpg", photograph((4000, 3000)))
    assert parsed_width(picture.url("a.jpg", width=width)) == given


def test_url_is_never_wider_than_the_original() -> None:
    save("a.jpg", photograph((1000, 750)))
    assert parsed_width(picture.url("a.jpg", width=1080)) == 1000
    assert parsed_width(picture.url("a.jpg")) == 1000


def test_url_in_a_format() -> None:
    save("a.jpg")
    assert picture.url("a.jpg", width=640).endswith("/640.jpg")
    assert picture.url("a.jpg", width=640, format="avif").endswith("/640.avif")
    assert picture.url("a.jpg", width=640, format="png").endswith("/640.png")
    with pytest.raises(ValueError, match="avif, jpeg, png"):
        picture.url("a.jpg", format="webp")


def animate(name: str = "a.gif", count: int = 3) -> None:
    save(name, turning(count))


@cache
def turning(count: int) -> bytes:
    # Pillow's own way to find colours takes five times as long.
    fast = Image.Quantize.FASTOCTREE
    frames = [draw((1000, 750)).rotate(90 * turn).quantize(method=fast) for turn in range(count)]
    return encode(frames[0], "GIF", save_all=True, append_images=frames[1:])


def recipes(srcset: str) -> set[str]:
    parsed = [parse_key(one.split()[0].removeprefix("/img/")) for one in srcset.split(", ")]
    return {write_recipe(one.variant.recipe) for one in parsed if one}


@pytest.mark.parametrize("formats", [None, "avif", ""])
def test_moving_picture_moves_in_webp_and_stands_still_elsewhere(formats: str | None) -> None:
    animate()
    made = picture.build("a.gif", alt="", animated=True, formats=formats)
    still, moving = made.candidates
    assert (still.media, moving.media) == ("(prefers-reduced-motion: reduce)", "")
    assert (still.content_type, moving.content_type) == ("image/png", "image/webp")
    assert candidates(moving.srcset)[-1] == "1000.webp 1000w"
    assert recipes(moving.srcset) == {"animated"}
    assert recipes(still.srcset) == recipes(made.srcset) == recipes(made.url) == {""}
    assert '<source type="image/png;codecs=png" srcset="' in str(made)
    assert ' media="(prefers-reduced-motion: reduce)">' in str(made)


def test_picture_that_does_not_move_is_as_any_other() -> None:
    assert build(animated=True) == build()


def test_picture_of_too_many_frames_stands_still(settings: Settings) -> None:
    settings.RESIZER = {"MAX_ANIMATION_PIXELS": 2 * 1000 * 750}
    animate()
    assert picture.build("a.gif", alt="", animated=True) == picture.build("a.gif", alt="")


def test_flood_of_tiny_frames_stands_still() -> None:
    content = encode(Image.new("P", (1, 1)), "GIF")
    start = content.index(b"\x2c")
    for count, moves in ((MAX_FRAMES, True), (MAX_FRAMES + 1, False)):
        name = save(f"{count}.gif", content[:start] + content[start:-1] * count + b";")
        made = picture.build(name, alt="", animated=True)
        assert any(one.content_type == "image/webp" for one in made.candidates) is moves


def test_picture_does_not_move_unasked() -> None:
    animate()
    (avif,) = picture.build("a.gif", alt="").candidates
    assert avif.content_type == "image/avif"


def test_lossless_picture_is_webp_or_png() -> None:
    made = build(quality="lossless")
    (webp,) = made.candidates
    assert webp.content_type == "image/webp"
    assert made.url.endswith("/q-lossless/800.png")


def test_url_of_what_only_some_formats_can_hold() -> None:
    animate()
    assert picture.url("a.gif", animated=True).endswith("/animated/1000.webp")
    assert picture.url("a.gif", quality="lossless").endswith("/q-lossless/1000.png")
    assert picture.url("a.gif", quality="lossless", format="png").endswith("/q-lossless/1000.png")
    # Whether an original moves, the template cannot know.
    assert picture.url("a.gif", animated=True, format="jpeg").endswith("/1000.jpg")
    assert "/animated/" not in picture.url("a.gif", animated=True, format="jpeg")


def test_url_with_a_recipe() -> None:
    save("a.jpg")
    assert picture.url("a.jpg", width=1200, ratio="1200/630").endswith("/40x21/1200.jpg")


def test_drawing_of_few_colours_falls_back_to_png() -> None:
    drawing = Image.new("RGB", (800, 500), "white")
    drawing.paste((40, 60, 210), (100, 100, 300, 200))
    save("a.png", encode(drawing.quantize(4), "PNG"))
    made = picture.build("a.png", alt="")
    assert candidates(made.srcset) == [
        f"{width}.png {width}w" for width in (320, 480, 640, 720, 800)
    ]
    assert made.url.endswith("/800.png")
    assert picture.url("a.png").endswith("/800.png")
    assert candidates(picture.build("a.png", alt="", formats=["avif"]).candidates[0].srcset)[0] == (
        "320.avif 320w"
    )


def test_photograph_of_few_colours_falls_back_to_jpeg() -> None:
    noise = Image.effect_noise((400, 300), 90).convert("P")
    save("a.gif", encode(noise, "GIF"))
    assert picture.url("a.gif").endswith(".jpg")


def test_page_shows_originals_where_the_app_has_no_urls(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.ROOT_URLCONF = "django.contrib.auth.urls"
    save("a.jpg")
    for _ in range(2):
        html = str(picture.build("a.jpg", alt="A picture", width=320))
        assert 'src="/originals/a.jpg"' in html
        assert "srcset" not in html
        assert picture.url("a.jpg", width=320) == "/originals/a.jpg"
    (message,) = [one for one in caplog.messages if "No URL leads to the app" in one]
    assert 'path("img/", include("resizer.urls"))' in message


def test_misspelt_option_of_a_function_is_told_with_the_right_one() -> None:
    for make in (resizer.picture, resizer.url):
        with pytest.raises(TypeError, match=r"^There is no option widht\. Did you mean width\?$"):
            make("a.jpg", widht=300)
        with pytest.raises(TypeError, match=r"^There is no option colour\. Use one of absolute, "):
            make("a.jpg", colour="red")
