"""Who may ask, and what they may learn: what strangers can cause is bounded, and nothing about us gets out."""

from __future__ import annotations

import io
import itertools
import os
import re
import string
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote, urljoin, urlsplit

import hypothesis
import pytest
from django.core.cache import caches
from django.core.files.storage import InMemoryStorage, storages
from django.db import connection
from freezegun import freeze_time
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from resizer import errors
from resizer.concurrency import semaphores
from resizer.conf import get_settings
from resizer.keys.variant import Recipe
from resizer.markup import picture
from resizer.models import Original
from resizer.records.descriptions import version_of
from resizer.sources import Stat, get_source
from tests.conftest import files, save
from tests.hostile_files import progressive_jpeg
from tests.pictures import photograph
from tests.private import save_private, use_private
from tests.test_middleware import OTHERS, OURS
from tests.test_views import HOSTILE, OPEN, error_classes, forge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from typing import BinaryIO

    from django.test import Client
    from pytest_django import Settings

    from resizer.errors import ResizerError

pytestmark = pytest.mark.django_db

#: Small, because many of its variants are made.
SIZE = (100, 75)
#: What FORMATS offers by default, with the fallbacks, and what else there is.
EXTENSIONS = ("avif", "jpg", "png")
#: All that are small or near the picture's own, and of others some.
WIDTHS = (*range(20), *range(20, 90, 4), *range(90, 130), *range(130, 3001, 61), 640, 1920, 3000)
OTHER_EXTENSIONS = ("webp", "gif", "tif")
CLOSED = {"SOURCES": {"default": {"OPEN": False}}}


def bound(stem: str, own_width: int, extensions: tuple[str, ...] = EXTENSIONS) -> set[str]:
    """The keys that a picture's address opens: listed widths and its own, in the formats on offer."""
    widths = {width for width in get_settings().listed_widths if width < own_width} | {own_width}
    return {f"{stem}{width}.{one}" for width in widths for one in extensions}


def printed(name: str, **options: Any) -> tuple[str, int]:
    """What a picture's URLs begin with, and its own width."""
    url = picture.url(name, width=16, format="jpeg", **options)
    return url.removesuffix("16.jpg"), 75 if "ratio" in options else 100


@pytest.fixture(params=[{}, {"ratio": "1/1"}], ids=["plain", "cropped"])
def stem(request: pytest.FixtureRequest, settings: Settings) -> tuple[str, int]:
    settings.RESIZER = CLOSED
    save("photos/a.jpg", photograph(SIZE))
    return printed("photos/a.jpg", **request.param)


# --- what one printed address opens


def test_printed_url_opens_the_listed_widths_and_formats(
    client: Client, variants: Path, stem: tuple[str, int]
) -> None:
    start, own_width = stem
    for width in WIDTHS:
        for extension in (*EXTENSIONS, *OTHER_EXTENSIONS) if width < 130 else ("jpg",):
            assert client.get(f"{start}{width}.{extension}", follow=True).status_code in {200, 400}
    assert set(files(variants)) == bound(start.removeprefix("/img/"), own_width)


SPELLED_WIDTHS = [
    "064",
    "0064",
    "+64",
    "-64",
    "64.0",
    "6e1",
    "64px",
    "64w",
    "0x40",
    "６４",
    "٦٤",
    " 64",
    "64 ",
    "",
    "64,32",
    "64x48",
    "64/64",
    "9" * 400,
    "64%00",
    "64%0a",
    "1_0",
]
SUFFIXES = [
    "JPG",
    "jpeg",
    "jpg.avif",
    "jpg/",
    "jpg.",
    "jpg%20",
    "jpg%00",
    "jpg;x=1",
    "jpg,x",
    "",
    "heic",
    "jpg?width=640",
    "jpg?led",
    "jpg#x",
    "jpg/64.jpg",
    "exe",
    "j%70g",
    "j%2570g",
    "jpg~",
    "jpgg",
]
RECIPES = [
    "1x1",
    "7x3",
    "100x75",
    "fit-fill",
    "fp0-0",
    "q-high",
    "q-1",
    "q-lossless",
    "linear",
    "animated",
    "1x1,fp0-0",
    "linear,animated",
    "q-auto",
    "Q-HIGH",
    "default",
    "..",
    ".",
    "",
    "%2e",
]


