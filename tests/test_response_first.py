"""A new variant is stored after its response, under the handlers of real servers. Those of test clients store it before."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from asgiref.testing import ApplicationCommunicator
from django.core.asgi import get_asgi_application
from django.core.files.storage import storages
from django.core.handlers.wsgi import WSGIHandler
from django.db import connection
from django.http import HttpResponse
from django.test import Client, RequestFactory

from resizer import rendering, store
from resizer.concurrency import afterwards, semaphores
from resizer.concurrency.locks import lock_machine
from resizer.concurrency.waiting import Deadline
from resizer.errors import Busy
from resizer.markup import picture
from resizer.models import CachedVariant, Original
from resizer.storages import publishing
from resizer.storages.protocol import FOREVER
from tests.conftest import CountingEngine, files, save, wait_until
from tests.pictures import decode
from tests.test_faults import FaultyStorage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from django.http import HttpRequest
    from freezegun.api import FrozenDateTimeFactory
    from pytest_django import Settings


pytestmark = pytest.mark.django_db(transaction=True)

KEPT = ["Cache-Control", "ETag", "Last-Modified", "Content-Type", "Content-Length"]


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow the machine, no timer has to help."""
    monkeypatch.setattr(afterwards, "LATEST_SECONDS", 60)


class Reply(NamedTuple):
    status: str
    headers: dict[str, str]
    body: bytes


@contextmanager
def visit(url: str) -> Iterator[Reply]:
    """As a WSGI server asks. Inside, the body has been sent; at the end, the server tells the end of the response."""
    started: list[Any] = []
    handle: Any = WSGIHandler()
    environ = RequestFactory().get(url).environ
    with closing(handle(environ, lambda *head: started.extend(head))) as response:
        status, headers = started
        yield Reply(status, dict(headers), b"".join(response))


def in_thread(work: Callable[[], Any]) -> Any:
    """As another request of the same process."""

    def run() -> Any:
        try:
            return work()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(run).result(30)


@pytest.fixture
def url() -> str:
    save("a.jpg")
    return picture.url("a.jpg", width=320, format="jpeg")


def key_of(url: str) -> str:
    return url.removeprefix("/img/")


def test_picture_comes_before_its_file_and_its_row(url: str, variants: Path) -> None:
    with visit(url) as reply:
        assert reply.status == "200 OK"
        assert decode(reply.body).size == (320, 240)
        assert reply.headers["Cache-Control"] == FOREVER
        assert "store" not in reply.headers["Server-Timing"]
        assert files(variants) == []
        assert not CachedVariant.objects.exists()
    assert (variants / key_of(url)).read_bytes() == reply.body
    assert CachedVariant.objects.get().bytes == len(reply.body)
    again = Client().get(url)
    assert again["Server-Timing"] == 'resizer;desc="hit"'
    assert [again[name] for name in KEPT] == [reply.headers[name] for name in KEPT]


@pytest.mark.parametrize("is_first", [True, False])
def test_colour_and_focal_point_of_an_original_come_after_its_first_response(
    url: str, settings: Settings, is_first: bool
) -> None:
    settings.RESIZER = {"RESPOND_FIRST": is_first}
    with visit(url):
        color = in_thread(lambda: Original.objects.get().placeholder_color)
        assert (color == "") is is_first
    assert Original.objects.get().placeholder_color.startswith("#")


def test_others_get_it_from_memory_meanwhile(
    url: str, variants: Path, engine: type[CountingEngine]
) -> None:
    with visit(url) as reply:
        for _ in range(3):
            again = in_thread(lambda: Client().get(url))
            assert (again.status_code, again.content) == (200, reply.body)
            assert again["Server-Timing"] == 'resizer;desc="hit"'
            assert in_thread(lambda: Client().head(url))["ETag"] == reply.headers["ETag"]
            unchanged = in_thread(
                lambda: Client().get(url, headers={"If-None-Match": reply.headers["ETag"]})
            )
            assert unchanged.status_code == 304
        assert files(variants) == []
    assert engine.renders == 1
    assert files(variants) == [key_of(url)]


