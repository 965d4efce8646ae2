from __future__ import annotations

import dataclasses
import logging
import os
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.core.cache import caches
from django.core.files.storage import FileSystemStorage, InMemoryStorage, storages
from django.db import connection
from django.test import AsyncRequestFactory
from django.urls import clear_script_prefix, set_script_prefix
from django.utils.http import http_date
from PIL import Image

from resizer import errors, originals, store, views
from resizer.conf import get_settings
from resizer.errors import Busy, OriginalChanged, ResizerError, SourceFailed
from resizer.keys.variant import Recipe, parse_key, write_key
from resizer.links.signing import sign
from resizer.markup import picture
from resizer.models import CachedVariant, Original
from resizer.originals.memory import RECHECK_SECONDS
from resizer.records.descriptions import Reference, cache_key
from resizer.sources import Stat, StorageSource, get_source
from resizer.throttle import Throttle
from tests.conftest import CountingEngine, files, save
from tests.pictures import TOLERANCE, decode, difference, draw, encode, photograph
from tests.test_originals import raising  # noqa: F401  # a fixture

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from django.http import HttpResponse
    from django.test import Client
    from freezegun.api import FrozenDateTimeFactory
    from pytest_django import Settings

pytestmark = pytest.mark.django_db

OPEN = {"SOURCES": {"default": {"OPEN": True}}}


def address(width: int = 640, format: str = "jpeg", name: str = "a.jpg", **options: Any) -> str:
    return picture.url(name, width=width, format=format, **options)


def assert_shown_instead(response: Any, url: str) -> None:
    """The picture of one URL, in answer to another."""
    assert (response.status_code, response["Content-Location"]) == (200, url)
    assert response["Cache-Control"] == "public, max-age=60"


def forge(url: str, **changes: Any) -> str:
    """The key of a URL with other parts, signed rightly."""
    parsed = parse_key(url.removeprefix("/img/"))
    assert parsed is not None
    variant = dataclasses.replace(parsed.variant, **changes)
    return "/img/" + write_key(variant, sign(variant))


def test_first_request_makes_the_variant_and_later_ones_find_it(
    client: Client, variants: Path, engine: type[CountingEngine]
) -> None:
    save("a.jpg")
    url = address()
    first = client.get(url)
    assert first.status_code == 200
    assert first["Content-Type"] == "image/jpeg"
    assert decode(first.content).size == (640, 480)
    expected = decode(photograph()).resize((640, 480))
    assert difference(decode(first.content), expected) < TOLERANCE
    second = client.get(url)
    assert second.content == first.content
    assert engine.renders == 1
    assert files(variants) == [url.removeprefix("/img/")]
    assert first["Server-Timing"].startswith('resizer;desc="miss", read;dur=')
    assert second["Server-Timing"] == 'resizer;desc="hit"'


def test_headers_of_a_variant(client: Client, variants: Path) -> None:
    save("a.jpg")
    for _ in range(2):
        response = client.get(address(format="avif"))
        headers = dict(response.headers)
        assert headers.pop("Server-Timing")
        etag = headers.pop("ETag")
        assert etag.startswith('"')
        assert etag.endswith('"')
        assert headers == {
            "Content-Type": "image/avif",
            "Content-Length": str(len(response.content)),
            # As a web server tells it of the file.
            "Last-Modified": http_date((variants / files(variants)[0]).stat().st_mtime),
            "Cache-Control": "public, max-age=31536000, immutable",
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": "default-src 'none'; sandbox",
            "Cross-Origin-Resource-Policy": "cross-origin",
        }
        assert not response.cookies


def test_scripts_of_an_origin_may_read_pictures_if_the_settings_say_so(
    client: Client, settings: Settings
) -> None:
    settings.RESIZER = {"ALLOW_ORIGIN": "https://www.example.com", **OPEN}
    save("a.jpg")
    answers = [
        client.get(address()),
        client.head(address()),
        client.get("/img/a.jpg"),
        # A browser asks redirects and errors for it, too.
        client.get("/img/500/a.jpg"),
        client.get("/img/absent.jpg"),
        client.post("/img/a.jpg"),
    ]
    assert [response.status_code for response in answers] == [200, 200, 200, 302, 404, 405]
    for response in answers:
        assert response["Access-Control-Allow-Origin"] == "https://www.example.com"
        assert "Origin" not in response.get("Vary", "")


def test_head_tells_the_same_without_a_body(client: Client) -> None:
    save("a.jpg")
    url = address()
    for _ in range(2):
        head = client.head(url)
        assert head.status_code == 200
        assert head.content == b""
    get = client.get(url)
    assert {**head.headers} == {**get.headers}


