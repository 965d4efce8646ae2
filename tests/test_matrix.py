"""Six layouts on nine screens, in Chromium, Firefox and WebKitGTK, under Django's strict Content Security Policy.

Each picture is loaded once, in the smallest sufficient candidate, and nothing shifts.
"""

from __future__ import annotations

import json
import math
import re
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import django
import pytest
from django.http import HttpRequest, HttpResponse
from django.template import RequestContext, Template
from django.urls import include, path
from django.utils.decorators import decorator_from_middleware
from django.views.decorators.clickjacking import xframe_options_exempt
from PIL import Image

from tests.chromium import open_browser
from tests.conftest import save
from tests.firefox import open_firefox
from tests.pictures import encode
from tests.webkit import open_webkit

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from django.http.response import HttpResponseBase
    from pytest_django import Settings
    from pytest_django.live_server_helper import LiveServer

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(django.VERSION < (6, 0), reason="Django 5.2 has no policy of its own"),
]

#: Each with an original of its own: a browser may show again what it has in memory.
LAYOUTS = {
    "full": '{% resized_img "full.jpg" alt="" priority=True %}',
    "art": '{% resized_picture %}{% resized_source "art.jpg" media="(max-width: 600px)" ratio="4/5" %}'
    '{% resized_img "art.jpg" alt="" ratio="21/9" priority=True %}{% endresized_picture %}',
    "column": '<div class="column">{% resized_img "column.jpg" alt="" width=600 %}</div>',
    "grid": '<div class="grid">{% resized_img "grid.jpg" alt="" columns=3 container=1100 %}<p>B<p>C</div>',
    "flex": '<div class="flex">{% resized_img "flex.jpg" alt="" %}<p>A text beside it</div>',
    "fixed": '<div>{% resized_img "fixed.jpg" alt="" width=96 ratio="1/1" %}</div>',
}
#: Left, top, width and height of each picture, CSS px of the page.
BOXES = """
const boxesOf = page => JSON.stringify([...page.images].flatMap(image => {
  const box = image.getBoundingClientRect(), view = page.defaultView;
  return [box.left + view.scrollX, box.top + view.scrollY, box.width, box.height];
}));
"""
PAGE = """<!doctype html>{% load resizer %}<html lang="en"><head><title>x</title>
<script nonce="{{ csp_nonce }}">
document.documentElement.dataset.violations = "";
addEventListener("securitypolicyviolation", event => {
  document.documentElement.dataset.violations += event.violatedDirective + " ";
});
</script>
{% resized_css inline=True %}<style nonce="{{ csp_nonce }}">
body { margin: 0 }
img { display: block }
.column { max-width: 600px; margin: auto }
.grid { display: grid; max-width: 1100px; margin: auto }
@media (min-width: 768px) { .grid { grid-template-columns: repeat(2, minmax(0, 1fr)) } }
@media (min-width: 1024px) { .grid { grid-template-columns: repeat(3, minmax(0, 1fr)) } }
.flex { display: flex; align-items: start }
.flex > * { flex: 1; min-width: 0 }
</style></head><body>BODY
<script nonce="{{ csp_nonce }}">BOXES
document.documentElement.dataset.before = boxesOf(document);
document.documentElement.dataset.early = [...document.images].filter(image => image.naturalWidth).length;
</script></body></html>"""
#: The only directives: pictures of the site, styles and scripts with the nonce of the page.
POLICY = {
    "default-src": ["'none'"],
    "img-src": ["'self'"],
    "style-src": ["<CSP_NONCE_SENTINEL>"],
    "script-src": ["<CSP_NONCE_SENTINEL>"],
}
SCREENS = [(width, density) for density in (1, 2, 3) for width in (390, 768, 1440)]
#: Only what is missing, until all pictures are there.
MEASURE = f"""{BOXES}
const page = document.querySelector("iframe")?.contentDocument ?? document, view = page.defaultView;
const next = [...page.images].find(image => !image.complete || !image.naturalWidth);
if (next || page.images.length < 6) {{
  next?.scrollIntoView();
  return {{missing: [...page.images].map(image => [image.currentSrc, image.complete, image.naturalWidth])}};
}}
return {{
  early: page.documentElement.dataset.early, before: page.documentElement.dataset.before, after: boxesOf(page),
  density: view.devicePixelRatio, window: view.innerWidth, violations: page.documentElement.dataset.violations,
  requests: view.performance.getEntriesByType("resource").map(one => one.name).filter(name => name.includes("/img/")),
  pictures: [...page.images].map(image => {{
    const lists = [...image.parentElement.querySelectorAll("source"), image].map(one => one.srcset);
    const path = image.currentSrc.replace(view.location.origin, "");
    return {{url: path, srcset: lists.find(one => one.includes(path)), needed: image.width * view.devicePixelRatio}};
  }}),
}};
"""
SHIFT = """() => new Promise(resolve => {
    let sum = 0;
    new PerformanceObserver(list => list.getEntries().forEach(one => { sum += one.value; }))
        .observe({type: "layout-shift", buffered: true});
    setTimeout(() => resolve(sum), 200);
})"""


