from __future__ import annotations

import json
import shutil
import signal
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from django.core.cache.backends.locmem import LocMemCache
from django.core.files.storage import InMemoryStorage, storages
from django.core.management import CommandError, call_command
from django.db import connection, connections
from django.db.backends.sqlite3.base import DatabaseWrapper as SQLite
from django.db.migrations.recorder import MigrationRecorder
from django.urls import clear_script_prefix, include, path, set_script_prefix
from django.views.generic import RedirectView

from resizer import originals
from resizer.engines.pillow import PillowEngine
from resizer.errors import StoreFailed
from resizer.maintenance.doctor import examine
from resizer.maintenance.doctor.findings import Finding, Mark
from resizer.markup import picture
from resizer.models import CachedVariant, Original
from tests.conftest import files, save
from tests.pictures import photograph
from tests.records.test_index import database  # noqa: F401  # a fixture
from tests.test_originals import raising  # noqa: F401  # a fixture

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from django.test import Client
    from pytest_django import Settings
    from pytest_django.live_server_helper import LiveServer

pytestmark = pytest.mark.django_db

PARTS = [
    "settings",
    "variants storage",
    "URLs",
    "engine",
    "cache",
    "locks",
    "temporary directory",
    "database",
    "source 'default'",
    "signing key",
]


def finding(part: str) -> tuple[Mark, str]:
    (found,) = [one for one in examine() if one.part == part]
    assert found.text.endswith((".", "]"))
    return found.mark, found.text


# A project that has them in the wrong order.
urlpatterns = [
    path("<path:path>", RedirectView.as_view(url="/"), name="pages"),
    path("img/", include("resizer.urls")),
]


def test_healthy_project_has_one_line_for_each_part(
    settings: Settings, capsys: pytest.CaptureFixture[str], variants: Path
) -> None:
    settings.RESIZER = {"SIGNING_KEY": "of its own"}
    save("a.jpg")
    call_command("resizer_doctor")
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0].partition(" ")[2] for line in lines] == PARTS
    # The tests' own cache is of one process.
    assert [line for line in lines if not line.startswith("✓")] == [lines[4]]
    assert lines[4].startswith("! cache: LocMemCache works, but each process has its own.")
    # Nothing stays.
    assert files(variants) == []
    assert list(variants.iterdir()) == []
    assert not Original.objects.exists()
    assert not CachedVariant.objects.exists()


