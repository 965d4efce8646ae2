"""Art direction: other sources for other screens, and nothing that shifts in a browser."""

from __future__ import annotations

import html
import re
import threading
from typing import TYPE_CHECKING, Any

import pytest
from django.template import Context, Template, TemplateSyntaxError
from django.test import RequestFactory
from PIL import Image

from resizer import originals
from resizer.markup import picture
from resizer.markup.art_direction import direct, source
from tests.chromium import open_browser
from tests.conftest import save
from tests.markup.test_placeholders import files_of, serve
from tests.pictures import encode, photograph

if TYPE_CHECKING:
    from django.test import Client
    from pytest_django import Settings

pytestmark = pytest.mark.django_db

PHONE = "(max-width: 600px)"


@pytest.fixture(autouse=True)
def original() -> None:
    save("wide.jpg", photograph((1600, 800)))
    save("tall.jpg", photograph((800, 1600)))


def render(block: str, name: str = "", **values: Any) -> str:
    values = {"wide": "wide.jpg", "tall": "tall.jpg", **values}
    text = "{% load resizer %}{% resized_picture " + name + " %}" + block
    return Template(text + "{% endresized_picture %}{{ after }}").render(Context(values))


def sources(html: str) -> list[dict[str, str]]:
    """The attributes of each `source`."""
    found = re.findall(r"<source ([^>]*)>", html)
    return [dict(re.findall(r'([a-z]+)="([^"]*)"', one)) for one in found]


TALL = '{% resized_source tall media="(max-width: 600px)" ratio="4/5" %}'
WIDE = '{% resized_img wide alt="A hill" ratio="21/9" class="hero" %}'


def test_source_comes_before_the_picture_with_its_own_box() -> None:
    html = render(f"\n  {TALL}\n  {WIDE}\n")
    modern, fallback, own = sources(html)
    for one in (modern, fallback):
        assert one["media"] == PHONE
        assert (one["width"], one["height"]) == ("800", "1000")
        assert "/4x5/" in one["srcset"]
        assert one["sizes"].startswith("auto, ")
    assert modern["type"].startswith("image/avif")
    # Whoever knows no modern format gets the crop, too.
    assert fallback["type"] == "image/jpeg;codecs=jpeg"
    assert ".jpg 800w" in fallback["srcset"]
    assert "media" not in own
    assert "width" not in own
    plain = Template("{% load resizer %}" + WIDE).render(Context({"wide": "wide.jpg"}))
    assert html.endswith(plain.removeprefix("<picture>"))


def test_picture_that_loads_at_once_has_no_automatic_sizes() -> None:
    html = render(TALL + '{% resized_img wide alt="" ratio="21/9" priority=True %}')
    assert "auto" not in html
    assert 'fetchpriority="high"' in html
    assert {one.get("sizes") for one in sources(html)} == {"100vw"}


def test_several_sources_stay_in_their_order_and_may_depend_on_data() -> None:
    block = (
        '{% if portrait %}{% resized_source portrait media="(max-width: 400px)" width=300 %}{% endif %}'
        + TALL
        + WIDE
    )
    medias = [one.get("media") for one in sources(render(block, portrait="tall.jpg"))]
    assert medias == ["(max-width: 400px)"] * 2 + [PHONE] * 2 + [None]
    assert [one.get("media") for one in sources(render(block))] == [PHONE] * 2 + [None]


def test_empty_source_and_empty_media_leave_the_picture_alone() -> None:
    plain = render(WIDE)
    assert render("{% resized_source nothing media='(a)' %}" + WIDE) == plain
    assert render("{% resized_source tall media=nothing %}" + WIDE) == plain
    assert render(TALL + '{% resized_img nothing alt="" %}') == ""


def test_source_that_cannot_be_resized_is_offered_as_it_is() -> None:
    save("logo.svg", b'<svg xmlns="http://www.w3.org/2000/svg"/>')
    first, *_ = sources(render('{% resized_source "logo.svg" media="(a)" width=300 %}' + WIDE))
    assert first["srcset"].endswith("logo.svg")
    assert first["width"] == "300"
    originals.note_broken(originals.look_up("tall.jpg"))
    first, *_ = sources(render(TALL + WIDE))
    assert first["srcset"].endswith("/tall.jpg")
    # A browser that cannot show it would still choose it by its type.
    assert "type" not in first


