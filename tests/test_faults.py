"""Storages, caches and databases that fail: it costs time, and no picture is wrong, partial or lost.

Whatever has failed, the visitor gets the picture, or is told to come back; and the next request after the fault finds
everything as if it had never been.
"""

from __future__ import annotations

import errno
import io
import logging
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dj_database_url
import pytest
from botocore.config import Config
from django.core.cache import caches
from django.core.cache.backends.base import BaseCache
from django.core.cache.backends.redis import RedisCacheClient
from django.core.files.base import ContentFile, File
from django.core.files.storage import InMemoryStorage, storages
from django.core.management import call_command
from django.db import OperationalError, connection, connections, transaction
from django.db.backends.postgresql.base import DatabaseWrapper as PostgreSQL
from django.db.backends.sqlite3.base import DatabaseWrapper as SQLite

from config.gallery.models import Photo
from resizer import originals, rendering, scratch, store
from resizer.concurrency.slowness import Slowness
from resizer.engines import get_engine
from resizer.engines.isolation.children import children
from resizer.errors import StoreFailed
from resizer.markup import picture
from resizer.models import CachedVariant, Original, Tally
from resizer.records import cache, index, tables
from resizer.records.descriptions import Reference
from resizer.storages import publishing
from resizer.storages.protocol import FOREVER
from resizer.store import backends
from tests.calls import recorded
from tests.conftest import CountingEngine, files, save
from tests.pictures import TOLERANCE, decode, difference, draw, encode, photograph
from tests.processes import tree
from tests.servers import (
    ask_for,
    free_port,
    postgresql_database,
    postgresql_server,
    redis_server,
    running,
)
from tests.test_originals import raising  # noqa: F401  # a fixture
from tests.wire import Fault, Wire, wire_to

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django.test import Client
    from freezegun.api import FrozenDateTimeFactory
    from pytest_django import DjangoAssertNumQueries, DjangoCaptureOnCommitCallbacks, Settings

pytestmark = pytest.mark.django_db

REFERENCE = Reference("default", "a.jpg")
EXPECTED = draw((320, 240))


def address(width: int = 320, **options: Any) -> str:
    return picture.url("a.jpg", width=width, format="jpeg", **options)


def key_of(url: str) -> str:
    return url.removeprefix("/img/")


def assert_shown(response: Any, *, is_kept: bool) -> None:
    """A whole picture, which caches may keep if we have."""
    assert response.status_code == 200
    assert difference(decode(response.content), EXPECTED) < TOLERANCE
    assert response["Cache-Control"] == (FOREVER if is_kept else "no-store")


def assert_repaired(client: Client, url: str) -> None:
    """The picture is there, in the storage and in the index, for good."""
    assert_shown(client.get(url), is_kept=True)
    caches["default"].clear()
    again = client.get(url)
    assert_shown(again, is_kept=True)
    assert again["Server-Timing"] == 'resizer;desc="hit"'
    assert [one.name for one in publishing.walk(backends.public_storage())] == [key_of(url)]
    row = CachedVariant.objects.get()
    assert (row.key, row.bytes, row.width, row.height) == (
        key_of(url),
        len(again.content),
        320,
        240,
    )


def use_variants(settings: Settings, backend: str, **options: Any) -> None:
    variants = {"BACKEND": backend, "OPTIONS": options}
    settings.STORAGES = {**settings.STORAGES, "resizer": variants}


def use_buckets(settings: Settings, url: str) -> None:
    """Originals and variants are on S3."""
    number = time.monotonic_ns()
    for alias in ("default", "resizer"):
        options = {
            "endpoint_url": url,
            "region_name": "us-east-1",
            "client_config": Config(retries={"total_max_attempts": 1}, read_timeout=5),
            "bucket_name": f"{alias}-{number}",
        }
        storage = {"BACKEND": "tests.storages.quick.QuickStorage", "OPTIONS": options}
        settings.STORAGES = {**settings.STORAGES, alias: storage}
    for alias in ("default", "resizer"):
        bucket: Any = storages[alias]
        bucket.bucket.meta.client.create_bucket(Bucket=bucket.bucket_name)


# --- disks


