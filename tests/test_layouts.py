"""Pictures in usual layouts, as Chromium shows them: no overflow, no distortion, no shift."""

from __future__ import annotations

import base64
import contextlib
import shutil
from typing import TYPE_CHECKING, Any

import django
import pytest

from tests.chromium import open_browser
from tests.documents import read
from tests.pictures import draw, encode, photograph
from tests.servers import ROOT, django_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.service("chromium")

SCREENS = {"phone": (390, 844), "desktop": (1440, 900)}
LADDER = (320, 480, 640, 720, 800, 1080, 1200, 1366, 1600, 1920, 2560)
FRAMEWORKS = ("none", "bootstrap", "tailwind", "pico")
LOGO = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 20"><rect width="40" height="20"/></svg>'
BARE = b'<svg xmlns="http://www.w3.org/2000/svg"><rect width="40" height="20"/></svg>'
BOXES = """() => [...document.querySelectorAll("[data-ratio]")].map(place => {
    const image = place.querySelector("img"), box = image.getBoundingClientRect();
    const [across, down] = place.dataset.ratio.split("/").map(Number);
    return {alt: image.alt, width: box.width, height: box.height, ratio: across / down, room: place.clientWidth,
        asked: Number(place.dataset.width ?? image.getAttribute("width")), natural: image.naturalWidth,
        fit: getComputedStyle(image).objectFit};
})"""


@contextlib.contextmanager
def serve(data: Path, migrated: Path, **environment: str) -> Iterator[str]:
    shutil.copy(migrated, data)
    originals = data / "originals"
    originals.mkdir()
    (originals / "a.jpg").write_bytes(photograph((3200, 2400)))
    (originals / "tall.jpg").write_bytes(photograph((600, 2400)))
    (originals / "small.jpg").write_bytes(photograph((200, 150)))
    (originals / "logo.svg").write_bytes(LOGO)
    (originals / "bare.svg").write_bytes(BARE)
    environment |= {
        "RESIZER_DATA_DIR": str(data),
        "DJANGO_DEBUG": "1",
        "DJANGO_SETTINGS_MODULE": "tests.layout_settings",
    }
    with django_server(ROOT, environment) as url:
        yield url


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, migrated: Path) -> Iterator[str]:
    with serve(tmp_path_factory.mktemp("layouts"), migrated) as url:
        yield url


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory, migrated: Path) -> Iterator[str]:
    """A server with a policy for scripts and styles."""
    with serve(tmp_path_factory.mktemp("strict"), migrated, TESTS_CSP="1") as url:
        yield url


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as browser:
        yield browser


@contextlib.contextmanager
def visit(browser: Browser, screen: str = "desktop") -> Iterator[Page]:
    width, height = SCREENS[screen]
    context = browser.new_context(viewport={"width": width, "height": height})
    yield context.new_page()
    context.close()


def load_all(page: Page) -> list[dict[str, Any]]:
    page.evaluate("document.querySelectorAll('img').forEach(image => image.loading = 'eager')")
    page.wait_for_function("[...document.images].every(image => image.complete)")
    boxes: list[dict[str, Any]] = page.evaluate(BOXES)
    return boxes


@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("css", ["", "inline"])
def test_pictures_keep_to_their_columns_and_their_ratios(
    browser: Browser, server: str, framework: str, screen: str, css: str
) -> None:
    with visit(browser, screen) as page:
        page.goto(f"{server}/{framework}?{css}")
        before = page.evaluate(BOXES)
        boxes = load_all(page)
        assert page.evaluate("document.documentElement.scrollWidth") == SCREENS[screen][0]
    assert len(boxes) == 14
    for box, earlier in zip(boxes, before, strict=True):
        assert box["natural"] > 0, box
        assert box["width"] < box["room"] + 1, box
        assert box["height"] == pytest.approx(box["width"] / box["ratio"], abs=2), box
        # No layout shift: the box was there before the picture.
        assert (box["width"], box["height"]) == (earlier["width"], earlier["height"])
        fluid = box["alt"] in {"A sunrise", "In a column", "Main", "Card"}
        if not fluid:
            assert box["width"] == min(box["asked"], box["room"]), box


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_replaced_picture_fills_the_box_of_an_old_page(
    browser: Browser, server: str, framework: str
) -> None:
    """Its URL leads to a picture of another ratio, and `sizes="auto"` gives the box that of the attributes."""
    with visit(browser) as page:
        page.route("**/img/a.jpg/**", lambda route: route.fulfill(body=photograph((600, 1200))))
        page.goto(f"{server}/{framework}?one")
        page.wait_for_function("document.images[0].naturalWidth > 0")
        (width, height, fit) = page.evaluate(
            "[document.images[0].width, document.images[0].height, getComputedStyle(document.images[0]).objectFit]"
        )
        assert (width, height, fit) == (400, 300, "cover")


