"""The databases that we support, each as a server of its own: pictures, their index, and the admin."""

from __future__ import annotations

import json
import re
import sqlite3
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from importlib import import_module
from typing import TYPE_CHECKING, Any

import dj_database_url
import pymysql
import pytest
import requests
from django.core.cache import caches
from django.core.management import call_command
from django.db import connections, transaction
from django.db.backends.postgresql.base import DatabaseWrapper as PostgreSQL
from django.db.backends.sqlite3.base import DatabaseWrapper as SQLite
from django.db.backends.sqlite3.base import SQLiteCursorWrapper as SQLiteCursor
from django.db.migrations.executor import MigrationExecutor

from config.gallery.models import Photo
from resizer import databases, originals, store
from resizer.keys.digests import digest_of
from resizer.markup import picture
from resizer.models import CachedVariant, Original, Tally
from resizer.records import index, tables
from resizer.records.descriptions import Reference
from tests.conftest import save, wait_until
from tests.pictures import decode, photograph
from tests.servers import (
    ROOT,
    django_server,
    gunicorn_server,
    manage,
    mariadb_database,
    postgresql_database,
)
from tests.test_faults import (
    REFERENCE,
    address,
    assert_repaired,
    database,  # noqa: F401  # a fixture
    make_tables,
    messages,
    use_database,
)

digests = import_module("resizer.migrations.0002_digests")

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from django.test import Client
    from freezegun.api import FrozenDateTimeFactory
    from pytest_django import Settings

pymysql.install_as_MySQLdb()
from django.db.backends.mysql.base import DatabaseWrapper as MySQL  # noqa: E402  # after that

needs_mariadb = pytest.mark.service("mariadb")
needs_postgresql = pytest.mark.service("postgresql")

SERVERS = [
    pytest.param("PostgreSQL", marks=needs_postgresql),
    pytest.param("MariaDB", marks=needs_mariadb),
]


@pytest.fixture
def database_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a new database, of the kind that the test is parametrised with."""
    if request.param == "PostgreSQL":
        yield postgresql_database(request.getfixturevalue("postgresql_url"))
        return
    if request.param == "MariaDB":
        yield mariadb_database(request.getfixturevalue("mariadb_url"))
        return
    # As Django has it by default.
    with tempfile.TemporaryDirectory(dir="/tmp") as directory:
        yield f"sqlite:///{directory}/db.sqlite3"


#: Commands run in one process, because a start takes half a second.
BEFORE = """
from django.contrib.auth import get_user_model
from django.core.management import call_command
from config.gallery.models import Photo
call_command("migrate", verbosity=0)
get_user_model().objects.create_superuser("admin", password="admin")
for number in range(3):
    Photo.objects.create(title="A", alt="A", image=f"{number}.jpg")
call_command("resizer_doctor")
"""
#: Two processes count a hit, and note a use.
AFTER = """
import io, json
from django.core.management import call_command
from resizer.models import CachedVariant, Original
from resizer.records import tallies

def call(*arguments):
    output = io.StringIO()
    call_command(*arguments, stdout=output)
    return output.getvalue()

for _ in range(2):
    tallies.count_served(CachedVariant.objects.earliest("pk").key, is_hit=True)
    tallies.flush()
    tallies.forget()