def test_what_is_broken_ends_in_1(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    settings.STORAGES = {
        **settings.STORAGES,
        "resizer": {"BACKEND": "tests.test_store.ReadOnlyStorage"},
    }
    with pytest.raises(
        CommandError, match=r"^1 part is broken. See the lines with ✗ above\.$"
    ) as raised:
        call_command("resizer_doctor")
    assert raised.value.returncode == 1
    assert "✗ variants storage: " in capsys.readouterr().out


def test_json_has_every_finding(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    save("a.jpg")
    call_command("resizer_doctor", "--format", "json", "-v", "0")
    told = json.loads(capsys.readouterr().out)
    assert told["broken"] == 0
    assert [one["part"] for one in told["findings"]] == PARTS
    assert {one["mark"] for one in told["findings"]} <= {"✓", "!"}
    settings.RESIZER = {"WIDTHS": 7}
    with pytest.raises(CommandError):
        call_command("resizer_doctor", "--format", "json")
    assert json.loads(capsys.readouterr().out)["findings"][0]["is_broken"]


def test_silence_leaves_what_is_broken(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("resizer_doctor", "-v", "0")
    assert capsys.readouterr().out == ""
    settings.RESIZER = {"WIDTHS": 7}
    with pytest.raises(CommandError):
        call_command("resizer_doctor", "-v", "0")
    assert capsys.readouterr().out.startswith("✗ settings: ")


def test_two_broken_parts_are_counted(settings: Settings) -> None:
    settings.STORAGES = {
        **settings.STORAGES,
        "resizer": {"BACKEND": "tests.test_store.ReadOnlyStorage"},
    }
    settings.ROOT_URLCONF = "django.contrib.auth.urls"
    with pytest.raises(CommandError, match="3 parts are broken"):
        call_command("resizer_doctor")


def test_settings_that_nothing_can_be_tried_with(settings: Settings) -> None:
    settings.RESIZER = {"WITHDS": [320]}
    (found,) = examine()
    assert str(found) == "✗ settings: RESIZER has an unknown key 'WITHDS'. Did you mean 'WIDTHS'?"


def test_project_that_cannot_sign_urls(settings: Settings) -> None:
    settings.SECRET_KEY = ""
    (found,) = examine()
    assert found.mark is Mark.BROKEN
    assert "Set RESIZER['SIGNING_KEY']" in found.text


def test_warning_of_the_system_checks_is_advice(settings: Settings) -> None:
    settings.STORAGES = {one: settings.STORAGES[one] for one in ("default", "staticfiles")}
    mark, text = finding("settings")
    assert mark is Mark.ADVICE
    assert "_resized/" in text


class ForgetfulStorage(InMemoryStorage):
    def _save(self, name: str, content: Any) -> str:
        return name


class KeepingStorage(InMemoryStorage):
    def delete(self, name: str) -> None:
        pass


class OverwritingStorage(InMemoryStorage):
    def get_available_name(self, name: str, max_length: int | None = None) -> str:
        storages["resizer"].delete(name)
        return name


@pytest.mark.parametrize(
    ("storage", "mark", "text"),
    [
        ("django.core.files.storage.InMemoryStorage", Mark.FINE, "writes, reads and deletes"),
        ("tests.test_store.ReadOnlyStorage", Mark.BROKEN, "read-only file system"),
        ("tests.test_store.FailingStorage", Mark.BROKEN, "gone for lunch"),
        ("tests.maintenance.test_doctor.ForgetfulStorage", Mark.BROKEN, "returns other content"),
        ("tests.maintenance.test_doctor.KeepingStorage", Mark.BROKEN, "still has a deleted file"),
        (
            "tests.maintenance.test_doctor.OverwritingStorage",
            Mark.ADVICE,
            "a second writer replaces",
        ),
    ],
)
def test_variants_storage_is_tried(settings: Settings, storage: str, mark: Mark, text: str) -> None:
    settings.STORAGES = {**settings.STORAGES, "resizer": {"BACKEND": storage}}
    told = finding("variants storage")
    assert told[0] is mark
    assert text in told[1]


@pytest.mark.parametrize(
    ("urlconf", "text"),
    [
        ("django.contrib.auth.urls", "Include resizer.urls"),
        ("tests.maintenance.test_doctor", "Put the app's URLs before it."),
    ],
)
def test_urls_are_tried(settings: Settings, urlconf: str, text: str) -> None:
    settings.ROOT_URLCONF = urlconf
    mark, told = finding("URLs")
    assert mark is Mark.BROKEN
    assert text in told


def test_prefix_that_visitors_see_is_none_of_the_url_that_is_tried() -> None:
    set_script_prefix("/pictures/")
    try:
        assert finding("URLs") == (Mark.FINE, "/pictures/img/… leads to the app.")
    finally:
        clear_script_prefix()


def test_large_variants_of_local_files_are_left_to_the_web_server(settings: Settings) -> None:
    settings.RESIZER = {"MAX_RESPONSE_BYTES": 4_500_000}
    mark, text = finding("large variants")
    assert mark is Mark.ADVICE
    assert "in front serve it" in text


class BrokenEngine(PillowEngine):
    def render(self, *_: Any) -> Any:
        raise RuntimeError("libaom is missing")


def test_encoders_are_tried(settings: Settings) -> None:
    settings.RESIZER = {"FORMATS": ["avif", "webp"]}
    mark, told = finding("engine")
    assert mark is Mark.FINE
    assert told == "LibvipsEngine, in child processes, writes avif, webp, jpeg, png."
    settings.RESIZER = {"ENGINE": "tests.maintenance.test_doctor.BrokenEngine", "ISOLATION": False}
    mark, told = finding("engine")
    assert mark is Mark.BROKEN
    assert "cannot write avif: RuntimeError: libaom is missing." in told


class DeafCache(LocMemCache):
    def get(self, *_: Any, **__: Any) -> Any:
        return None


class DeadCache(LocMemCache):
    def set(self, *_: Any, **__: Any) -> Any:
        raise RuntimeError("connection refused")


@pytest.mark.parametrize(
    ("backend", "mark", "text"),
    [
        ("django.core.cache.backends.dummy.DummyCache", Mark.ADVICE, "stores nothing"),
        ("django.core.cache.backends.locmem.LocMemCache", Mark.ADVICE, "each process has its own"),
        ("tests.maintenance.test_doctor.DeafCache", Mark.BROKEN, "returns another value"),
        ("tests.maintenance.test_doctor.DeadCache", Mark.BROKEN, "connection refused"),
    ],
)
def test_cache_is_tried(settings: Settings, backend: str, mark: Mark, text: str) -> None:
    settings.CACHES = {**settings.CACHES, "other": {"BACKEND": backend}}
    settings.RESIZER = {"CACHE": "other"}
    told = finding("cache")
    assert told[0] is mark
    assert text in told[1]


def test_cache_in_files_is_shared(settings: Settings, tmp_path: Path) -> None:
    backend = "django.core.cache.backends.filebased.FileBasedCache"
    settings.CACHES = {**settings.CACHES, "other": {"BACKEND": backend, "LOCATION": str(tmp_path)}}
    settings.RESIZER = {"CACHE": "other"}
    assert finding("cache") == (Mark.FINE, "FileBasedCache works, and is shared between processes.")


def test_migrations_are_looked_at() -> None:
    assert finding("database") == (Mark.FINE, "SQLite has the app's tables.")
    MigrationRecorder(connection).record_unapplied(
        "resizer", "0003_points_placeholders_and_tallies"
    )
    mark, text = finding("database")
    assert mark is Mark.BROKEN
    assert "Run manage.py migrate." in text


class KeepingOut:
    """As a router that has been forgotten: the migration counts as done, and made nothing."""

    def db_for_write(self, model: Any, **_: Any) -> str:
        return "second"

    db_for_read = db_for_write

    def allow_migrate(self, db: str, app_label: str, **_: Any) -> bool | None:
        return False if app_label == "resizer" else None


def test_tables_that_a_router_keeps_out_are_missing(settings: Settings, tmp_path: Path) -> None:
    settings.DATABASE_ROUTERS = [KeepingOut()]
    second = {**connection.settings_dict, "NAME": str(tmp_path / "second.sqlite3")}
    connections["second"] = SQLite(second, "second")
    try:
        call_command("migrate", "resizer", database="second", verbosity=0)
        mark, text = finding("database")
    finally:
        connections["second"].close()
        del connections["second"]
    assert mark is Mark.BROKEN
    assert "manage.py migrate --database second." in text
    assert "DATABASE_ROUTERS must allow the app resizer there." in text


def test_project_without_a_database_is_healthy(database: str) -> None:  # noqa: F811  # the fixture
    mark, text = finding("database")
    if database == "none":
        assert (mark, text.startswith("there is none")) == (Mark.FINE, True)
    else:
        assert mark is Mark.BROKEN
        assert "Pictures work without it." in text


def test_sources_open_an_original(settings: Settings, tmp_path: Path) -> None:
    part = "source 'default'"
    mark, text = finding(part)
    assert (mark, text) == (
        Mark.ADVICE,
        "it is empty or missing, so no original could be opened. Add one.",
    )
    # One that is found, though nobody has asked for it yet; no variant, and no other file.
    save("a/readme.txt", b"no picture")
    save("b.jpg/5d41402a-nFGBozSE6GBqnk/320.jpg")
    save("broken.jpg", b"\xff\xd8\xff\xe0 no picture")
    save("c/löwe.JPG", photograph((64, 48)))
    assert finding(part) == (Mark.FINE, "opens 'c/löwe.JPG' (jpeg, 64 × 48 px).")
    # One that is known.
    for name in ("d.jpg", "e.jpg", "f.jpg"):
        save(name, photograph((80, 60)))
        originals.look_up(name)
    assert finding(part) == (Mark.FINE, "opens 'f.jpg' (jpeg, 80 × 60 px).")
    originals.look_up("c/löwe.JPG")
    for name in ("e.jpg", "f.jpg", "c/löwe.JPG"):
        storages["default"].delete(name)
    mark, text = finding(part)
    assert mark is Mark.ADVICE
    assert text.startswith(
        "opens 'd.jpg' (jpeg, 80 × 60 px), but has lost 3 of 4 originals at once."
    )
    shutil.rmtree(tmp_path / "originals")
    mark, text = finding(part)
    assert mark is Mark.BROKEN
    assert text.startswith("it is empty or missing, but it had 'c/löwe.JPG'. Is the disk mounted?")


def test_variants_that_are_made_again_below_a_missing_disk_are_noticed(
    client: Client, variants: Path
) -> None:
    part = "variants storage"
    save("a.jpg", photograph((1600, 1200)))
    urls = [picture.url("a.jpg", width=width) for width in (320, 480, 640, 800)]
    assert {client.get(url).status_code for url in urls[:3]} == {200}
    variants.rename(variants.with_name("disk"))
    assert client.get(urls[3]).status_code == 200
    assert finding(part) == (
        Mark.ADVICE,
        "it works, but has lost 3 of 4 known variants. Is the disk mounted? If they were deleted, run resizer_sync.",
    )
    # Half of them may be gone.
    assert client.get(urls[2]).status_code == 200
    assert finding(part)[0] is Mark.FINE


def test_source_without_a_picture_that_opens_is_broken() -> None:
    save("notes.txt", b"no picture")
    mark, text = finding("source 'default'")
    assert (mark, text) == (Mark.FINE, "it responds. None of its originals is known yet.")
    save("broken.jpg", b"\xff\xd8\xff\xe0 no picture")
    mark, text = finding("source 'default'")
    assert mark is Mark.BROKEN
    assert text.startswith("no original could be opened: ")


def test_source_that_does_not_answer_is_broken(
    raising: Any,  # noqa: F811  # the fixture
) -> None:
    save("a.jpg")
    originals.look_up("a.jpg")
    raising()
    mark, text = finding("source 'default'")
    assert mark is Mark.BROKEN
    assert "the storage is down" in text


class OddStorage(InMemoryStorage):
    """Cannot list; has any file."""

    def listdir(self, path: str) -> Any:
        raise NotImplementedError

    def size(self, name: str) -> int:
        return 1


class DownStorage(OddStorage):
    def size(self, name: str) -> int:
        raise OSError("out of order")


class ShutStorage(InMemoryStorage):
    """May not be listed."""

    def listdir(self, path: str) -> Any:
        raise PermissionError("listing is forbidden")


class LateStorage(InMemoryStorage):
    def listdir(self, path: str) -> Any:
        raise TimeoutError("not in time")


@pytest.mark.parametrize(
    ("storage", "mark", "text"),
    [
        ("LateStorage", Mark.BROKEN, "it does not respond: not in time. Check its OPTIONS"),
        ("OddStorage", Mark.FINE, "it responds. None of its originals is known yet."),
        ("DownStorage", Mark.BROKEN, "it does not respond: 'resizer-doctor-"),
        ("ShutStorage", Mark.BROKEN, "it does not respond: listing is forbidden. Check its"),
    ],
)
def test_source_of_which_nothing_is_known_is_asked(
    settings: Settings, storage: str, mark: Mark, text: str
) -> None:
    odd = {"BACKEND": f"tests.maintenance.test_doctor.{storage}"}
    settings.STORAGES = {**settings.STORAGES, "default": odd}
    found = finding("source 'default'")
    assert found[0] is mark
    assert found[1].startswith(text)


def test_source_that_may_not_be_listed_is_advised(settings: Settings) -> None:
    shut = {"BACKEND": "tests.maintenance.test_doctor.ShutStorage"}
    settings.STORAGES = {**settings.STORAGES, "default": shut}
    save("a.jpg", photograph((64, 48)))
    originals.look_up("a.jpg")
    mark, text = finding("source 'default'")
    assert mark is Mark.ADVICE
    assert text.startswith("opens 'a.jpg' (jpeg, 64 × 48 px), but cannot be listed: listing is")


def test_signing_key_is_advised(settings: Settings) -> None:
    assert finding("signing key")[0] is Mark.ADVICE
    settings.RESIZER = {"SIGNING_KEY": "of its own"}
    assert finding("signing key")[0] is Mark.FINE


def test_locks_are_told(settings: Settings, tmp_path: Path) -> None:
    mark, text = finding("locks")
    assert (mark, "hosts do not" in text) == (Mark.FINE, True)
    memory = {"BACKEND": "django.core.files.storage.InMemoryStorage"}
    settings.STORAGES = {**settings.STORAGES, "resizer": memory}
    mark, text = finding("locks")
    assert (mark, "Hosts may render the same variant at once" in text) == (Mark.ADVICE, True)
    (tmp_path / "file").touch()
    settings.RESIZER = {"LOCK_DIRECTORY": str(tmp_path / "file")}
    mark, text = finding("locks")
    assert (mark, "Set RESIZER['LOCK_DIRECTORY']" in text) == (Mark.ADVICE, True)
    assert text.endswith("processes do not wait for each other.")


def test_locks_of_hosts_are_told(settings: Settings, tmp_path: Path) -> None:
    table = {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "nowhere"}
    settings.CACHES = {**settings.CACHES, "shared": table}
    settings.RESIZER = {"CACHE": "shared"}
    mark, text = finding("locks")
    assert (mark, "hosts by DatabaseCache" in text) == (Mark.FINE, True)
    (tmp_path / "file").touch()
    settings.RESIZER = {"CACHE": "shared", "LOCK_DIRECTORY": str(tmp_path / "file")}
    mark, text = finding("locks")
    assert mark is Mark.ADVICE
    assert text.endswith("processes wait for each other by DatabaseCache only.")


class _Bucket(BaseHTTPRequestHandler):
    """A CDN that asks a bucket alone."""

    def do_GET(self) -> None:
        self.send_error(403)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def bucket_url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Bucket) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("has_originals", [True, False])
def test_host_that_asks_the_app_is_fine(
    settings: Settings, live_server: LiveServer, has_originals: bool
) -> None:
    if has_originals:
        save("a.jpg")
    settings.RESIZER = {"HOST": live_server.url}
    mark, text = finding("host")
    assert mark is Mark.FINE
    assert text == f"{live_server.url} passes requests for new pictures on to the app."


def test_host_that_asks_a_bucket_alone_is_broken(settings: Settings, bucket_url: str) -> None:
    settings.RESIZER = {"HOST": bucket_url}
    mark, text = finding("host")
    assert mark is Mark.BROKEN
    assert text.startswith(f"{bucket_url} does not pass requests for new pictures on to the app.")
    assert text.endswith(
        """Send requests for /img/* on it to the app, or set RESIZER['HOST'] to ""."""
    )


def test_host_that_shows_another_page_is_broken(
    settings: Settings, live_server: LiveServer
) -> None:
    settings.ROOT_URLCONF = "tests.maintenance.test_doctor"
    settings.RESIZER = {"HOST": live_server.url}
    mark, text = finding("host")
    assert mark is Mark.BROKEN
    assert "does not pass" in text


def test_host_that_is_not_there_is_broken(settings: Settings) -> None:
    settings.RESIZER = {"HOST": "http://127.0.0.1:9"}
    mark, text = finding("host")
    assert mark is Mark.BROKEN
    assert text.startswith("http://127.0.0.1:9 does not respond: <urlopen error")


@pytest.mark.parametrize("loss", ["absent", "empty"])
def test_disk_of_the_variants_that_is_not_mounted_is_broken(
    client: Client, variants: Path, loss: str
) -> None:
    save("a.jpg")
    assert client.get(picture.url("a.jpg", width=320, format="jpeg")).status_code == 200
    variants.rename(variants.with_name("elsewhere"))
    if loss == "empty":
        variants.mkdir()
    mark, text = finding("variants storage")
    assert mark is Mark.BROKEN
    assert "the database knows 1 cached variants. Is the disk mounted?" in text
    # Nothing was written to the wrong disk.
    assert files(variants) == []


def test_variants_storage_that_cannot_be_listed_is_tried(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    save("a.jpg")
    assert client.get(picture.url("a.jpg", width=320, format="jpeg")).status_code == 200

    def refuse(*_: Any) -> Iterator[Any]:
        raise StoreFailed("permission denied")

    monkeypatch.setattr("resizer.storages.publishing.walk", refuse)
    assert finding("variants storage")[0] is Mark.FINE


def test_temporary_directory_is_tried(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert finding("temporary directory")[0] is Mark.FINE
    settings.RESIZER = {"MAX_BYTES": 10**18}
    mark, text = finding("temporary directory")
    assert mark is Mark.ADVICE
    assert "less than one original may have (1,000,000,000,000 MB)" in text
    (tmp_path / "file").touch()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "file"))
    mark, text = finding("temporary directory")
    assert mark is Mark.BROKEN
    assert "set TMPDIR to another directory" in text


class HangingStorage(InMemoryStorage):
    """As a bucket behind a firewall: its library waits, and would try again."""

    def exists(self, name: str) -> bool:
        for _ in range(5):
            try:
                time.sleep(60)
            except Exception:
                continue
        raise AssertionError("nobody waits for so long")

    _save = _open = size = listdir = exists  # type: ignore[assignment]


def test_storage_that_hangs_is_soon_given_up(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("resizer.maintenance.doctor.patience.PART_SECONDS", 0.2)
    hanging = {"BACKEND": "tests.maintenance.test_doctor.HangingStorage"}
    settings.STORAGES = {**settings.STORAGES, "default": hanging, "resizer": hanging}
    started_at = time.monotonic()
    found = {one.part: one for one in examine()}
    assert time.monotonic() - started_at < 30
    for part in ("variants storage", "source 'default'"):
        assert found[part].mark is Mark.BROKEN
        assert "does not respond within 0.2 s" in found[part].text
    assert signal.getsignal(signal.SIGALRM) is signal.SIG_DFL


@pytest.mark.django_db(transaction=True)
def test_doctor_works_in_any_thread() -> None:
    save("a.jpg")
    with ThreadPoolExecutor(1) as pool:
        found = pool.submit(_examine).result()
    assert [one.part for one in found] == PARTS


def _examine() -> list[Finding]:
    try:
        return list(examine())
    finally:
        connections.close_all()


def test_host_of_another_site_is_told(db: None, settings: Settings) -> None:
    class Other(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"another site")

    with ThreadingHTTPServer(("127.0.0.1", 0), Other) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        settings.RESIZER = {"HOST": f"http://127.0.0.1:{server.server_port}"}
        found = [one for one in examine() if one.part == "host"]
        server.shutdown()
    assert [one.mark for one in found] == [Mark.BROKEN]