class Disk:
    """A file system of its own, of one megabyte."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def fill(self, *, leaves: int) -> None:
        """Until so many bytes are left."""
        left = os.statvfs(self.path)
        (self.path / "filler").write_bytes(bytes(left.f_bavail * left.f_frsize - leaves))

    def empty(self) -> None:
        (self.path / "filler").unlink()

    def remount(self, mode: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{mode}", self.path], check=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    path = tmp_path / "disk"
    path.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m,nr_inodes=100", "tmpfs", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        message = f"no disk can be mounted here: {done.stderr.strip()}"
        if os.environ.get("RESIZER_REQUIRE_SERVICES") == "1":
            pytest.fail(message)
        pytest.skip(message)
    yield Disk(path)
    subprocess.run(["umount", path], check=True)


@pytest.fixture
def variants_disk(disk: Disk, settings: Settings) -> Disk:
    """The variants have a disk of their own."""
    location = str(disk.path / "variants")
    use_variants(settings, "django.core.files.storage.FileSystemStorage", location=location)
    return disk


# Nothing of the file fits; a part of it does.
@pytest.mark.parametrize("leaves", [0, 4096])
def test_full_disk(
    client: Client, variants_disk: Disk, caplog: pytest.LogCaptureFixture, leaves: int
) -> None:
    save("a.jpg")
    url = address()
    variants_disk.fill(leaves=leaves)
    for _ in range(2):
        response = client.get(url)
        assert_shown(response, is_kept=False)
        assert len(response.content) > leaves
    assert files(variants_disk.path) == ["filler"]
    assert not CachedVariant.objects.exists()
    assert "No space left on device" in caplog.text
    variants_disk.empty()
    assert_repaired(client, url)


def test_disk_that_can_hold_no_more_files(client: Client, variants_disk: Disk) -> None:
    save("a.jpg")
    url = address()
    while os.statvfs(variants_disk.path).f_ffree > 1:
        (variants_disk.path / f"{time.monotonic_ns()}.txt").touch()
    assert_shown(client.get(url), is_kept=False)
    assert not CachedVariant.objects.exists()
    for path in variants_disk.path.glob("*.txt"):
        path.unlink()
    assert_repaired(client, url)


def test_disk_that_becomes_read_only(client: Client, variants_disk: Disk) -> None:
    save("a.jpg")
    made = address(640)
    first = client.get(made)
    caches["default"].clear()
    variants_disk.remount("ro")
    url = address()
    assert_shown(client.get(url), is_kept=False)
    assert client.get(made).content == first.content
    variants_disk.remount("rw")
    store.delete(CachedVariant.objects.all())
    assert_repaired(client, url)


def test_full_disk_of_the_lock_files(client: Client, disk: Disk, settings: Settings) -> None:
    settings.RESIZER = {"LOCK_DIRECTORY": str(disk.path / "locks")}
    (disk.path / "locks").mkdir(mode=0o700)
    disk.fill(leaves=0)
    save("a.jpg")
    assert_repaired(client, address())


def test_directory_that_cannot_be_read(client: Client, variants: Path) -> None:
    save("a.jpg")
    url = address()
    first = client.get(url)
    away = variants.rename(variants.with_name("away"))
    # An empty directory would be one without variants.
    variants.touch()
    for _ in range(2):
        response = client.get(url)
        assert (response.status_code, response["Retry-After"]) == (503, "5")
        assert response["Cache-Control"] == "no-store"
        caches["default"].clear()
    variants.unlink()
    away.rename(variants)
    assert client.get(url).content == first.content
    assert_repaired(client, url)


@pytest.mark.parametrize("is_directory", [False, True], ids=["the file", "its directory"])
def test_disk_that_cannot_write_back(
    client: Client,
    variants: Path,
    engine: type[CountingEngine],
    monkeypatch: pytest.MonkeyPatch,
    is_directory: bool,
) -> None:
    real = os.fsync

    def fail(descriptor: int) -> None:
        if Path(f"/proc/self/fd/{descriptor}").resolve().is_dir() is is_directory:
            raise OSError(errno.EIO, "disk on fire")
        real(descriptor)

    save("a.jpg")
    url = address()
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        assert_shown(client.get(url), is_kept=False)
    # After the second of them the file is there, whole, and is found.
    assert files(variants) == ([key_of(url)] if is_directory else [])
    assert not CachedVariant.objects.exists()
    assert_repaired(client, url)
    assert engine.renders == (1 if is_directory else 2)


# --- files of our own


@contextmanager
def descriptors(left: int) -> Iterator[None]:
    """This process may open so many files more, and no others."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # A new one always has the lowest number that is free.
    free = [os.open(os.devnull, os.O_RDONLY) for _ in range(left + 1)]
    for descriptor in free:
        os.close(descriptor)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free[-1], hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture(params=["directory", "web", "S3"])
def original(request: pytest.FixtureRequest, settings: Settings, tmp_path: Path) -> Iterator[str]:
    """Where originals are that `save` saves, as the beginning of a short URL; served by another process."""
    sources: dict[str, Any] = {"default": {"OPEN": True}}
    settings.RESIZER = {"SOURCES": sources}
    if request.param == "directory":
        yield "/img/320"
        return
    if request.param == "S3":
        use_buckets(settings, request.getfixturevalue("moto_url"))
        yield "/img/320"
        return
    (tmp_path / "originals").mkdir(exist_ok=True)
    port = free_port()
    # A name, which is looked up in a file.
    sources["web"] = {
        "BACKEND": "resizer.sources.HttpSource",
        "OPTIONS": {
            "base_url": f"http://localhost:{port}/",
            "networks": ["127.0.0.0/8", "::1/128"],
        },
        "OPEN": True,
    }
    settings.RESIZER = {"SOURCES": sources}
    command = [sys.executable, "-m", "http.server", str(port), "-d", str(tmp_path / "originals")]
    with running(command, partial(ask_for, f"http://localhost:{port}/")):
        yield "/img/320/_web"


def assert_come_back(response: Any) -> None:
    assert (response.status_code, response["Cache-Control"]) == (503, "no-store"), response
    assert response["Retry-After"] == "1"


def test_no_descriptors_are_no_fault_of_an_original(client: Client, original: str) -> None:
    save("warm.jpg")
    # What is imported when it is first used is here.
    assert client.get(f"{original}/warm.jpg").status_code == 200
    for left in range(60):
        save(f"{left}.jpg")
        url = f"{original}/{left}.jpg"
        children.end()
        with descriptors(left):
            response = client.get(url)
        if response.status_code == 200:
            break
        assert_come_back(response)
        assert client.get(url).status_code == 200
    assert left > 3


