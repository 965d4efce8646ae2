from __future__ import annotations

import gzip
import socket
import ssl
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

import pytest
from django.core.cache import caches
from django.core.checks import run_checks
from django.core.management import CommandError, call_command
from django.template import Context, Template

from resizer import originals
from resizer.concurrency import lockfiles, semaphores
from resizer.errors import Busy, OriginalNotFound, SourceFailed, SourceTimedOut, TooManyBytes
from resizer.markup import picture
from resizer.models import Original
from resizer.records.descriptions import Reference
from resizer.sources import HttpSource, bulkhead, get_source
from resizer.sources.deadline import one_fetch, one_request
from resizer.sources.web import fetching
from resizer.sources.web.url import parse
from tests.certificates import make_certificate
from tests.conftest import files
from tests.hostile_server import HostileServer, Talk, head, hostile_server
from tests.pictures import decode, draw, encode, photograph

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from django.http import HttpResponse
    from django.test import Client
    from freezegun.api import FrozenDateTimeFactory
    from pytest_django import Settings

pytestmark = pytest.mark.django_db

LOOPBACK = "127.0.0.0/8"
#: Larger than what is fetched for a header.
PHOTO = photograph((2000, 1500))
assert len(PHOTO) > 100_000
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"/>'


@pytest.fixture
def server() -> Iterator[HostileServer]:
    with hostile_server() as server:
        yield server


@pytest.fixture
def canary() -> Iterator[HostileServer]:
    """Where nobody may get to."""
    with hostile_server() as canary:
        yield canary
        assert canary.connections == 0


