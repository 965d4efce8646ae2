from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from django.core.cache import caches
from django.core.files.storage import storages
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection, connections, transaction
from django.db.backends.dummy.base import DatabaseWrapper as NoDatabase
from django.db.backends.sqlite3.base import DatabaseWrapper as SQLite
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from config.gallery.models import Photo
from resizer import originals, store
from resizer.markup import picture
from resizer.models import CachedVariant, Original
from resizer.records import index, tables
from resizer.records.descriptions import Reference
from tests.conftest import CountingEngine, files, save
from tests.pictures import photograph
from tests.servers import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from django.test import Client
    from freezegun.api import FrozenDateTimeFactory
    from pytest_django import DjangoAssertNumQueries, Settings

FRESH_SECONDS = 300
REFERENCE = Reference("default", "a.jpg")


class Unreachable(SQLite):
    """A database in a directory that does not exist."""

    attempts = 0

    def get_new_connection(self, *args: Any) -> Any:
        Unreachable.attempts += 1
        return super().get_new_connection(*args)


@pytest.fixture(params=["none", "unreachable", "nameless"])
def database(
    request: pytest.FixtureRequest, tmp_path: Path, django_db_blocker: Any
) -> Iterator[str]:
    """A project without a database, one whose database is down, and one that has not said which it is."""
    real = connections["default"]
    settings = {**real.settings_dict, "NAME": str(tmp_path / "nowhere/db.sqlite3"), "OPTIONS": {}}
    Unreachable.attempts = 0
    if request.param == "none":
        settings = {**settings, "ENGINE": "django.db.backends.dummy"}
    if request.param == "nameless":
        settings = {**settings, "NAME": ""}
    backend = NoDatabase if request.param == "none" else Unreachable
    with django_db_blocker.unblock():
        connections["default"] = backend(settings, "default")
        yield request.param
        connections["default"] = real


def test_pictures_work_without_a_database(
    client: Client, database: str, variants: Path, engine: type[CountingEngine]
) -> None:
    save("a.jpg")
    url = picture.url("a.jpg", width=320)
    first = client.get(url)
    assert first.status_code == 200
    assert files(variants) == [url.removeprefix("/img/")]
    assert client.get(url).content == first.content
    caches["default"].clear()
    assert client.get(url).content == first.content
    assert 'srcset="/img/a.jpg/' in str(picture.build("a.jpg", alt=""))
    assert engine.renders == 1
    store.forget(REFERENCE)
    assert files(variants) == []


def test_variants_are_purged_without_a_database(
    client: Client, database: str, variants: Path
) -> None:
    save("a.jpg")
    client.get(picture.url("a.jpg", width=320))
    if database == "none":
        call_command("resizer_purge", "--all", "--yes", verbosity=0)
    else:
        with pytest.raises(CommandError, match="some rows may remain, because the database failed"):
            call_command("resizer_purge", "--all", "--yes", verbosity=0)
    assert files(variants) == []


def test_missing_and_replaced_originals_are_noticed_without_a_database(
    client: Client, database: str
) -> None:
    save("a.jpg")
    url = picture.url("a.jpg", width=320)
    save("a.jpg", b"\xff\xd8\xff\xe0 no picture")
    assert client.get(url).status_code == 422
    assert client.get(url.replace("a.jpg", "b.jpg")).status_code == 403
    assert index.find_many([REFERENCE]) == []
    assert not index.is_available()


def test_database_that_is_down_is_asked_now_and_then(
    clock: FrozenDateTimeFactory, caplog: pytest.LogCaptureFixture, database: str
) -> None:
    expected = 1 if database == "unreachable" else 0
    for attempts in range(1, 4):
        for _ in range(5):
            assert index.find(REFERENCE) is None
            originals.forget(REFERENCE)
        assert Unreachable.attempts == attempts * expected
        clock.tick(tables.DOWN_SECONDS + 1)
    # Once a minute.
    assert len(caplog.records) == (0 if database == "none" else 2)


@pytest.mark.django_db
def test_one_asks_after_an_outage_and_all_follow_when_it_is_over(
    clock: FrozenDateTimeFactory,
) -> None:
    save("a.jpg")
    originals.look_up("a.jpg")
    tables._breaker.open()
    assert index.find(REFERENCE) is None
    clock.tick(tables.DOWN_SECONDS + 1)
    # Another thread asks at this moment.
    assert tables._breaker.allows_call()
    assert index.find(REFERENCE) is None
    clock.tick(tables.DOWN_SECONDS + 1)
    assert index.find(REFERENCE) is not None
    assert index.find(REFERENCE) is not None


