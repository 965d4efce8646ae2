"""Hits, misses and failures are counted in memory, and written now and then."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.core.cache import caches
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext

from resizer.markup import picture
from resizer.models import CachedVariant, Tally
from resizer.records import tallies
from resizer.records.descriptions import Reference
from resizer.records.tallies import BUSY, FAILURE, HIT, MISS
from tests.conftest import save, wait_until
from tests.nginx import ask
from tests.pictures import photograph
from tests.records.test_index import database  # noqa: F401  # a fixture
from tests.servers import ROOT, gunicorn_server, manage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.test import Client
    from freezegun.api import FrozenDateTimeFactory
    from pytest_django import DjangoAssertNumQueries, Settings

    from tests.projects import Project

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture
def url() -> str:
    save("a.jpg")
    return picture.url("a.jpg", width=320, format="jpeg")


def counts() -> dict[str, int]:
    return dict(Tally.objects.values_list("name", "count"))


def test_hits_and_misses_are_counted(client: Client, url: str) -> None:
    etag = client.get(url)["ETag"]
    for headers in ({}, {}, {"If-None-Match": etag}):
        client.get(url, headers=headers)
    client.head(url)
    # A cold hit, from the storage.
    caches["default"].clear()
    client.get(url)
    assert counts() == {}
    tallies.flush()
    assert counts() == {MISS: 1, HIT: 5}
    assert tallies.recent(3600) == {MISS: 1, HIT: 5, BUSY: 0, FAILURE: 0}


def test_failures_are_counted_and_mistakes_are_not(
    client: Client, url: str, settings: Settings
) -> None:
    whole = photograph()
    save("half.jpg", whole[: len(whole) // 2])
    assert client.get(picture.url("half.jpg", width=320, format="jpeg")).status_code == 422
    before, _, after = url.partition("-")
    assert client.get(f"{before}-{'x' * 14}{after[14:]}").status_code == 403
    assert client.get("/img/none.jpg").status_code == 404
    assert client.post(url).status_code == 405
    failing = {"BACKEND": "tests.test_store.FailingStorage"}
    settings.STORAGES = {**settings.STORAGES, "resizer": failing}
    storages["resizer"].save(url.removeprefix("/img/"), ContentFile(b"x"))
    assert client.get(url).status_code == 503
    tallies.flush()
    assert counts() == {FAILURE: 1, BUSY: 1}


def test_counts_add_up_in_one_row_an_hour(clock: FrozenDateTimeFactory) -> None:
    for _ in range(2):
        tallies.count(HIT)
        tallies.flush()
    clock.tick(timedelta(hours=1))
    tallies.count(HIT)
    tallies.count(MISS)
    tallies.flush()
    found = list(Tally.objects.order_by("hour", "name").values_list("hour", "name", "count"))
    later = NOON + timedelta(hours=1)
    assert found == [(NOON, HIT, 2), (later, HIT, 1), (later, MISS, 1)]


def test_processes_add_to_the_same_row(clock: FrozenDateTimeFactory) -> None:
    for _ in range(2):
        tallies.count(HIT)
        tallies.flush()
        # As a process that has just begun.
        tallies.forget()
    assert counts() == {HIT: 2}


def test_writing_takes_one_statement_for_all_counts(
    clock: FrozenDateTimeFactory, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for name in tallies.NAMES:
        tallies.count(name)
    tallies.flush()
    for name in tallies.NAMES:
        tallies.count(name)
    with CaptureQueriesContext(connection) as captured:
        tallies.flush()
    # Beside the savepoints of a test.
    written = [one["sql"] for one in captured.captured_queries if "SAVEPOINT" not in one["sql"]]
    assert [sql.split()[0] for sql in written] == ["UPDATE"]
    with django_assert_num_queries(0):
        tallies.flush()
    assert counts() == dict.fromkeys(tallies.NAMES, 2)


def test_tallies_of_long_ago_go(clock: FrozenDateTimeFactory) -> None:
    tallies.count(HIT)
    tallies.flush()
    clock.tick(timedelta(days=tallies.KEPT_DAYS, hours=1))
    tallies.count(HIT)
    tallies.flush()
    assert Tally.objects.count() == 1


def test_rows_are_begun_where_the_database_cannot_ignore_conflicts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connection.features, "supports_ignore_conflicts", False)
    for _ in range(2):
        tallies.count(HIT)
        tallies.flush()
        tallies.forget()
    assert counts() == {HIT: 2}


def test_use_is_known_to_a_day(client: Client, url: str, clock: FrozenDateTimeFactory) -> None:
    client.get(url)
    tallies.flush()
    row = CachedVariant.objects.get()
    assert row.used_at is None
    client.get(url)
    tallies.flush()
    row.refresh_from_db()
    assert row.used_at == NOON
    clock.tick(timedelta(hours=11))
    for _ in range(3):
        client.get(url)
    with CaptureQueriesContext(connection) as captured:
        tallies.flush()
    assert not [one for one in captured.captured_queries if "used_at" in one["sql"]]
    clock.tick(timedelta(hours=2))
    client.get(url)
    tallies.flush()
    # The first flush of a day forgets what was noted the day before.
    client.get(url)
    tallies.flush()
    row.refresh_from_db()
    assert row.used_at == NOON + timedelta(hours=13)


def test_use_noted_by_another_process_is_not_written_again(
    client: Client, url: str, clock: FrozenDateTimeFactory
) -> None:
    client.get(url)
    CachedVariant.objects.update(used_at=NOON - timedelta(hours=1))
    client.get(url)
    tallies.flush()
    assert CachedVariant.objects.get().used_at == NOON - timedelta(hours=1)


def test_memory_for_uses_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tallies, "MAX_USED", 2)
    for number in range(5):
        tallies.count_served(f"{number}.jpg", is_hit=True)
    assert len(tallies._tallies._used) == 2
    assert len(tallies._tallies._noted) <= 2


def test_remade_variant_keeps_when_it_was_used(client: Client, url: str) -> None:
    client.get(url)
    CachedVariant.objects.update(used_at=NOON)
    storages["resizer"].delete(url.removeprefix("/img/"))
    caches["default"].clear()
    client.get(url)
    row = CachedVariant.objects.get()
    assert row.used_at == NOON
    assert row.render_ms is not None


def test_database_that_is_down_keeps_the_counts_in_memory(
    client: Client,
    database: str,  # noqa: F811
) -> None:
    tallies.count_served("a.jpg", is_hit=True)
    tallies.flush()
    # Without a database nobody will ever ask for them.
    left = 0 if database == "none" else 1
    assert sum(tallies._tallies._counts.values()) == left
    assert tallies.recent(3600) is None
    # It is noted again when it is used again.
    tallies.count_served("a.jpg", is_hit=True)
    assert len(tallies._tallies._used) == 1


def test_counts_that_cannot_be_added_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise OperationalError("gone away")

    tallies.count(HIT)
    with monkeypatch.context() as patch:
        patch.setattr(tallies, "_add", refuse)
        tallies.flush()
    assert counts() == {HIT: 0}
    tallies.flush()
    assert counts() == {HIT: 1}


def join_flushes() -> None:
    threads = [one for one in threading.enumerate() if isinstance(one, threading.Timer)]
    for one in threads:
        if one.function is tallies._flush_in_thread:
            one.join()


@pytest.mark.django_db(transaction=True)
def test_counts_are_written_by_a_thread_of_their_own(
    client: Client, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tallies, "FLUSH_SECONDS", 0.01)
    client.get(url)
    wait_until(lambda: counts() == {MISS: 1})
    join_flushes()


@pytest.mark.django_db(transaction=True)
def test_counts_are_written_once_a_thread_can_be_started_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(tallies, "FLUSH_SECONDS", 0.01)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Timer, "start", refuse)
        tallies.count(HIT)
    tallies.count(HIT)
    wait_until(lambda: counts() == {HIT: 2})
    join_flushes()


def test_process_that_ends_counts_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    tallies.count(HIT)
    tallies.flush()
    assert counts() == {HIT: 1}


@pytest.fixture
def child() -> Iterator[int]:
    reads, writes = os.pipe()
    tallies.count(HIT)
    pid = os.fork()
    if not pid:
        os.write(writes, str(len(tallies._tallies._counts)).encode())
        os._exit(0)
    os.waitpid(pid, 0)
    yield int(os.read(reads, 9))
    os.close(reads)
    os.close(writes)


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_forked_process_does_not_count_for_its_parent(child: int) -> None:
    assert child == 0
    tallies.flush()
    assert counts() == {HIT: 1}


@pytest.mark.slow
def test_servers_write_their_counts_at_their_end(
    project: Project,  # the fixture
) -> None:
    project.save("a.jpg", photograph((640, 480)))
    with gunicorn_server(project.environment, processes=2) as (address, process):
        replies = [ask(f"{address}/img/320/a.jpg") for _ in range(8)]
        assert {reply.status for reply in replies} == {200}
        process.send_signal(signal.SIGTERM)
        process.wait()
    code = "from resizer.records import tallies; print(tallies.recent(7200))"
    told = manage(ROOT, project.environment, "shell", "-v", "0", "-c", code)
    assert told.strip() == str({HIT: 7, MISS: 1, BUSY: 0, FAILURE: 0})


@pytest.mark.slow
def test_command_that_counts_nothing_writes_nothing(
    project: Project,  # the fixture
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import django; django.setup(); import resizer.records.tallies"],
        cwd=ROOT,
        env=os.environ | project.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_missing_originals_take_bounded_memory(
    monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    monkeypatch.setattr(tallies, "MAX_MISSING", 2)
    for number in range(3):
        tallies.note_missing(Reference("default", f"{number}.jpg"))
    with django_assert_num_queries(1):
        tallies.flush()
    with django_assert_num_queries(0):
        tallies.flush()