@pytest.mark.parametrize("original", ["web"], indirect=True)
def test_full_directory_of_temporary_files(
    client: Client, disk: Disk, original: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(disk.path))
    monkeypatch.setattr(scratch, "SPOOL_BYTES", 1000)
    save("a.jpg")
    disk.fill(leaves=20_000)
    for _ in range(2):
        assert_come_back(client.get(f"{original}/a.jpg"))
    disk.empty()
    assert client.get(f"{original}/a.jpg").status_code == 200


@pytest.mark.parametrize("isolation", [True, False])
def test_files_in_memory_that_cannot_be_had(
    client: Client,
    disk: Disk,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    isolation: bool,
) -> None:
    def refuse(_name: str) -> int:
        raise PermissionError(errno.EPERM, "not in this container")

    # What is in memory has no descriptor, so a child process gets a copy.
    memory = {"BACKEND": "django.core.files.storage.InMemoryStorage"}
    settings.STORAGES = {**settings.STORAGES, "default": memory}
    settings.RESIZER = {"ISOLATION": isolation, "ENGINE": "resizer.engines.pillow.PillowEngine"}
    monkeypatch.setattr(os, "memfd_create", refuse)
    monkeypatch.setattr(tempfile, "tempdir", str(disk.path))
    save("a.jpg")
    url = address()
    disk.fill(leaves=4096)
    for _ in range(2):
        assert_come_back(client.get(url))
    disk.empty()
    assert_repaired(client, url)


# --- other storages


