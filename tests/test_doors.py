"""The ways in: nginx, WSGI, ASGI, the middleware and the plain URLconf give a client the same responses."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import threading
from datetime import timedelta
from io import BytesIO
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote, unquote

import pytest
from django.core.cache import caches
from django.core.files.storage import storages
from django.test import Client
from django.urls import clear_script_prefix

import resizer.asgi
import resizer.wsgi
from resizer import originals, store, views
from resizer.formats import JPEG
from resizer.keys.variant import Recipe, Variant, parse_key, write_key
from resizer.links import signing
from resizer.links.signing import sign
from resizer.markup import picture
from resizer.models import Original
from resizer.records import cache, tallies
from resizer.storages import publishing
from resizer.store import backends
from tests.conftest import save
from tests.nginx import ask
from tests.pictures import photograph
from tests.test_nginx import serve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from freezegun.api import FrozenDateTimeFactory
    from pytest_django import DjangoAssertNumQueries, Settings

pytestmark = pytest.mark.django_db

OURS = "resizer.middleware.ResizerMiddleware"
OTHERS = [
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.gzip.GZipMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
]
#: Of the connection, the server, and its clock. And nginx does not tell which hits it serves.
OF_SERVERS = {"accept-ranges", "connection", "date", "server", "server-timing"}


PAGE = b"a page"


class Reply(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


def reply(status: int, headers: Iterable[tuple[str, str]], body: bytes) -> Reply:
    kept = {name.lower(): value for name, value in headers if name.lower() not in OF_SERVERS}
    return Reply(status, kept, body)


def pass_on(*_: Any) -> Any:
    """Django, as far as these tests need it."""
    raise PassedOn


class PassedOn(Exception):
    """A request has come to Django."""


def ask_wsgi(url: str, method: str = "GET", **headers: str) -> Reply:
    """A request to the WSGI application. Raises PassedOn if Django has to respond."""
    started: list[Any] = []
    path, _, query = url.partition("?")
    environ = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": headers.pop("SCRIPT_NAME", ""),
        "PATH_INFO": unquote(path, "latin-1"),
        "QUERY_STRING": query,
        "RAW_URI": url,
        "wsgi.input": BytesIO(),
        **{f"HTTP_{name.upper()}": value for name, value in headers.items()},
    }
    application = resizer.wsgi.wrap(pass_on)
    body = b"".join(application(environ, lambda *given: started.extend(given)))  # type: ignore[arg-type]
    status, fields = started
    return reply(int(status.split()[0]), fields, body)


def ask_asgi(url: str, method: str = "GET", **headers: str) -> Reply:
    """A request to the ASGI application. Raises PassedOn if Django has to respond."""
    path, _, query = url.partition("?")
    root = headers.pop("SCRIPT_NAME", "")
    scope = {
        "type": "http",
        "method": method,
        "root_path": root,
        "path": root + unquote(path),
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [
            (name.lower().replace("_", "-").encode(), value.encode())
            for name, value in headers.items()
        ],
    }
    start, body = send_asgi(scope)
    fields = [(name.decode(), value.decode()) for name, value in start["headers"]]
    return reply(start["status"], fields, body["body"])


def send_asgi(scope: dict[str, Any], django: Any = pass_on) -> list[dict[str, Any]]:
    """What the ASGI application sends."""
    sent = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    async def receive() -> dict[str, Any]:
        return {"type": "http.request"}

    async def run() -> None:
        await resizer.asgi.wrap(django)(scope, receive, send)

    asyncio.run(run())
    return sent


def ask_django(url: str, method: str = "GET", **headers: str) -> Reply:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    response = Client().generic(method, url, headers=given, RAW_URI=url)
    return reply(response.status_code, response.items(), response.content)


@pytest.fixture(autouse=True)
def another() -> None:
    """An empty directory of originals would look like a disk that is not mounted."""
    save("another.txt", b"no picture")


@pytest.fixture
def url() -> Iterator[str]:
    """A cached variant."""
    save("a.jpg")
    url = picture.url("a.jpg", width=640, format="jpeg")
    assert Client().get(url).status_code == 200
    yield url
    clear_script_prefix()


def forge(url: str, **changes: Any) -> str:
    """The URL of another variant of the same original."""
    parsed = parse_key(url.removeprefix("/img/"))
    assert parsed is not None
    return written(dataclasses.replace(parsed.variant, **changes))


def written(variant: Variant) -> str:
    return "/img/" + write_key(variant, sign(variant))


@pytest.mark.service("nginx")
def test_hit_is_the_same_by_every_way(url: str, tmp_path: Path, settings: Settings) -> None:
    # As in nginx.conf.
    settings.RESIZER = {"ALLOW_ORIGIN": "*"}
    assert Client().get(url).status_code == 200
    etag = ask_wsgi(url).headers["etag"]
    modified = ask_wsgi(url).headers["last-modified"]
    requests: list[tuple[str, dict[str, str]]] = [
        ("GET", {}),
        ("HEAD", {}),
        ("GET", {"Accept_Encoding": "gzip", "Accept_Language": "de"}),
        ("GET", {"If_None_Match": etag}),
        ("HEAD", {"If_None_Match": f'W/{etag}, "other"'}),
        ("GET", {"If_None_Match": '"other"', "If_Modified_Since": modified}),
        ("GET", {"If_Modified_Since": modified}),
        ("GET", {"If_Modified_Since": "Thu, 01 Jan 2026 00:00:00 GMT"}),
        ("GET", {"If_Modified_Since": "yesterday"}),
    ]
    (tmp_path / "static").mkdir()
    with serve(tmp_path, "127.0.0.1:9") as site:
        for method, headers in requests:
            by_wsgi = ask_wsgi(url, method, **headers)
            assert ask_asgi(url, method, **headers) == by_wsgi
            settings.MIDDLEWARE = [OURS, *OTHERS]
            assert ask_django(url, method, **headers) == by_wsgi
            settings.MIDDLEWARE = []
            assert ask_django(url, method, **headers) == by_wsgi
            given = {name.replace("_", "-"): value for name, value in headers.items()}
            by_nginx = ask(site.address + url, method, given)
            assert reply(by_nginx.status, by_nginx.headers.items(), by_nginx.body) == by_wsgi


DOORS = pytest.mark.parametrize("ask_door", [ask_wsgi, ask_asgi])


def of_strangers(url: str) -> dict[str, int]:
    """URLs without a variant of their own, and the status of each."""
    save("broken.jpg", photograph()[:5000])
    broken = originals.look_up("broken.jpg").variant(Recipe(), 640, JPEG)
    signature = url.split("/")[3][9:]
    return {
        forge(url, version="01234567"): 200,
        forge(url, width=641): 302,
        forge(url, name="missing.jpg"): 404,
        url.replace(signature, "x" * 14): 403,
        url[:-3] + "exe": 400,
        url.replace("/img/a", "/img/%61"): 302,
        written(broken): 422,
        "/img/640/a.jpg": 404,
    }


@DOORS
def test_strangers_get_the_same_without_django(
    ask_door: Callable[..., Reply], url: str, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for path, status in of_strangers(url).items():
        # Django asks source, database and engine, and nobody asks them again for a while.
        assert ask_django(path).status == status, path
        by_django = ask_django(path)
        with django_assert_num_queries(0):
            assert ask_door(path) == by_django, path


@DOORS
def test_former_version_needs_django_only_after_a_change(
    ask_door: Callable[..., Reply], url: str, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(0):
        for number in range(3):
            # The first one asks the source, which has the same file.
            shown = ask_door(forge(url, version=f"0000000{number}"))
            assert (shown.status, shown.headers["content-location"]) == (200, url)
    caches["default"].delete(cache.key_of("asked", "default\na.jpg"))
    save("a.jpg", photograph((800, 600)))
    former = forge(url, version="00000009")
    with pytest.raises(PassedOn):
        ask_door(former)
    # Django finds the new version.
    assert ask_django(former).headers["content-location"] != url
    caches["default"].delete(cache.key_of("asked", "default\na.jpg"))
    storages["default"].delete("a.jpg")
    with pytest.raises(PassedOn):
        ask_door(former)
    assert ask_django(former).status == 404


@DOORS
def test_missing_original_needs_no_django(
    ask_door: Callable[..., Reply], url: str, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(0):
        found = [ask_door(forge(url, name=f"{number}.jpg")) for number in range(3)]
    assert [one.status for one in found] == [404, 404, 404]
    assert found[0] == ask_django(forge(url, name="0.jpg"))
    tallies.flush()
    assert Original.objects.count() == 1


@DOORS
def test_row_of_a_missing_original_tells_it_later(ask_door: Callable[..., Reply], url: str) -> None:
    storages["default"].delete("a.jpg")
    caches["default"].clear()
    assert ask_door(url).status == 404
    # Pages know it from the cache.
    assert "<picture>" not in str(picture.build("a.jpg", alt=""))
    assert Original.objects.get().checked_at is not None
    tallies.flush()
    assert Original.objects.get().checked_at is None


@DOORS
def test_short_url_of_a_missing_original_needs_no_django(
    ask_door: Callable[..., Reply], settings: Settings
) -> None:
    settings.RESIZER = {"SOURCES": {"default": {"OPEN": True}}}
    missing = ask_door("/img/640/missing.jpg")
    assert missing.status == 404
    assert ask_django("/img/640/missing.jpg") == missing


@DOORS
def test_unlisted_width_is_not_looked_for_in_a_bucket(
    ask_door: Callable[..., Reply], url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backends, "is_local", lambda **_: False)
    monkeypatch.setattr(store, "load", None)
    for width in (641, 642):
        assert ask_door(forge(url, width=width)).status == 302


@DOORS
def test_paths_of_strangers_are_not_remembered(ask_door: Callable[..., Reply], url: str) -> None:
    assert ask_door(url).status == 200
    before = signing.read_key.cache_info().currsize, len(views._keys_at)
    for number in range(3):
        for path in (f"/img/{number}{'x' * 2000}", f"/img/{number}.jpg", f"{url}{number}"):
            assert ask_door(path).status in {400, 404}
    assert (signing.read_key.cache_info().currsize, len(views._keys_at)) == before


def test_strangers_get_the_same_for_a_second_without_a_look_into_the_cache(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = of_strangers(url)
    monkeypatch.setattr(cache, "NEAR_SECONDS", 60)
    first = {path: [ask_django(path) for _ in range(3)][2] for path in paths}
    for method in ("get", "get_many", "add", "set"):
        monkeypatch.setattr(type(caches["default"]), method, None)
    for path in paths:
        if path != "/img/640/a.jpg":
            assert ask_wsgi(path) == ask_django(path) == first[path], path


def test_second_of_a_former_version_ends(
    url: str, monkeypatch: pytest.MonkeyPatch, clock: FrozenDateTimeFactory
) -> None:
    monkeypatch.setattr(cache, "NEAR_SECONDS", 1)
    former = forge(url, version="01234567")
    shown = ask_django(former)
    assert (shown.status, shown.headers["content-location"]) == (200, url)
    # A project that answers below two paths has other URLs there.
    assert ask_wsgi(former, SCRIPT_NAME="/shop").headers["content-location"] == f"/shop{url}"
    assert ask_wsgi(former).headers["content-location"] == url
    clock.tick(timedelta(seconds=2))
    assert ask_django(former) == shown
    # Its file is gone, as after a purge, and made again.
    store.delete_files([url.removeprefix("/img/")])
    again = ask_django(former)
    assert (again.status, again.body) == (200, shown.body)


@DOORS
def test_other_methods_are_refused_without_django(ask_door: Callable[..., Reply], url: str) -> None:
    refused = ask_door(url, "POST")
    assert (refused.status, refused.headers["allow"]) == (405, "GET, HEAD")
    assert refused == ask_django(url, "POST")


@DOORS
def test_head_has_no_body(ask_door: Callable[..., Reply], url: str) -> None:
    for path in (url, *of_strangers(url)):
        # Afterwards, nobody asks the source again for a while.
        shown = [ask_django(path) for _ in range(2)][1]
        assert ask_door(path, "HEAD") == shown._replace(body=b""), path


@DOORS
def test_whatever_takes_longer_is_passed_on_to_django(
    ask_door: Callable[..., Reply], url: str
) -> None:
    new = forge(url, width=320)
    with pytest.raises(PassedOn):
        ask_door(new)
    made = ask_django(new)
    assert made.status == 200
    assert ask_door(new).body == made.body
    for path in ("/", "/img/", "/admin/", "/img", "/imagine/a.jpg"):
        with pytest.raises(PassedOn):
            ask_door(path)
    # Nobody knows it any longer, and Django reads it back.
    caches["default"].clear()
    with pytest.raises(PassedOn):
        ask_door(new)


@DOORS
def test_short_url_of_an_open_source_needs_no_django(
    ask_door: Callable[..., Reply], settings: Settings
) -> None:
    settings.RESIZER = {"SOURCES": {"default": {"OPEN": True}}}
    save("für dich.jpg")
    path = "/img/640/" + quote("für dich.jpg")
    for accept in ("image/avif", "image/webp;q=0.5", "*/*"):
        shown = ask_django(path, Accept=accept)
        assert (shown.status, shown.headers["vary"]) == (200, "Accept")
        assert ask_door(path, Accept=accept) == shown
    assert ask_door("/img/641/" + quote("für dich.jpg")).status == 302


@DOORS
def test_project_below_a_path_redirects_below_it(ask_door: Callable[..., Reply], url: str) -> None:
    respelled = url.replace("/img/a", "/img/%61")
    redirect = ask_door(respelled, SCRIPT_NAME="/shop")
    assert redirect.headers["location"] == f"/shop{url}"
    assert ask_door(respelled).headers["location"] == url


@DOORS
def test_middleware_before_ours_sees_every_request(
    ask_door: Callable[..., Reply], url: str, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.MIDDLEWARE = ["django.middleware.security.SecurityMiddleware", OURS]
    for _ in range(2):
        with pytest.raises(PassedOn):
            ask_door(url)
    (line,) = [one.getMessage() for one in caplog.records if one.levelno == logging.WARNING]
    assert "SecurityMiddleware stands before resizer.middleware" in line


@DOORS
def test_cache_in_the_database_is_asked_by_django_alone(
    ask_door: Callable[..., Reply], url: str, settings: Settings
) -> None:
    backend = "django.core.cache.backends.db.DatabaseCache"
    settings.CACHES = {**settings.CACHES, "db": {"BACKEND": backend, "LOCATION": "entries"}}
    settings.RESIZER = {"CACHE": "db"}
    with pytest.raises(PassedOn):
        ask_door(url)


def test_applications_of_the_project_serve_a_hit_and_a_page(url: str) -> None:
    from config.wsgi import application

    assert ask_wsgi(url).status == 200
    started: list[Any] = []
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/img/",
        "SERVER_NAME": "testserver",
        "SERVER_PORT": "80",
        "wsgi.input": BytesIO(),
    }
    response: Any = application(environ, lambda *given: started.extend(given))  # type: ignore[arg-type]
    assert started[0] == "404 Not Found"
    # As a server does at the end of a response.
    response.close()


def test_other_protocols_are_passed_on() -> None:
    with pytest.raises(PassedOn):
        send_asgi({"type": "lifespan"})


def test_storage_that_hangs_takes_no_request_of_asgi_for_ever(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hangs, fetch = threading.Event(), publishing.fetch
    monkeypatch.setattr(publishing, "fetch", lambda *one: hangs.wait(30) and fetch(*one))
    monkeypatch.setattr(resizer.asgi, "LONGEST_SECONDS", 0.1)
    application = resizer.asgi.wrap(answer_page)

    async def ask_many(count: int) -> set[bytes]:
        return set(await asyncio.gather(*(body_of(application, url) for _ in range(count))))

    # More than there are threads.
    assert asyncio.run(ask_many(3 * resizer.asgi.THREADS)) == {PAGE}
    hangs.set()
    monkeypatch.setattr(resizer.asgi, "LONGEST_SECONDS", 30)
    assert asyncio.run(ask_many(3)) == {ask_django(url).body}


async def body_of(application: Any, url: str) -> bytes:
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await application({"type": "http", "method": "GET", "path": url, "headers": []}, None, send)
    return bytes(sent[1]["body"])


def test_asgi_of_a_project_serves_its_pages() -> None:
    sent = send_asgi({"type": "http", "method": "GET", "path": "/page", "headers": []}, answer_page)
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]


async def answer_page(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": PAGE})


def test_repeated_header_is_one_list(url: str) -> None:
    etag = ask_asgi(url).headers["etag"].encode()
    headers = [(b"if-none-match", b'"other"'), (b"if-none-match", etag)]
    start, _ = send_asgi({"type": "http", "method": "GET", "path": url, "headers": headers})
    assert start["status"] == 304
