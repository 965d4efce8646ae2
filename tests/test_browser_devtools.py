"""The tools for a page in development, as Chromium shows them under a strict Content Security Policy."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

import pytest
from django.http import HttpRequest, HttpResponse
from django.template import Context, Template
from django.urls import include, path
from PIL import Image

from tests.chromium import open_browser
from tests.conftest import save
from tests.pictures import encode, photograph

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page
    from pytest_django import Settings
    from pytest_django.live_server_helper import LiveServer

pytestmark = [pytest.mark.service("chromium"), pytest.mark.django_db(transaction=True)]

_HEAD = '<!doctype html>{% load resizer %}<title>x</title><style nonce="abc">body { margin: 0 } .narrow { width: 300px }</style>'
_CSS = "{% resized_css %}"
#: The part of the only warning, and a page with it. Chromium takes what is large for the largest picture.
PAGES = {
    "": _CSS + '<body>{% resized_img "a.jpg" alt="A sunrise" priority=True %}'
    '{% resized_img "noise.jpg" alt="Noise" width=640 quality="high" %}'
    # Chromium shows the candidate of the first picture again.
    '{% resized_img "a.jpg" alt="The same" width=350 %}'
    '{% resized_img "b.jpg" alt="A card" width=330 %}{% resized_img "c.jpg" alt="" width=48 ratio="1/1" %}',
    "style sheet": '<body><p>{% resized_img "a.jpg" alt="A sunrise" width=300 priority=True %}',
    "and lazy": _CSS + '<body>{% resized_img "a.jpg" alt="A sunrise" %}',
    "too large. Write width=300": _CSS
    + '<body>{% resized_img "b.jpg" alt="A card" width=800 priority=True %}<div class="narrow">'
    '{% resized_img "a.jpg" alt="A sunrise" loading="eager" %}</div>',
    "such as Safari 26": _CSS
    + '<body>{% resized_img "b.jpg" alt="A card" width=800 priority=True %}<div class="narrow">'
    '{% resized_img "a.jpg" alt="A sunrise" %}</div>',
    "it is blurred": _CSS
    + '<body>{% resized_img "a.jpg" alt="A sunrise" sizes="200px" priority=True %}'
    '<style nonce="abc">img { width: 900px }</style>',
    "It is enlarged": _CSS
    + '<body>{% resized_img "small.jpg" alt="A sunrise" width=600 priority=True %}'
    '<style nonce="abc">img { width: 600px }</style>',
    "far too large: made for 200": _CSS
    + '<body>{% resized_img "a.jpg" alt="A sunrise" priority=True %}'
    '{% resized_img "b.jpg" alt="A card" width=200 %}<style nonce="abc">[width="200"] { width: 40px }</style>',
    "shrinks it. Keep": _CSS
    + '<body>{% resized_img "a.jpg" alt="A sunrise" priority=True %}<div class="row">{% resized_img "b.jpg" alt="A card" width=200 %}'
    "<p>A long text, beside which the picture becomes narrow.</p></div>"
    '<style nonce="abc">.row { display: flex; width: 300px } .row picture { flex-shrink: 1 }</style>',
    "shrinks it. Write columns": _CSS
    + '<body>{% resized_img "a.jpg" alt="A sunrise" priority=True %}<div class="row">{% resized_img "b.jpg" alt="A card" width=800 %}'
    "<p>A long text, beside which the picture becomes narrow.</p></div>"
    '<style nonce="abc">.row { display: flex; width: 400px }</style>',
    "wider than its place": _CSS
    + '<body>{% resized_img "a.jpg" alt="A sunrise" priority=True %}<div class="narrow">{% resized_img "b.jpg" alt="A card" width=600 %}</div>'
    '<style nonce="abc">.narrow img { max-width: none; width: 600px }</style>',
    "name of a file": _CSS + '<body>{% resized_img "a.jpg" alt="IMG_2041.JPG" priority=True %}',
    "names the link": _CSS + '<body><a href="/">{% resized_img "a.jpg" alt="" priority=True %}</a>',
    "It does not load": _CSS
    + '<body>{% resized_img "a.jpg" alt="A sunrise" priority=True %}{% resized_img "absent.jpg" alt="A gap" width=300 %}',
}


def page(request: HttpRequest) -> HttpResponse:
    text = f"{_HEAD}{PAGES[request.GET['name']]}{{% resized_devtools %}}"
    response = HttpResponse(Template(text).render(Context({"csp_nonce": "abc"})))
    response.headers["Content-Security-Policy"] = (
        "default-src 'none'; img-src 'self'; style-src 'nonce-abc' 'self'; script-src 'nonce-abc'"
    )
    return response


urlpatterns = [
    path("img/", include("resizer.urls")),
    path("favicon.ico", lambda _request: HttpResponse(status=204)),
    path("", page),
]


class Visit(NamedTuple):
    #: What the open panel says.
    text: str
    #: Messages of the browser's console.
    console: list[str]
    #: How far each frame is from its picture, CSS px: left, top, width, height.
    distances: list[str]


#: Until all pictures are there, and the browser has told all observers of the page of the largest.
PAINTED = """async () => {
    const after = (wait) => new Promise(wait);
    while (![...document.images].every(image => image.complete)) await after(done => setTimeout(done, 20));
    await after(done => new PerformanceObserver(done).observe({type: "largest-contentful-paint", buffered: true}));
}"""


def read(page: Page, expected: str) -> str:
    page.evaluate(PAINTED)
    page.locator("resizer-devtools .button").click()
    panel = page.locator("resizer-devtools .panel")
    if expected:
        panel.get_by_text(expected).first.wait_for()
    return panel.inner_text()


def visit(browser: Browser, url: str, name: str) -> Visit:
    context = browser.new_context(viewport={"width": 1000, "height": 800})
    tab = context.new_page()
    told: list[str] = []
    tab.on("console", lambda message: told.append(message.text))
    tab.goto(f"{url}/?name={name}")
    text = read(tab, name)
    distances: list[str] = tab.evaluate(
        """() => {
            const root = document.querySelector("resizer-devtools").shadowRoot;
            const frames = [...root.querySelectorAll(".frame")].map(one => one.getBoundingClientRect());
            return [...document.images].map((image, place) => {
                const box = image.getBoundingClientRect();
                return ["left", "top", "width", "height"].map(side => Math.abs(box[side] - frames[place][side])).join();
            });
        }"""
    )
    context.close()
    return Visit(text, told, distances)


def test_each_mistake_has_its_warning(live_server: LiveServer, settings: Settings) -> None:
    settings.ROOT_URLCONF = "tests.test_browser_devtools"
    settings.DEBUG = True
    for name in "abc":
        save(f"{name}.jpg", photograph((3200, 2400)))
    save("small.jpg", photograph((400, 300)))
    save("noise.jpg", encode(Image.effect_noise((640, 480), 128)))

    def visits() -> dict[str, Visit]:
        with open_browser() as browser:
            return {name: visit(browser, live_server.url, name) for name in PAGES}

    # Playwright's loop would keep Django from its database in this thread.
    with ThreadPoolExecutor(1) as pool:
        found = pool.submit(visits).result()
    for name, (text, told, distances) in found.items():
        problems = [one for one in told if "404" not in one and not one.startswith("resizer: ")]
        assert problems == [], name
        warnings = [
            line
            for line in text.splitlines()
            if line.endswith((".", '".')) and " px" not in line[:9]
        ]
        assert [name in line for line in warnings] == [True] * (name != ""), (name, text)
        assert set(distances) == {"0,0,0,0"}, name
    facts = found[""].text
    assert "1080 px of 320–2560 · needs 1,000 px · avif · " in facts
    assert "KB · miss (read " in facts
    # Above 100 KB too.
    sizes = [float(size) for size in re.findall(r"([^ ]+) KB", facts)]
    assert max(sizes) > 102.4
    assert "48 px of 48–96 · needs 48 px · avif · " in facts
    assert "\ndoes not load\n" in found["It does not load"].text