class FaultyStorage(InMemoryStorage):
    """Fails at a moment of saving."""

    fails: str | None = None

    def _save(self, name: str, content: Any) -> str:
        whole = content.read()
        length = {"before": 0, "in the middle": len(whole) // 2}.get(str(self.fails), len(whole))
        if length:
            super()._save(name, ContentFile(whole[:length]))  # type: ignore[misc]  # not in the stubs
        if self.fails:
            raise RuntimeError("gone for lunch")
        return name


class DyingStorage(FaultyStorage):
    """Fails so that nobody is left to delete what was begun, as when the process is killed."""

    def delete(self, name: str) -> None:
        if self.fails:
            raise RuntimeError("gone for lunch")
        super().delete(name)


@pytest.mark.parametrize("fails", ["before", "in the middle", "after"])
@pytest.mark.parametrize("storage", [FaultyStorage, DyingStorage])
def test_storage_that_fails_while_it_saves(
    client: Client,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    storage: type[FaultyStorage],
    fails: str,
) -> None:
    use_variants(settings, f"tests.test_faults.{storage.__name__}")
    save("a.jpg")
    url = address()
    with monkeypatch.context() as patch:
        patch.setattr(FaultyStorage, "fails", fails)
        assert_shown(client.get(url), is_kept=False)
        if storage is FaultyStorage:
            assert list(publishing.walk(storages["resizer"])) == []
    assert not CachedVariant.objects.exists()
    assert_repaired(client, url)


class HangingStorage(InMemoryStorage):
    """Opens nothing for as long as a test likes."""

    is_asked = threading.Event()
    may_answer = threading.Event()

    def _open(self, name: str, mode: str = "rb") -> Any:
        self.is_asked.set()
        assert self.may_answer.wait(30)
        return super()._open(name, mode)  # type: ignore[misc]  # not in the stubs


@pytest.mark.django_db(transaction=True)
def test_storage_that_is_slow_to_open_takes_few_threads(
    client: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_variants(settings, "tests.test_faults.HangingStorage")
    monkeypatch.setattr(backends, "_reading", Slowness("it", 0, 1, StoreFailed))
    save("a.jpg")
    url = address()
    HangingStorage.may_answer.set()
    first = client.get(url)
    HangingStorage.may_answer.clear()
    HangingStorage.is_asked.clear()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(get_in_thread, client, url)
        try:
            assert HangingStorage.is_asked.wait(30)
            response = client.get(url)
        finally:
            HangingStorage.may_answer.set()
        assert waiting.result(30).content == first.content
    assert (response.status_code, response["Retry-After"]) == (503, "5")
    assert client.get(url).content == first.content


def get_in_thread(client: Client, url: str) -> Any:
    try:
        return client.get(url)
    finally:
        connections.close_all()


def test_half_a_file_is_never_answered(
    client: Client, variants: Path, engine: type[CountingEngine]
) -> None:
    save("a.jpg")
    url = address()
    whole = client.get(url).content
    for length in (0, 3, len(whole) // 2, len(whole) - 1):
        # As another program, or a power cut, may leave it.
        (variants / key_of(url)).write_bytes(whole[:length])
        assert client.get(url).content == whole
        (variants / key_of(url)).write_bytes(whole[:length])
        caches["default"].clear()
        assert client.get(url).content == whole
    assert engine.renders == 9
    assert_repaired(client, url)


# --- S3, over connections that are cut


@pytest.fixture
def wire(moto_url: str, settings: Settings) -> Iterator[Wire]:
    """Originals and variants are on S3, at the other end of it."""
    with wire_to(moto_url) as wire:
        use_buckets(settings, wire.url)
        yield wire


@pytest.mark.parametrize(
    "fault",
    [
        Fault("PUT", "request", 0),
        Fault("PUT", "request", 1500),
        Fault("PUT", "answer", 0),
        Fault("PUT", "answer", 20),
    ],
    ids=["before", "in the middle", "after", "in the answer"],
)
def test_connection_that_is_cut_while_a_variant_is_saved(
    client: Client, wire: Wire, engine: type[CountingEngine], fault: Fault
) -> None:
    save("a.jpg")
    url = address()
    wire.fault = fault
    assert_shown(client.get(url), is_kept=False)
    wire.fault = None
    assert wire.cuts == 1
    assert not CachedVariant.objects.exists()
    is_there = fault.direction == "answer"
    stored = [one.name for one in publishing.walk(storages["resizer"])]
    assert stored == ([key_of(url)] if is_there else [])
    assert_repaired(client, url)
    assert engine.renders == (1 if is_there else 2)


@pytest.mark.parametrize("length", [0, 20, 1500])
def test_connection_that_is_cut_while_a_variant_is_read(
    client: Client, wire: Wire, engine: type[CountingEngine], length: int
) -> None:
    save("a.jpg")
    url = address()
    first = client.get(url)
    wire.fault = Fault("GET", "answer", length)
    for _ in range(2):
        response = client.get(url)
        assert (response.status_code, response["Retry-After"]) == (503, "5")
        caches["default"].clear()
    wire.fault = None
    assert wire.cuts == 2
    assert client.get(url).content == first.content
    assert_repaired(client, url)
    assert engine.renders == 1


def test_connection_that_is_cut_while_an_original_is_read(client: Client, wire: Wire) -> None:
    save("a.jpg")
    url = address()
    variants = storages["resizer"]
    wire.fault = Fault("GET /default", "answer", 5000)
    for _ in range(2):
        response = client.get(url)
        assert (response.status_code, response["Cache-Control"]) == (502, "no-store")
    assert wire.cuts == 2
    assert list(publishing.walk(variants)) == []
    wire.fault = None
    # It is not remembered as a broken one.
    assert_repaired(client, url)


class BreakingFile(io.BytesIO):
    """A disk that fails once this much of a file has been read."""

    left = 20_000

    def read(self, size: int | None = -1) -> bytes:
        content = super().read(size)
        self.left -= len(content)
        if self.left < 0:
            raise OSError(errno.EIO, "disk on fire")
        return content


class BreakingStorage(InMemoryStorage):
    breaks = False

    def _open(self, name: str, mode: str = "rb") -> Any:
        file = super()._open(name, mode)  # type: ignore[misc]  # not in the stubs
        return File(BreakingFile(file.read())) if self.breaks else file


@pytest.mark.parametrize("name", ["libvips.LibvipsEngine", "pillow.PillowEngine"])
def test_original_that_breaks_in_the_middle(
    client: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    storage = {"BACKEND": "tests.test_faults.BreakingStorage"}
    settings.STORAGES = {**settings.STORAGES, "default": storage}
    settings.RESIZER = {"ENGINE": f"resizer.engines.{name}"}
    save("a.jpg")
    url = address()
    with monkeypatch.context() as patch:
        patch.setattr(BreakingStorage, "breaks", True)
        for _ in range(2):
            response = client.get(url)
            assert (response.status_code, response["Cache-Control"]) == (502, "no-store")
    assert list(publishing.walk(backends.public_storage())) == []
    assert_repaired(client, url)


# --- rows that are missing


def test_file_without_a_row_gets_its_row(
    client: Client, variants: Path, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    save("a.jpg")
    urls = [address(), address(ratio="3/1")]
    for url in urls:
        client.get(url)
    made = list(CachedVariant.objects.order_by("key").values())
    path = variants / key_of(urls[0])
    os.utime(path, (1_700_000_000, 1_700_000_000))
    CachedVariant.objects.all().delete()
    caches["default"].clear()
    for url in urls:
        assert client.get(url).status_code == 200
    healed = list(CachedVariant.objects.order_by("key").values())
    # As old as its file is, for `resizer_purge --older-than`.
    assert CachedVariant.objects.get(key=key_of(urls[0])).created_at.timestamp() == 1_700_000_000
    # A file does not tell how long it took.
    for row in (*made, *healed):
        del row["id"], row["created_at"], row["render_ms"]
    assert healed == made
    with django_assert_num_queries(0):
        client.get(urls[0])
    caches["default"].delete(store._cache_key(key_of(urls[0])))
    with django_assert_num_queries(1):
        client.get(urls[0])


def test_file_without_any_row_gets_both(client: Client, engine: type[CountingEngine]) -> None:
    save("a.jpg")
    url = address()
    client.get(url)
    Original.objects.all().delete()
    caches["default"].clear()
    assert_shown(client.get(url), is_kept=True)
    assert CachedVariant.objects.get().original == Original.objects.get()
    assert (engine.headers, engine.renders) == (2, 1)


def test_row_that_could_not_be_written_is_tried_again(
    client: Client, clock: FrozenDateTimeFactory
) -> None:
    save("a.jpg")
    url = address()
    tables._breaker.open()
    assert_shown(client.get(url), is_kept=True)
    caches["default"].delete(store._cache_key(key_of(url)))
    # Nor can it while the database is left alone.
    assert_shown(client.get(url), is_kept=True)
    assert not CachedVariant.objects.exists()
    clock.tick(timedelta(seconds=tables.DOWN_SECONDS + 1))
    client.get(url)
    assert not CachedVariant.objects.exists()
    clock.tick(timedelta(seconds=301))
    client.get(url)
    assert CachedVariant.objects.exists()
    assert_repaired(client, url)


def test_row_that_was_written_is_remembered_for_ever(
    client: Client, clock: FrozenDateTimeFactory, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    save("a.jpg")
    url = address()
    client.get(url)
    clock.tick(timedelta(days=30))
    client.get(url)
    # The original is asked for now and then, and nobody asks for the variant's row.
    with django_assert_num_queries(0):
        client.get(url)
    assert caches["default"].get(store._cache_key(key_of(url))) is not None


def test_row_of_a_former_version_is_not_written_again(client: Client) -> None:
    save("a.jpg")
    old = address()
    client.get(old)
    CachedVariant.objects.all().delete()
    save("a.jpg", photograph((800, 600)))
    originals.look_up(REFERENCE, originals.Freshness.NOW)
    caches["default"].clear()
    # The file is still there, as who looks into the storage finds.
    assert store.find(key_of(old)) is not None
    assert not CachedVariant.objects.exists()
    assert client.get(old)["Content-Location"] == address()
    assert [row.key for row in CachedVariant.objects.all()] == [key_of(address())]


def test_row_is_not_worth_a_request(
    client: Client,
    raising: Any,  # noqa: F811  # the fixture
) -> None:
    save("a.jpg")
    url = address()
    client.get(url)
    Original.objects.all().delete()
    caches["default"].clear()
    raising()
    assert_shown(client.get(url), is_kept=True)
    assert not CachedVariant.objects.exists()


def test_row_without_a_file_is_renewed(client: Client, variants: Path) -> None:
    save("a.jpg")
    url = address()
    client.get(url)
    row = CachedVariant.objects.get()
    CachedVariant.objects.update(bytes=1, created_at=datetime(2000, 1, 1, tzinfo=UTC))
    (variants / key_of(url)).unlink()
    assert_repaired(client, url)
    renewed = CachedVariant.objects.get()
    assert (renewed.pk, renewed.bytes) == (row.pk, row.bytes)
    assert renewed.created_at.year > 2000


# --- caches


@pytest.fixture
def redis(tmp_path: Path, settings: Settings) -> Iterator[ExitStack]:
    """A Redis that the caches are in, until this is closed."""
    with ExitStack() as server:
        location = server.enter_context(redis_server(tmp_path))
        options = {"socket_timeout": 0.3, "socket_connect_timeout": 0.3}
        backend = "django.core.cache.backends.redis.RedisCache"
        one = {"BACKEND": backend, "LOCATION": location, "OPTIONS": options}
        settings.CACHES = {**settings.CACHES, "redis": one}
        settings.RESIZER = {"CACHE": "redis"}
        yield server


@pytest.mark.service("redis")
def test_redis_that_is_stopped(client: Client, redis: ExitStack, caplog: Any) -> None:
    save("a.jpg")
    warm, url = address(640), address()
    first = client.get(warm)
    assert client.get(warm)["Server-Timing"] == 'resizer;desc="hit"'
    redis.close()
    assert client.get(warm).content == first.content
    assert_shown(client.get(url), is_kept=True)
    assert "The cache does not answer" in caplog.text
    assert "Hosts do not lock each other out" in caplog.text
    assert CachedVariant.objects.count() == 2


@pytest.mark.service("redis")
def test_redis_that_hangs_is_waited_for_once(
    client: Client, redis: ExitStack, caplog: pytest.LogCaptureFixture
) -> None:
    save("a.jpg")
    warm, url = address(640), address()
    first = client.get(warm)
    process = caches["redis"]._cache.get_client().info("server")["process_id"]  # type: ignore[attr-defined]
    os.kill(process, signal.SIGSTOP)
    try:
        with recorded() as entered:
            for _ in range(5):
                assert client.get(warm).content == first.content
            assert_shown(client.get(url), is_kept=True)
            for width in (480, 1080):
                assert client.get(address(width)).status_code == 200
        told = [
            record.getMessage() for record in caplog.records if record.name.startswith("resizer")
        ]
        # One who reads it, and one who wants to lock; not each of the dozens of times that it would be asked.
        assert len(told) == 2
        assert entered.count(RedisCacheClient.get_client.__code__) == 2
    finally:
        os.kill(process, signal.SIGCONT)
    cache._breaker.close()
    assert client.get(url)["Server-Timing"] == 'resizer;desc="hit"'
    assert caches["redis"].get(store._cache_key(key_of(url))) is not None


def test_cache_that_is_left_alone_is_asked_again(
    client: Client, clock: FrozenDateTimeFactory
) -> None:
    save("a.jpg")
    url = address()
    cache._breaker.open()
    assert_shown(client.get(url), is_kept=True)
    assert caches["default"].get(store._cache_key(key_of(url))) is None
    clock.tick(timedelta(seconds=cache.DOWN_SECONDS + 1))
    client.get(url)
    assert caches["default"].get(store._cache_key(key_of(url))) is not None


# --- databases


def use_database(backend: Any, **changes: Any) -> None:
    """As the process has it from its next query on."""
    connections["default"].close()
    wrapper = backend({**connections["default"].settings_dict, **changes}, "default")
    connections["default"] = wrapper


@pytest.fixture
def database(db: None, tmp_path: Path) -> Iterator[Path]:
    """The file of an SQLite that can be damaged, with our tables."""
    real = connections["default"]
    path = tmp_path / "faults.sqlite3"
    options = {"timeout": 1.2, "transaction_mode": "IMMEDIATE"}
    connections["default"] = SQLite(
        {**real.settings_dict, "NAME": str(path), "OPTIONS": options}, "default"
    )
    make_tables()
    with connections["default"].cursor() as cursor:
        cursor.execute("PRAGMA journal_mode=WAL")
    yield path
    connections["default"].close()
    connections["default"] = real


def make_tables() -> None:
    with connections["default"].schema_editor() as editor:
        for model in (Original, CachedVariant, Tally):
            editor.create_model(model)


def assert_without_rows(client: Client, url: str) -> None:
    """The picture is made, kept, and found, whatever the database says."""
    assert_shown(client.get(url), is_kept=True)
    caches["default"].clear()
    again = client.get(url)
    assert_shown(again, is_kept=True)
    assert again["Server-Timing"] == 'resizer;desc="hit"'


def messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [one.getMessage() for one in caplog.records if one.name == "resizer.records.tables"]


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE resizer_original RENAME COLUMN fingerprint TO former",
        "ALTER TABLE resizer_cachedvariant DROP COLUMN render_ms",
        "DROP TABLE resizer_cachedvariant",
    ],
)
def test_old_tables_are_told_once(
    client: Client, database: Path, caplog: pytest.LogCaptureFixture, statement: str
) -> None:
    save("a.jpg")
    url = address()
    caches["default"].clear()
    with connections["default"].cursor() as cursor:
        cursor.execute(statement)
    assert_without_rows(client, url)
    (told,) = messages(caplog)
    assert told.startswith("Tables are missing or old. Run manage.py migrate. Until then, ")


def test_failure_is_told_once_for_all_originals(
    database: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever their names: Python writes some with other quotes."""
    names = ["a.jpg", "it's a.jpg", 'with "quotes".jpg', "b'c\".jpg"]

    def fail(*_: object, **__: object) -> None:
        raise OperationalError("full")

    monkeypatch.setattr(index, "write_row", fail)
    for name in names:
        save(name)
        assert picture.url(name, width=320)
    (warning,) = [one for one in caplog.records if one.levelname == "WARNING"]
    assert "'a.jpg') is not recorded: OperationalError('full')" in warning.getMessage()


def test_database_that_is_lost(client: Client, database: Path) -> None:
    save("a.jpg")
    url = address()
    connections["default"].close()
    for path in database.parent.glob("faults.sqlite3*"):
        path.unlink()
    # There is one again, without tables.
    assert_without_rows(client, url)
    make_tables()
    caches["default"].clear()
    assert_repaired(client, url)


def test_database_that_is_damaged(client: Client, database: Path) -> None:
    save("a.jpg")
    url = address()
    connections["default"].close()
    whole = database.read_bytes()
    database.write_bytes(b"no database at all" * 1000)
    assert_without_rows(client, url)
    connections["default"].close()
    database.write_bytes(whole)
    tables._breaker.close()
    caches["default"].clear()
    assert_repaired(client, url)


def test_database_that_is_read_only(
    client: Client, database: Path, caplog: pytest.LogCaptureFixture
) -> None:
    save("a.jpg")
    url = address()
    usual = connections["default"].settings_dict
    use_database(SQLite, NAME=f"file:{database}?mode=ro", OPTIONS={"uri": True})
    assert_without_rows(client, url)
    assert "attempt to write a readonly database" in caplog.text
    use_database(SQLite, **usual)
    caches["default"].clear()
    assert_repaired(client, url)


def test_database_that_is_locked_is_waited_for_once(
    client: Client, database: Path, caplog: pytest.LogCaptureFixture
) -> None:
    save("a.jpg")
    urls = [address(width) for width in (320, 480, 640, 800)]
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        for url in urls:
            assert client.get(url).status_code == 200
        (told,) = messages(caplog)
        assert "not recorded: OperationalError('database is locked')" in told
    tables._breaker.close()
    caches["default"].clear()
    for url in urls:
        assert client.get(url)["Server-Timing"] == 'resizer;desc="hit"'
    assert CachedVariant.objects.count() == 4


@contextmanager
def using_postgresql(url: str) -> Iterator[None]:
    """A database of PostgreSQL with our tables, and then SQLite again."""
    usual = connections["default"].settings_dict
    parsed = dj_database_url.parse(url)
    use_database(PostgreSQL, **{**parsed, "OPTIONS": {"connect_timeout": 2}})
    make_tables()
    yield
    use_database(SQLite, **usual)


@pytest.fixture
def postgresql(database: Path, postgresql_url: str) -> Iterator[None]:
    with using_postgresql(postgresql_database(postgresql_url)):
        yield


@contextmanager
def hanging() -> Iterator[Callable[[], None]]:
    """What makes PostgreSQL hang, with all that it has open, until the end."""
    with connections["default"].cursor() as cursor:
        cursor.execute("SHOW data_directory")
        (directory,) = cursor.fetchone()
    server = int((Path(directory) / "postmaster.pid").read_text().split()[0])
    stopped: set[int] = set()

    def send(number: signal.Signals) -> None:
        for pid in stopped:
            # Those that serve a connection end with it.
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def stop() -> None:
        stopped.update(tree(server))
        send(signal.SIGSTOP)

    try:
        yield stop
    finally:
        send(signal.SIGCONT)


@pytest.mark.service("postgresql")
def test_postgresql_that_hangs(
    client: Client, postgresql: None, caplog: pytest.LogCaptureFixture
) -> None:
    save("a.jpg")
    url = address()
    with hanging() as hang:
        # As at the end of a request.
        connections["default"].close()
        hang()
        assert_without_rows(client, url)
        assert len(messages(caplog)) == 1
    tables._breaker.close()
    caches["default"].clear()
    assert_repaired(client, url)


@pytest.mark.service("postgresql")
def test_postgresql_that_hangs_while_an_original_is_fetched(
    client: Client,
    postgresql: None,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    save("a.jpg")
    url = address()
    real = rendering._fetch
    with hanging() as hang, monkeypatch.context() as patch:

        def fetch(file: Any) -> None:
            hang()
            real(file)

        patch.setattr(rendering, "_fetch", fetch)
        assert_shown(client.get(url), is_kept=True)
        (told,) = messages(caplog)
        assert "is not recorded" in told
    tables._breaker.close()
    caches["default"].clear()
    assert_repaired(client, url)


@pytest.mark.service("postgresql")
def test_postgresql_that_stops(client: Client, database: Path) -> None:
    save("a.jpg")
    with ExitStack() as server, using_postgresql(server.enter_context(postgresql_server())):
        url = address()
        server.close()
        # The connection of this request is dead, and there is no other.
        for _ in range(2):
            assert_shown(client.get(url), is_kept=True)
            caches["default"].clear()
            connections["default"].close()


@pytest.mark.service("postgresql")
def test_postgresql_that_is_locked_is_waited_for_once(
    client: Client, postgresql: None, caplog: pytest.LogCaptureFixture
) -> None:
    save("a.jpg")
    urls = [address(width) for width in (320, 480, 640, 800)]
    usual = connections["default"].settings_dict
    other = PostgreSQL(usual, "other")
    with closing(other), other.cursor() as cursor:
        # As a migration does.
        cursor.execute("BEGIN; LOCK TABLE resizer_cachedvariant IN ACCESS EXCLUSIVE MODE")
        for url in urls:
            assert client.get(url).status_code == 200
        (told,) = messages(caplog)
        assert "canceling statement due to lock timeout" in told
    with connections["default"].cursor() as cursor:
        # Of a project's own queries nothing is asked.
        cursor.execute("SHOW lock_timeout")
        assert cursor.fetchone() == ("0",)
    tables._breaker.close()
    caches["default"].clear()
    for url in urls:
        assert client.get(url)["Server-Timing"] == 'resizer;desc="hit"'
    assert CachedVariant.objects.count() == 4


@pytest.mark.service("postgresql")
def test_page_waits_a_moment_for_what_is_locked_and_keeps_its_own_limit(
    postgresql: None, caplog: pytest.LogCaptureFixture
) -> None:
    save("a.jpg")
    other = PostgreSQL(connections["default"].settings_dict, "other")
    with closing(other), transaction.atomic(), connections["default"].cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = '7s'")
        with other.cursor() as locking:
            locking.execute("BEGIN; LOCK TABLE resizer_original IN ACCESS EXCLUSIVE MODE")
            assert address().startswith("/img/")
            assert "canceling statement due to lock timeout" in "".join(messages(caplog))
            locking.execute("COMMIT")
        tables._breaker.close()
        assert index.find(REFERENCE) is None
        cursor.execute("SHOW lock_timeout")
        assert cursor.fetchone() == ("7s",)


@pytest.mark.service("postgresql")
def test_index_or_cache_that_fails_leaves_the_transaction_of_a_page_alone(
    postgresql: None, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    save("a.jpg")
    with connections["default"].cursor() as cursor:
        cursor.execute("DROP TABLE resizer_cachedvariant, resizer_original")
    broken = {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "no_such_table"}
    settings.CACHES = {**settings.CACHES, "broken": broken}
    settings.RESIZER = {"CACHE": "broken"}
    with transaction.atomic(), connections["default"].cursor() as cursor:
        cursor.execute("CREATE TABLE visits (number integer)")
        assert address().startswith("/img/")
        assert "resizer_original" in "".join(messages(caplog))
        assert "no_such_table" in caplog.text
        cursor.execute("INSERT INTO visits VALUES (1)")
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT number FROM visits")
        assert cursor.fetchall() == [(1,)]


# --- originals that are replaced


def test_original_of_the_same_size_and_second_is_another(
    client: Client, tmp_path: Path, clock: FrozenDateTimeFactory
) -> None:
    save("a.jpg")
    path = tmp_path / "originals/a.jpg"
    os.utime(path, ns=(1_700_000_000_000_000_000, 1_700_000_000_000_000_000))
    originals.look_up(REFERENCE, originals.Freshness.NOW)
    old = address()
    assert_shown(client.get(old), is_kept=True)
    turned = encode(draw((1600, 1200)).rotate(180), quality=80)
    length = path.stat().st_size
    assert len(turned) <= length
    path.write_bytes(turned + bytes(length - len(turned)))
    os.utime(path, ns=(1_700_000_000_000_000_000, 1_700_000_000_000_000_001))
    assert path.stat().st_size == length
    clock.tick(timedelta(seconds=301))
    response = client.get(old)
    assert response["Content-Location"] == address() != old
    assert difference(decode(response.content), EXPECTED.rotate(180)) < TOLERANCE
    # Both files are there until they are purged.
    assert CachedVariant.objects.count() == 2
    call_command("resizer_purge", verbosity=0)
    assert [row.key for row in CachedVariant.objects.all()] == [key_of(address())]


def test_original_that_is_deleted_keeps_its_files_until_they_are_purged(
    client: Client, variants: Path, clock: FrozenDateTimeFactory
) -> None:
    for name in ("a.jpg", "b.jpg"):
        save(name)
        originals.look_up(name)
    url = address()
    client.get(url)
    content = (variants / key_of(url)).read_bytes()
    storages["default"].delete("a.jpg")
    clock.tick(timedelta(seconds=301))
    assert client.get(url).status_code == 404
    # A disk that is not mounted looks the same, and must not cost every variant.
    assert files(variants) == [key_of(url)]
    assert (variants / key_of(url)).read_bytes() == content
    call_command("resizer_purge", verbosity=0)
    assert files(variants) == []
    assert not CachedVariant.objects.exists()
    assert client.get(url).status_code == 404


@pytest.mark.parametrize("name", ["libvips.LibvipsEngine", "pillow.PillowEngine"])
def test_original_that_is_overwritten_while_it_is_read_is_not_mixed(
    client: Client,
    settings: Settings,
    tmp_path: Path,
    variants: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    settings.RESIZER = {"ENGINE": f"resizer.engines.{name}"}
    save("a.jpg")
    url = address()
    path = tmp_path / "originals/a.jpg"
    before = path.read_bytes()
    after = encode(draw((1600, 1200)).rotate(180), quality=92)
    real = get_engine().__class__.render_with_sketch

    def render(self: Any, file: Any, header: Any, wanted: Any) -> Any:
        if path.read_bytes() == after:
            yield from real(self, file, header, wanted)
            return
        # The new file's bytes have taken the place of some of the old one's, and will of the others.
        half = len(before) // 2
        path.write_bytes(after[:half] + before[half:])
        try:
            # Half of each may be a picture, or broken.
            made = list(real(self, file, header, wanted))
        finally:
            path.write_bytes(after)
        yield from made

    with monkeypatch.context() as patch:
        patch.setattr(get_engine().__class__, "render_with_sketch", render)
        response = client.get(url)
    assert difference(decode(response.content), EXPECTED.rotate(180)) < TOLERANCE
    assert files(variants) == [key_of(response["Content-Location"])]


# --- what is logged

NASTY = "\n\x1b[31mroot logged in\r\n" + "x" * 5000


class NastyError(Exception):
    def __repr__(self) -> str:
        return NASTY


class NastyStorage(InMemoryStorage):
    def _save(self, name: str, content: Any) -> str:
        raise NastyError(NASTY)

    def delete(self, name: str) -> None:
        raise NastyError(NASTY)


class NastySource(InMemoryStorage):
    def size(self, name: str) -> int:
        raise NastyError(NASTY)


class NastyCache(BaseCache):
    def __init__(self, _location: str, params: dict[str, Any]) -> None:
        super().__init__(params)

    def get(self, *_: Any, **__: Any) -> Any:
        raise NastyError(NASTY)

    add = set = delete = get_many = set_many = get


def test_log_has_a_line_for_each_message(
    client: Client,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise OperationalError(NASTY)

    save("a.jpg")
    url = address()
    use_variants(settings, "tests.test_faults.NastyStorage")
    (tmp_path / "file").touch()
    settings.CACHES = {**settings.CACHES, "nasty": {"BACKEND": "tests.test_faults.NastyCache"}}
    settings.RESIZER = {"CACHE": "nasty", "LOCK_DIRECTORY": str(tmp_path / "file/\n\x1b")}
    monkeypatch.setattr("resizer.concurrency.locks.LOCKING", {"tests.test_faults.NastyCache"})
    monkeypatch.setattr(connection, "cursor", refuse)
    with caplog.at_level(logging.DEBUG, "resizer"):
        assert client.get(url).status_code == 200
        nasty_source = {"BACKEND": "tests.test_faults.NastySource"}
        settings.STORAGES = {**settings.STORAGES, "default": nasty_source}
        assert client.get(url).status_code == 502
        assert "src" in str(picture.build(f"a{NASTY}.jpg", alt=""))
        assert picture.url(f"b{NASTY}.jpg", width=320)
        originals.forget(Reference("default", f"c{NASTY}.jpg"))
        settings.RESIZER = {}
        assert originals.look_up(REFERENCE, originals.Freshness.NOW).size == (1600, 1200)
    assert_one_line_each(
        caplog,
        "records.cache",
        "records.tables",
        "concurrency.locks",
        "originals",
        "markup.picture",
        "store",
        "views",
    )


def test_log_of_models_has_a_line_for_each_message(
    client: Client,
    admin_client: Client,
    settings: Settings,
    caplog: pytest.LogCaptureFixture,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    save("a.jpg")
    client.get(address())
    use_variants(settings, "tests.test_faults.NastyStorage")
    nasty_source = {"BACKEND": "tests.test_faults.NastySource"}
    settings.STORAGES = {**settings.STORAGES, "default": nasty_source}
    with caplog.at_level(logging.DEBUG, "resizer"):
        with django_capture_on_commit_callbacks(execute=True):
            Photo.objects.create(image="b.jpg")
        row = CachedVariant.objects.get()
        path = f"/admin/resizer/cachedvariant/{row.pk}/delete/"
        assert admin_client.post(path, {"post": "yes"}).status_code == 302
    assert_one_line_each(caplog, "admin.variants", "apps")


def assert_one_line_each(caplog: pytest.LogCaptureFixture, *modules: str) -> None:
    told = {record.name for record in caplog.records}
    assert {f"resizer.{module}" for module in modules} <= told
    for record in caplog.records:
        if record.name.startswith("resizer"):
            assert record.exc_info is None
            assert record.getMessage().isprintable(), record
            assert len(record.getMessage()) < 2500