@pytest.mark.parametrize("header", ["If-None-Match", "If-Modified-Since"])
def test_unchanged_variant_is_not_sent_again(
    client: Client, variants: Path, header: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    save("a.jpg")
    url = address()
    first = client.get(url)
    validator = first["ETag" if header == "If-None-Match" else "Last-Modified"]
    # Not even read: a validator is enough.
    monkeypatch.setattr(store, "read", None)
    again = client.get(url, headers={header: validator})
    assert again.status_code == 304
    assert again.content == b""
    assert again["ETag"] == first["ETag"]
    assert again["Cache-Control"] == first["Cache-Control"]


def test_changed_validators_send_the_variant(client: Client) -> None:
    save("a.jpg")
    url = address()
    client.get(url)
    assert client.get(url, headers={"If-None-Match": '"other"'}).status_code == 200
    assert client.get(url, headers={"If-Modified-Since": http_date(0)}).status_code == 200


def test_lost_file_is_made_again_at_once(
    client: Client, variants: Path, engine: type[CountingEngine]
) -> None:
    save("a.jpg")
    url = address()
    first = client.get(url)
    for file in files(variants):
        (variants / file).unlink()
    assert client.get(url).content == first.content
    assert engine.renders == 2


def test_lost_cache_and_lost_rows_change_nothing(
    client: Client, engine: type[CountingEngine]
) -> None:
    save("a.jpg")
    url = address()
    first = client.get(url)
    caches["default"].clear()
    CachedVariant.objects.all().delete()
    again = client.get(url)
    assert (again.content, again["ETag"]) == (first.content, first["ETag"])
    assert engine.renders == 1


def test_wider_request_is_led_to_the_originals_own_width(client: Client, variants: Path) -> None:
    save("a.jpg", photograph((1000, 750)))
    response = client.get(forge(address(), width=1920))
    assert response.status_code == 302
    assert response["Location"].endswith("/1000.jpg")
    assert response["Cache-Control"] == "public, max-age=60"
    assert files(variants) == []
    assert decode(client.get(response["Location"]).content).size == (1000, 750)


@pytest.mark.parametrize(("width", "nearest"), [(500, 640), (17, 24), (4001, 1600), (99_999, 1600)])
def test_width_that_is_not_offered_leads_to_the_nearest(
    client: Client, variants: Path, width: int, nearest: int
) -> None:
    save("a.jpg")
    response = client.get(forge(address(), width=width))
    assert files(variants) == []
    assert response.headers["Location"] == address(nearest)
    assert client.get(address(nearest)).status_code == 200


def test_width_above_all_that_are_listed_is_no_redirect(client: Client, settings: Settings) -> None:
    """Each of two servers can have listed the other's only width."""
    settings.RESIZER = {"WIDTHS": [320, 800]}
    save("a.jpg")
    small = address(800)
    settings.RESIZER = {"WIDTHS": [320, 1080]}
    large = address(1080)
    assert client.get(small).headers["Location"] == large
    settings.RESIZER = {"WIDTHS": [320, 800]}
    response = client.get(large)
    assert_shown_instead(response, small)
    assert decode(response.content).size == (800, 600)


@pytest.mark.parametrize("width", [1200, 1250, 1366, 1500, 1600, 99_999])
def test_width_that_is_too_large_by_now_shows_the_widest_that_is_offered(
    client: Client, settings: Settings, width: int
) -> None:
    """As pages offer it; 1200 x 900 px were made before."""
    save("a.jpg")
    old = forge(address(), width=width)
    settings.RESIZER = {**OPEN, "MAX_VARIANT_PIXELS": 1_000_000}
    widest = address(9999)
    assert widest.endswith("/1080.jpg")
    response = client.get(old)
    assert_shown_instead(response, widest)
    assert decode(response.content).size == (1080, 810)
    short = client.get(f"/img/{get_settings().listed_width(width)}/a.jpg")
    assert (short.status_code, short["Content-Location"]) == (200, widest)


@pytest.mark.parametrize(("width", "leads_to"), [(500, 640), (900, 1080)])
def test_unlisted_width_below_the_limit_leads_to_a_width_that_is_made(
    client: Client, settings: Settings, width: int, leads_to: int
) -> None:
    save("a.jpg")
    settings.RESIZER = {"MAX_VARIANT_PIXELS": 1_000_000}
    response = client.get(forge(address(), width=width))
    assert response.headers["Location"] == address(leads_to)
    assert client.get(address(leads_to)).status_code == 200


def test_width_that_has_left_the_list_is_shown_where_it_was_made(
    client: Client, settings: Settings
) -> None:
    settings.RESIZER = {"WIDTHS": [320, 500]}
    save("a.jpg")
    made, other = address(500), address(500, quality="high")
    content = client.get(made).content
    settings.RESIZER = {}
    assert client.get(made).content == content
    response = client.get(other)
    assert response.headers["Location"] == address(640, quality="high")


@pytest.mark.parametrize(
    ("options", "answers"),
    [
        ({"animated": True}, {"webp": 200, "avif": "webp", "jpg": "webp", "png": "webp"}),
        ({"quality": "lossless"}, {"webp": 200, "avif": "png", "jpg": "png", "png": 200}),
        ({"quality": "auto"}, {"webp": "png", "avif": 200, "jpg": 200, "png": 200}),
        ({}, {"webp": "png"}),
    ],
)
def test_format_that_is_not_offered_leads_to_one_that_every_browser_shows(
    client: Client, options: dict[str, Any], answers: dict[str, int | str]
) -> None:
    fast = Image.Quantize.FASTOCTREE
    frames = [draw((640, 480)).rotate(turn).quantize(method=fast) for turn in (0, 90)]
    save("a.jpg", encode(frames[0], "GIF", save_all=True, append_images=frames[1:]))
    stem = picture.url("a.jpg", width=320, **options).rpartition(".")[0]
    for extension, expected in answers.items():
        response = client.get(f"{stem}.{extension}")
        led = response.headers.get("Location", "").removeprefix(f"{stem}.")
        assert (led or response.status_code) == expected


def test_level_that_is_no_longer_configured_leads_to_the_usual_one(
    client: Client, settings: Settings, variants: Path
) -> None:
    save("a.jpg")
    settings.RESIZER = {"QUALITIES": {"tiny": {"avif": 20}}}
    url = address(quality="tiny")
    settings.RESIZER = {}
    assert_shown_instead(client.get(url), address())
    assert files(variants) == [address().removeprefix("/img/")]


def test_new_level_changes_no_url(client: Client, settings: Settings) -> None:
    save("a.jpg")
    urls = [address(quality=quality) for quality in ("low", "medium", "high", "auto", 40)]
    settings.RESIZER = {"QUALITIES": {"tiny": {"avif": 20}, "high": {"avif": 90}}}
    after = [address(quality=quality) for quality in ("low", "medium", "high", "auto", 40)]
    assert [one == other for one, other in zip(urls, after, strict=True)] == [
        True,
        True,
        False,
        True,
        True,
    ]
    assert_shown_instead(client.get(urls[2]), after[2])


def test_doubts_of_strangers_ask_the_source_now_and_then(
    client: Client,
    clock: FrozenDateTimeFactory,
    monkeypatch: pytest.MonkeyPatch,
    django_assert_num_queries: Any,
) -> None:
    save("a.jpg")
    former = forge(address(), version="00000000")
    client.get(former)
    stats = []
    source = get_source("default")
    stat = source.stat

    def count(*given: Any) -> Stat:
        stats.append(given)
        return stat(*given)

    monkeypatch.setattr(source, "stat", count)
    clock.tick(RECHECK_SECONDS + 1)
    assert_shown_instead(client.get(former), address())
    assert len(stats) == 1
    with django_assert_num_queries(0):
        for _ in range(5):
            assert_shown_instead(client.get(former), address())
    assert len(stats) == 1
    clock.tick(RECHECK_SECONDS + 1)
    client.get(former)
    assert len(stats) == 2


def test_source_that_fails_is_asked_now_and_then(
    client: Client, clock: FrozenDateTimeFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    save("a.jpg")
    url = address()
    caches["default"].clear()
    Original.objects.all().delete()
    asked = []

    def fail(*given: object) -> Stat:
        asked.append(given)
        raise SourceFailed("down")

    source = get_source("default")
    stat = source.stat
    monkeypatch.setattr(source, "stat", fail)
    for _ in range(5):
        assert client.get(url).status_code == 502
    assert len(asked) <= 2
    monkeypatch.setattr(source, "stat", stat)
    clock.tick(RECHECK_SECONDS + 1)
    assert client.get(url).status_code == 200


RAW_PATHS: dict[str, Callable[[str], dict[str, Any]]] = {
    "gunicorn": lambda raw: {"RAW_URI": raw},
    "uWSGI": lambda raw: {"REQUEST_URI": raw},
}


@pytest.mark.parametrize("server", RAW_PATHS)
def test_other_spelling_of_a_path_leads_to_the_one_spelling(
    client: Client, settings: Settings, server: str
) -> None:
    settings.RESIZER = OPEN
    tell = RAW_PATHS[server]
    save("a b,c.jpg")
    url = address(name="a b,c.jpg", ratio="1/1", fit="fill")
    for one, other in (("/", "%2F"), ("c", "%63"), ("-", "%2d"), (".", "%2E"), ("/", "%2f")):
        before, between, after = url.rpartition(one)
        assert between
        response = client.get(url, **tell(f"{before}{other}{after}"))
        assert response.headers["Location"] == url
        # A cache that takes all spellings for one would lead everybody from there to there.
        assert response.headers["Cache-Control"] == "private, no-store"
    # Some proxies escape these by themselves, and would lead in a circle.
    for one, other in (("=", "%3D"), (",", "%2C")):
        assert client.get(url, **tell(url.replace(one, other))).status_code == 200
    assert client.get(url, **tell(f"{url}?again=%63")).status_code == 200
    assert client.get(url).status_code == 200
    short = "/img/640/a%20b,c.jpg"
    response = client.get(short, **tell(short.replace("c", "%63")))
    assert response.headers["Location"] == short
    assert client.get(short, **tell(short)).status_code == 200


def test_other_spelling_of_a_path_leads_to_the_one_spelling_under_asgi() -> None:
    save("a.jpg")
    url = address()
    for raw, status in ((url.replace("a.jpg", "%61.jpg"), 302), (url, 200)):
        request = AsyncRequestFactory().get(url)
        request.scope = {**request.scope, "raw_path": raw.encode()}
        assert views.serve(request, url.removeprefix("/img/")).status_code == status
    # A server need not tell it (ASGI, "HTTP Connection Scope").
    request.scope = {**request.scope, "raw_path": None}
    assert views.serve(request, url.removeprefix("/img/")).status_code == 200


@pytest.mark.parametrize("spelling", ["./", "/", "640/./", "640//"])
def test_refusal_of_a_spelling_is_kept_by_nobody(
    client: Client, settings: Settings, spelling: str
) -> None:
    settings.RESIZER = OPEN
    save("a.jpg")
    for path in ("a.jpg", address().removeprefix("/img/")):
        response = client.get(f"/img/{spelling}{path}")
        assert response.status_code in {400, 404}
        assert response.headers["Cache-Control"] == "private, no-store"


@pytest.mark.parametrize("place", range(14))
def test_tampered_signature_is_refused(client: Client, variants: Path, place: int) -> None:
    save("a.jpg")
    url = address()
    start = url.index("-", url.index("a.jpg")) + 1
    other = "A" if url[start + place] != "A" else "B"
    tampered = url[: start + place] + other + url[start + place + 1 :]
    response = client.get(tampered)
    # One character is 6 of 84 bits, none of them idle.
    assert response.status_code == 403
    assert response["Cache-Control"] == "no-store"
    assert files(variants) == []


def test_signature_is_checked_before_anything_is_read(
    client: Client,
    raising: Any,  # noqa: F811  # the fixture
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    save("a.jpg")
    url = forge(address())
    raising()
    monkeypatch.setattr(store, "recall", None)
    monkeypatch.setattr(originals, "look_up", None)
    assert client.get(url.replace("/a.jpg/", "/b.jpg/")).status_code == 403


def test_signature_repeated_in_the_path_opens_nothing(client: Client) -> None:
    save("a.jpg")
    stem, _, tail = address().rpartition("/")
    assert client.get(f"{stem}/{stem.removeprefix('/img/')}/{tail}").status_code in {400, 403}


def test_replaced_original_is_shown_at_its_old_urls(
    client: Client, clock: FrozenDateTimeFactory
) -> None:
    save("a.jpg")
    old = address(width=320)
    assert client.get(old).status_code == 200
    save("a.jpg", encode(draw((1600, 1200)).rotate(180), "JPEG"))
    clock.tick(timedelta(seconds=301))
    response = client.get(old)
    assert address(width=320) != old
    assert_shown_instead(response, address(width=320))
    assert difference(decode(response.content), draw((320, 240)).rotate(180)) < TOLERANCE
    new = client.get(address(width=320))
    assert (new.content, new["ETag"]) == (response.content, response["ETag"])
    unchanged = client.get(old, headers={"If-None-Match": new["ETag"]})
    assert (unchanged.status_code, unchanged["Cache-Control"]) == (304, "public, max-age=60")
    assert client.head(old)["Content-Location"] == address(width=320)


def test_replaced_original_is_shown_at_once_where_nothing_is_cached(client: Client) -> None:
    save("a.jpg")
    old = address(width=320)
    save("a.jpg", photograph((500, 400)))
    response = client.get(old)
    assert_shown_instead(response, address(width=320))
    assert decode(response.content).size == (320, 256)


def test_server_with_another_file_shows_its_own_whatever_the_cache_says(
    client: Client, tmp_path: Path
) -> None:
    """Two servers share a cache, in which the other has just said what it sees."""
    save("a.jpg")
    path = tmp_path / "originals/a.jpg"
    ours, status = path.read_bytes(), path.stat()
    url = address()
    save("a.jpg", encode(draw((1600, 1200)).rotate(180), "JPEG"))
    # Nobody is asked again for a while.
    client.get(forge(address(width=320), version="00000000"))
    assert address() != url
    path.write_bytes(ours)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    response = client.get(url)
    assert_shown_instead(response, url)
    assert difference(decode(response.content), draw((640, 480))) < TOLERANCE
    assert client.get(url)["Cache-Control"].endswith("immutable")


def test_old_own_width_leads_to_a_width_of_the_new_original(
    client: Client, clock: FrozenDateTimeFactory
) -> None:
    save("a.jpg", photograph((1000, 750)))
    old = address(width=1000)
    save("a.jpg", photograph((2000, 1500)))
    assert_shown_instead(client.get(old), address(width=1080))
    save("a.jpg", photograph((500, 375)))
    clock.tick(timedelta(seconds=301))
    assert_shown_instead(client.get(old), address(width=500))


def test_deleted_original_answers_404(client: Client, clock: FrozenDateTimeFactory) -> None:
    save("a.jpg")
    save("b.jpg")
    url = address()
    client.get(url)
    storages["default"].delete("a.jpg")
    clock.tick(timedelta(seconds=301))
    for _ in range(3):
        response = client.get(url)
        assert response.status_code == 404
        assert response["Cache-Control"] == "public, max-age=60"


def test_url_of_a_version_that_we_have_not_heard_of(client: Client) -> None:
    save("a.jpg")
    old = address(width=320)
    known = caches["default"].get(cache_key(Reference("default", "a.jpg")))
    save("a.jpg", photograph((800, 600)))
    originals.look_up(Reference("default", "a.jpg"), originals.Freshness.NOW)
    new = address(width=320)
    # Another process still remembers the former version.
    caches["default"].set(cache_key(Reference("default", "a.jpg")), known)
    assert address(width=320) == old
    assert client.get(new).status_code == 200


def test_variant_outlives_a_source_that_is_down(
    client: Client,
    clock: FrozenDateTimeFactory,
    raising: Any,  # noqa: F811  # the fixture
) -> None:
    save("a.jpg")
    url = address()
    client.get(url)
    raising()
    clock.tick(timedelta(seconds=301))
    assert client.get(url).status_code == 200
    response = client.get(forge(url, width=320))
    assert response.status_code == 502
    assert response["Cache-Control"] == "no-store"


def test_variant_of_which_nothing_else_is_known_outlives_a_source_that_is_down(
    client: Client,
    raising: Any,  # noqa: F811  # the fixture
) -> None:
    save("a.jpg")
    url = address()
    first = client.get(url)
    raising()
    caches["default"].clear()
    Original.objects.all().delete()
    again = client.get(url)
    assert (again.status_code, again.content) == (200, first.content)
    assert client.get(forge(url, width=320)).status_code == 502


def test_changed_file_is_sent_whole_with_its_own_headers(client: Client, variants: Path) -> None:
    save("a.jpg")
    url = address()
    first = client.get(url)
    other = photograph((640, 480))
    (variants / url.removeprefix("/img/")).write_bytes(other)
    again = client.get(url)
    assert again.content == other
    assert again["Content-Length"] == str(len(other))
    assert again["ETag"] != first["ETag"]


def test_variant_that_cannot_be_kept_is_not_to_be_cached(
    client: Client, settings: Settings
) -> None:
    settings.STORAGES = {
        **settings.STORAGES,
        "resizer": {"BACKEND": "tests.test_store.ReadOnlyStorage"},
    }
    save("a.jpg")
    response = client.get(address())
    assert response.status_code == 200
    assert decode(response.content).size == (640, 480)
    assert response["Cache-Control"] == "no-store"


def test_variants_storage_that_is_down_is_503(client: Client, settings: Settings) -> None:
    settings.STORAGES = {
        **settings.STORAGES,
        "resizer": {"BACKEND": "tests.test_store.FailingStorage"},
    }
    save("a.jpg")
    response = client.get(address())
    assert response.status_code == 503
    assert response["Retry-After"] == "5"
    assert response["Cache-Control"] == "no-store"


def test_variant_that_vanishes_again_and_again_is_503(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    save("a.jpg")
    url = address()
    client.get(url)
    found = store.find(url.removeprefix("/img/"))
    monkeypatch.setattr(store, "make", lambda *_: found)
    monkeypatch.setattr(store, "read", lambda *_: None)
    assert client.get(url).status_code == 503


def test_original_that_changes_back_and_forth_is_503(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def change(*_: Any) -> None:
        raise OriginalChanged("a moment ago it was another")

    save("a.jpg")
    url = address()
    monkeypatch.setattr(store, "make", change)
    response = client.get(url)
    assert (response.status_code, response["Retry-After"]) == (503, "1")


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"<html><script>alert(1)</script></html>", 415),
        (b"\xff\xd8\xff\xe0 no picture", 422),
        (photograph((1000, 750))[:9000], 422),
        (photograph((64, 48)) + bytes(200_000), 413),
        (photograph((2000, 1500)), 422),
    ],
    ids=["type", "broken", "truncated", "bytes", "pixels"],
)
def test_hostile_original_is_refused_and_nothing_is_kept(
    client: Client, settings: Settings, variants: Path, content: bytes, status: int
) -> None:
    settings.RESIZER = OPEN
    save("a.jpg")
    url = forge(address(), version=originals.look_up("a.jpg").version_of(Recipe()))
    settings.RESIZER = {**OPEN, "MAX_BYTES": 200_000, "MAX_PIXELS": 2_000_000}
    save("a.jpg", content)
    for path in (url, "/img/640/a.jpg"):
        response = client.get(path)
        if response.status_code == 302:
            response = client.get(response["Location"])
        assert response.status_code == status
        assert response["Content-Type"] == "text/plain; charset=utf-8"
    assert files(variants) == []


def error_classes(parent: type[ResizerError] = ResizerError) -> list[type[ResizerError]]:
    return [one for child in parent.__subclasses__() for one in (child, *error_classes(child))]


@pytest.mark.parametrize("error", error_classes(), ids=lambda one: one.__name__)
def test_error_is_one_plain_sentence(
    client: Client,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: type[ResizerError],
) -> None:
    def fail(*_: object) -> None:
        raise error("/srv/secret/path\nsecond line")

    monkeypatch.setattr(store, "recall", fail)
    save("a.jpg")
    with caplog.at_level(logging.INFO, "resizer"):
        response = client.get(address())
    assert response.status_code == error.status
    text = response.content.decode()
    assert text == error.public_message
    assert text.endswith(".")
    assert len(text.splitlines()) == 1
    assert response["Content-Length"] == str(len(text))
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Cache-Control"] in {"no-store", "public, max-age=60"}
    if error.status >= 500 or error.status == 403:
        assert response["Cache-Control"] == "no-store"
    assert response.has_header("Retry-After") is issubclass(error, Busy)
    (record,) = [one for one in caplog.records if one.name == "resizer.views"]
    assert "/srv/secret/path" in record.getMessage()
    assert "\n" not in record.getMessage()


def test_every_error_is_in_the_tree_of_its_module() -> None:
    tree = errors.__doc__ or ""
    for error in error_classes():
        (line,) = [
            line
            for line in tree.splitlines()
            if line.split("(")[0].strip("├─└│ ").startswith(f"{error.__name__} ")
        ]
        assert str(error.status) in line


# --- short URLs


def test_short_url_of_a_closed_source_is_not_found(client: Client, variants: Path) -> None:
    save("a.jpg")
    for path in ("/img/640/a.jpg", "/img/a.jpg", "/img/640/_web/a.jpg"):
        assert client.get(path).status_code == 404
    assert files(variants) == []


@pytest.fixture
def is_open(settings: Settings) -> None:
    settings.RESIZER = {**OPEN, "FORMATS": ["avif", "webp"]}


@pytest.mark.usefixtures("is_open")
def test_short_url_scales_in_proportion(client: Client) -> None:
    save("photos/a.jpg")
    response = client.get("/img/640/photos/a.jpg")
    assert response.status_code == 200
    assert response["Content-Type"] == "image/jpeg"
    assert decode(response.content).size == (640, 480)
    assert response["Vary"] == "Accept"
    assert response["Cache-Control"] == "public, max-age=300"
    key = client.get(response["Content-Location"])
    assert key.content == response.content
    assert not key.has_header("Vary")


@pytest.mark.usefixtures("is_open")
def test_short_url_without_width_is_the_original_re_encoded(client: Client) -> None:
    save("a.jpg", photograph((700, 500), comment=b"secret"))
    response = client.get("/img/a.jpg")
    assert decode(response.content).size == (700, 500)
    assert b"secret" not in response.content


@pytest.mark.usefixtures("is_open")
def test_short_url_keeps_transparency(client: Client) -> None:
    save("a.png", encode(draw((700, 500), "RGBA"), "PNG"))
    assert client.get("/img/640/a.png")["Content-Type"] == "image/png"


@pytest.mark.usefixtures("is_open")
@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        (None, "image/jpeg"),
        ("*/*", "image/jpeg"),
        ("image/*", "image/jpeg"),
        ("image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8", "image/avif"),
        ("image/webp,*/*", "image/webp"),
        ("image/avif;q=0,image/webp", "image/webp"),
        ("image/avif;q=0.5,image/webp;q=0.9", "image/webp"),
        ("image/avif;q=nonsense", "image/avif"),
        ("image/avif;q=0.1,image/jpeg", "image/jpeg"),
        ("image/avif;q=0.001", "image/avif"),
        ("image/jpeg;q=0", "image/jpeg"),
        ("IMAGE/AVIF ; Q=1", "image/avif"),
        ("image/avif;x*=nope''%41", "image/avif"),
        ("image/jpeg;a=" + ";" * 60_000, "image/jpeg"),
        ("nonsense", "image/jpeg"),
    ],
)
def test_format_follows_accept(client: Client, accept: str | None, content_type: str) -> None:
    save("a.jpg")
    headers = {} if accept is None else {"Accept": accept}
    assert client.get("/img/320/a.jpg", headers=headers)["Content-Type"] == content_type