def test_absolute_urls_are_those_of_the_sources_too(settings: Settings) -> None:
    img = '{% resized_img wide alt="A hill" ratio="21/9" class="hero" absolute=True %}'
    settings.ALLOWED_HOSTS = ["www.example.com"]
    request = RequestFactory(SERVER_NAME="www.example.com").get("/")
    html = render(TALL + img, request=request)
    addresses = re.findall(r"[^\s\"]*/img/", html)
    assert len(addresses) > 20
    assert set(addresses) == {"http://www.example.com/img/"}
    assert html.replace("http://www.example.com", "") == render(TALL + WIDE)
    assert render(TALL + img.replace("wide", "nothing"), request=request) == ""


def test_picture_as_data_has_the_box_of_each_source() -> None:
    save("logo.svg", b'<svg xmlns="http://www.w3.org/2000/svg" width="30" height="20"/>')
    tall = source("tall.jpg", media=PHONE, ratio="4/5", width=600)
    logo = source("logo.svg", media="print")
    made = direct(picture.build("wide.jpg", alt=""), [tall, logo])
    data = made.as_dict()["sources"]
    boxes = [(one["media"], one["width"], one["height"], one["sizes"]) for one in data]
    limit = "auto, (min-width: 600px) 600px, 100vw"
    phone, others = (PHONE, 600, 750, limit), ("", 1600, 800, "auto, 100vw")
    assert boxes == [phone, phone, ("print", 30, 20, ""), others, others]
    assert data[1]["candidates"][0]["width"] == 320
    assert (data[2]["type"], data[2]["srcset"], data[2]["candidates"]) == (
        "",
        "/originals/logo.svg",
        [],
    )


def test_moving_source_stands_still_for_visitors_who_want_that() -> None:
    frames = [Image.new("RGB", (400, 300), color) for color in ("red", "blue")]
    gif = encode(frames[0], "gif", save_all=True, append_images=frames[1:], duration=100)
    save("moving.gif", gif)
    html = render('{% resized_source "moving.gif" media="(a), (b)" animated=True %}' + WIDE)
    reduced = "(prefers-reduced-motion: reduce)"
    assert sources(html)[0]["media"] == f"(a) and {reduced}, (b) and {reduced}"


def test_picture_may_be_kept_in_a_variable() -> None:
    html = render(TALL + WIDE, "as hero", after="")
    assert html == ""
    text = "{% load resizer %}{% resized_picture as hero %}" + TALL + WIDE
    text += "{% endresized_picture %}{{ hero.width }} {{ hero.candidates|length }}"
    values = Context({"wide": "wide.jpg", "tall": "tall.jpg"})
    assert Template(text).render(values) == "1600 3"


def test_variable_of_an_img_in_the_block_is_no_part_of_the_picture() -> None:
    html = render('{% resized_img tall alt="" as other %}' + WIDE)
    assert html == render(WIDE)


def test_placeholder_of_several_crops_is_a_colour(client: Client) -> None:
    assert client.get(picture.url("wide.jpg", width=320)).status_code == 200
    one = picture.build("wide.jpg", alt="", placeholder="blur")
    assert "url(" in str(one)
    made = direct(one, [source("tall.jpg", media=PHONE)])
    assert "url(" not in str(made)
    assert "background:#" in str(made)


@pytest.mark.parametrize(
    ("block", "message"),
    [
        (TALL, "needs a resized_img"),
        (WIDE + "A hill", "has text in it"),
        (WIDE + "{{ hill }}", "has text in it"),
        ('{% resized_source tall ratio="4/5" %}' + WIDE, "resized_source needs media"),
        ('{% resized_source tall media="(a)" alt="" %}' + WIDE, "resized_source has no option alt"),
        ('{% resized_source tall media="(a)" ratio="x" %}' + WIDE, "ratio='x' is not a pair"),
        ('{% resized_source media="(a)" %}' + WIDE, "has no original"),
        (
            "{% resized_picture %}" + WIDE + "{% endresized_picture %}" + WIDE,
            "stands in another one",
        ),
    ],
)
def test_mistake_in_a_block_is_an_error_when_the_template_is_compiled(
    block: str, message: str
) -> None:
    with pytest.raises(TemplateSyntaxError, match=message):
        render(block)


