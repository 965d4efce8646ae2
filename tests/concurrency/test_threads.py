from __future__ import annotations

import socket
import socketserver
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from django.core.cache import caches

from resizer.concurrency import semaphores, threads
from resizer.errors import Busy
from resizer.markup import picture
from tests.conftest import save

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.test import Client
    from freezegun.api import FrozenDateTimeFactory
    from pytest_django import DjangoAssertNumQueries, Settings

    from tests.conftest import CountingEngine


@contextmanager
def all_taken() -> Iterator[None]:
    """As many other threads wait as may."""
    bound = threads.most_waiting()
    others = [semaphores.acquire_in_process("thread", bound) for _ in range(bound)]
    try:
        yield
    finally:
        for release in others:
            assert release is not None
            release()


@pytest.mark.parametrize(("size", "most"), [(4, 8), (8, 8), (12, 9), (32, 24)])
def test_quarter_of_a_pool_stays_free(size: int, most: int) -> None:
    with ThreadPoolExecutor(size) as pool:
        assert pool.submit(threads.most_waiting).result() == most


def test_pool_of_one_thread_is_not_bounded() -> None:
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(threads.most_waiting).result() == sys.maxsize


def test_server_with_a_thread_for_each_request_is_not_bounded() -> None:
    told = []

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            told.append(threads.most_waiting())

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        serving = threading.Thread(target=server.handle_request)
        serving.start()
        socket.create_connection(("127.0.0.1", server.server_address[1])).close()
        serving.join()
    assert told == [sys.maxsize]


def test_bound_is_a_usual_one_where_nothing_tells_the_threads(settings: Settings) -> None:
    assert threads.most_waiting() == threads.USUAL_WAITING
    settings.RESIZER = {"MAX_WAITING_PER_PROCESS": 3}
    with ThreadPoolExecutor(12) as pool:
        assert pool.submit(threads.most_waiting).result() == 3


def test_thread_is_counted_once(settings: Settings) -> None:
    settings.RESIZER = {"MAX_WAITING_PER_PROCESS": 1}
    with threads.one_thread(), threads.one_thread():
        assert semaphores.acquire_in_process("thread", 1) is None
    with all_taken(), pytest.raises(Busy, match="too many threads"), threads.one_thread():
        pass


def test_thread_may_be_left_by_another(settings: Settings) -> None:
    settings.RESIZER = {"MAX_WAITING_PER_PROCESS": 1}
    release = threads.acquire()
    assert release is not None
    with ThreadPoolExecutor(1) as pool:
        pool.submit(release).result()
    with all_taken():
        assert threads.acquire() is None


@pytest.mark.django_db
def test_hit_is_not_refused_where_nobody_may_wait(
    client: Client, clock: FrozenDateTimeFactory, settings: Settings
) -> None:
    settings.RESIZER = {"SOURCES": {"default": {"OPEN": True}}}
    save("a.jpg")
    urls = [picture.url("a.jpg", width=320), "/img/320/a.jpg"]
    assert [client.get(url).status_code for url in urls] == [200, 200]
    with all_taken():
        assert [client.get(url).status_code for url in urls] == [200, 200]
        # What is known of the original is to be looked at again, …
        clock.tick(timedelta(seconds=301))
        assert [client.get(url).status_code for url in urls] == [200, 200]
        # … or comes from its row, or from nowhere.
        caches["default"].clear()
        assert [client.get(url).status_code for url in urls] == [200, 200]
        caches["default"].clear()
        save("b.jpg")
        assert client.get("/img/320/b.jpg").status_code == 503
    assert client.get("/img/320/b.jpg").status_code == 200


@pytest.mark.django_db
def test_refusal_costs_little_and_is_not_remembered(
    client: Client,
    settings: Settings,
    engine: type[CountingEngine],
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    settings.RESIZER = {**settings.RESIZER, "SOURCES": {"default": {"OPEN": True}}}
    save("a.jpg")
    url = picture.url("a.jpg", width=320)
    caches["default"].clear()
    headers = engine.headers
    with all_taken(), django_assert_max_num_queries(0):
        # Where the storage can tell that there is no such variant.
        assert client.get(url).status_code == 503
    save("b.jpg")
    with all_taken(), django_assert_max_num_queries(1):
        response = client.get("/img/320/b.jpg")
        assert (response.status_code, response["Retry-After"]) == (503, "1")
        assert response["Cache-Control"] == "no-store"
    assert engine.headers == headers
    assert client.get("/img/320/b.jpg").status_code == 200


@pytest.mark.django_db
def test_refusal_is_logged_once_and_mailed_to_nobody(
    client: Client, settings: Settings, mailoutbox: list[object], caplog: pytest.LogCaptureFixture
) -> None:
    settings.ADMINS = ["admin@example.com"]
    settings.RESIZER = {"SOURCES": {"default": {"OPEN": True}}}
    save("a.jpg")
    with all_taken():
        assert client.get("/img/320/a.jpg").status_code == 503
    assert mailoutbox == []
    (record,) = caplog.records
    assert record.getMessage().startswith("503 for '320/a.jpg'")


@pytest.mark.django_db
def test_page_prints_pictures_where_nobody_may_wait() -> None:
    save("a.jpg")
    with all_taken():
        assert picture.url("a.jpg", width=320).startswith("/img/a.jpg/")