def test_rules_of_a_site_win_in_layers_too(browser: Browser, server: str) -> None:
    with visit(browser) as page:
        page.goto(f"{server}/tailwind?one")
        height, fit = page.evaluate(
            """() => {
                const image = document.images[0];
                image.className = "h-24 w-full object-contain";
                return [image.getBoundingClientRect().height, getComputedStyle(image).objectFit];
            }"""
        )
        assert (height, fit) == (96, "contain")


@pytest.mark.parametrize(("query", "told"), [("bare", 1), ("", 0), ("inline", 0)])
def test_console_tells_of_a_page_without_the_style_sheet(
    browser: Browser, server: str, query: str, told: int
) -> None:
    with visit(browser) as page:
        messages: list[str] = []
        page.on("console", lambda message: messages.append(message.text))
        page.goto(f"{server}/none?{query}")
        page.wait_for_load_state("load")
        page.wait_for_function("true")
    ours = [message for message in messages if message.startswith("resizer: ")]
    assert len(ours) == told
    assert all("{% load resizer %}{% resized_css %}" in message for message in ours)


@pytest.mark.skipif(django.VERSION < (6, 0), reason="Django 5.2 has no policy of its own")
@pytest.mark.parametrize("query", ["bare", "inline"])
def test_strict_policy_lets_style_and_script_through(
    browser: Browser, strict: str, query: str
) -> None:
    with visit(browser, "phone") as page:
        messages: list[str] = []
        page.route("**/favicon.ico", lambda route: route.fulfill(status=204))
        page.on("console", lambda message: messages.append(message.text))
        page.goto(f"{strict}/none?one&{query}")
        page.wait_for_load_state("load")
        sheet = page.evaluate(
            "getComputedStyle(document.documentElement).getPropertyValue('--resizer-css')"
        )
    assert sheet == ("1" if query == "inline" else "")
    assert [message[:8] for message in messages] == (["resizer:"] if query == "bare" else [])


WIDTHS = """() => [...document.querySelectorAll("img")].map(image =>
    [Number(image.currentSrc.match(/(\\d+)\\.\\w+$/)[1]), image.getBoundingClientRect().width * devicePixelRatio])"""


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("width", [390, 800, 1100, 1440])
def test_columns_are_sharp_in_browsers_without_auto_sizes(
    browser: Browser, server: str, count: int, width: int
) -> None:
    """As for pictures that are not lazy: a browser then goes by the rest of `sizes`."""
    context = browser.new_context(viewport={"width": width, "height": 900}, device_scale_factor=2)
    page = context.new_page()
    page.goto(f"{server}/none?columns={count}")
    page.wait_for_function("[...document.images].every(image => image.complete)")
    chosen = page.evaluate(WIDTHS)
    context.close()
    assert len(chosen) == count
    for loaded, needed in chosen:
        sufficient = next(one for one in LADDER if one >= needed)
        # Gaps between columns are not in `sizes`, so the next candidate may be taken.
        assert loaded in LADDER[LADDER.index(sufficient) :][:2]


def test_usual_telephone_loads_the_candidate_of_720_px(browser: Browser, server: str) -> None:
    """360 CSS px at a density of 2. Or 412 at 1.75, as Lighthouse has it, with some space beside the picture."""
    context = browser.new_context(viewport={"width": 360, "height": 800}, device_scale_factor=2)
    page = context.new_page()
    page.goto(f"{server}/none?columns=1")
    page.wait_for_function("[...document.images].every(image => image.complete)")
    ((loaded, _),) = page.evaluate(WIDTHS)
    context.close()
    assert loaded == 720


def test_script_of_the_guide_sets_sizes_in_browsers_without_auto(
    browser: Browser, server: str
) -> None:
    script = read("pictures/responsive").split("```js\n", 1)[1].split("```", 1)[0]
    hidden = "getComputedStyle = () => ({contain: 'none'});"
    for before, sizes in (("", {"auto, (min-width: 400px) 400px, 100vw"}), (hidden, {"390px"})):
        with visit(browser, "phone") as page:
            page.add_init_script(
                f"document.addEventListener('readystatechange', () => {{ {before} {script} }}, {{once: true}})"
            )
            page.goto(f"{server}/none?one")
            page.evaluate("document.body.append(document.createElement('p'))")
            found = page.evaluate("[...document.querySelectorAll('[sizes]')].map(one => one.sizes)")
        assert set(found) == sizes


def test_type_with_a_codec_is_read_as_without(browser: Browser) -> None:
    """Firefox 153 reads all four too."""
    formats = {"AVIF": "image/avif;codecs=av01", "WEBP": "image/webp;codecs=vp8"}
    formats |= {"PNG": "image/png;codecs=png", "JPEG": "image/jpeg;codecs=jpeg"}
    data = {
        type_: f"data:{type_.partition(';')[0]};base64,{base64.b64encode(encode(draw((8, 6)), name)).decode()}"
        for name, type_ in formats.items()
    }
    with visit(browser) as page:
        page.set_content(
            "".join(
                f'<picture><source type="{type_}" srcset="{url}"><img src="data:,"></picture>'
                for type_, url in data.items()
            )
        )
        page.wait_for_function("[...document.images].every(image => image.naturalWidth == 8)")