def test_no_other_spelling_of_a_printed_url_opens_more(
    client: Client, variants: Path, stem: tuple[str, int]
) -> None:
    start, own_width = stem
    directory = start.removesuffix("/").rpartition("/")[0]
    mount, name = "/img/", start.removeprefix("/img/")
    paths = [f"{start}{width}.jpg" for width in SPELLED_WIDTHS]
    paths += [f"{start}64.{suffix}" for suffix in SUFFIXES]
    paths += [f"{one}/{recipe}/64.jpg" for recipe in RECIPES for one in (start[:-1], directory)]
    paths += [f"{mount}{start}64.jpg", f"{mount}/{name}64.jpg", f"{mount}./{name}64.jpg"]
    paths += [f"{mount}x/../{name}64.jpg", f"{mount}_default/{name}64.jpg", f"{start}/64.jpg"]
    paths += [f"{start}../64.jpg", f"{start}64.jpg".upper(), f"{start}64.jpg".swapcase()]
    paths += [quote(f"{start}64.jpg", safe="/%").replace(one, f"%{ord(one):02X}") for one in name]
    paths += [f"{start}64.jpg".replace(one, f"%25{ord(one):02x}") for one in name]
    paths += [f"{mount}{name}64.jpg".replace(one, f"={ord(one):02X}") for one in name]
    paths += [f"{mount}=70{name[1:]}64.jpg", f"{mount}==photos-/{name[7:]}64.jpg"]
    for path in paths:
        assert client.get(path, follow=True).status_code < 500
    assert set(files(variants)) <= bound(name, own_width)


def test_no_character_of_a_printed_url_can_be_another(
    client: Client, variants: Path, stem: tuple[str, int]
) -> None:
    start, own_width = stem
    address = f"{start}64.jpg"
    for place in range(len("/img/"), len(address)):
        before, after = address[:place], address[place + 1 :]
        for other in ("", *"09afAZ_-.,=/%\\?~ é", address[place] * 2):
            assert client.get(before + other + after, follow=True).status_code < 500
    assert set(files(variants)) <= bound(start.removeprefix("/img/"), own_width)


PIECES = st.sampled_from(
    ["/", ".", "..", "%2e", "%2f", "//", "16", "64", "100", ".jpg", ".avif", "=2E", "1x1"]
)