uses = CachedVariant.objects.filter(used_at__isnull=False).count()
told = {"counted": {**tallies.recent(3600), "uses": uses}}
stats = told["stats"] = json.loads(call("resizer_stats", "--format", "json"))
Original.objects.all().delete()
told["sync"] = call("resizer_sync")
told["dry run"] = call("resizer_purge", "--max-bytes", str(stats["bytes"] - 1), "--dry-run")
told["purge"] = call("resizer_purge", "--all", "--yes")
print(json.dumps(told))
"""


@pytest.mark.parametrize("database_url", SERVERS, indirect=True)
def test_admin_lists_what_pages_have_had_made(tmp_path: Path, database_url: str) -> None:
    for number in range(3):
        save(f"{number}.jpg", photograph((400, 300)))
    environment = {
        "DATABASE_URL": database_url,
        "DJANGO_DEBUG": "1",
        "DJANGO_SETTINGS_MODULE": "tests.mysql_settings",
        # Of `save`, too.
        "RESIZER_DATA_DIR": str(tmp_path),
    }
    told = manage(ROOT, environment, "shell", "-v0", "-c", BEFORE)
    name = "PostgreSQL" if database_url.startswith("postgres:") else "MariaDB"
    assert f"{name} has the app's tables" in told
    with django_server(ROOT, environment) as url, requests.Session() as visitor:
        page = visitor.get(f"{url}/").text
        paths = re.findall(r'src="(/img/[^"]+)"', page)[:3]
        answers = [visitor.get(url + path) for path in paths]
        assert [answer.status_code for answer in answers] == [200, 200, 200]
        login = f"{url}/admin/login/?next=/admin/resizer/cachedvariant/"
        visitor.get(login)
        form = {"username": "admin", "password": "admin"}
        token = visitor.cookies["csrftoken"]
        listed = visitor.post(login, {**form, "csrfmiddlewaretoken": token})
        assert listed.status_code == 200
        # Rows come after responses.
        wait_until(lambda: "3 cached variants" in visitor.get(listed.url).text)
    after = json.loads(manage(ROOT, environment, "shell", "-v0", "-c", AFTER))
    assert (after["counted"]["hit"], after["counted"]["uses"]) == (2, 1)
    assert (after["stats"]["variants"], after["stats"]["last_day"]["hit"]) == (3, 2)
    assert "Added 3 rows" in after["sync"]
    assert "Would remove 1 " in after["dry run"]
    assert after["purge"].startswith("Removed 3 cached variants")


# --- MySQL and MariaDB


@pytest.fixture
def mariadb(database: Path, mariadb_url: str) -> Iterator[None]:  # noqa: F811
    """A MariaDB with our tables, and then SQLite again."""
    usual = connections["default"].settings_dict
    options = {"connect_timeout": 2}
    use_database(MySQL, **{**dj_database_url.parse(mariadb_url), "OPTIONS": options})
    make_tables()
    yield
    with connections["default"].schema_editor() as editor:
        for model in (Tally, CachedVariant, Original):
            editor.delete_model(model)
    use_database(SQLite, **usual)


#: Equal to MariaDB, whose collations ignore case, accents and trailing spaces.
TWINS = [
    ("IMG_1.JPG", "IMG_1.jpg"),
    ("résumé.jpg", "resume.jpg"),
    ("straße.jpg", "strasse.jpg"),
    ("a.jpg ", "a.jpg"),
]


@needs_mariadb
@pytest.mark.parametrize("names", TWINS)
def test_names_that_a_collation_takes_for_one_are_two(
    client: Client, mariadb: None, names: tuple[str, str]
) -> None:
    sizes = dict(zip(names, [(400, 300), (300, 400)], strict=True))
    for name, size in sizes.items():
        save(name, photograph(size))
        assert originals.look_up(name).size == size
    for _ in range(2):
        caches["default"].clear()
        for name, size in sizes.items():
            assert originals.look_up(name).size == size
            response = client.get(picture.url(name, width=16, format="jpeg"))
            assert decode(response.content).size == (16, 16 * size[1] // size[0])
        assert sorted(Original.objects.values_list("name", flat=True)) == sorted(names)
        assert CachedVariant.objects.count() == 2
    store.forget(Reference("default", names[0]))
    assert CachedVariant.objects.get().original.name == names[1]
    assert Original.objects.get(checked_at=None).name == names[0]


@needs_mariadb
@pytest.mark.parametrize("names", TWINS)
def test_list_of_pictures_shows_none_in_the_shape_of_its_twin(
    mariadb: None, names: tuple[str, str]
) -> None:
    for name, size in zip(names, [(400, 300), (300, 400)], strict=True):
        save(name, photograph(size))
    originals.look_up(names[0])
    caches["default"].clear()
    photos = [Photo(image=name) for name in names]
    originals.prefetch(photo.image for photo in photos)
    assert [originals.look_up(photo.image).size for photo in photos] == [(400, 300), (300, 400)]


def key_of(source: str) -> str:
    return f"_{source}/a.jpg/00000000-{'x' * 14}/1.png"


@needs_mariadb
def test_sources_that_a_collation_takes_for_one_are_two(mariadb: None) -> None:
    for source in ("press", "Press"):
        original = Original(source=source, name="a.jpg", width=1, height=1, format="png", bytes=1)
        original.save()
        CachedVariant.objects.create(
            original=original, key=key_of(source), width=1, height=1, format="png", bytes=1,
            created_at=datetime.now(UTC),
        )  # fmt: skip
    for list_names in (index.sample_originals, index.newest_originals):
        assert list_names("press", 9) == ["a.jpg"]
    # Neither has a file.
    call_command("resizer_purge", "--source", "press", "--yes")
    assert CachedVariant.objects.get().key == key_of("Press")
    assert index.forget_variants([key_of("press")])
    assert CachedVariant.objects.get().key == key_of("Press")


@needs_mariadb
def test_mariadb_that_has_a_row_locked_is_waited_for_once(
    client: Client, mariadb: None, caplog: pytest.LogCaptureFixture
) -> None:
    save("a.jpg")
    client.get(address())
    save("a.jpg", photograph((800, 600)))
    caches["default"].clear()
    other = MySQL(connections["default"].settings_dict, "other")
    started_at = time.monotonic()
    with closing(other), other.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT * FROM resizer_original FOR UPDATE")
        description = originals.look_up(REFERENCE, originals.Freshness.NOW)
        assert description.size == (800, 600)
        for width in (320, 480, 640):
            assert client.get(address(width)).status_code == 200
        (told,) = messages(caplog)
        assert "Lock wait timeout exceeded" in told
    # MariaDB's own limit is 50 seconds.
    assert time.monotonic() - started_at < 40
    tables._breaker.close()
    originals.look_up(REFERENCE, originals.Freshness.NOW)
    assert Original.objects.get().width == 800


@needs_mariadb
def test_mariadb_that_has_a_table_locked_is_waited_for_once(
    client: Client, mariadb: None, caplog: pytest.LogCaptureFixture
) -> None:
    save("a.jpg")
    url = address()
    other = MySQL(connections["default"].settings_dict, "other")
    with closing(other), other.cursor() as cursor:
        cursor.execute("LOCK TABLES resizer_cachedvariant WRITE")
        for width in (320, 480, 640):
            assert client.get(address(width)).status_code == 200
        (told,) = messages(caplog)
        assert "Lock wait timeout exceeded" in told
    tables._breaker.close()
    store.forget(REFERENCE)
    assert_repaired(client, url)


@needs_mariadb
def test_limits_of_mariadb_are_a_connections_own_again(mariadb: None) -> None:
    with connections["default"].cursor() as cursor:

        def limits() -> tuple[int, ...]:
            cursor.execute("SELECT @@innodb_lock_wait_timeout, @@lock_wait_timeout")
            return tuple(cursor.fetchone())

        cursor.execute("SET SESSION innodb_lock_wait_timeout = 1, lock_wait_timeout = 77")
        with databases.lock_timeout("default"):
            # A project that waits for less keeps that.
            assert limits() == (1, 2)
        assert limits() == (1, 77)
    with databases.lock_timeout("default"):
        connections["default"].close()
    assert index.find(REFERENCE) is None


@needs_mariadb
@pytest.mark.parametrize(("is_mariadb", "least"), [(True, 0), (False, 1)])
def test_query_after_one_that_has_waited_sets_a_limit_that_the_database_has(
    mariadb: None, monkeypatch: pytest.MonkeyPatch, is_mariadb: bool, least: int
) -> None:
    """MySQL, which has no package in Debian, differs in this: it refuses 0."""
    monkeypatch.setattr(connections["default"], "mysql_is_mariadb", is_mariadb)
    monkeypatch.setattr(databases._thread, "waited_at", time.monotonic(), raising=False)
    with databases.lock_timeout("default"), connections["default"].cursor() as cursor:
        cursor.execute("SELECT @@innodb_lock_wait_timeout, @@lock_wait_timeout")
        assert tuple(cursor.fetchone()) == (least, least)


@needs_mariadb
def test_page_in_a_transaction_of_mariadb_writes_nothing(client: Client, mariadb: None) -> None:
    """A deadlock would undo all that the page has done."""
    save("a.jpg")
    with transaction.atomic():
        url = address()
        assert not Original.objects.exists()
    assert_repaired(client, url)


# --- SQLite


def test_sqlite_waits_no_longer_than_it_would_and_two_seconds(database: Path) -> None:  # noqa: F811
    with connections["default"].cursor() as cursor:

        def limit() -> int:
            cursor.execute("PRAGMA busy_timeout")
            return int(cursor.fetchone()[0])

        for own, ours in ((5000, 2000), (700, 700)):
            cursor.execute(f"PRAGMA busy_timeout = {own}")
            with databases.lock_timeout("default"):
                assert limit() == ours
            assert limit() == own
    with databases.lock_timeout("default"):
        connections["default"].close()
    assert index.find(REFERENCE) is None


def test_request_that_has_waited_for_its_cache_does_not_wait_for_the_index(
    client: Client,
    database: Path,  # noqa: F811
    settings: Settings,
    clock: FrozenDateTimeFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    table = {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "cached"}
    settings.CACHES = {**settings.CACHES, "table": table}
    settings.RESIZER = {"CACHE": "table"}
    call_command("createcachetable", verbosity=0)
    save("a.jpg")
    real = SQLiteCursor.execute

    def limit() -> int:
        return int(connections["default"].connection.execute("PRAGMA busy_timeout").fetchone()[0])

    def execute(cursor: Any, query: str, *arguments: Any) -> Any:
        """As time passes while a query waits."""
        try:
            return real(cursor, query, *arguments)
        except sqlite3.OperationalError:
            clock.tick(limit() / 1000)
            raise

    monkeypatch.setattr(SQLiteCursor, "execute", execute)
    began_at = time.monotonic()
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert client.get(address()).status_code == 200
    # The file's own limit is 1.2 seconds.
    assert 1.2 <= time.monotonic() - began_at < 2
    clock.tick(databases.AGAIN_SECONDS + 1)
    with databases.lock_timeout("default"):
        assert limit() == 1200


@pytest.mark.once
@pytest.mark.parametrize("database_url", ["SQLite", *SERVERS], indirect=True)
def test_first_requests_of_a_new_project_have_their_rows(tmp_path: Path, database_url: str) -> None:
    """Several processes write at once."""
    count = "from resizer.models import *; print(Original.objects.count(), CachedVariant.objects.count())"
    environment = {
        "DATABASE_URL": database_url,
        "RESIZER_DATA_DIR": str(tmp_path),
        "DJANGO_DEBUG": "1",
        "DJANGO_SETTINGS_MODULE": "tests.mysql_settings",
        "GUNICORN_CMD_ARGS": f"--capture-output --error-logfile {tmp_path}/log",
    }
    manage(ROOT, environment, "migrate", "resizer", "--verbosity", "0")
    names = [f"{number}.jpg" for number in range(12)]
    for one in names:
        save(one, photograph((400, 300)))
    with (
        gunicorn_server(environment, processes=2, is_forked=True) as (url, _process),
        ThreadPoolExecutor(12) as pool,
    ):
        answers = list(pool.map(requests.get, [f"{url}/img/320/{one}" for one in names]))
    assert [answer.status_code for answer in answers] == [200] * 12
    assert "recorded" not in (tmp_path / "log").read_text()
    assert manage(ROOT, environment, "shell", "-v0", "-c", count) == "12 12\n"


# --- tables of a former release


def migrate(name: str) -> None:
    executor: Any = MigrationExecutor(connections["default"])
    # 0001 alone is in no new project any more.
    executor.loader.replace_migrations = False
    executor.loader.build_graph()
    executor.migrate([("resizer", name)])


@pytest.fixture
def former_database(database: Path, request: pytest.FixtureRequest) -> Iterator[str]:  # noqa: F811
    """An empty database, of the kind that could hold the tables of 0001."""
    usual = connections["default"].settings_dict
    server = str(request.param)
    if server == "SQLite":
        with connections["default"].schema_editor() as editor:
            for model in (Tally, CachedVariant, Original):
                editor.delete_model(model)
    elif server == "PostgreSQL":
        url = postgresql_database(request.getfixturevalue("postgresql_url"))
        use_database(PostgreSQL, **{**dj_database_url.parse(url), "OPTIONS": {}})
    else:
        # Three bytes a character: so its keys are just short enough.
        url = mariadb_database(request.getfixturevalue("mariadb_url"), "utf8mb3")
        options = {"charset": "utf8mb3"}
        use_database(MySQL, **{**dj_database_url.parse(url), "OPTIONS": options})
    yield server
    use_database(SQLite, **usual)


@pytest.mark.parametrize("former_database", ["SQLite", *SERVERS], indirect=True)
def test_rows_of_a_former_release_are_found_after_migrating(
    former_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digests, "BATCH", 2)
    row = "(source, name, fingerprint, width, height, orientation, format, has_alpha, is_shrinkable, is_graphic, has_palette, frames, bytes, checked_at) VALUES"
    facts = "'12-34', 800, 600, 1, %s, '0', '1', '0', '0', 1, 1234, '2026-11-22 12:00:00'"
    formats = {"a.jpg": "jpeg", "b.png": "png", "c.gif": "gif", "d.webp": "webp", "é.jpg": "jpeg"}
    migrate("0001_initial")
    with connections["default"].cursor() as cursor:
        for name, kind in formats.items():
            cursor.execute(
                f"INSERT INTO resizer_original {row} ('default', %s, {facts})", [name, kind]
            )
        cursor.execute("SELECT id FROM resizer_original WHERE name = 'a.jpg'")
        (original,) = cursor.fetchone()
        for key in ("a.jpg/1/320.jpg", "a.jpg/1/480.jpg", "a.jpg/1/640.jpg"):
            cursor.execute(
                'INSERT INTO resizer_cachedvariant (original_id, "key", recipe, width, height, format, bytes, created_at)'.replace(
                    '"', "`" if former_database == "MariaDB" else '"'
                )
                + " VALUES (%s, %s, '', 1, 1, 'jpeg', 1, '2026-11-22 12:00:00')",
                [original, key],
            )
    migrate("0002_digests")
    migrate("0003_points_placeholders_and_tallies")
    for name, kind in formats.items():
        found = index.find(Reference("default", name))
        assert found is not None
        # Whether it has transparency is to be found out again.
        is_known = kind not in {"gif", "webp"}
        assert (found.fingerprint, bool(found.checked_at)) == (
            ("12-34" if is_known else ""),
            is_known,
        )
    assert index.has_variant("a.jpg/1/480.jpg")
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT digest FROM resizer_original WHERE name = 'a.jpg'")
        assert cursor.fetchone() == (digest_of("default", "a.jpg"),)
    # Rows that go by the old keys are no longer in the way of others, nor is a long name.
    for name in ("É.JPG", "猫" * 255 + "a" * 35):
        Original(name=name, width=1, height=1, format="jpeg", bytes=1).save()
        assert Original.objects.get(digest=digest_of("default", name)).alt == ""
    with connections["default"].cursor() as cursor:
        found_indexes = connections["default"].introspection.get_constraints(
            cursor, "resizer_original"
        )
    assert found_indexes["resizer_original_names"]["columns"] == ["source", "name"]
    executor = MigrationExecutor(connections["default"])
    assert executor.migration_plan(executor.loader.graph.leaf_nodes("resizer")) == []


def test_no_rows_need_no_query() -> None:
    databases.insert_missing([], alias="default")