@pytest.fixture
def web(server: HostileServer, settings: Settings) -> HostileServer:
    """A server that is the open source `web`."""
    use(settings, server.url)
    return server


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for another fetch, least of all while the clock stands still."""
    monkeypatch.setattr(bulkhead, "PATIENCE_SECONDS", 0)
    monkeypatch.setattr(bulkhead, "COMMAND_SECONDS", 0)


def use(settings: Settings, base_url: str, **options: Any) -> None:
    """Have it as the open source `web`; by default with more time than any machine needs."""
    options = {
        "base_url": base_url,
        "networks": [LOOPBACK],
        "connect_seconds": 30,
        "deadline_seconds": 30,
        "max_bytes": 1_000_000,
        **options,
    }
    entry = {"BACKEND": "resizer.sources.HttpSource", "OPTIONS": options, "OPEN": True}
    settings.RESIZER = {"SOURCES": {"web": entry}}


def get(client: Client, name: str = "a.jpg", **headers: str) -> HttpResponse:
    response: Any = client.get(f"/img/320/_web/{name}", headers=headers)
    return response  # type: ignore[no-any-return]  # of the test client


def fetch(source: HttpSource, name: str) -> bytes:
    with source.open(name) as file:
        return file.read()


# What a good server does.


def test_picture_on_the_web_is_resized_and_kept(
    client: Client, web: HostileServer, variants: Path
) -> None:
    web.put("/photos/a%20b/l%C3%B6we.jpg", PHOTO)
    response = get(client, "photos/a b/löwe.jpg")
    assert response.status_code == 200
    assert decode(response.content).size == (320, 240)
    assert len(files(variants)) == 1
    asked = len(web.talks)
    assert get(client, "photos/a b/löwe.jpg").content == response.content
    assert len(web.talks) == asked


def test_tag_takes_a_whole_url(client: Client, server: HostileServer, settings: Settings) -> None:
    options = {"allowed_urls": [f"{server.url}photos/*"], "networks": [LOOPBACK]}
    entry = {"BACKEND": "resizer.sources.HttpSource", "OPTIONS": options}
    settings.RESIZER = {"SOURCES": {"web": entry}}
    server.put("/photos/a.jpg", PHOTO)
    server.put("/a.jpg", PHOTO)
    template = Template("{% load resizer %}{% resized_img original alt='' as cat %}{{ cat.url }}")
    url = template.render(Context({"original": f"web:{server.url}photos/a.jpg"}))
    assert url.startswith("/img/_web/http=3A/127.0.0.1=3A")
    response = client.get(url)
    assert decode(response.content).size == (800, 600)
    # What is not on the list is neither fetched nor named.
    for other in (
        f"{server.url}a.jpg",
        "http://evil.example/photos/a.jpg",
        "http://me@127.0.0.1/photos/a.jpg",
        "javascript:alert(1)",
    ):
        assert template.render(Context({"original": f"web:{other}"})) == ""
    assert "/a.jpg" not in server.paths


#: Of http://127.0.0.1:1234/photos/löwe.jpg
OTHER_SPELLINGS = [
    "HTTP:/127.0.0.1:{port}/photos/löwe.jpg",
    "http:/127.0.0.1:{port}/photos/l%C3%B6we.jpg",
    "http:/127.0.0.1:{port}/photos/l%c3%b6we.jpg",
    "http:/127.0.0.1:{port}/photos/l%C3%B6w%65.jpg",
    "http:/127.0.0.1:{port}/photos/löwe%2ejpg",
    "http:/127.0.0.1:{port}/photos/löwe.jpg?",
]


@pytest.mark.parametrize("other", OTHER_SPELLINGS)
def test_url_has_one_name(
    client: Client, server: HostileServer, settings: Settings, variants: Path, other: str
) -> None:
    """Else a stranger makes as many variants as there are spellings."""
    options = {"allowed_urls": [f"{server.url}photos/*"], "networks": [LOOPBACK]}
    entry = {"BACKEND": "resizer.sources.HttpSource", "OPTIONS": options, "OPEN": True}
    settings.RESIZER = {"SOURCES": {"web": entry}}
    server.put("/photos/l%C3%B6we.jpg", PHOTO)
    name = f"http:/127.0.0.1:{server.port}/photos/löwe.jpg"
    spelled = other.format(port=server.port)
    assert originals.locate(f"web:{spelled}") == Reference("web", name)
    assert originals.locate(f"web:{spelled.replace(':/', '://', 1)}") == Reference("web", name)
    assert client.get(f"/img/320/_web/{quote(spelled)}").status_code == 404
    assert server.paths == []
    assert client.get(f"/img/320/_web/{quote(name)}").status_code == 200
    assert len(files(variants)) == 1


def test_only_a_header_is_fetched_to_describe_a_picture(web: HostileServer) -> None:
    rest = threading.Event()

    def serve(talk: Talk) -> None:
        talk.send(head(Content_Length=str(len(PHOTO))) + PHOTO[:80_000])
        talk.hang()
        rest.set()

    web.on("/a.jpg", serve)
    assert originals.look_up("web:a.jpg").size == (2000, 1500)
    assert not rest.is_set()


def test_file_is_read_from_any_place(web: HostileServer) -> None:
    content = PHOTO * 3
    web.put("/a.jpg", content)
    with get_source("web").open("a.jpg") as file:
        assert file.read(10) == content[:10]
        assert file.seek(-5, 2) == len(content) - 5
        assert file.read() == content[-5:]
        assert file.seek(100) == file.tell() == 100
        assert file.read(200_000) == content[100:200_100]
        assert file.seek(1, 1) == 200_101
        assert file.read() == content[200_101:]
        with pytest.raises(OSError, match="descriptor"):
            file.fileno()


@pytest.mark.parametrize(("location", "status"), [("/l\xc3\xb6we.jpg", 200), ("/l\xf6we.jpg", 502)])
def test_redirect_beyond_ascii_is_utf_8(
    client: Client, web: HostileServer, location: str, status: int
) -> None:
    web.on("/a.jpg", redirect(location))
    web.put("/l%C3%B6we.jpg", PHOTO)
    assert get(client, "a.jpg").status_code == status


def test_body_in_parts_is_no_harm(client: Client, web: HostileServer) -> None:
    web.put("/a.jpg", PHOTO, Content_Type="multipart/mixed; boundary=x")
    assert get(client, "a.jpg").status_code == 200


@pytest.mark.parametrize("known", ["", "480000-1760000000.5", "1|2|3", "x||", "|||"])
def test_fingerprint_of_another_source_is_no_condition(web: HostileServer, known: str) -> None:
    """A source may become one on the web, and keep its alias and its rows."""
    web.put("/a.jpg", PHOTO)
    assert get_source("web").stat("a.jpg", known).bytes == len(PHOTO)
    assert "if-none-match" not in web.talks[0].headers
    assert "if-modified-since" not in web.talks[0].headers


def test_redirects_are_followed_three_times(client: Client, web: HostileServer) -> None:
    for number in range(1, 5):
        web.on(f"/{number}.jpg", redirect(f"/{number - 1}.jpg"))
    web.put("/0.jpg", PHOTO)
    assert get(client, "3.jpg").status_code == 200
    assert get(client, "4.jpg").status_code == 502


def test_svg_is_printed_as_it_is_and_never_proxied(client: Client, web: HostileServer) -> None:
    web.put("/a.svg", SVG, Content_Type="image/svg+xml")
    template = Template("{% load resizer %}{% resized_img 'web:a.svg' alt='' %}")
    html = template.render(Context())
    assert f'<img src="{web.url}a.svg"' in html
    assert get(client, "a.svg").status_code == 415


# Freshness.


class Version(NamedTuple):
    """A file, and what its server says of it."""

    body: bytes
    etag: str = ""
    date: str = ""

    @property
    def headers(self) -> dict[str, str]:
        headers = {"ETag": self.etag} if self.etag else {}
        if self.date:
            headers["Last_Modified"] = f"Sun, 22 Nov 2026 {self.date} GMT"
        return headers


def test_unchanged_picture_costs_one_conditional_request_in_a_freshness_period(
    client: Client, web: HostileServer, clock: FrozenDateTimeFactory
) -> None:
    date = "Sun, 22 Nov 2026 10:00:00 GMT"
    web.put("/a.jpg", PHOTO, ETag='"one"', Last_Modified=date)
    assert get(client).status_code == 200
    clock.tick(timedelta(seconds=301))
    web.talks.clear()
    for _ in range(3):
        assert get(client).status_code == 200
    (talk,) = web.talks
    assert talk.headers["if-none-match"] == '"one"'
    assert talk.headers["if-modified-since"] == date


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (Version(PHOTO, etag='"one"'), Version(PHOTO, etag='"two"')),
        (Version(PHOTO, etag='"one"'), Version(PHOTO, etag="not quoted")),
        (Version(PHOTO, etag="not quoted"), Version(PHOTO, etag="not either")),
        (Version(PHOTO, date="10:00:00"), Version(PHOTO, date="11:00:00")),
        (Version(PHOTO), Version(PHOTO + b"-")),
    ],
)
def test_validator_or_length_that_changes_is_a_new_version(
    web: HostileServer, before: Version, after: Version
) -> None:
    web.put("/a.jpg", before.body, **before.headers)
    source = get_source("web")
    told = source.stat("a.jpg")
    with source.open("a.jpg") as file:
        assert file.fingerprint == told.fingerprint  # type: ignore[attr-defined]
    assert source.stat("a.jpg", told.fingerprint) == told
    web.put("/a.jpg", after.body, **after.headers)
    new = source.stat("a.jpg", told.fingerprint)
    assert new.fingerprint != told.fingerprint
    assert source.stat("a.jpg", new.fingerprint) == new


def test_what_is_no_validator_is_not_sent_back(web: HostileServer) -> None:
    web.put("/a.jpg", PHOTO, ETag='"' + "x" * 500 + '"', Last_Modified="yesterday")
    source = get_source("web")
    told = source.stat("a.jpg")
    assert len(told.fingerprint) <= 128
    assert source.stat("a.jpg", told.fingerprint) == told
    assert not {"if-none-match", "if-modified-since"} & set(web.talks[-1].headers)


def test_remote_failure_keeps_description_and_variants(
    client: Client, web: HostileServer, clock: FrozenDateTimeFactory
) -> None:
    web.put("/a.jpg", PHOTO, ETag='"one"')
    good = get(client)
    version = originals.look_up("web:a.jpg").fingerprint
    web.on("/a.jpg", lambda talk: talk.answer(status="500 Internal Server Error"))
    clock.tick(timedelta(seconds=301))
    assert get(client).content == good.content
    assert originals.look_up("web:a.jpg").fingerprint == version


def test_missing_picture_is_remembered_for_a_minute(
    client: Client, web: HostileServer, clock: FrozenDateTimeFactory
) -> None:
    for _ in range(3):
        assert get(client).status_code == 404
    assert len(web.talks) == 1
    web.put("/a.jpg", PHOTO)
    clock.tick(timedelta(seconds=61))
    assert get(client).status_code == 200


def test_page_does_not_wait_again_for_a_server_that_is_down(web: HostileServer) -> None:
    web.on("/a.jpg", lambda talk: talk.answer(status="500 Internal Server Error"))
    for _ in range(3):
        with pytest.raises(SourceFailed):
            originals.look_up("web:a.jpg")
    assert len(web.talks) == 1


def test_page_waits_for_one_picture_of_a_server_that_is_slow_not_for_each(
    web: HostileServer, settings: Settings, clock: FrozenDateTimeFactory
) -> None:
    use(settings, web.url, deadline_seconds=1)
    web.on("", Talk.hang)
    template = Template(
        "{% load resizer %}{% for name in names %}{% resized_url name %} {% endfor %}"
    )
    names = [f"web:{number}.jpg" for number in range(20)]
    plain = template.render(Context({"names": names}))
    assert plain == "".join(f"{web.url}{number}.jpg " for number in range(20))
    assert web.paths == ["/0.jpg"]
    web.put("/1.jpg", PHOTO)
    use(settings, web.url)
    clock.tick(timedelta(seconds=11))
    assert template.render(Context({"names": names[1:2]})).startswith("/img/_web/1.jpg/")


# What a hostile server does.


def redirect(location: str) -> Callable[[Talk], None]:
    return lambda talk: talk.answer(status="302 Found", Location=location)


def send(*parts: bytes) -> Callable[[Talk], None]:
    """Say this, and hang up."""
    return lambda talk: talk.send(b"".join(parts))


def endless(start: bytes) -> Callable[[Talk], None]:
    def serve(talk: Talk) -> None:
        talk.send(head() + start)
        while True:
            talk.send(b"\0" * 65_536)

    return serve


def chunked(content: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(content), content)


WITH_LENGTH = head(Content_Length=str(len(PHOTO)))
CHUNKED = head(Transfer_Encoding="chunked")


def endless_header(talk: Talk) -> None:
    talk.send(b"HTTP/1.1 200 OK\r\n")
    while True:
        talk.send(b"X-More: and more\r\n" * 1000)


def slow(start: bytes, rest: bytes) -> Callable[[Talk], None]:
    def serve(talk: Talk) -> None:
        talk.send(start)
        talk.drip(rest)

    return serve


HOSTILE: dict[str, tuple[Callable[[Talk], None], int]] = {
    "silence": (Talk.hang, 504),
    "slow status": (slow(b"", b"HTTP/1.1 200 OK" + b" " * 500), 504),
    "slow header": (slow(b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n" * 90), 504),
    "slow line of a header": (slow(b"HTTP/1.1 200 OK\r\nX-A: ", b"b" * 500), 504),
    "endless provisional answers": (slow(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 99), 504),
    "slow body": (slow(WITH_LENGTH, PHOTO), 504),
    "slow body without a length": (slow(head(), PHOTO), 504),
    "slow chunks": (slow(CHUNKED, chunked(b"x") * 500), 504),
    "slow size of a chunk": (slow(CHUNKED, b"0" * 500), 504),
    "hang in the header's bytes": (slow(WITH_LENGTH + PHOTO[:100], b""), 504),
    "hang after the header's bytes": (slow(WITH_LENGTH + PHOTO[:90_000], b""), 504),
    "slow end": (slow(WITH_LENGTH + PHOTO[:90_000], PHOTO[90_000:]), 504),
    "endless picture": (endless(PHOTO), 413),
    "endless page": (endless(b"<!doctype html>"), 415),
    "endless header": (endless_header, 502),
    "length that is too large": (send(head(Content_Length="1000001"), PHOTO), 413),
    "length that is more than comes": (
        send(head(Content_Length=str(len(PHOTO) + 1)), PHOTO),
        502,
    ),
    "length that is less than comes": (send(head(Content_Length="90000"), PHOTO), 422),
    "length below zero": (send(head(Content_Length="-1"), PHOTO), 502),
    "length in words": (send(head(Content_Length="many"), PHOTO), 502),
    "two lengths": (
        send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", PHOTO),
        502,
    ),
    "cut in the header's bytes": (send(WITH_LENGTH, PHOTO[:100]), 502),
    "cut after the header's bytes": (send(WITH_LENGTH, PHOTO[:90_000]), 502),
    "cut chunks": (send(CHUNKED, chunked(PHOTO[:90_000]), b"1000\r\nxy"), 502),
    "cut without a length": (send(head(), PHOTO[:90_000]), 422),
    "no length of a chunk": (send(CHUNKED, b"zz\r\n"), 502),
    "gzip bomb": (
        send(head(Content_Encoding="gzip"), gzip.compress(bytes(30_000_000))),
        502,
    ),
    "packed many times": (send(head(Content_Encoding=", ".join(["gzip"] * 9)), PHOTO), 502),
    "redirect to itself": (redirect("/a.jpg"), 502),
    "redirect nowhere": (send(b"HTTP/1.1 302 Found\r\n\r\n"), 502),
    "redirect to a file": (redirect("file:///etc/passwd"), 502),
    "redirect to gopher": (redirect("gopher://127.0.0.1:6379/_FLUSHALL"), 502),
    "redirect to another host": (redirect("http://evil.example/a.jpg"), 502),
    "redirect with a user": (redirect("http://127.0.0.1@evil.example/a.jpg"), 502),
    "redirect with a backslash": (redirect("\\\\evil.example\\a.jpg"), 502),
    "another status": (lambda talk: talk.answer(PHOTO, "203 Non-Authoritative"), 502),
    "a part": (lambda talk: talk.answer(PHOTO, "206 Partial Content"), 502),
    "unchanged, unasked": (lambda talk: talk.answer(status="304 Not Modified"), 502),
    "forbidden": (lambda talk: talk.answer(status="403 Forbidden"), 502),
    "too many requests": (lambda talk: talk.answer(status="429 Too Many Requests"), 502),
    "server error": (lambda talk: talk.answer(PHOTO, "500 Internal Server Error"), 502),
    "gone": (lambda talk: talk.answer(PHOTO, "410 Gone"), 404),
    "another protocol": (send(b"SSH-2.0-OpenSSH_9.9\r\n"), 502),
    "nothing": (send(b""), 502),
    "a page": (send(head(Content_Type="image/jpeg"), b"<!doctype html>"), 415),
    "empty": (send(head(Content_Length="0")), 415),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_answer_has_its_status_and_leaves_nothing(
    client: Client, web: HostileServer, settings: Settings, variants: Path, case: str
) -> None:
    behaviour, status = HOSTILE[case]
    web.on("/a.jpg", behaviour)
    if status == 504:
        # It goes on for half a minute or more.
        use(settings, web.url, deadline_seconds=0.5)
    response = get(client)
    assert response.status_code == status
    assert response.content.count(b".") == 1
    assert b"127" not in response.content
    assert files(variants) == []
    # A failure is remembered for a minute, or for the seconds until the source is asked again.
    caches["default"].clear()
    web.put("/a.jpg", PHOTO, ETag='"good"')
    use(settings, web.url)
    answer = client.get("/img/320/_web/a.jpg", follow=True)
    assert answer.status_code == 200
    assert decode(answer.content).size == (320, 240)


def test_fetches_of_a_request_share_a_deadline(
    client: Client, web: HostileServer, settings: Settings
) -> None:
    def serve(talk: Talk) -> None:
        # Each by itself is in time.
        talk.wait(1.5)
        talk.answer(PHOTO, ETag='"one"')

    web.on("/a.jpg", serve)
    use(settings, web.url, deadline_seconds=2)
    assert get(client).status_code == 504
    # Another request begins anew, with what is known by now.
    web.put("/a.jpg", PHOTO, ETag='"one"')
    assert get(client).status_code == 200


def test_waiting_between_fetches_takes_nothing_of_their_time(clock: FrozenDateTimeFactory) -> None:
    with one_request():
        with one_fetch(7) as first:
            clock.tick(3)
            assert first.remaining() == pytest.approx(4)
        clock.tick(30)
        with one_fetch(7) as second:
            assert second.remaining() == pytest.approx(4)
            clock.tick(5)
        with one_fetch(7) as third, pytest.raises(SourceTimedOut):
            third.remaining()
    with one_fetch(7) as apart:
        assert apart.remaining() == pytest.approx(7)


def test_body_that_changes_each_time_is_never_kept(
    client: Client, web: HostileServer, variants: Path
) -> None:
    colours = iter(range(100))

    def serve(talk: Talk) -> None:
        number = next(colours)
        talk.answer(encode(draw((400 + number, 300))), ETag=f'"{number}"')

    web.on("/a.jpg", serve)
    response = get(client)
    assert (response.status_code, response["Retry-After"]) == (503, "1")
    assert files(variants) == []
    web.put("/a.jpg", PHOTO, ETag='"good"')
    answer = client.get("/img/320/_web/a.jpg", follow=True)
    assert decode(answer.content).size == (320, 240)


def test_server_that_nobody_runs_is_one_sentence(client: Client, settings: Settings) -> None:
    with hostile_server() as server:
        use(settings, server.url)
    response = get(client)
    assert response.status_code == 502
    assert response.content == b"The original could not be fetched."


def test_query_with_a_secret_is_not_logged(
    client: Client, web: HostileServer, caplog: pytest.LogCaptureFixture
) -> None:
    # After the first one, problems of the same kind are logged with a lower level.
    caplog.set_level("INFO", "resizer")
    odd = head(No="colon").replace(b"No:", b"No") + PHOTO
    for number, behaviour in enumerate(
        [send(b""), send(b"X\nY"), redirect("//x\ny/?secret"), send(odd)]
    ):
        web.on(f"/{number}.jpg", redirect(f"/to/{number}?secret"))
        web.on(f"/to/{number}", behaviour)
        assert get(client, f"{number}.jpg").status_code == 502
    # Django adds the status to each.
    logged = [one.getMessage() for one in caplog.records if one.name != "django.request"]
    assert len(logged) == 4
    assert not any("secret" in line or "\n" in line for line in logged)


def test_nothing_of_the_client_the_machine_or_an_earlier_answer_is_sent(
    client: Client,
    web: HostileServer,
    canary: HostileServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password secret")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "https_proxy"):
        monkeypatch.setenv(name, canary.url)
    web.on(
        "/a.jpg",
        lambda talk: talk.answer(status="302 Found", Location="/b.jpg", Set_Cookie="a=b; Path=/"),
    )
    web.put("/b.jpg", PHOTO)
    client.cookies["session"] = "mine"
    headers = {"Authorization": "Basic bWU=", "X-Forwarded-For": "1.2.3.4", "Accept": "image/avif"}
    assert get(client, **headers).status_code == 200
    for talk in web.talks:
        sent = {name: value for name, value in talk.headers.items() if name != "host"}
        assert sent == {
            "user-agent": "django-resized-img",
            "accept": "*/*",
            "accept-encoding": "identity",
        }


# A host that has much to answer.


def limit(settings: Settings, number: int) -> None:
    settings.RESIZER = {**settings.RESIZER, "MAX_FETCHES": number}


def test_fetch_beyond_those_of_a_host_is_refused_soon_and_not_remembered(
    client: Client, web: HostileServer, settings: Settings
) -> None:
    limit(settings, 2)
    web.put("/a.jpg", PHOTO)
    source = get_source("web")
    with source.open("a.jpg"), source.open("a.jpg"):
        asked = len(web.talks)
        response = get(client)
        assert response.status_code == 503
        assert response["Retry-After"] == "1"
        assert picture.url("web:a.jpg") == f"{web.url}a.jpg"
        assert len(web.talks) == asked
    assert picture.url("web:a.jpg").startswith("/img/_web/a.jpg/")
    assert get(client).status_code == 200


def test_request_waits_a_moment_for_others_of_its_host_and_a_page_does_not(
    client: Client, web: HostileServer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulkhead, "PATIENCE_SECONDS", 30)
    limit(settings, 1)
    web.put("/a.jpg", PHOTO)
    with ExitStack() as stack:
        stack.enter_context(get_source("web").open("a.jpg"))
        started = time.monotonic()
        assert picture.url("web:a.jpg") == f"{web.url}a.jpg"
        assert time.monotonic() - started < 10
        timer = threading.Timer(0.2, stack.close)
        timer.start()
        assert get(client).status_code == 200
        timer.join()


def test_fetch_that_is_read_or_has_failed_leaves_its_place(
    client: Client, web: HostileServer, settings: Settings
) -> None:
    limit(settings, 1)
    web.put("/a.jpg", PHOTO)
    web.on("/broken.jpg", send(b""))
    web.on("/lost.jpg", redirect("/nowhere.jpg"))
    with get_source("web").open("a.jpg") as file:
        assert file.read() == PHOTO
        assert get(client, "broken.jpg").status_code == 502
        assert get(client, "lost.jpg").status_code == 404
        assert get(client).status_code == 200
        file.seek(0)
        assert file.read() == PHOTO


def test_hosts_have_places_of_their_own(settings: Settings) -> None:
    limit(settings, 1)
    with hostile_server() as one, hostile_server("127.0.0.2") as other:
        for server in (one, other):
            server.put("/a.jpg", PHOTO)
        first = HttpSource(one.url, networks=[LOOPBACK])
        with first.open("a.jpg"):
            assert fetch(HttpSource(other.url, networks=[LOOPBACK]), "a.jpg") == PHOTO
            # However it is spelled, and on whatever port.
            with pytest.raises(Busy):
                HttpSource("http://127.0.0.1:9/").stat("a.jpg")


def test_default_is_four_for_each_host(web: HostileServer) -> None:
    web.put("/a.jpg", PHOTO)
    source = get_source("web")
    for _ in range(2):
        with ExitStack() as stack:
            for _ in range(4):
                stack.enter_context(source.open("a.jpg"))
            with pytest.raises(Busy):
                source.stat("a.jpg")


def test_many_hosts_take_no_lock_files_and_leave_nothing_behind(settings: Settings) -> None:
    limit(settings, 2)
    for number in range(1000):
        with pytest.raises(SourceFailed):
            HttpSource(f"http://[::{number + 1:x}]/").stat("a.jpg")
    assert not lockfiles.directory().exists()
    assert not semaphores._held


def test_what_is_known_of_a_busy_host_is_shown(
    client: Client, web: HostileServer, settings: Settings, clock: FrozenDateTimeFactory
) -> None:
    limit(settings, 1)
    web.put("/a.jpg", PHOTO, ETag='"one"')
    url = picture.url("web:a.jpg", width=320)
    content = client.get(url).content
    version = originals.look_up("web:a.jpg").fingerprint
    clock.tick(timedelta(seconds=301))
    with get_source("web").open("a.jpg"):
        assert get(client).status_code == 200
        assert client.get(url).content == content
        assert originals.look_up("web:a.jpg", originals.Freshness.NOW).fingerprint == version
        # Even if nothing is known of its original any more.
        caches["default"].clear()
        Original.objects.all().delete()
        assert client.get(url).content == content
        assert client.get(url.replace("/320.", "/640.")).status_code == 503
        reference = originals.locate("web:a.jpg")
        with pytest.raises(Busy):
            originals.look_up(reference, originals.Freshness.SIGHTED)
    assert client.get(url.replace("/320.", "/640.")).status_code == 200


def test_purge_keeps_variants_of_a_busy_host(
    client: Client, web: HostileServer, settings: Settings, variants: Path
) -> None:
    limit(settings, 1)
    web.put("/a.jpg", PHOTO)
    web.put("/b.jpg", PHOTO)
    assert get(client).status_code == 200
    originals.look_up("web:b.jpg")
    with get_source("web").open("a.jpg"):
        del web.behaviours["/a.jpg"]
        with pytest.raises(CommandError):
            call_command("resizer_purge")
    assert len(files(variants)) == 1
    call_command("resizer_purge")
    assert files(variants) == []


def test_purge_asks_whether_anything_has_changed(
    client: Client, web: HostileServer, variants: Path
) -> None:
    for name in ("a.jpg", "b.jpg"):
        web.put(f"/{name}", PHOTO, ETag=f'"{name}"')
        assert get(client, name).status_code == 200
    web.put("/b.jpg", PHOTO, ETag='"new"')
    web.talks.clear()
    call_command("resizer_purge")
    asked = {(talk.path, talk.headers.get("if-none-match")) for talk in web.talks}
    assert asked == {("/a.jpg", '"a.jpg"'), ("/b.jpg", '"b.jpg"')}
    (kept,) = files(variants)
    assert kept.startswith("_web/a.jpg/")


def test_few_originals_that_are_gone_show_no_loss_where_another_answers(
    client: Client, web: HostileServer, variants: Path
) -> None:
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        web.put(f"/{name}", PHOTO)
        assert get(client, name).status_code == 200
    for name in ("a.jpg", "b.jpg"):
        del web.behaviours[f"/{name}"]
    call_command("resizer_purge")
    assert len(files(variants)) == 1
    # A web server that knows nothing of all may be another one.
    del web.behaviours["/c.jpg"]
    with pytest.raises(CommandError, match="has lost 1 of 1 originals at once"):
        call_command("resizer_purge")
    assert len(files(variants)) == 1


# Where nobody may get to.

#: What leads to loopback, or to where a parser might see it; `{port}` is the canary's.
SPELLED = """
    http://127.0.0.1:{port}/
    http://127.0.0.2:{port}/
    http://127.255.255.254:{port}/
    http://0.0.0.0:{port}/
    http://0:{port}/
    http://127.1:{port}/
    http://127.0.1:{port}/
    http://2130706433:{port}/
    http://017700000001:{port}/
    http://0x7f000001:{port}/
    http://0x7F.1:{port}/
    http://0x7f.0x0.0x0.0x1:{port}/
    http://0177.0.0.1:{port}/
    http://0177.0.0.01:{port}/
    http://00000177.1:{port}/
    http://127.0.0.1.:{port}/
    http://localhost:{port}/
    http://LOCALHOST:{port}/
    http://localhost.:{port}/
    http://[::1]:{port}/
    http://[0:0:0:0:0:0:0:1]:{port}/
    http://[::]:{port}/
    http://[::127.0.0.1]:{port}/
    http://[::ffff:127.0.0.1]:{port}/
    http://[::ffff:7f00:1]:{port}/
    http://[::ffff:0:127.0.0.1]:{port}/
    http://[64:ff9b::127.0.0.1]:{port}/
    http://[64:ff9b:1::7f00:1]:{port}/
    http://[2002:7f00:1::]:{port}/
    http://[2001:0:7f00:1::]:{port}/
    http://[2606:4700::5efe:127.0.0.1]:{port}/
    http://[fe80::1%25lo]:{port}/
    http://[fe80::1]:{port}/
    http://[fc00::1]:{port}/
    http://10.0.0.1:{port}/
    http://192.168.0.1:{port}/
    http://172.16.0.1:{port}/
    http://100.64.0.1:{port}/
    http://169.254.169.254:{port}/latest/meta-data/
    http://[fd00:ec2::254]:{port}/
    http://user@127.0.0.1:{port}/
    http://allowed.example@127.0.0.1:{port}/
    http://allowed.example:80@127.0.0.1:{port}/
    http://127.0.0.1:{port}\\@allowed.example/
    http://127.0.0.1:{port}\\\\allowed.example/
    http://127.0.0.1:{port}#@allowed.example/
    http://127.0.0.1:{port}?@allowed.example/
    http:\\\\127.0.0.1:{port}\\
    http:127.0.0.1:{port}/
    http:/127.0.0.1:{port}/
    http:///127.0.0.1:{port}/
    //127.0.0.1:{port}/
    http://①②⑦.0.0.1:{port}/
    http://127。0。0。1:{port}/
    http://ⓛocalhost:{port}/
    http://１２７.0.0.1:{port}/
    http://loc%61lhost:{port}/
    http://127.0.0.1%2eallowed.example:{port}/
    http://allowed.example%00@127.0.0.1:{port}/
    http://127.0.0.1\t:{port}/
    http://127.0.0.1%0d%0a:{port}/
    gopher://127.0.0.1:{port}/
    ftp://127.0.0.1:{port}/
    file://127.0.0.1:{port}/