@xframe_options_exempt
def page(request: HttpRequest) -> HttpResponseBase:
    """With Django's middleware, which a running server cannot get any more."""
    from django.middleware.csp import ContentSecurityPolicyMiddleware

    response = decorator_from_middleware(ContentSecurityPolicyMiddleware)(_page)(request)
    assert "script-src 'nonce-" in response.headers["Content-Security-Policy"]
    return response


def _page(request: HttpRequest) -> HttpResponse:
    text = PAGE.replace("BODY", "".join(LAYOUTS.values())).replace("BOXES", BOXES)
    return HttpResponse(Template(text).render(RequestContext(request)))


@xframe_options_exempt
def frame(request: HttpRequest) -> HttpResponse:
    """A frame as wide as a telephone: windows of Firefox are wider."""
    width = int(request.GET["width"])
    return HttpResponse(
        f'<!doctype html><title>x</title><iframe src="/" width="{width}" height="900"></iframe>'
    )


urlpatterns = [
    path("img/", include("resizer.urls")),
    path("favicon.ico", lambda _request: HttpResponse(status=204)),
    path("frame/", frame),
    path("", page),
]


@pytest.fixture
def url(live_server: LiveServer, settings: Settings) -> str:
    settings.ROOT_URLCONF = "tests.test_matrix"
    settings.MIDDLEWARE = ["django.middleware.csp.ContentSecurityPolicyMiddleware"]
    settings.SECURE_CSP = POLICY
    (engine,) = settings.TEMPLATES
    processors = engine["OPTIONS"]["context_processors"]
    options = {"context_processors": [*processors, "django.template.context_processors.csp"]}
    settings.TEMPLATES = [{**engine, "OPTIONS": options}]
    # Of one colour: encoding a photograph in 2560 px takes a second, and 36 of them are many for a busy machine.
    original = encode(Image.new("RGB", (3200, 2400), "teal"), "JPEG")
    for name in LAYOUTS:
        save(f"{name}.jpg", original)
    return str(live_server.url)


