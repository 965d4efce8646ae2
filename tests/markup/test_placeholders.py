"""Placeholders: what they print, and what is seen of them in a browser on a slow connection."""

from __future__ import annotations

import io
import re
import threading
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from django.template import Context, Template
from PIL import Image, ImageStat

from resizer.markup import picture
from tests.chromium import open_browser
from tests.conftest import save
from tests.pictures import encode, photograph

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.test import Client
    from playwright.sync_api import CDPSession, Page
    from pytest_django import Settings

pytestmark = pytest.mark.django_db

ENGINES = ["resizer.engines.libvips.LibvipsEngine", "resizer.engines.pillow.PillowEngine"]
STRICT = {"default-src": ["'self'"], "style-src": ["'self'", "<CSP_NONCE_SENTINEL>"]}
STRICT_WITH_DATA = {**STRICT, "img-src": ["'self'", "data:"]}
DJANGO = "django.middleware.csp.ContentSecurityPolicyMiddleware"


def in_template(options: str, **values: Any) -> str:
    tag = '{% load resizer %}{% resized_img "a.jpg" alt="" ' + options + " %}"
    return Template(tag).render(Context(values))


@pytest.fixture
def known(client: Client) -> None:
    """An original that has been decoded."""
    save("a.jpg", photograph((1600, 800)))
    assert client.get(picture.url("a.jpg", width=320)).status_code == 200


def css(html: str) -> str:
    match = re.search(r'style="([^"]*)"', html)
    return match[1] if match else ""


def test_nothing_is_printed_until_the_original_has_been_decoded(client: Client) -> None:
    save("a.jpg", photograph((1600, 800)))
    plain = in_template("")
    assert in_template('placeholder="blur"') == in_template('placeholder="color"') == plain
    assert client.get(picture.url("a.jpg", width=320)).status_code == 200
    assert in_template("") == in_template('placeholder=""') == plain
    assert re.fullmatch(
        r"background:#[0-9a-f]{6} content-box", css(in_template('placeholder="color"'))
    )


@pytest.mark.usefixtures("known")
def test_blur_lies_as_its_picture_is_cropped() -> None:
    for options, place in (
        ("", "0% 0%/cover"),
        ('ratio="1/1"', "50% 0%/cover"),
        ('ratio="1/1" focal="0,0"', "0% 0%/cover"),
        ('ratio="1/1" focal="60,0"', "70% 0%/cover"),
        ('ratio="4/1" focal="0,100"', "0% 100%/cover"),
        ('ratio="1/1" fit="fill"', "0 0/100% 100%"),
    ):
        style = css(in_template(f'placeholder="blur" {options}'))
        start = r"background:#[0-9a-f]{6} url\(data:image/webp;base64,[A-Za-z0-9+/=]+\) "
        assert re.fullmatch(f"{start}{place} no-repeat content-box", style), style


@pytest.mark.usefixtures("known")
def test_attributes_of_the_tag_stay() -> None:
    html = in_template('placeholder="color" class="card" style="border: 1px solid" id="x"')
    assert css(html).endswith(" content-box;border: 1px solid")
    assert 'class="card"' in html


def test_transparent_picture_has_none(client: Client) -> None:
    save("a.jpg", encode(Image.new("RGBA", (800, 400), "#ff000080"), "png"))
    assert client.get(picture.url("a.jpg", width=320)).status_code == 200
    assert css(in_template('placeholder="blur"')) == ""


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize(
    ("policy", "nonce", "printed"),
    [
        ({}, "abc", "attribute"),
        ({"img-src": ["'self'"]}, "abc", "attribute"),
        ({"style-src": ["'self'", "'unsafe-inline'"]}, "abc", "attribute"),
        ({"style-src": ["'unsafe-inline'", "<CSP_NONCE_SENTINEL>"]}, "abc", "element"),
        ({"style-src": "'none'", "style-src-attr": "'unsafe-inline'"}, "abc", "attribute"),
        (STRICT, "abc", "element"),
        (STRICT, None, "nothing"),
        ({"default-src": ["'self'"]}, "abc", "nothing"),
    ],
)
@pytest.mark.parametrize("library", ["django", "django-csp"])
def test_placeholder_is_printed_as_the_policy_wants_it(
    settings: Settings, library: str, policy: dict[str, Any], nonce: str | None, printed: str
) -> None:
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, DJANGO]
    if library == "django":
        settings.SECURE_CSP = policy
    else:
        settings.SECURE_CSP = {}
        settings.CONTENT_SECURITY_POLICY = {"DIRECTIVES": policy}
    html = in_template('placeholder="color" class="card"', csp_nonce=nonce)
    rule = re.search(r'^<picture><style nonce="abc">\.(resizer-[0-9a-f]{10}){(.*)}</style>', html)
    assert bool(css(html)) == (printed == "attribute")
    assert bool(rule) == (printed == "element")
    if rule:
        assert f'class="{rule[1]} card"' in html
        assert rule[2].startswith("background:#")