@pytest.mark.usefixtures("is_open")
@pytest.mark.parametrize(
    ("path", "location"),
    [
        ("/img/500/a.jpg", "/img/640/a.jpg"),
        ("/img/513/a.jpg", "/img/640/a.jpg"),
        ("/img/20/a.jpg", "/img/24/a.jpg"),
        ("/img/300/a.jpg", "/img/320/a.jpg"),
        ("/img/99999/a.jpg", "/img/2560/a.jpg"),
        ("/img/500/a%20b%3F.jpg", "/img/640/a%20b%3F.jpg"),
    ],
)
def test_unlisted_width_leads_to_the_next_listed_one(
    client: Client, path: str, location: str
) -> None:
    response = client.get(path)
    assert (response.status_code, response["Location"]) == (302, location)
    assert response["Cache-Control"] == "public, max-age=60"


@pytest.mark.usefixtures("is_open")
def test_short_url_never_enlarges(client: Client, variants: Path) -> None:
    save("a.jpg", photograph((1000, 750)))
    for path in ("/img/1920/a.jpg", "/img/2560/a.jpg", "/img/1080/a.jpg", "/img/a.jpg"):
        assert decode(client.get(path).content).size == (1000, 750)
    assert len(files(variants)) == 1


@pytest.mark.usefixtures("is_open")
def test_stranger_can_cause_only_so_many_variants(client: Client, variants: Path) -> None:
    save("a.jpg", photograph((600, 400)))
    for width in {*range(1, 700, 23), *get_settings().listed_widths}:
        for accept in ("image/avif", "image/webp", "*/*"):
            client.get(f"/img/{width}/a.jpg", follow=True, headers={"Accept": accept})
    listed = [16, 24, 32, 48, 64, 96, 128, 192, 256, 320, 384, 480, 512, 600]
    assert len(files(variants)) == len(listed) * 3


