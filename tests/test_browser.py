"""The gallery as its visitors see it: a real server, a real browser."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import pytest
from PIL import Image, ImageOps

from config.gallery.management.commands.load_gallery import PHOTOGRAPHS, SAMPLES
from resizer.conf import get_settings
from tests.chromium import open_browser
from tests.conftest import files, wait_until
from tests.pictures import difference
from tests.servers import ROOT, django_server, load_gallery

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page, Response

pytestmark = pytest.mark.service("chromium")

SCREENS = {"phone": (390, 844, 2), "desktop": (1440, 900, 1)}
LAYOUT_SHIFT = """() => new Promise(resolve => {
    new PerformanceObserver(list => resolve(list.getEntries().reduce((sum, one) => sum + one.value, 0)))
        .observe({type: "layout-shift", buffered: true});
    setTimeout(() => resolve(0), 500);
})"""


class Server(NamedTuple):
    url: str
    variants: Path


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The gallery with its photographs, and no variant yet."""
    data = tmp_path_factory.mktemp("gallery")
    with django_server(ROOT, load_gallery(data)) as url:
        yield Server(url, data / "variants")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as browser:
        yield browser


class Visit:
    """One visitor with a browser cache of their own."""

    def __init__(self, browser: Browser, screen: str) -> None:
        width, height, density = SCREENS[screen]
        self.context = browser.new_context(
            viewport={"width": width, "height": height}, device_scale_factor=density
        )
        self.page: Page = self.context.new_page()
        self.pictures: list[Response] = []
        self.problems: list[str] = []
        self.page.on("response", self._note)
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))

    def _note(self, response: Response) -> None:
        if response.status >= 400 and not response.url.endswith("/favicon.ico"):
            self.problems.append(f"{response.status} {response.url}")
        if "/img/" in response.url:
            self.pictures.append(response)

    def open(self, url: str) -> list[dict[str, Any]]:
        """Scroll through the whole page, then tell what each image element shows."""
        self.page.goto(url)
        height = self.page.evaluate("document.documentElement.scrollHeight")
        for top in range(0, height, 500):
            self.page.evaluate(f"scrollTo(0, {top})")
            self.page.wait_for_timeout(50)
        self.page.wait_for_function("[...document.images].every(image => image.complete)")
        self.page.wait_for_load_state("networkidle")
        shown: list[dict[str, Any]] = self.page.evaluate(
            """[...document.images].map(image => ({
                url: image.currentSrc, loaded: image.naturalWidth,
                // Without "auto" a browser takes the page's width for the image's.
                needed: (image.loading == "lazy" ? image.width : innerWidth) * devicePixelRatio}))"""
        )
        return shown


def width_of(url: str) -> int:
    match = re.search(r"/(\d+)\.\w+$", url)
    assert match
    return int(match[1])


@pytest.mark.parametrize("screen", SCREENS)
def test_gallery_is_delivered_in_fitting_avif(
    browser: Browser, server: Server, screen: str
) -> None:
    visit = Visit(browser, screen)
    shown = visit.open(f"{server.url}/")
    assert len(shown) == 10
    assert visit.problems == []
    assert {response.status for response in visit.pictures} == {200}
    for image in shown:
        assert image["url"].endswith(".avif")
        assert image["loaded"] > 0
        width = width_of(image["url"])
        settings = get_settings()
        ladder = settings.FIXED_WIDTHS if width in settings.FIXED_WIDTHS else settings.WIDTHS
        # The next width up, unless the original, or twice a given width, ends before.
        fitting = next(step for step in ladder if step >= image["needed"])
        assert image["needed"] * 2 / 3 <= width <= fitting
    assert visit.page.evaluate(LAYOUT_SHIFT) < 0.01
    visit.context.close()


def test_photographs_are_upright_sharp_and_in_their_colours(
    browser: Browser, server: Server
) -> None:
    visit = Visit(browser, "desktop")
    visit.open(f"{server.url}/")
    for sample in SAMPLES[1:]:
        element = visit.page.get_by_alt_text(sample.alt, exact=True)
        element.scroll_into_view_if_needed()
        element.evaluate("image => image.style.borderRadius = 0")
        seen = Image.open(io.BytesIO(element.screenshot())).convert("RGB")
        original = ImageOps.exif_transpose(Image.open(PHOTOGRAPHS / sample.file)).convert("RGBA")
        ground = Image.new("RGBA", original.size, "white")
        expected = Image.alpha_composite(ground, original).convert("RGB")
        assert abs(seen.width / seen.height - expected.width / expected.height) < 0.02
        assert difference(seen, expected.resize(seen.size, Image.Resampling.LANCZOS)) < 6, sample
    visit.context.close()


def test_second_visit_makes_nothing(browser: Browser, server: Server) -> None:
    first = Visit(browser, "desktop")
    first.open(f"{server.url}/")
    keys = {urlsplit(one.url).path.removeprefix("/img/") for one in first.pictures}
    # Stored after their responses.
    wait_until(lambda: keys <= set(files(server.variants)))
    made = files(server.variants)
    again = Visit(browser, "desktop")
    again.open(f"{server.url}/")
    assert files(server.variants) == made
    assert len(again.pictures) == 10
    for response in again.pictures:
        assert response.header_value("server-timing") == 'resizer;desc="hit"'
    for response in first.pictures:
        revalidated = again.context.request.get(
            response.url, headers={"If-None-Match": response.header_value("etag") or ""}
        )
        assert revalidated.status == 304
    for visit in (first, again):
        visit.context.close()


def test_pages_keep_to_a_strict_policy_and_to_the_window(browser: Browser, server: Server) -> None:
    visit = Visit(browser, "phone")
    told: list[str] = []
    visit.page.on("console", lambda message: told.append(message.text))
    for name in ("", "recipes/", "placeholders/", "text/", "awkward/", "cold/"):
        visit.page.goto(f"{server.url}/{name}?csp=strict", wait_until="networkidle")
        width = visit.page.evaluate("document.documentElement.scrollWidth")
        assert width == SCREENS["phone"][0], name
        assert visit.page.evaluate(LAYOUT_SHIFT) < 0.01, name
    # The missing and the broken picture.
    assert [one for one in told if "404" not in one] == []
    visit.page.get_by_role("button", name="Delete the variants and ask again").click()
    for output in visit.page.locator("output").all():
        output.filter(has_text=re.compile(r"miss \d+ ms · \d+ KB")).wait_for()
    visit.page.locator("[data-ask]:enabled").click()
    for output in visit.page.locator("output").all():
        output.filter(has_text=re.compile(r"hit · \d+ KB")).wait_for()
    visit.context.close()


def test_editor_sees_the_variants_in_the_admin(browser: Browser, server: Server) -> None:
    visit = Visit(browser, "desktop")
    visit.open(f"{server.url}/")
    page = visit.page
    page.goto(f"{server.url}/admin/")
    page.fill("#id_username", "admin")
    page.fill("#id_password", "admin")
    page.click("input[type=submit]")
    rows = page.locator("#result_list tbody tr")

    def has_all() -> bool:
        page.goto(f"{server.url}/admin/resizer/cachedvariant/")
        return rows.count() >= 10

    wait_until(has_all)
    page.wait_for_function("document.querySelector('#result_list img').naturalWidth > 0")
    page.goto(f"{server.url}/admin/resizer/original/?q=dogs")
    page.locator("#result_list .field-title a").click()
    page.wait_for_selector(".resizer-stage img")
    page.wait_for_function("document.querySelector('.resizer-stage img').naturalWidth > 0")
    assert page.locator(".resizer-table tbody tr").count() > 0
    assert visit.problems == []
    visit.context.close()
