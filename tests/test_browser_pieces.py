"""What a browser loads for a preload link and for a background, under a strict Content Security Policy."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING, NamedTuple

import pytest
from django.http import HttpRequest, HttpResponse
from django.template import Context, Template
from django.urls import include, path
from PIL import Image

from tests.chromium import open_browser
from tests.conftest import save
from tests.pictures import encode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser
    from pytest_django import Settings
    from pytest_django.live_server_helper import LiveServer

pytestmark = [pytest.mark.service("chromium"), pytest.mark.django_db(transaction=True)]

PAGES = {
    "fluid": """{% resized_preload "a.jpg" %}<title>x</title><body>{% resized_img "a.jpg" alt="" priority=True %}""",
    "column": """{% resized_preload "a.jpg" width=600 ratio="3/2" %}<title>x</title>
        <body>{% resized_img "a.jpg" alt="" width=600 ratio="3/2" priority=True %}""",
    "icon": """{% resized_preload "a.jpg" width=48 %}<title>x</title>
        <body>{% resized_img "a.jpg" alt="" width=48 priority=True %}""",
    "background": """<title>x</title>{% resized_background "a.jpg" selector=".hero" %}
        <style nonce="{{ csp_nonce }}">.hero { height: 300px; background-size: cover }</style>
        <body><div class="hero"></div>""",
}
SCREENS = [(390, 3), (390, 1), (768, 2), (1440, 1), (1440, 2)]
#: CSS px of the layout.
LAYOUTS = {"column": 600, "icon": 48}


def page(_request: HttpRequest, name: str) -> HttpResponse:
    content = Template(
        "<!doctype html>{% load resizer %}{% resized_css inline=True %}" + PAGES[name]
    )
    response = HttpResponse(content.render(Context({"csp_nonce": "abc"})))
    response.headers["Content-Security-Policy"] = (
        "default-src 'none'; img-src 'self'; style-src 'nonce-abc'"
    )
    return response


def icon(_request: HttpRequest) -> HttpResponse:
    return HttpResponse(status=204)


urlpatterns = [
    path("img/", include("resizer.urls")),
    path("favicon.ico", icon),
    path("isolated/", lambda request: isolated(request)),
    path("<name>/", page),
]


@pytest.fixture(scope="module")
def ask_browser() -> Iterator[Callable[..., object]]:
    """Calls a function with a browser, in another thread: Playwright's loop would keep Django from its database."""
    with ExitStack() as stack, ThreadPoolExecutor(1) as pool:
        browser = pool.submit(stack.enter_context, open_browser()).result()
        yield lambda function, *arguments: pool.submit(function, browser, *arguments).result()
        pool.submit(stack.close).result()


class Visit(NamedTuple):
    #: URLs of pictures.
    loaded: list[str]
    #: Messages of the browser's console.
    told: list[str]


def visit(browser: Browser, url: str) -> list[Visit]:
    """On each screen, with an empty cache."""
    return [_visit(browser, url, *screen) for screen in SCREENS]


def _visit(browser: Browser, url: str, width: int, density: int) -> Visit:
    context = browser.new_context(
        viewport={"width": width, "height": 900}, device_scale_factor=density
    )
    tab = context.new_page()
    requested: list[str] = []
    told: list[str] = []
    tab.on("request", lambda request: requested.append(request.url))
    tab.on("console", lambda message: told.append(message.text))
    tab.goto(url, wait_until="networkidle")
    context.close()
    return Visit([one for one in requested if "/img/" in one], told)


@pytest.mark.parametrize("name", PAGES)
def test_one_file_is_loaded(
    live_server: LiveServer,
    settings: Settings,
    ask_browser: Callable[..., list[Visit]],
    name: str,
) -> None:
    settings.ROOT_URLCONF = "tests.test_browser_pieces"
    # Of one colour, because encoding a photograph in 2560 px takes a second.
    save("a.jpg", encode(Image.new("RGB", (3200, 2400), "teal")))
    visits = ask_browser(visit, f"{live_server.url}/{name}/")
    for (width, density), (loaded, told) in zip(SCREENS, visits, strict=True):
        assert told == []
        (url,) = loaded
        assert url.endswith(".avif")
        needed = min(LAYOUTS.get(name, width), width) * min(density, 2)
        assert int(url.rpartition("/")[2].partition(".")[0]) >= min(needed, 2560)


CANVAS = """async () => {
    const image = document.images[0];
    await image.decode();
    const canvas = document.createElement("canvas");
    canvas.getContext("2d").drawImage(image, 0, 0);
    try { canvas.toDataURL(); return "read"; } catch (error) { return error.name; }
}"""


def isolated(request: HttpRequest) -> HttpResponse:
    """A page that isolates itself from other origins, with a picture of another one."""
    crossorigin = request.GET.get("crossorigin")
    text = '{% load resizer %}{% resized_img "a.jpg" alt="" width=48 crossorigin=crossorigin %}'
    response = HttpResponse(Template(text).render(Context({"crossorigin": crossorigin})))
    response.headers["Cross-Origin-Embedder-Policy"] = "require-corp"
    return response


def look(browser: Browser, url: str) -> str:
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(url, wait_until="networkidle")
        if not page.evaluate("document.images[0].naturalWidth"):
            return "not shown"
        return str(page.evaluate(CANVAS))


@pytest.mark.parametrize(
    ("allowed", "query", "outcome"),
    [
        (None, "", "SecurityError"),
        (None, "?crossorigin=anonymous", "not shown"),
        ("page", "?crossorigin=anonymous", "read"),
        ("*", "?crossorigin=anonymous", "read"),
    ],
)
def test_pictures_of_another_host_are_shown_and_read_where_allowed(
    live_server: LiveServer,
    settings: Settings,
    ask_browser: Callable[..., str],
    allowed: str | None,
    query: str,
    outcome: str,
) -> None:
    settings.ROOT_URLCONF = "tests.test_browser_pieces"
    save("a.jpg")
    page = live_server.url
    settings.RESIZER = {
        "HOST": page.replace("localhost", "127.0.0.1"),
        "ALLOW_ORIGIN": page if allowed == "page" else allowed,
    }
    assert settings.RESIZER["HOST"] != page
    assert ask_browser(look, f"{page}/isolated/{query}") == outcome