"""
SPELLINGS = [line.strip(" ") for line in SPELLED.splitlines() if line.strip()]
assert len(SPELLINGS) >= 39


@pytest.fixture
def canaries() -> Iterator[int]:
    """A port on which nobody may get to loopback, over IPv4 and IPv6."""
    with hostile_server("0.0.0.0") as fourth, hostile_server("::1", fourth.port) as sixth:
        yield fourth.port
        assert fourth.connections == sixth.connections == 0


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_spelling_of_a_private_address_reaches_nobody(
    canaries: int, server: HostileServer, spelling: str
) -> None:
    url = spelling.format(port=canaries)
    # As what is configured itself, …
    try:
        source = HttpSource(url)
    except ValueError:
        pass
    else:
        with pytest.raises(SourceFailed):
            source.stat("a.jpg")
    # as an address in a page, …
    source = HttpSource(allowed_urls=["http://allowed.example/*", f"http://*.example:{canaries}/*"])
    with pytest.raises(OriginalNotFound):
        source.stat(f"{url}a.jpg")
    # and as where an allowed server leads. What is read as a path of its own is not there.
    server.on("/a.jpg", redirect(f"{url}a.jpg".encode().decode("latin-1")))
    source = HttpSource(server.url, networks=["127.0.0.1"])
    with pytest.raises((SourceFailed, OriginalNotFound)):
        source.stat("a.jpg")


@pytest.mark.parametrize("spelling", ["127.0.0.1", "localhost", "2130706433", "[::1]", "0x7f.1"])
def test_redirect_that_the_list_allows_does_not_open_the_network(
    canaries: int, spelling: str
) -> None:
    target = f"http://{spelling}:{canaries}/"
    with hostile_server("127.0.0.2") as server:
        server.on("/a.jpg", redirect(f"{target}a.jpg"))
        source = HttpSource(server.url, allowed_urls=[target], networks=["127.0.0.2"])
        with pytest.raises(SourceFailed, match="not open to us"):
            source.stat("a.jpg")


class NameServer:
    """Says of every name what it is told to say next, and counts."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = list(addresses)
        self.asked: list[str] = []

    def __call__(self, host: str, port: int, *_: object, **__: object) -> list[Any]:
        self.asked.append(host)
        address = self.addresses.pop(0) if len(self.addresses) > 1 else self.addresses[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]