@pytest.mark.django_db
def test_project_without_time_zones_has_rows(client: Client, settings: Settings) -> None:
    settings.USE_TZ = False
    save("a.jpg")
    url = picture.url("a.jpg", width=320)
    assert client.get(url).status_code == 200
    known = originals.look_up("a.jpg")
    caches["default"].clear()
    found = index.find(REFERENCE)
    assert found is not None
    assert found.checked_at == pytest.approx(known.checked_at, abs=0.001)
    row = CachedVariant.objects.get()
    assert row.created_at.tzinfo is None
    # Made a moment ago.
    rows = index.list_variants(index.list_originals(None, None) or [])
    assert rows is not None
    assert abs(rows[0].created_at - time.time()) < 3600


@pytest.mark.django_db
def test_async_view_prints_pictures(caplog: pytest.LogCaptureFixture) -> None:
    save("a.jpg")

    async def view() -> str:
        return picture.url("a.jpg", width=320)

    assert asyncio.run(view()).startswith("/img/a.jpg/")
    assert "You cannot call this from an async context" in caplog.text
    # It is no outage: a sync view records it.
    caches["default"].clear()
    assert index.find(REFERENCE) is None
    originals.look_up("a.jpg")
    assert index.find(REFERENCE) is not None


class ReadsElsewhere:
    def db_for_read(self, model: Any, **_: Any) -> str:
        return "replica"


@pytest.mark.django_db
def test_replica_that_is_down_keeps_nobody_from_writing(
    client: Client, settings: Settings, tmp_path: Path
) -> None:
    settings.DATABASE_ROUTERS = [ReadsElsewhere()]
    usual = connections["default"].settings_dict
    connections["replica"] = Unreachable({**usual, "NAME": str(tmp_path / "no/where")}, "replica")
    try:
        save("a.jpg")
        description = originals.look_up("a.jpg")
        tables._breaker.close()
        index.record(description)
        assert client.get(picture.url("a.jpg", width=320)).status_code == 200
        assert index.find(REFERENCE) is None
    finally:
        del connections["replica"]
    assert Original.objects.using("default").get().name == "a.jpg"


@pytest.mark.django_db
def test_query_that_fails_is_no_outage(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise OperationalError("database is locked")

    save("a.jpg")
    originals.look_up("a.jpg")
    with monkeypatch.context() as patch:
        patch.setattr(connection, "cursor", refuse)
        assert index.find(REFERENCE) is None
    assert "database is locked" in caplog.text
    assert index.find(REFERENCE) is not None


@pytest.mark.django_db
def test_rows_are_deleted_by_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "BATCH", 2)
    save("a.jpg")
    originals.look_up("a.jpg")
    keys = [f"{number}" for number in range(5)]
    for key in keys:
        CachedVariant.objects.create(
            original=Original.objects.get(),
            key=key,
            width=1,
            height=1,
            format="avif",
            bytes=1,
            created_at=timezone.now(),
        )
    assert index.forget_variants(keys[1:])
    assert [row.key for row in CachedVariant.objects.all()] == ["0"]


def written(queries: CaptureQueriesContext) -> list[str]:
    """What these queries have written."""
    reads = ("SELECT", "SAVEPOINT", "RELEASE SAVEPOINT", "ROLLBACK TO SAVEPOINT")
    return [query["sql"] for query in queries if not query["sql"].startswith(reads)]


@pytest.mark.django_db
def test_visitors_have_nothing_written_that_has_not_changed(
    client: Client, clock: FrozenDateTimeFactory
) -> None:
    save("a.jpg")
    former = picture.url("a.jpg", width=320)
    assert client.get(former).status_code == 200
    save("a.jpg", photograph((800, 600)))
    originals.look_up(REFERENCE, originals.Freshness.NOW)
    caches["default"].clear()
    present = picture.url("a.jpg", width=320)
    assert client.get(present).status_code == 200
    for url in (present, former):
        for empties_cache in (False, True):
            clock.tick(FRESH_SECONDS + 1)
            if empties_cache:
                caches["default"].clear()
            with CaptureQueriesContext(connection) as queries:
                assert client.get(url).status_code == 200
            assert written(queries) == []


@pytest.mark.django_db
def test_what_has_changed_is_written_once(client: Client, clock: FrozenDateTimeFactory) -> None:
    save("a.jpg")
    save("b.jpg")
    url = picture.url("a.jpg", width=320)
    assert client.get(url).status_code == 200
    storages["default"].delete("a.jpg")
    for is_news in (True, False, False):
        clock.tick(FRESH_SECONDS + 1)
        with CaptureQueriesContext(connection) as queries:
            assert client.get(url).status_code == 404
        assert len(written(queries)) == is_news
    save("a.jpg", photograph((800, 600)))
    for is_news in (True, False, False):
        clock.tick(FRESH_SECONDS + 1)
        with CaptureQueriesContext(connection) as queries:
            assert client.get(url).status_code == 200
        # The original, the variant that is made of it, and what is seen of it then.
        assert len(written(queries)) == 3 * is_news
    assert Original.objects.get().width == 800