@hypothesis.settings(
    max_examples=300,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(parts=st.lists(PIECES | st.text(string.printable, max_size=3) | st.none(), max_size=8))
def test_no_url_made_of_parts_of_a_printed_one_opens_more(
    client: Client, variants: Path, stem: tuple[str, int], parts: list[str | None]
) -> None:
    start, own_width = stem
    path = "".join(start.removeprefix("/img/") if part is None else part for part in parts)
    assert client.get(f"/img/{path}", follow=True).status_code < 500
    assert set(files(variants)) <= bound(start.removeprefix("/img/"), own_width)


# --- what short URLs open

ACCEPTS = [
    "",
    "*/*",
    "image/avif",
    "image/webp",
    "image/png",
    "image/gif",
    "image/avif;q=0,image/webp;q=0",
    "image/heic,image/tiff",
    "IMAGE/AVIF",
    "image/avif" * 1000,
    "x" * 60_000,
    "\x00é;q=9",
]


def test_open_source_is_bounded_as_well(client: Client, settings: Settings, variants: Path) -> None:
    settings.RESIZER = OPEN
    save("photos/a.jpg", photograph(SIZE))
    opened = bound(printed("photos/a.jpg")[0].removeprefix("/img/"), 100, ("avif", "jpg"))
    for width in WIDTHS:
        accepts = ACCEPTS if width < 130 else ("image/avif",)
        for accept in accepts:
            headers = {"Accept": accept}
            response = client.get(f"/img/{width}/photos/a.jpg", follow=True, headers=headers)
            assert response.status_code == (200 if width else 400)
    for spelling in (
        "photos//a.jpg",
        "./photos/a.jpg",
        "photos/a.jpg/",
        "photos/A.JPG",
        "%2fphotos/a.jpg",
    ):
        assert client.get(f"/img/64/{spelling}").status_code == 404
    for spelled, accept in itertools.product(SPELLED_WIDTHS, ACCEPTS):
        client.get(f"/img/{spelled}/photos/a.jpg?v={accept[:9]}", headers={"Accept": accept})
    assert set(files(variants)) == opened
    # What they lead to opens the fallback that was not wanted, and no more.
    key = client.get("/img/photos/a.jpg")["Content-Location"].rpartition("/")[0]
    for width, extension in itertools.product(range(130), (*EXTENSIONS, *OTHER_EXTENSIONS)):
        client.get(f"{key}/{width}.{extension}", follow=True)
    assert set(files(variants)) == bound(f"{key.removeprefix('/img/')}/", 100)


def test_closed_source_opens_nothing(client: Client, settings: Settings, variants: Path) -> None:
    settings.RESIZER = CLOSED
    save("photos/a.jpg", photograph(SIZE))
    for width in ("", *range(0, 3001, 10), *get_settings().listed_widths, *SPELLED_WIDTHS):
        response = client.get(f"/img/{width}/photos/a.jpg".replace("//", "/"))
        assert response.status_code == 404
        assert not response.has_header("Location")
    assert files(variants) == []


# --- what is asked for a stranger


class Trap:
    """A source, storage or cache that tells what is asked of it, and gives nothing."""

    touched: list[str] = []

    def __init__(self, *_: Any, **options: Any) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        self.touched.append(name)
        raise AssertionError(f"{name} was asked for")

    def close(self) -> None:
        """What Django does after each request with what was used."""


@pytest.fixture
def signed() -> str:
    """The URL of a variant that nobody has asked for."""
    save("photos/a.jpg", photograph(SIZE))
    return f"{printed('photos/a.jpg')[0]}16.jpg"


@pytest.fixture
def trap(settings: Settings, tmp_path: Path) -> Iterator[list[str]]:
    """All that a request could look into is a trap; gives what has been looked into."""
    backend = {"BACKEND": "tests.test_strangers.Trap"}
    settings.STORAGES = {**settings.STORAGES, "default": backend, "resizer": backend}
    settings.CACHES = {**settings.CACHES, "trap": backend}
    settings.RESIZER = {
        "CACHE": "trap",
        "SOURCES": {"default": backend, "web": backend},
        "LOCK_DIRECTORY": str(tmp_path / "locks"),
    }
    Trap.touched = []

    def record(execute: Any, sql: str, *rest: Any) -> Any:
        Trap.touched.append(sql)
        return execute(sql, *rest)

    with connection.execute_wrapper(record):
        yield Trap.touched


def test_nothing_is_looked_up_for_a_stranger(
    client: Client, signed: str, trap: list[str], tmp_path: Path
) -> None:
    directory, stamp, tail = signed.rsplit("/", 2)
    version, _, signature = stamp.partition("-")
    paths = list(HOSTILE)
    for place, other in itertools.product(range(14), "AZaz09_-"):
        if signature[place] != other:
            forged = signature[:place] + other + signature[place + 1 :]
            paths.append(f"{directory}/{version}-{forged}/{tail}")
    paths += [f"{directory}/{version}-{signature}/{recipe}/{tail}" for recipe in ("1x1", "q-high")]
    paths += [
        f"{directory}/00000000-{signature}/{tail}",
        f"{directory}x/{version}-{signature}/{tail}",
    ]
    paths += [f"/img/_web/photos/a.jpg/{version}-{signature}/{tail}"]
    # Unsigned: neither source is open.
    paths += [f"/img/{start}photos/a.jpg" for start in ("", "64/", "65/", "_web/", "64/_web/")]
    for path in paths:
        for method in (client.get, client.head, client.post):
            assert 400 <= method(path).status_code < 500
    assert trap == []
    assert not (tmp_path / "locks").exists()
    # But for a signed one everything is.
    assert client.get(signed).status_code == 503
    assert {"get_many", "open"} <= set(trap)
    assert any("SELECT" in one for one in trap)
    Original.objects.all().delete()
    with pytest.raises(AssertionError, match="stat was asked for"):
        client.get(signed)


# --- what is no file of the source


@pytest.fixture
def odd(settings: Settings, tmp_path: Path) -> None:
    """Names of an open source that are no pictures of it."""
    settings.RESIZER = OPEN
    save("photos/a.jpg", photograph(SIZE))
    originals = tmp_path / "originals"
    (tmp_path / "secret.jpg").write_bytes(photograph(SIZE))
    (originals / "out.jpg").symlink_to(tmp_path / "secret.jpg")
    (originals / "up").symlink_to("..")
    (originals / "loop.jpg").symlink_to("loop.jpg")
    (originals / "there.jpg").symlink_to("back.jpg")
    (originals / "back.jpg").symlink_to("there.jpg")
    (originals / "device.jpg").symlink_to("/dev/zero")
    (originals / "gone.jpg").symlink_to("missing.jpg")
    os.mkfifo(originals / "pipe.jpg")


ODD = [
    "out.jpg",
    "up/secret.jpg",
    "up/originals",
    "loop.jpg",
    "loop.jpg/a.jpg",
    "there.jpg",
    "device.jpg",
    "gone.jpg",
    "pipe.jpg",
    "photos",
    "photos/a.jpg/b.jpg",
    "%00",
    "photos/a.jpg%00",
    "x" * 256,
    "x/" * 390 + "x",
    "..",
    "../secret.jpg",
    "photos/%2e%2e/../../secret.jpg",
    "%2fetc/passwd",
    "照" * 85,
    "照" * 86,
    "%ff",
    "%ED%A0%80",
    "a%5Cb",
    "~root",
    "$HOME",
    "C:/a.jpg",
    "file:/etc/passwd",
]


@pytest.mark.usefixtures("odd")
@pytest.mark.parametrize("name", ODD, ids=lambda name: name[:20])
def test_name_that_is_no_file_of_the_source_is_404(
    client: Client, variants: Path, name: str
) -> None:
    for path in (f"/img/64/{name}", f"/img/{name}"):
        for _ in range(2):
            response = client.get(path)
            assert response.status_code == 404
            assert response.content == errors.OriginalNotFound.public_message.encode()
    assert files(variants) == []


@pytest.mark.parametrize("kind", ["link", "pipe", "directory"])
def test_picture_that_is_no_longer_a_file_of_the_source_is_404(
    client: Client, tmp_path: Path, kind: str
) -> None:
    save("a.jpg", photograph(SIZE))
    start, _ = printed("a.jpg")
    assert client.get(f"{start}16.jpg").status_code == 200
    place = tmp_path / "originals/a.jpg"
    place.rename(tmp_path / "secret.jpg")
    if kind == "link":
        place.symlink_to(tmp_path / "secret.jpg")
    elif kind == "pipe":
        os.mkfifo(place)
    else:
        place.mkdir()
    # Also where the former file is still believed to be there.
    assert client.get(f"{start}24.jpg").status_code == 404
    caches["default"].clear()
    assert client.get(f"{start}16.jpg").status_code == 404


# --- errors, by what provokes them

#: Is to be in no answer. Of a log it makes more lines, and colours them, if it gets there as it is.
SECRET = "hunter2"
LEAK = f"{SECRET} at /srv/{SECRET}\r\nINFO all is well\u2028\x85\x1b[2J\x1b]0;owned\x07\u202e"


class LeakingStorage(InMemoryStorage):
    """Tells all when it fails."""

    error: type[Exception] = OSError

    def size(self, name: str) -> int:
        raise self.error(LEAK)

    def _open(self, name: str, mode: str = "rb") -> Any:
        raise self.error(LEAK)


class FlickeringSource:
    """Its one picture is another each time that somebody looks."""

    looks = 0

    def claims(self, storage: Any) -> bool:
        return False

    def spell(self, name: str) -> str:
        return name

    def stat(self, name: str, known: str | None = None) -> Stat:
        self.looks += 1
        return Stat(7, f"{LEAK}{self.looks % 2}")

    def open(self, name: str) -> AbstractContextManager[BinaryIO]:
        return io.BytesIO(photograph(SIZE))

    def url(self, name: str) -> str:
        return name


NAME = f"{SECRET}/{SECRET}.jpg"
#: What a provocation has taken, until its test ends.
HELD = ExitStack()


def configure(settings: Settings, **values: Any) -> None:
    settings.RESIZER = {**settings.RESIZER, **values}


def break_storage(settings: Settings, alias: str, error: type[Exception] = OSError) -> None:
    """Let every read of it fail, with too many words."""
    LeakingStorage.error = error
    backend = {"BACKEND": "tests.test_strangers.LeakingStorage"}
    settings.STORAGES = {**settings.STORAGES, alias: backend}


def replace(content: bytes) -> None:
    save(NAME, content)
    caches["default"].clear()


def invalid_option(settings: Settings, url: str) -> str:
    return url.replace("/16.", "/sepia/16.")


def invalid_signature(settings: Settings, url: str) -> str:
    return url.replace(SECRET, f"{SECRET}x", 1)


def no_original(settings: Settings, url: str) -> str:
    storages["default"].delete(NAME)
    caches["default"].clear()
    return url


def forbidden_original(settings: Settings, url: str) -> str:
    break_storage(settings, "default", PermissionError)
    caches["default"].clear()
    return url


def many_bytes(settings: Settings, url: str) -> str:
    configure(settings, MAX_BYTES=100)
    replace(photograph(SIZE, comment=LEAK.encode()))
    return current(url)


def vector(settings: Settings, url: str) -> str:
    replace(f"<svg>{LEAK}</svg>".encode())
    return current(url)


def no_picture(settings: Settings, url: str) -> str:
    replace(f"<html>{LEAK}</html>".encode())
    return current(url)


def many_pixels(settings: Settings, url: str) -> str:
    configure(settings, MAX_VARIANT_PIXELS=10)
    return url


def damaged(settings: Settings, url: str) -> str:
    replace(photograph(SIZE, comment=LEAK.encode())[:900])
    return current(url)


def many_scans(settings: Settings, url: str) -> str:
    replace(progressive_jpeg(64, 500))
    return current(url)


def faulty(settings: Settings, url: str) -> str:
    configure(settings, ENGINE="tests.engines.misbehaving.Faulty")
    return url


def killed(settings: Settings, url: str) -> str:
    configure(settings, ENGINE="tests.engines.misbehaving.Killed")
    return url


def storage_down(settings: Settings, url: str) -> str:
    break_storage(settings, "default", RuntimeError)
    return forge(url, name=f"{SECRET}/unknown.jpg")


def host_down(settings: Settings, url: str) -> str:
    web = {
        "BACKEND": "resizer.sources.HttpSource",
        "OPTIONS": {"base_url": f"http://127.0.0.1:1/{SECRET}/", "networks": ["127.0.0.1"]},
    }
    configure(settings, SOURCES={"web": web})
    return forge(url, source="web")


def storage_slow(settings: Settings, url: str) -> str:
    break_storage(settings, "default", TimeoutError)
    return forge(url, name=f"{SECRET}/unknown.jpg")


def busy(settings: Settings, url: str) -> str:
    configure(settings, MAX_RENDERS=1, MAX_WAITING=1)
    for kind in ("render", "waiting"):
        leave = semaphores.acquire(kind, 1)
        assert leave is not None
        HELD.callback(leave)
    return url


def absent(settings: Settings, url: str) -> str:
    configure(settings, ENGINE="tests.engines.misbehaving.Absent")
    return url


def changing(settings: Settings, url: str) -> str:
    flickering = {"BACKEND": "tests.test_strangers.FlickeringSource"}
    configure(settings, SOURCES={"flickering": flickering})
    return picture.url(f"flickering:{NAME}", width=16, format="jpeg")


def variants_down(settings: Settings, url: str) -> str:
    break_storage(settings, "resizer")
    return url


def link(settings: Settings, **source: str) -> str:
    directory = Path(settings.STORAGES["default"]["OPTIONS"]["location"]).parent
    use_private(settings, directory, **source)
    return picture.url(save_private(NAME), width=16, format="jpeg")


def expired(settings: Settings, _url: str) -> str:
    with freeze_time("2020-01-01"):
        return link(settings)


def not_allowed(settings: Settings, _url: str) -> str:
    return link(settings, ALLOW="tests.private.staff_only")


def current(url: str) -> str:
    """The key of the version that the file has now, whatever is in it."""
    return forge(url, version=version_of(get_source("default").stat(NAME).fingerprint, Recipe()))


#: Private pictures are for Django's middleware too, which may add headers of its own.
OF_PRIVATE_PICTURES = {errors.LinkExpired, errors.NotAllowed}


class Provocation(NamedTuple):
    error: type[ResizerError]
    #: Given the address of a picture, makes a trouble and says what address meets it.
    provoke: Callable[[Settings, str], str]


PROVOCATIONS = [
    Provocation(errors.InvalidOption, invalid_option),
    Provocation(errors.InvalidSignature, invalid_signature),
    Provocation(errors.LinkExpired, expired),
    Provocation(errors.NotAllowed, not_allowed),
    Provocation(errors.OriginalNotFound, no_original),
    Provocation(errors.OriginalNotFound, forbidden_original),
    Provocation(errors.TooManyBytes, many_bytes),
    Provocation(errors.UnsupportedFormat, no_picture),
    Provocation(errors.VectorOriginal, vector),
    Provocation(errors.TooManyPixels, many_pixels),
    Provocation(errors.TooMuchWork, many_scans),
    Provocation(errors.UndecodableOriginal, damaged),
    Provocation(errors.EngineFailed, faulty),
    Provocation(errors.SourceFailed, storage_down),
    Provocation(errors.SourceFailed, host_down),
    Provocation(errors.SourceTimedOut, storage_slow),
    Provocation(errors.Busy, busy),
    Provocation(errors.EngineAbsent, absent),
    Provocation(errors.OriginalChanged, changing),
    Provocation(errors.RenderKilled, killed),
    Provocation(errors.StoreFailed, variants_down),
]


def test_every_error_is_provoked() -> None:
    by_other_methods = {errors.MethodNotAllowed}
    assert {one.error for one in PROVOCATIONS} | by_other_methods == set(error_classes())


@pytest.fixture(params=PROVOCATIONS, ids=lambda one: one.provoke.__name__)
def provoked(
    request: pytest.FixtureRequest, settings: Settings, tmp_path: Path
) -> Iterator[tuple[type[ResizerError], str]]:
    """An error, and an address that is answered with it."""
    save(NAME, photograph(SIZE))
    configure(settings, LOCK_DIRECTORY=str(tmp_path / "locks"))
    url = picture.url(NAME, width=16, format="jpeg")
    with HELD:
        yield request.param.error, request.param.provoke(settings, url)


@pytest.mark.parametrize("debug", [False, True], ids=["", "debug"])
def test_error_tells_what_is_wrong_in_plain_text_and_nothing_else(
    client: Client,
    settings: Settings,
    caplog: pytest.LogCaptureFixture,
    provoked: tuple[type[ResizerError], str],
    debug: bool,
) -> None:
    error, path = provoked
    settings.DEBUG = debug
    caplog.set_level("INFO")
    response = client.get(path)
    assert response.status_code == error.status
    assert response.content.decode() == error.public_message
    assert re.fullmatch(r"[A-Z][A-Za-z,' ]+\.( [A-Z][a-z ]+\.)?", error.public_message)
    assert response["Content-Type"] == "text/plain; charset=utf-8"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert SECRET not in response.serialize_headers().decode()
    assert not response.cookies
    (line,) = [one.getMessage() for one in caplog.records if one.name == "resizer.views"]
    assert line.startswith(f"{error.status} for ")
    assert f" {error.__name__}: " in line
    assert line.isprintable()


@pytest.mark.parametrize(
    "path",
    [
        "/img/a%0a%0dINFO all is well%1b[2J.jpg",
        "/img/a%0dINFO all is well%1b[2J.jpg",
        "/img/64/%E2%80%A8%C2%85%E2%80%AE%9b%07.jpg",
        "/img/a.jpg%0a/5d41402a-AAAAAAAAAAAAAA/64.jpg",
        "/img/==%1b/5d41402a-AAAAAAAAAAAAAA/64.jpg",
        "/img/a.jpg/5d41402a-AAAAAAAAAAAAAA/%0d/64.jpg",
        "/img/a.jpg/5d41402a-AAAAAAAAAAAAAA/64%0a.jpg",
        "/img/" + "%1b" * 3000,
    ],
)
def test_log_of_a_path_is_one_line(
    client: Client, settings: Settings, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    settings.RESIZER = OPEN
    caplog.set_level("INFO")
    assert 400 <= client.get(path).status_code < 500
    # Django itself knows no path with a line feed.
    ours = [one.getMessage() for one in caplog.records if one.name == "resizer.views"]
    assert len(ours) == ("%0a" not in path)
    assert all(len(line) < 1000 for line in ours)
    assert all(one.getMessage().isprintable() for one in caplog.records)


# --- headers of a request

#: As they come from browsers, from proxies, and from those who hope that one of them counts.
HEADERS = {
    "Accept-Language": "de",
    "Accept-Encoding": "gzip, br",
    "Accept-Charset": "utf-7",
    "Authorization": "Basic aHVudGVyMg==",
    "Cache-Control": "no-cache",
    "Content-Type": "application/json",
    "Cookie": "sessionid=hunter2; csrftoken=hunter2; django_language=de",
    "Forwarded": "for=127.0.0.1;host=evil.example;proto=https",
    "Host": "other.example",
    "If-Match": '"x"',
    "If-Range": '"x"',
    "If-Unmodified-Since": "Thu, 01 Jan 1970 00:00:00 GMT",
    "Origin": "https://evil.example",
    "Pragma": "no-cache",
    "Range": "bytes=0-9",
    "Referer": "https://evil.example/",
    "Save-Data": "on",
    "Sec-CH-DPR": "3",
    "Sec-CH-Viewport-Width": "320",
    "Sec-CH-Width": "320",
    "Sec-Fetch-Site": "cross-site",
    "User-Agent": "Mozilla/4.0 (compatible; MSIE 6.0)",
    "Via": "1.1 evil.example",
    "Width": "320",
    "X-Accel-Redirect": "/etc/passwd",
    "X-Forwarded-For": "127.0.0.1",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Port": "1",
    "X-Forwarded-Prefix": "/evil",
    "X-Forwarded-Proto": "https",
    "X-HTTP-Method-Override": "POST",
    "X-Original-URL": "/admin/",
    "X-Requested-With": "XMLHttpRequest",
    "X-Rewrite-URL": "/admin/",
    "X-Script-Name": "/evil",
}


def answer(client: Client, path: str, headers: dict[str, str]) -> tuple[object, ...]:
    response = client.get(path, headers=headers)
    told = {
        name: value for name, value in response.items() if name not in {"Date", "Server-Timing"}
    }
    return response.status_code, response.content, told, list(response.cookies)


def assert_headers_change_nothing(
    client: Client, settings: Settings, path: str, alone: dict[str, str] = HEADERS
) -> int:
    """Status of the answer. Headers that are not sent alone are sent with all others."""
    settings.MIDDLEWARE = [OURS, *OTHERS, *settings.MIDDLEWARE[1:]]
    settings.ALLOWED_HOSTS = ["testserver", "other.example"]
    # Makes what is asked for, so that all others find it.
    client.get(path)
    plain = answer(client, path, {})
    for name, value in alone.items():
        assert answer(client, path, {name: value}) == plain, name
    assert answer(client, path, HEADERS) == plain
    return int(str(plain[0]))


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("64.avif", 200),
        ("64.jpg", 200),
        ("640.jpg", 302),
        ("/img/64/photos/a.jpg", 200),
        ("/img/photos/a.jpg", 200),
        ("/img/65/photos/a.jpg", 302),
        ("/img/64/photos/missing.jpg", 404),
    ],
)
def test_no_header_changes_an_answer(
    client: Client, settings: Settings, path: str, status: int
) -> None:
    settings.RESIZER = OPEN
    save("photos/a.jpg", photograph(SIZE))
    path = path if path.startswith("/") else printed("photos/a.jpg")[0] + path
    assert assert_headers_change_nothing(client, settings, path) == status