def measured(visit: Callable[[], object], measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What is measured once all pictures are there."""
    found: dict[str, Any] = {}
    for _ in range(3):
        visit()
        ends_at = time.monotonic() + 20
        while time.monotonic() < ends_at:
            found = measure()
            if "missing" not in found:
                return found
            time.sleep(0.1)
        # A busy machine may have refused a picture. The browser does not ask again before the next visit.
    raise AssertionError(found)


def width_of(url: str) -> int:
    return int(url.rpartition("/")[2].partition(".")[0])


def check(found: dict[str, Any], screen: tuple[int, int], *, is_chromium: bool) -> None:
    assert (found["window"], found["density"]) == screen
    assert found["violations"] == ""
    # No browser moves or resizes a box when its picture comes. A page scrolls by whole px, so one with a half is rounded.
    assert json.loads(found["before"]) == pytest.approx(json.loads(found["after"]), abs=1), screen
    if screen == SCREENS[0]:
        # Otherwise nothing could have moved.
        assert int(found["early"]) < len(LAYOUTS)
    loaded = sorted(re.findall(r"/img/(\w+)\.jpg/", " ".join(found["requests"])))
    if is_chromium or screen == SCREENS[0]:
        assert loaded == sorted(LAYOUTS), (screen, loaded)
    # On the next screens, the others may have some of them in their memory.
    assert len(loaded) == len(set(loaded)), (screen, loaded)
    for picture in found["pictures"]:
        assert picture["url"].endswith(".avif")
        widths = [width_of(one.split()[0]) for one in picture["srcset"].split(", ")]
        # The last one, where the density is above the cap.
        sufficient = next((one for one in widths if one >= picture["needed"]), widths[-1])
        allowed = {sufficient}
        below = max((one for one in widths if one < sufficient), default=0)
        if is_chromium and screen[1] > 1 and picture["needed"] <= math.sqrt(below * sufficient):
            # Chromium rounds down below the geometric mean of two (Blink, html_srcset_parser.cc).
            allowed.add(below)
        assert width_of(picture["url"]) in allowed, (screen, picture, widths)


def visit_chromium(url: str) -> list[tuple[dict[str, Any], float]]:
    found = []
    with open_browser() as browser:
        for width, density in SCREENS:
            context = browser.new_context(
                viewport={"width": width, "height": 900}, device_scale_factor=density
            )
            tab = context.new_page()
            one = measured(partial(tab.goto, url), partial(tab.evaluate, f"() => {{{MEASURE}}}"))
            found.append((one, float(tab.evaluate(SHIFT))))
            context.close()
    return found


def visit_firefox(url: str, directory: Path) -> list[dict[str, Any]]:
    found = []
    with open_firefox(directory) as firefox:
        for width, density in SCREENS:
            firefox.set_density(density)
            visit = partial(firefox.call, "WebDriver:Navigate", url=f"{url}/frame/?width={width}")
            found.append(measured(visit, partial(firefox.run, MEASURE)))
    return found


def visit_webkit(url: str, directory: Path) -> list[dict[str, Any]]:
    found = []
    for density in (1, 2, 3):
        with open_webkit(directory, density) as webkit:
            for width in (390, 768, 1440):
                visit = partial(webkit.open, f"{url}/frame/?width={width}")
                found.append(measured(visit, partial(webkit.run, MEASURE)))
    return found


@pytest.mark.service("chromium")
def test_chromium_loads_each_picture_once_and_small_without_a_shift(url: str) -> None:
    # Playwright's loop would keep Django from its database in this thread.
    with ThreadPoolExecutor(1) as pool:
        visits = pool.submit(visit_chromium, url).result()
    for screen, (found, shift) in zip(SCREENS, visits, strict=True):
        check(found, screen, is_chromium=True)
        assert shift == 0, screen


@pytest.mark.service("firefox")
def test_firefox_loads_each_picture_once_and_small_without_a_shift(
    url: str, tmp_path: Path
) -> None:
    directory = tmp_path / "firefox"
    directory.mkdir()
    for screen, found in zip(SCREENS, visit_firefox(url, directory), strict=True):
        check(found, screen, is_chromium=False)


@pytest.mark.service("webkit")
@pytest.mark.service("xvfb")
def test_webkit_loads_each_picture_once_and_small_without_a_shift(url: str, tmp_path: Path) -> None:
    """Up to 2.50 it does not know `sizes="auto"`, and takes what the options of the tag say. For "flex" they say nothing."""
    for screen, found in zip(SCREENS, visit_webkit(url, tmp_path), strict=True):
        pictures = found["pictures"]
        found["pictures"] = [one for one in pictures if "/flex.jpg/" not in one["url"]]
        assert len(found["pictures"]) == len(LAYOUTS) - 1
        check(found, screen, is_chromium=False)