@pytest.mark.usefixtures("is_open")
def test_short_url_revalidates(client: Client) -> None:
    save("a.jpg")
    first = client.get("/img/320/a.jpg")
    again = client.get("/img/320/a.jpg", headers={"If-None-Match": first["ETag"]})
    assert again.status_code == 304
    assert again["Vary"] == "Accept"


@pytest.mark.usefixtures("is_open")
def test_short_url_shows_a_replaced_original(client: Client, clock: FrozenDateTimeFactory) -> None:
    save("a.jpg")
    client.get("/img/320/a.jpg")
    save("a.jpg", photograph((800, 400)))
    clock.tick(timedelta(seconds=301))
    assert decode(client.get("/img/320/a.jpg").content).size == (320, 160)


@pytest.mark.usefixtures("is_open")
def test_name_of_any_letters(client: Client) -> None:
    name = save("photos/照片 über=50%.jpg")
    response = client.get("/img/320/photos/%E7%85%A7%E7%89%87%20%C3%BCber%3D50%25.jpg")
    assert response.status_code == 200
    assert client.get(address(320, name=name)).content == response.content


@pytest.mark.usefixtures("is_open")
def test_format_that_cannot_be_so_tall_is_not_chosen(client: Client) -> None:
    save("a.png", encode(draw((330, 17_000), "L"), "PNG"))
    response = client.get(
        "/img/330/a.png", headers={"Accept": "image/avif,image/webp"}, follow=True
    )
    assert response["Content-Type"] == "image/jpeg"