@pytest.mark.usefixtures("known")
def test_policy_without_data_images_leaves_the_colour(settings: Settings) -> None:
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, DJANGO]
    settings.SECURE_CSP = {"img-src": ["'self'"]}
    assert "data:" not in css(in_template('placeholder="blur"'))
    settings.SECURE_CSP = {"img-src": ["'self'", "data:"]}
    assert "data:" in css(in_template('placeholder="blur"'))
    # A policy that no middleware sends.
    settings.MIDDLEWARE = settings.MIDDLEWARE[:-1]
    settings.SECURE_CSP = {"default-src": ["'none'"]}
    assert "data:" in css(in_template('placeholder="blur"'))


def test_wrong_placeholder_is_an_error() -> None:
    with pytest.raises(
        ValueError, match=r"placeholder='blurry' is unknown\. Use one of color, blur"
    ):
        picture.build("a.jpg", alt="", placeholder="blurry")


# --- in a browser


@contextmanager
def serve(
    files: dict[str, tuple[str, bytes]], policy: str = "", gate: threading.Event | None = None
) -> Iterator[str]:
    """A web server with these files: content type and content by path. Pictures wait for the gate."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content_type, content = files.get(self.path, ("text/plain", b""))
            if gate is not None and content_type.startswith("image/"):
                gate.wait(30)
            self.send_response(200)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(content)))
            if policy:
                self.send_header("Content-Security-Policy", policy)
            self.end_headers()
            # The browser goes when it has seen enough.
            with suppress(OSError):
                self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def files_of(client: Client, html: str) -> dict[str, tuple[str, bytes]]:
    """A page, and all variants that it offers."""
    files = {"/": ("text/html; charset=utf-8", f"<!doctype html><title>x</title>{html}".encode())}
    for path in set(re.findall(r'/img/[^\s"]+\.(?:avif|jpg)', html)):
        response = client.get(path)
        files[path] = (response["Content-Type"], response.content)
    return files


def throttle(network: CDPSession, throughput: int) -> None:
    """Bytes/s; -1 for no limit."""
    network.send(
        "Network.emulateNetworkConditions",
        {
            "offline": False,
            "latency": 0,
            "downloadThroughput": throughput,
            "uploadThroughput": throughput,
        },
    )


def seen(page: Page) -> Image.Image:
    box = page.locator("img").bounding_box()
    assert box is not None
    with Image.open(io.BytesIO(page.screenshot(clip=box))) as image:
        return image.convert("RGB")


def distance(one: Image.Image, other: Image.Image) -> float:
    """The mean difference of two pictures, 0 to 255, of what is left of them at 8 px."""
    pairs = zip(one.resize((8, 8)).tobytes(), other.resize((8, 8)).tobytes(), strict=True)
    return sum(abs(left - right) for left, right in pairs) / 192


@pytest.mark.slow
@pytest.mark.service("chromium")
@pytest.mark.parametrize(
    ("path", "kind", "nonce"),
    # What each engine makes of a picture has tests of its own.
    [(ENGINES[0], "color", "abc"), (ENGINES[0], "blur", ""), (ENGINES[1], "blur", "abc")],
)
def test_placeholder_is_seen_until_the_picture_has_come(
    client: Client, settings: Settings, path: str, kind: str, nonce: str
) -> None:
    settings.RESIZER = {"ENGINE": path}
    save("a.jpg", photograph((1600, 1200)))
    assert client.get(picture.url("a.jpg", width=320)).status_code == 200
    options = f'width=600 ratio="3/2" quality=95 loading="eager" placeholder="{kind}"'
    policy = ""
    # Django 5.2 has no such middleware, and only its name counts.
    with pytest.MonkeyPatch.context() as patch:
        if nonce:
            patch.setattr(settings, "MIDDLEWARE", [DJANGO])
            patch.setattr(settings, "SECURE_CSP", STRICT_WITH_DATA, raising=False)
            policy = f"default-src 'self'; style-src 'nonce-{nonce}'; img-src 'self' data:"
        html = in_template(options, csp_nonce=nonce or None)
    violations: list[str] = []
    # Django asks no database beside a browser's event loop.
    files = files_of(client, html)
    with serve(files, policy) as url, open_browser() as browser:
        page = browser.new_page(viewport={"width": 640, "height": 480})
        page.on("console", lambda message: violations.append(message.text))
        network = page.context.new_cdp_session(page)
        # The page comes, and its picture hardly begins to.
        throttle(network, 2_000)
        page.goto(url, wait_until="domcontentloaded")
        before = seen(page)
        assert not page.evaluate("document.images[0].complete")
        throttle(network, -1)
        page.evaluate("document.images[0].decode()")
        # Decoded is not painted yet.
        page.evaluate(
            "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
        )
        after = seen(page)
        page.close()
    assert violations == []
    assert before.size == after.size == (600, 400)
    # A colour is flat, and near the mean of the picture. A blurred picture is like it from afar.
    is_flat = max(ImageStat.Stat(before).stddev) < 1
    assert is_flat == (kind == "color")
    assert distance(before, after) < (60 if is_flat else 20)
    # Nothing of it is left.
    assert max(ImageStat.Stat(after).stddev) > 20
