"""The admin as an editor uses it: a real server with a strict policy, and a real browser."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

import pytest

from tests.chromium import open_browser
from tests.conftest import files, wait_until
from tests.servers import ROOT, django_server, load_gallery

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.service("chromium")

VARIANTS = "/admin/resizer/cachedvariant/"
ORIGINALS = "/admin/resizer/original/"
PHOTOS = "/admin/gallery/photo/"
VIEWER = """
from django.contrib.auth.models import Permission, User
user = User.objects.create_user("viewer", password="viewer", is_staff=True)
user.user_permissions.set(Permission.objects.filter(codename__in=["view_original", "view_cachedvariant"]))
"""


class Server(NamedTuple):
    url: str
    data: Path


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    data = tmp_path_factory.mktemp("gallery")
    environment = load_gallery(data, VIEWER, DJANGO_SETTINGS_MODULE="tests.admin.strict_settings")
    with django_server(ROOT, environment) as url:
        yield Server(url, data)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as browser:
        yield browser


class Visit:
    """One user, with notes of everything that the browser complains about."""

    def __init__(
        self, browser: Browser, server: Server, name: str = "admin", *, is_phone: bool = False
    ) -> None:
        width = 390 if is_phone else 1440
        self.context = browser.new_context(
            viewport={"width": width, "height": 900}, has_touch=is_phone
        )
        # A machine may be busy with other tests.
        self.context.set_default_timeout(180_000)
        self.page: Page = self.context.new_page()
        self.problems: list[str] = []
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        # Violations of the policy are errors of the console.
        self.page.on("console", lambda line: self._note(line.type, line.text))
        self.server = server
        self.open("/admin/login/?next=/admin/")
        self.page.fill("#id_username", name)
        self.page.fill("#id_password", name)
        self.page.click("[type=submit]")

    def _note(self, kind: str, text: str) -> None:
        # `runserver` has no icon.
        if kind == "error" and "/admin/" in self.page.url and "404" not in text:
            self.problems.append(text)

    def open(self, path: str) -> None:
        self.page.goto(self.server.url + path)

    def hero(self) -> str:
        """The URL of the crop of the first photograph at the top of the gallery."""
        self.open("/")
        image = self.page.locator("figure.hero img")
        # Not `wait_for_function`: the policy forbids its `eval`.
        wait_until(lambda: image.evaluate("image => image.complete && image.currentSrc"))
        return str(image.evaluate("image => image.currentSrc"))


@pytest.fixture
def visit(browser: Browser, server: Server) -> Iterator[Visit]:
    visit = Visit(browser, server)
    yield visit
    visit.context.close()


def drag(page: Page, across: float, down: float) -> None:
    """Drag the focal point to a place in the picture, percent."""
    stage = page.locator(".resizer-stage")
    stage.scroll_into_view_if_needed()
    box = stage.bounding_box()
    handle = page.locator(".resizer-handle").bounding_box()
    assert box is not None
    assert handle is not None
    page.mouse.move(handle["x"] + handle["width"] / 2, handle["y"] + handle["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 3, steps=3)
    page.mouse.move(
        box["x"] + box["width"] * across / 100, box["y"] + box["height"] * down / 100, steps=5
    )
    page.mouse.up()


def open_first_original(visit: Visit) -> None:
    visit.open(f"{ORIGINALS}?q=sunset")
    visit.page.locator("#result_list .field-title a").first.click()
    visit.page.wait_for_selector(".resizer-stage")


def test_dragged_focal_point_changes_the_crop_on_the_page(visit: Visit) -> None:
    before = visit.hero()
    visit.open(f"{PHOTOS}1/change/")
    page = visit.page
    crop = page.locator("svg[data-ratio='1/1']").first
    first_box = crop.get_attribute("viewBox")
    drag(page, 90, 85)
    across, down = page.input_value("#id_focal").split(",")
    assert abs(int(across) - 90) <= 1
    assert abs(int(down) - 85) <= 1
    # The crop follows before anything is saved.
    live = crop.get_attribute("viewBox") or ""
    assert live != first_box
    page.get_by_role("button", name="Save and continue editing").click()
    page.wait_for_selector(".messagelist .success")
    # The server draws the same crop as the browser, to the pixel.
    saved = page.locator("svg[data-ratio='1/1']").first.get_attribute("viewBox") or ""
    numbers = [[float(one) for one in box.split()] for box in (live, saved)]
    assert all(abs(a - b) <= 1 for a, b in zip(*numbers, strict=True))
    after = visit.hero()
    assert after != before
    assert f"fp{across}-{down}" in after
    old, new = (visit.context.request.get(url) for url in (before, after))
    assert old.status == new.status == 200
    assert old.body() != new.body()
    assert visit.problems == []


@pytest.mark.once
def test_focal_point_is_moved_by_keys_alone(visit: Visit) -> None:
    visit.open(f"{PHOTOS}?q=Neighbours")
    page = visit.page
    page.get_by_role("link", name="Neighbours").first.focus()
    page.keyboard.press("Enter")
    page.locator("#id_focal").focus()
    page.keyboard.press("Tab")
    handle = page.locator(".resizer-handle")
    assert handle.evaluate("one => one == document.activeElement")
    for key in ("ArrowRight", "ArrowRight", "Shift+ArrowUp"):
        page.keyboard.press(key)
    assert page.input_value("#id_focal") == "52,40"
    assert "52 % from the left, 40 % from the top" in (handle.get_attribute("aria-label") or "")
    page.locator("#id_focal").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector(".messagelist .success")
    visit.open(f"{PHOTOS}?q=Neighbours")
    page.get_by_role("link", name="Neighbours").first.click()
    assert page.input_value("#id_focal") == "52,40"
    page.get_by_role("button", name="No point").click()
    assert page.input_value("#id_focal") == ""
    assert visit.problems == []


@pytest.mark.once
def test_chosen_file_is_shown_before_it_is_saved(visit: Visit) -> None:
    visit.open(f"{PHOTOS}add/")
    page = visit.page
    photograph = ROOT / "config/gallery/photographs/fig.jpg"
    page.set_input_files("#id_image", photograph)
    page.wait_for_selector(".resizer-stage canvas")
    drag(page, 25, 75)
    assert page.input_value("#id_focal") in {"25,75", "25,74", "25,76", "24,75", "26,75"}
    assert visit.problems == []


@pytest.mark.once
def test_tap_sets_the_point_and_a_finger_scrolls(browser: Browser, server: Server) -> None:
    visit = Visit(browser, server, is_phone=True)
    open_first_original(visit)
    page = visit.page
    page.locator(".resizer-stage").scroll_into_view_if_needed()
    box = page.locator(".resizer-stage").bounding_box()
    assert box is not None
    page.touchscreen.tap(box["x"] + box["width"] / 5, box["y"] + box["height"] / 4)
    assert page.input_value("#id_focal_x") in {"19", "20", "21"}
    style = "one => getComputedStyle(one).touchAction"
    assert page.locator(".resizer-handle").evaluate(style) == "none"
    assert page.locator(".resizer-stage").evaluate(style) == "auto"
    visit.context.close()


def test_removed_variants_are_gone_and_the_original_is_there(visit: Visit) -> None:
    variants = visit.server.data / "variants"
    asked: set[str] = set()
    visit.page.on("request", lambda request: asked.add(urlsplit(request.url).path))
    visit.hero()
    visit.page.wait_for_load_state("networkidle")
    directory = variants / "photographs/sunset.jpg"
    keys = {path.removeprefix("/img/") for path in asked if "/photographs/sunset.jpg/" in path}
    assert keys
    # Stored after their responses.
    wait_until(lambda: all((variants / key).is_file() for key in keys))
    open_first_original(visit)
    page = visit.page
    page.get_by_role("link", name="Remove variants").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/remove/")
    number = len(files(directory))
    assert f"{number} file" in page.inner_text(".resizer-figure")
    page.get_by_role("button", name="Remove").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/change/")
    assert f"Removed {number} file" in page.inner_text(".messagelist")
    assert not directory.exists()
    assert (visit.server.data / "originals/photographs/sunset.jpg").is_file()
    # The page still shows the picture, so that its point can be moved.
    shown = page.locator(".resizer-stage img")
    wait_until(lambda: shown.evaluate("image => image.naturalWidth"))
    page.get_by_role("button", name="Make all widths").click()
    page.wait_for_selector(".messagelist .success")
    assert files(directory)
    assert visit.problems == []


def test_user_without_permission_changes_nothing(browser: Browser, server: Server) -> None:
    Visit(browser, server).hero()
    visit = Visit(browser, server, "viewer")
    before = set(files(server.data / "variants"))
    open_first_original(visit)
    page = visit.page
    for missing in (".resizer-handle", "[name=_save]", ".resizer-tool"):
        assert page.locator(missing).count() == 0
    remove = page.url.replace("change", "remove")
    answer = page.goto(remove)
    assert answer is not None
    assert answer.status == 403
    visit.open(VARIANTS)
    assert page.locator("[name=action]").count() == 0
    # Other pictures of the gallery may have come meanwhile.
    assert before <= set(files(server.data / "variants"))
    visit.context.close()


@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1440, "light")])
def test_no_page_is_cut_off(browser: Browser, server: Server, width: int, scheme: str) -> None:
    visit = Visit(browser, server)
    visit.hero()
    page = visit.page
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    for path in (VARIANTS, ORIGINALS, f"{ORIGINALS}1/change/", PHOTOS, f"{PHOTOS}1/change/"):
        visit.open(path)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
        results = "document.querySelector('#changelist-form .results')"
        cut = f"{results} ? {results}.scrollWidth - {results}.clientWidth : 0"
        assert page.evaluate(cut) <= 0, path
    assert visit.problems == []
    visit.context.close()