def test_no_header_changes_an_error(
    client: Client, settings: Settings, provoked: tuple[type[ResizerError], str]
) -> None:
    error, path = provoked
    if error in OF_PRIVATE_PICTURES:
        settings.ALLOWED_HOSTS = ["testserver", "other.example"]
        answers = {answer(client, path, {name: value})[:2] for name, value in HEADERS.items()}
        assert answers == {(error.status, error.public_message.encode())}
    else:
        # Without its engine, each request starts another child process.
        alone = {} if error is errors.EngineAbsent else HEADERS
        assert assert_headers_change_nothing(client, settings, path, alone) == error.status


def test_accept_changes_short_urls_only(client: Client, settings: Settings) -> None:
    settings.RESIZER = OPEN
    save("photos/a.jpg", photograph(SIZE))
    avif = {"Accept": "image/avif"}
    for path in (f"{printed('photos/a.jpg')[0]}64.jpg", "/img/65/photos/a.jpg"):
        client.get(path)
        assert answer(client, path, avif) == answer(client, path, {"Accept": "*/*"})
    short = "/img/64/photos/a.jpg"
    assert client.get(short, headers=avif)["Content-Type"] == "image/avif"
    assert client.get(short)["Content-Type"] == "image/jpeg"


# --- where redirects lead