@pytest.mark.usefixtures("is_open")
def test_short_url_of_a_drawing_of_few_colours_falls_back_to_png(client: Client) -> None:
    drawing = Image.new("RGB", (400, 300), "white")
    drawing.paste((40, 60, 210), (100, 100, 300, 200))
    save("a.png", encode(drawing.quantize(4), "PNG"))
    response = client.get("/img/320/a.png", headers={"Accept": "image/*,*/*"})
    assert (response.status_code, response["Content-Type"]) == (200, "image/png")
    blue = Image.new("RGB", (140, 60), (40, 60, 210))
    shown = decode(response.content).convert("RGB").crop((90, 90, 230, 150))
    assert difference(shown, blue) < 1


@pytest.mark.usefixtures("is_open")
@pytest.mark.parametrize("path", ["/img/640/missing.jpg", "/img/0/a.jpg", "/img/a.jpg"])
def test_refusal_that_depends_on_accept_says_so(
    client: Client, settings: Settings, path: str
) -> None:
    settings.RESIZER = {**settings.RESIZER, "MAX_VARIANT_PIXELS": 100}
    save("a.jpg")
    response = client.get(path)
    assert response.status_code >= 400
    assert response["Vary"] == "Accept"


@pytest.mark.usefixtures("is_open")
def test_original_replaced_by_a_smaller_one_is_shown(client: Client) -> None:
    save("a.jpg", photograph((1000, 1000)))
    client.get("/img/320/a.jpg")
    save("a.jpg", photograph((300, 300)))
    # Nobody has noticed yet, but the one that makes a variant looks.
    response = client.get("/img/640/a.jpg")
    assert (response.status_code, response["Vary"]) == (200, "Accept")
    assert response["Cache-Control"] == "public, max-age=60"
    assert decode(response.content).size == (300, 300)