def test_another_process_waits_for_the_file(url: str, variants: Path) -> None:
    with (
        visit(url),
        pytest.raises(Busy, match="which another process makes"),
        lock_machine(key_of(url), Deadline(0.1)),
    ):
        pass
    with lock_machine(key_of(url), Deadline(0)) as lock:
        assert lock.descriptor is not None
    assert files(variants) == [key_of(url)]


def test_thread_counts_until_the_file_is_there(url: str, settings: Settings) -> None:
    settings.RESIZER = {"MAX_WAITING_PER_PROCESS": 1}
    other = picture.url("a.jpg", width=480, format="jpeg")
    with visit(url):
        assert in_thread(lambda: Client().get(other)).status_code == 503
    assert Client().get(other).status_code == 200


def test_visitor_who_is_slow_does_not_delay_the_file_for_long(
    url: str, variants: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(afterwards, "LATEST_SECONDS", 0.1)
    with visit(url):
        wait_until(lambda: not semaphores._held)
        assert files(variants) == [key_of(url)]
        assert in_thread(CachedVariant.objects.count) == 1
    assert files(variants) == [key_of(url)]


def test_file_that_is_being_stored_is_not_stored_again_at_the_end(
    url: str, variants: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(afterwards, "LATEST_SECONDS", 0.05)
    begun, may_end = threading.Event(), threading.Event()
    stored = []
    real = publishing.publish

    def publish(*arguments: Any) -> Any:
        stored.append(arguments)
        begun.set()
        assert may_end.wait(30)
        return real(*arguments)

    monkeypatch.setattr("resizer.store.publish", publish)
    with visit(url):
        assert begun.wait(30)
    may_end.set()
    wait_until(lambda: not semaphores._held)
    assert len(stored) == 1
    assert files(variants) == [key_of(url)]


def test_response_whose_end_nobody_tells_is_over_with_the_next_request(
    url: str, variants: Path
) -> None:
    handle: Any = WSGIHandler()
    handle(RequestFactory().get(url).environ, lambda *_: None)
    assert files(variants) == []
    with visit("/"):
        assert files(variants) == [key_of(url)]


def replace_responses(get_response: Callable[[HttpRequest], HttpResponse]) -> Any:
    def middleware(request: HttpRequest) -> HttpResponse:
        get_response(request)
        return HttpResponse("something else")

    return middleware


def test_response_that_a_middleware_replaces_ends_too(
    url: str, variants: Path, settings: Settings
) -> None:
    settings.MIDDLEWARE = ["tests.test_response_first.replace_responses", *settings.MIDDLEWARE]
    with visit(url) as reply:
        assert reply.body == b"something else"
        assert files(variants) == []
    assert files(variants) == [key_of(url)]


def test_memory_of_what_is_not_stored_yet_is_bounded(
    url: str, variants: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = picture.url("a.jpg", width=480, format="jpeg")
    # Each counts as one.
    monkeypatch.setattr(afterwards, "MOST_MEGABYTES", 1)

    def visit_other() -> list[str]:
        with visit(other) as reply:
            assert reply.status == "200 OK"
            assert "store" in reply.headers["Server-Timing"]
            return files(variants)

    with visit(url):
        assert in_thread(visit_other) == [key_of(other)]
    assert files(variants) == sorted([key_of(url), key_of(other)])


def test_file_comes_before_the_response_if_no_thread_can_be_started(
    url: str, variants: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Timer, "start", refuse)
    with visit(url) as reply:
        assert reply.status == "200 OK"
        assert files(variants) == [key_of(url)]
        assert not semaphores._held
    with lock_machine(key_of(url), Deadline(0)):
        pass


def test_original_is_looked_at_before_the_response_if_no_thread_can_be_started(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with visit(url) as reply:
        assert reply.status == "200 OK"
        assert Original.objects.get().placeholder_color


def test_error_beside_a_response_is_raised_where_its_result_is_wanted() -> None:
    with pytest.raises(ZeroDivisionError):
        afterwards.beside(lambda: 1 / 0).result()


@pytest.mark.parametrize(
    "settings_of", [{"RESPOND_FIRST": False}, {"MAX_RESPONSE_BYTES": 100}], ids=str
)
def test_file_comes_before_the_response_if_it_must(
    url: str, variants: Path, settings: Settings, settings_of: dict[str, Any]
) -> None:
    settings.RESIZER = settings_of
    with visit(url) as reply:
        assert reply.status == ("302 Found" if "MAX_RESPONSE_BYTES" in settings_of else "200 OK")
        assert files(variants) == [key_of(url)]


def test_storage_that_fails_is_told_from_the_second_response_on(
    url: str,
    settings: Settings,
    engine: type[CountingEngine],
    monkeypatch: pytest.MonkeyPatch,
    clock: FrozenDateTimeFactory,
) -> None:
    faulty = {"BACKEND": "tests.test_faults.FaultyStorage"}
    settings.STORAGES = {**settings.STORAGES, "resizer": faulty}

    def visit_often(number: int) -> list[str]:
        told = []
        for _ in range(number):
            with visit(url) as reply:
                assert decode(reply.body).size == (320, 240)
                told.append(reply.headers["Cache-Control"])
        return told

    monkeypatch.setattr(FaultyStorage, "fails", "before")
    assert visit_often(3) == [FOREVER, "no-store", "no-store"]
    # It is given another chance now and then.
    clock.tick(timedelta(seconds=store.DOUBT_SECONDS + 1))
    assert visit_often(2) == [FOREVER, "no-store"]
    assert not CachedVariant.objects.exists()
    assert not storages["resizer"].exists(key_of(url))
    monkeypatch.setattr(FaultyStorage, "fails", None)
    assert visit_often(2) == [FOREVER, FOREVER]
    assert storages["resizer"].exists(key_of(url))
    assert engine.renders == 6


def test_error_of_our_own_leaves_no_lock_behind(
    url: str, variants: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("resizer.store.publish", lambda *_: 1 / 0)
        with visit(url) as reply:
            assert reply.status == "200 OK"
    assert "Work after a response failed" in caplog.text
    assert not semaphores._held
    with visit(url):
        pass
    assert files(variants) == [key_of(url)]


def scope_of(url: str) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "path": url,
        "raw_path": url.encode(),
        "query_string": b"",
        "headers": [(b"host", b"testserver")],
    }


def communicate(url: str) -> Any:
    return ApplicationCommunicator(get_asgi_application(), scope_of(url))  # type: ignore[no-untyped-call]


def test_picture_comes_first_under_asgi_as_well(url: str, variants: Path) -> None:
    async def ask() -> bytes:
        communicator = communicate(url)
        await communicator.send_input({"type": "http.request", "body": b""})
        start = await communicator.receive_output(30)
        assert start["status"] == 200
        body = await communicator.receive_output(30)
        await communicator.wait(30)
        return bytes(body["body"])

    content = asyncio.run(ask())
    assert (variants / key_of(url)).read_bytes() == content
    assert not semaphores._held


def test_visitor_who_leaves_under_asgi_leaves_no_lock_behind(
    url: str, variants: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    has_begun = threading.Event()
    may_go_on = threading.Event()
    real = rendering.render

    def render(*arguments: Any) -> Any:
        has_begun.set()
        assert may_go_on.wait(30)
        return real(*arguments)

    monkeypatch.setattr("resizer.store.render", render)

    async def leave() -> None:
        communicator = communicate(url)
        await communicator.send_input({"type": "http.request", "body": b""})
        await asyncio.to_thread(has_begun.wait, 30)
        await communicator.send_input({"type": "http.disconnect"})
        await asyncio.sleep(0.1)
        may_go_on.set()
        await communicator.wait(30)

    asyncio.run(leave())
    wait_until(lambda: not semaphores._held)
    assert files(variants) == [key_of(url)]
    with lock_machine(key_of(url), Deadline(0)):
        pass