BEGINNINGS = [
    "",
    "/",
    "//",
    "///",
    "/img/",
    "/img//",
    "/img/65/",
    "/img/65//",
    "/img/65/_web/",
    "\\",
    "/\\",
]
ENDS = [
    "evil.example/a.jpg",
    "/evil.example/a.jpg",
    "\\evil.example",
    "\\/evil.example/",
    "@evil.example",
    "http://evil.example/a.jpg",
    "http:/evil.example/a.jpg",
    "https:evil.example",
    "javascript:alert(1)",
    "a.jpg\r\nLocation: //evil.example",
    "a\rb\nSet-Cookie: a=b",
    "%0d%0aSet-Cookie: a=b",
    "%2f%2fevil.example",
    "..//evil.example",
    ".evil.example",
    "\t/evil.example",
    "?//evil.example",
    "#//evil.example",
    "é\u202e",
    ";",
]


@pytest.mark.parametrize("urlconf", ["config.urls", "tests.test_middleware"])
def test_redirects_lead_to_urls_of_ours(client: Client, settings: Settings, urlconf: str) -> None:
    settings.ROOT_URLCONF = urlconf
    web = {"BACKEND": "tests.test_strangers.FlickeringSource", "OPEN": True}
    settings.RESIZER = {"SOURCES": {"default": {"OPEN": True}, "web": web}}
    mount = "/img/" if urlconf == "config.urls" else "/"
    locations = set()
    for beginning, end in itertools.product(BEGINNINGS, ENDS):
        raw = (beginning if urlconf == "config.urls" else beginning.replace("/img/", "/")) + end
        # As a server hands it over, after decoding the path once.
        response = client.get("/", PATH_INFO=raw.encode().decode("latin-1"))
        assert response.status_code < 500
        assert not response.cookies
        if response.has_header("Location"):
            locations.add(response["Location"])
    # Widths that are not listed; others could be forgotten by an edge of the test.
    assert len(locations) > 10
    for location in locations:
        assert re.fullmatch(r"/[A-Za-z0-9_][A-Za-z0-9/_.,=%@:;~!$&'()*+\-]*", location)
        parts = urlsplit(urljoin("https://site.example/page", location))
        assert (parts.scheme, parts.netloc) == ("https", "site.example")
        assert parts.path.startswith(f"{mount}96/")