def test_name_that_is_bound_anew_reaches_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    # The canary is where the name leads when it is asked for a second time.
    with (
        hostile_server("127.0.0.1") as canary,
        # Where hardly anybody else has the port.
        hostile_server("127.0.0.2", canary.port) as server,
    ):
        server.put("/a.jpg", PHOTO)
        server.on("/b.jpg", redirect("/a.jpg"))
        source = HttpSource(f"http://rebind.example:{server.port}/", networks=["127.0.0.2"])
        names = NameServer("127.0.0.2", "127.0.0.1")
        monkeypatch.setattr(socket, "getaddrinfo", names)
        assert fetch(source, "a.jpg") == PHOTO
        assert names.asked == ["rebind.example"]
        assert server.talks[0].headers["host"] == f"rebind.example:{server.port}"
        with pytest.raises(SourceFailed):
            fetch(source, "a.jpg")
        # A redirect is another connection, and judged again.
        names.addresses = ["127.0.0.2", "127.0.0.1"]
        with pytest.raises(SourceFailed):
            fetch(source, "b.jpg")
        assert canary.connections == 0


def test_name_server_that_does_not_answer_is_in_time(
    client: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_over = threading.Event()

    def resolve(*_: object, **__: object) -> list[Any]:
        is_over.wait(60)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    use(settings, "http://slow.example/", deadline_seconds=0.3)
    assert get(client).status_code == 504
    assert not is_over.is_set()
    is_over.set()


# TLS.


@pytest.fixture
def secure(server: HostileServer, tmp_path: Path) -> tuple[HostileServer, str]:
    """A server with a certificate of its own, and the file that says to trust it."""
    bundle = make_certificate(tmp_path, "127.0.0.1")
    server.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.context.load_cert_chain(bundle, tmp_path / "key.pem")
    server.put("/a.jpg", PHOTO)
    return server, str(bundle)


def test_picture_is_fetched_over_tls(secure: tuple[HostileServer, str]) -> None:
    server, bundle = secure
    source = HttpSource(server.url, networks=[LOOPBACK], ca_bundle=bundle)
    assert fetch(source, "a.jpg") == PHOTO
    assert source.url("a.jpg") == f"https://127.0.0.1:{server.port}/a.jpg"


def test_certificate_that_nobody_vouches_for_is_refused(
    secure: tuple[HostileServer, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, bundle = secure
    # Nor does the environment vouch for it.
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", bundle)
    with pytest.raises(SourceFailed, match="CERTIFICATE_VERIFY_FAILED"):
        HttpSource(server.url, networks=[LOOPBACK]).stat("a.jpg")
    assert server.talks == []


def test_certificate_of_another_host_is_refused(
    secure: tuple[HostileServer, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, bundle = secure
    monkeypatch.setattr(socket, "getaddrinfo", NameServer("127.0.0.1"))
    url = f"https://other.example:{server.port}/"
    with pytest.raises(SourceFailed, match="CERTIFICATE_VERIFY_FAILED"):
        HttpSource(url, networks=[LOOPBACK], ca_bundle=bundle).stat("a.jpg")
    assert server.talks == []


def test_slow_body_over_tls_is_given_up(secure: tuple[HostileServer, str]) -> None:
    server, bundle = secure
    server.on("/a.jpg", slow(WITH_LENGTH, PHOTO))
    source = HttpSource(server.url, networks=[LOOPBACK], ca_bundle=bundle, deadline_seconds=0.5)
    with pytest.raises(SourceTimedOut):
        fetch(source, "a.jpg")


def test_handshake_that_never_ends_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://127.0.0.1:{silent.getsockname()[1]}/"
        source = HttpSource(url, networks=[LOOPBACK], deadline_seconds=0.3)
        with pytest.raises(SourceTimedOut):
            source.stat("a.jpg")


def test_time_that_is_over_while_a_request_is_sent_is_the_sources() -> None:
    # On a slow machine it is over before.
    with (
        pytest.raises(SourceTimedOut, match=r"http://host\.example/a\.jpg"),
        fetching._errors(parse("http://host.example/a.jpg?key=secret")),
    ):
        raise TimeoutError("timed out")


# Options.


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"base_url": "bucket.example.com/"},
        {"base_url": "http://a.example/?b"},
        {"allowed_urls": "http://a.example/"},
        {"allowed_urls": ["https://*/"]},
        {"base_url": "http://a.example/", "networks": "10.0.0.0/8"},
        {"base_url": "http://a.example/", "networks": ["10.0.0.1/8"]},
        {"base_url": "http://a.example/", "max_redirects": 4},
        {"base_url": "http://a.example/", "deadline_seconds": 0},
        {"base_url": "http://a.example/", "max_bytes": 0},
    ],
)
def test_wrong_option_is_found_by_the_system_check(
    settings: Settings, options: dict[str, Any]
) -> None:
    entry = {"BACKEND": "resizer.sources.HttpSource", "OPTIONS": options}
    settings.RESIZER = {"SOURCES": {"web": entry}}
    assert [message.id for message in run_checks(tags=["resizer"])] == ["resizer.E005"]


def test_missing_library_is_found_by_the_system_check(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("resizer.sources.web.source.find_spec", lambda _: None)
    options = {"base_url": "http://a.example/"}
    entry = {"BACKEND": "resizer.sources.HttpSource", "OPTIONS": options}
    settings.RESIZER = {"SOURCES": {"web": entry}}
    (message,) = run_checks(tags=["resizer"])
    assert 'pip install "django-resized-img[web]"' in message.msg


def test_largest_file_is_that_of_the_setting_or_less(
    server: HostileServer, settings: Settings
) -> None:
    server.put("/a.jpg", PHOTO)
    settings.RESIZER = {"MAX_BYTES": 50_000}
    with pytest.raises(TooManyBytes):
        fetch(HttpSource(server.url, networks=[LOOPBACK], max_bytes=500_000), "a.jpg")


def test_requests_is_imported_when_first_used() -> None:
    code = (
        "import sys; from resizer.sources import HttpSource; HttpSource('http://a.example/');"
        "print({'requests', 'urllib3'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.stdout == "set()\n", done.stderr