def test_block_has_no_options_and_a_source_no_other_place() -> None:
    with pytest.raises(TemplateSyntaxError, match="resized_picture has no options"):
        render(WIDE, 'ratio="1/1"')
    with pytest.raises(TemplateSyntaxError, match="stands outside of resized_picture"):
        Template("{% load resizer %}" + TALL)


# --- in a browser

_SHIFTS = """
new PerformanceObserver((list) => {
    for (const one of list.getEntries()) window.shifted = (window.shifted || 0) + one.value;
}).observe({type: "layout-shift", buffered: true});
"""
#: What a page of ours has at least.
_STYLE = "<style>body{margin:0}img{max-width:100%;height:auto;display:block}</style>"


@pytest.mark.slow
@pytest.mark.service("chromium")
@pytest.mark.parametrize("options", ["priority=True", 'loading="lazy"'])
def test_nothing_shifts_and_each_screen_gets_its_crop(
    client: Client, settings: Settings, options: str
) -> None:
    block = f'{TALL}{{% resized_img wide alt="A hill" ratio="21/9" {options} %}}'
    html = f'<meta name="viewport" content="width=device-width">{_STYLE}{render(block)}<p>Below</p>'
    files = files_of(client, html)
    found = {}
    gate = threading.Event()
    with serve(files, gate=gate) as url, open_browser() as browser:
        for width in (390, 600, 601, 1440):
            gate.clear()
            page = browser.new_page(viewport={"width": width, "height": 800})
            page.add_init_script(_SHIFTS)
            page.goto(url, wait_until="domcontentloaded")
            before = page.locator("img").bounding_box()
            assert not page.evaluate("document.images[0].complete")
            gate.set()
            page.evaluate("document.images[0].decode()")
            after = page.locator("img").bounding_box()
            assert before is not None
            assert after is not None
            # A picture has whole pixels.
            assert abs(before["height"] - after["height"]) < 1
            assert before["width"] == after["width"]
            assert page.evaluate("window.shifted || 0") == 0
            shown = page.evaluate("document.images[0].currentSrc")
            found[width] = (round(after["width"] / after["height"], 1), shown.split("/")[4])
            page.close()
    assert found == {
        390: (0.8, "tall.jpg"),
        600: (0.8, "tall.jpg"),
        601: (2.3, "wide.jpg"),
        1440: (2.3, "wide.jpg"),
    }


BLOCK = """{% resized_source tall media="MEDIA" %}{% resized_img wide alt="" %}"""


@pytest.mark.parametrize(
    "media",
    [
        PHONE,
        "print",
        "(400px <= width <= 700px)",
        "screen and (orientation: portrait), (max-height: 30em)",
        "not all and (monochrome)",
        "(min-width: calc((40rem + 1px))) AND (not (hover))",
        "only screen",
    ],
)
def test_media_query_is_printed(media: str) -> None:
    block = BLOCK.replace("MEDIA", media)
    assert {one.get("media") for one in sources(render(block))} == {html.escape(media), None}


@pytest.mark.parametrize(
    "media", ["max-width: 600px", "mobile", "600px", "(max-width: 600px", "print,", "print}"]
)
def test_media_that_is_no_query_is_an_error(media: str, settings: Settings) -> None:
    with pytest.raises(TemplateSyntaxError, match=r"is no media query\. Write one such as"):
        render(BLOCK.replace("MEDIA", media))
    block = BLOCK.replace('"MEDIA"', "media")
    assert {one.get("media") for one in sources(render(block, media=media))} == {None}
    settings.DEBUG = True
    with pytest.raises(ValueError, match="is no media query"):
        render(block, media=media)