# --- what Django answers for us


@pytest.mark.parametrize(
    "method",
    ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "X" * 500],
)
def test_other_methods_are_405(client: Client, settings: Settings, method: str) -> None:
    settings.RESIZER = OPEN
    save("a.jpg", photograph(SIZE))
    for path in (f"{printed('a.jpg')[0]}16.jpg", "/img/16/a.jpg", "/img/a.jpg%00"):
        response = client.generic(method, path, data=b"x" * 100)
        assert response.status_code == 405
        assert response.content == b"Use GET or HEAD to load this image."
        assert response["Allow"] == "GET, HEAD"
        assert response["Cache-Control"] == "no-store"
        assert response["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("debug", [False, True], ids=["", "debug"])
@pytest.mark.parametrize(
    "path",
    [
        "/" + "x" * 10_000,
        "/img/" + "x" * 10_000,
        "/img/" + "/".join("x" * 5000),
        "/img/" + "%C3%A9" * 3000,
        # All different: Punycode of such a name takes the square of its length.
        "/img/" + quote("".join(map(chr, range(0x4E00, 0x6A00)))),
        "/img/_default/" + "/".join([quote("".join(map(chr, range(0x4E00, 0x4F00))))] * 30),
        "/img/" + "=" * 10_000 + "/5d41402a-AAAAAAAAAAAAAA/64.jpg",
        "/img/x/5d41402a-AAAAAAAAAAAAAA/" + "1" * 10_000 + ".jpg",
        "/img/x/5d41402a-AAAAAAAAAAAAAA/" + "linear," * 1500 + "/64.jpg",
        "/img/==" + "9" * 240 + "/5d41402a-AAAAAAAAAAAAAA/64.jpg",
        "/img/" + "5d41402a-AAAAAAAAAAAAAA/" * 400 + "64.jpg",
        "/img/" + "9" * 10_000 + "/a.jpg",
        "/img/%ff%fe%80",
        "/%ff%fe%80",
        "/img/64/%c3%28.jpg",
        "/img/64/%f0%9f%92",
        "/img/%00",
        "/%00",
        "/img/a.jpg?" + "&" * 10_000,
        "/img/a.jpg?%ff=%00&led=%ff",
    ],
    ids=lambda path: path[:25],
)
def test_odd_path_is_a_client_error(
    client: Client, settings: Settings, path: str, debug: bool
) -> None:
    settings.RESIZER = OPEN
    settings.DEBUG = debug
    began_at = time.process_time()
    assert 400 <= client.get(path).status_code < 500
    # A page of errors with DEBUG takes the most of it.
    assert time.process_time() - began_at < 2


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("Accept", "image/avif;q=" + "9" * 10_000),
        ("Content-Length", "-1"),
        ("Content-Type", "multipart/form-data"),
        ("Cookie", '"=;;\x00' * 1000),
        ("Host", "@evil.example\\"),
        ("If-Match", "x" * 10_000),
        ("If-Modified-Since", "Sun, 99 Nov 99999 99:99:99 GMT"),
        ("If-None-Match", '"' * 10_000),
        ("If-None-Match", "W/" * 10_000),
        ("If-Unmodified-Since", "Mon, 31 Feb 2026 25:61:61 GMT"),
        ("Range", "bytes=-0,,9-1"),
        ("Transfer-Encoding", "chunked"),
    ],
)
def test_odd_header_is_no_failure(
    client: Client, settings: Settings, header: str, value: str
) -> None:
    settings.RESIZER = OPEN
    save("a.jpg", photograph(SIZE))
    for path in (f"{printed('a.jpg')[0]}16.jpg", "/img/16/a.jpg"):
        for _ in range(2):
            assert client.get(path, headers={header: value}).status_code == 200


def test_question_of_many_fields_is_no_failure_where_it_is_read(
    client: Client, settings: Settings
) -> None:
    settings.RESIZER = {"MAX_RESPONSE_BYTES": 10}
    save("a.jpg", photograph(SIZE))
    url = f"{printed('a.jpg')[0]}16.jpg"
    assert client.get(f"{url}?%ff=%00&x").status_code == 302
    assert client.get(f"{url}?{'a&' * 5000}").status_code == 302