def test_render_holds_no_transaction(
    client: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    save("a.jpg")
    url = address()
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    depth: list[int] = []
    real = store.make

    def make(*arguments: Any) -> Any:
        depth.append(len(connection.savepoint_ids))
        return real(*arguments)

    monkeypatch.setattr(store, "make", make)
    settings.MIDDLEWARE = []
    assert client.get(url).status_code == 200
    assert depth == [0]


# --- answers above a size; for S3 see test_s3.py


def test_large_variant_on_a_disk_is_left_to_the_web_server(
    client: Client, settings: Settings, variants: Path
) -> None:
    settings.RESIZER = {"MAX_RESPONSE_BYTES": 7_000}
    save("a.jpg")
    assert client.get(address(320)).status_code == 200
    url = address(640)
    for method in (client.get, client.head):
        response = method(url)
        assert (response.status_code, response["Location"]) == (302, f"{url}?led")
        assert response["Cache-Control"] == "private, no-store"
    assert url.removeprefix("/img/") in files(variants)
    assert client.get(response["Location"]).status_code == 503
    (variants / url.removeprefix("/img/")).unlink()
    assert client.get(url).status_code == 302
    assert url.removeprefix("/img/") in files(variants)


def test_large_variant_in_a_storage_with_urls(client: Client, settings: Settings) -> None:
    storage = {
        "BACKEND": "django.core.files.storage.InMemoryStorage",
        "OPTIONS": {"base_url": "https://cdn.example.com/variants/"},
    }
    settings.STORAGES = {**settings.STORAGES, "resizer": storage}
    settings.RESIZER = {"MAX_RESPONSE_BYTES": 7_000}
    save("a.jpg")
    url = address(640)
    location = url.replace("/img/", "https://cdn.example.com/variants/")
    assert client.get(url)["Location"] == location


def test_large_variant_in_a_storage_without_urls(client: Client, settings: Settings) -> None:
    settings.STORAGES = {
        **settings.STORAGES,
        "resizer": {"BACKEND": "tests.test_views.StorageWithoutURLs"},
    }
    settings.RESIZER = {"MAX_RESPONSE_BYTES": 7_000}
    save("a.jpg")
    url = address(640)
    assert client.get(url)["Location"] == f"{url}?led"


class StorageWithoutURLs(InMemoryStorage):
    def url(self, name: str | None) -> str:
        raise NotImplementedError


HOSTILE = [
    "/img/abc/a.jpg",
    "/img/640/missing.jpg",
    "/img/missing.jpg",
    "/img/640/",
    "/img/640",
    "/img/0/a.jpg",
    "/img/0640/a.jpg",
    "/img/-1/a.jpg",
    "/img/640/../settings.py",
    "/img/640/%2e%2e/%2e%2e/etc/passwd",
    "/img/640/..%2f..%2fetc%2fpasswd",
    "/img/640//etc/passwd",
    "/img/640/a.jpg%00.png",
    "/img/%00",
    "/img/640/a%0a.jpg",
    "/img/640/" + "x" * 5000,
    "/img/" + "x" * 5000,
    "/img/" + "x/" * 2500,
    "/img/" + "9" * 5000 + "/a.jpg",
    "/img/640/_web/a.jpg",
    "/img/_/a.jpg",
    "/img/640/_default/../a.jpg",
    "/img/640/a.jpg/",
    "/img/640/photos",
    "/img/%ff%fe",
    "/img/640/a.jpg\\..\\b",
    "/img/a.jpg/5d41402a-AAAAAAAAAAAAAA/640.avif",
    "/img/a.jpg/5d41402a-AAAAAAAAAAAAAA/7x3/640.avif",
    "/img/a.jpg/5d41402a-AAAAAAAAAAAAAA/640.exe",
    "/img/a.jpg/5d41402a-AAAAAAAAAAAAAA/0640.avif",
    "/img/a.jpg/5d41402a-AAAAAAAAAAAAAA/{}/640.avif".format("a" * 5000),
    "/img/../5d41402a-AAAAAAAAAAAAAA/640.avif",
    "/img/==99999999/5d41402a-AAAAAAAAAAAAAA/640.avif",
    "/img/=ZZ/5d41402a-AAAAAAAAAAAAAA/640.avif",
    "/img/_nowhere/a.jpg/5d41402a-AAAAAAAAAAAAAA/640.avif",
]


@pytest.mark.usefixtures("is_open")
@pytest.mark.parametrize("path", HOSTILE, ids=lambda path: path[5:40])
def test_hostile_url_is_refused_and_creates_nothing(
    client: Client, variants: Path, path: str
) -> None:
    save("photos/a.jpg")
    save("a.jpg")
    response: HttpResponse = client.get(path)  # type: ignore[assignment]  # the test client's own class
    assert 400 <= response.status_code < 500
    assert files(variants) == []


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_other_methods_are_not_allowed(client: Client, method: str) -> None:
    save("a.jpg")
    response = getattr(client, method)(address())
    assert response.status_code == 405
    assert response["Allow"] == "GET, HEAD"


def test_mount_follows_the_script_name(client: Client) -> None:
    save("a.jpg")
    set_script_prefix("/site/")
    try:
        assert address().startswith("/site/img/a.jpg/")
    finally:
        clear_script_prefix()


def absences(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [one for one in caplog.records if one.name == "resizer.sources.absence"]


def test_directory_of_the_originals_that_is_away_is_logged_once_a_minute(
    client: Client,
    clock: FrozenDateTimeFactory,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    save("a.jpg", photograph())
    shown = address()
    assert client.get(shown).status_code == 200
    missing = [forge(shown, name=f"{number}.jpg") for number in range(4)]
    (tmp_path / "originals").rename(tmp_path / "away")
    counts = []
    for seconds in (400, 0, 59, 1, 400):
        clock.tick(seconds)
        assert client.get(shown).status_code == 200
        assert {client.get(one).status_code for one in missing} == {502}
        counts.append(len(absences(caplog)))
    assert counts == [1, 1, 1, 2, 3]
    assert {one.levelname for one in absences(caplog)} == {"WARNING"}
    assert "bucket of storage 'default' is empty or missing" in absences(caplog)[0].getMessage()
    # A directory that is there and lacks a file is no news.
    (tmp_path / "away").rename(tmp_path / "originals")
    clock.tick(400)
    assert client.get(missing[0]).status_code == 404
    assert len(absences(caplog)) == 3


def test_each_storage_that_is_away_is_logged(
    caplog: pytest.LogCaptureFixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("resizer.sources.absence.throttle", Throttle(60, size=2))
    places = [FileSystemStorage(str(tmp_path / f"away-{number}")) for number in range(3)]
    for place in [*places, places[2]]:
        with pytest.raises(SourceFailed):
            StorageSource(place).stat("a.jpg")
    assert len({one.getMessage() for one in absences(caplog)}) == len(absences(caplog)) == 3


@pytest.mark.parametrize("is_known", [True, False])
@pytest.mark.parametrize("place", ["nothing", "a file", "an empty directory"])
def test_variants_are_shown_while_the_directory_of_the_originals_is_away(
    client: Client, clock: FrozenDateTimeFactory, tmp_path: Path, is_known: bool, place: str
) -> None:
    """A disk that is not mounted, or a link that leads nowhere."""
    save("a.jpg", photograph())
    shown = address()
    assert client.get(shown).status_code == 200
    directory, away = tmp_path / "originals", tmp_path / "away"
    if not is_known:
        caches["default"].clear()
        Original.objects.all().delete()
    directory.rename(away)
    if place == "a file":
        directory.touch()
    elif place == "an empty directory":
        directory.mkdir()
    for _ in range(3):
        clock.tick(400)
        assert client.get(shown).status_code == 200
        # What was never made cannot be made now.
        assert client.get(address_of_missing := forge(shown, name="b.jpg")).status_code == 502
    assert Original.objects.exists() is is_known
    if place == "a file":
        directory.unlink()
    elif place == "an empty directory":
        directory.rmdir()
    away.rename(directory)
    clock.tick(400)
    assert client.get(shown).status_code == 200
    assert client.get(address_of_missing).status_code == 404
    # The page prints variants, not the file as it is.
    assert address() == shown