@pytest.mark.django_db
def test_many_pictures_are_looked_up_by_the_batch(
    monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    monkeypatch.setattr(tables, "BATCH", 2)
    names = [save(f"{number}.jpg") for number in range(5)]
    references = [originals.look_up(name).reference for name in names]
    with django_assert_num_queries(3):
        assert {one.reference for one in index.find_many(references)} == set(references)


@pytest.mark.django_db
def test_row_whose_name_somebody_has_changed_is_not_used_and_is_mended() -> None:
    save("a.jpg")
    known = originals.look_up("a.jpg")
    Original.objects.update(name="b.jpg")
    assert index.find(REFERENCE) is None
    index.record(known)
    assert index.find(REFERENCE) is not None
    assert Original.objects.get().name == "a.jpg"


@pytest.mark.django_db
def test_row_is_written_by_one_statement(client: Client) -> None:
    save("a.jpg")
    with CaptureQueriesContext(connection) as queries:
        known = originals.look_up(REFERENCE, originals.Freshness.NOW)
    assert len(written(queries)) == 1
    with CaptureQueriesContext(connection) as queries:
        index.record(known)
    assert len(queries) == len(written(queries)) + 2  # its savepoint


@pytest.mark.django_db
def test_database_that_cannot_insert_or_update_has_its_rows(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Oracle."""
    monkeypatch.setattr(connection.features, "supports_update_conflicts", False)
    save("a.jpg")
    url = picture.url("a.jpg", width=320)
    for _ in range(2):
        assert client.get(url).status_code == 200
        originals.look_up(REFERENCE, originals.Freshness.NOW)
        caches["default"].clear()
    save("a.jpg", photograph((800, 600)))
    originals.look_up(REFERENCE, originals.Freshness.NOW)
    assert Original.objects.get().width == 800
    assert CachedVariant.objects.get().key == url.removeprefix("/img/")


@pytest.mark.django_db
def test_database_that_we_know_no_limit_of_is_asked_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connection, "vendor", "other")
    save("a.jpg")
    originals.look_up(REFERENCE, originals.Freshness.NOW)
    assert index.find(REFERENCE) is not None


@pytest.mark.django_db(transaction=True)
def test_query_that_fails_leaves_the_transaction_of_a_page_alone(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    save("a.jpg")
    with transaction.atomic():
        Photo.objects.create(title="Before")
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE resizer_original RENAME TO hidden")
        assert picture.url("a.jpg", width=320).startswith("/img/")
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE hidden RENAME TO resizer_original")
        Photo.objects.create(title="After")
    assert "no such table" in caplog.text
    assert Photo.objects.count() == 2


def test_project_whose_settings_have_no_database(tmp_path: Path) -> None:
    script = """
import os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
from django.conf import settings
settings.DATABASES = {}
files = "django.core.files.storage.FileSystemStorage"
settings.STORAGES = {
    "default": {"BACKEND": files, "OPTIONS": {"location": sys.argv[1] + "/originals"}},
    "resizer": {"BACKEND": files, "OPTIONS": {"location": sys.argv[1] + "/variants"}},
    "staticfiles": settings.STORAGES["staticfiles"],
}
settings.ALLOWED_HOSTS = ["*"]
import django
django.setup()
from django.core.management import call_command
from django.template import Context, Template
from django.test import Client
from tests.conftest import save
save("a.jpg")
html = Template('{% load resizer %}{% resized_img "a.jpg" alt="" %}').render(Context())
url = html.split('src="')[1].split('"')[0]
response = Client().get(url)
print(response.status_code, response["Content-Type"])
call_command("check")
call_command("resizer_doctor")
call_command("resizer_purge", "--all", "--yes")
print(Client().get("/img/b.jpg").status_code)
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("200 image/jpeg\n")
    assert "1 cached variant" in done.stdout
    assert done.stdout.endswith("404\n")
    assert "Traceback" not in done.stderr


@pytest.mark.django_db(transaction=True)
def test_connection_that_was_closed_in_a_transaction_costs_no_picture() -> None:
    name = save("closed.jpg", photograph((64, 48)))
    with transaction.atomic():
        connection.close()
        assert picture.url(name, width=64).startswith("/img/closed.jpg/")


@pytest.mark.django_db
def test_row_of_a_new_variant_takes_one_statement(client: Client) -> None:
    save("a.jpg")
    url = picture.url("a.jpg", width=320)
    with CaptureQueriesContext(connection) as queries:
        assert client.get(url).status_code == 200
    asked = [one["sql"] for one in queries.captured_queries if "cachedvariant" in one["sql"]]
    assert [sql.split()[:3] for sql in asked] == [["INSERT", "INTO", '"resizer_cachedvariant"']]


@pytest.mark.django_db
def test_variant_whose_original_gets_no_row_has_none(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    save("a.jpg")
    url = picture.url("a.jpg", width=320)
    Original.objects.all().delete()
    # As somebody who deletes it again at once.
    monkeypatch.setattr(index, "write_original", lambda _: None)
    assert client.get(url).status_code == 200
    assert not CachedVariant.objects.exists()
