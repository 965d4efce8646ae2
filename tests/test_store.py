from __future__ import annotations

import errno
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.core.cache import caches
from django.core.files.base import ContentFile
from django.core.files.storage import InMemoryStorage, InvalidStorageError, Storage, storages
from django.core.management import call_command
from django.db import OperationalError, connection

from resizer import originals, rendering, store
from resizer.concurrency import batches, single_flight
from resizer.concurrency.admission import admit
from resizer.concurrency.waiting import Deadline
from resizer.engines import get_engine
from resizer.errors import Busy, StoreFailed, TooManyPixels, TooMuchWork, UndecodableOriginal
from resizer.formats import AVIF, JPEG
from resizer.keys.digests import digest_of
from resizer.keys.variant import Recipe, write_key
from resizer.links.signing import sign
from resizer.markup import picture
from resizer.models import CachedVariant, Original
from resizer.records import index
from resizer.records.descriptions import Reference
from resizer.storages import publishing
from resizer.store import backends
from tests.conftest import CountingEngine, files, save, wait_until
from tests.hostile_files import progressive_jpeg
from tests.pictures import decode, draw, encode, photograph

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

    from django.test import Client
    from freezegun.api import FrozenDateTimeFactory
    from pytest_django import Settings

    from resizer.engines import Rendered
    from resizer.engines.protocol import Sketch
    from resizer.formats import Format
    from resizer.keys.variant import Variant
    from resizer.records.descriptions import Description
    from resizer.store import VariantFile

pytestmark = pytest.mark.django_db


class FailingStorage(InMemoryStorage):
    def _open(self, name: str, mode: str = "rb") -> Any:
        raise RuntimeError("gone for lunch")

    def delete(self, name: str) -> None:
        raise RuntimeError("gone for lunch")

    def listdir(self, path: str) -> Any:
        raise RuntimeError("gone for lunch")


class ReadOnlyStorage(InMemoryStorage):
    def _save(self, name: str, content: Any) -> str:
        raise OSError(errno.EROFS, "read-only file system")


class Shelf(Storage):
    """Neither on a disk nor Django's own in memory."""

    def __init__(self) -> None:
        self._files: dict[str, bytes] = {}

    def _save(self, name: str, content: Any) -> str:
        self._files[name] = content.read()
        return name

    def _open(self, name: str, mode: str) -> Any:
        return ContentFile(self._files[name])

    def delete(self, name: str) -> None:
        self._files.pop(name, None)

    def exists(self, name: str) -> bool:
        return name in self._files

    def size(self, name: str) -> int:
        return len(self._files[name])

    def url(self, name: str | None) -> str:
        return f"/shelf/{name}"


class TimelessStorage(InMemoryStorage):
    def get_modified_time(self, name: str) -> Any:
        raise NotImplementedError


def wanted(
    width: int = 320, target: Format = AVIF, name: str = "a.jpg"
) -> tuple[Description, Variant, str]:
    description = originals.look_up(name)
    variant = description.variant(Recipe(), width, target)
    return description, variant, write_key(variant, sign(variant))


def make(width: int = 320, target: Format = AVIF, name: str = "a.jpg") -> tuple[str, VariantFile]:
    description, variant, key = wanted(width, target, name)
    return key, store.make(description, variant, key)


def make_in_thread(description: Description, variant: Variant, key: str) -> VariantFile:
    try:
        return store.make(description, variant, key)
    finally:
        connection.close()


def test_variant_is_made_kept_and_recorded(variants: Path, engine: type[CountingEngine]) -> None:
    save("a.jpg")
    key, file = make()
    assert file.is_kept
    assert file.content == (variants / key).read_bytes()
    assert decode(file.content).size == (320, 240)
    assert files(variants) == [key]
    row = CachedVariant.objects.get()
    assert (row.key, str(row), row.original.name) == (key, key, "a.jpg")
    assert (row.width, row.height, row.format) == (320, 240, "avif")
    assert row.bytes == file.length == len(file.content)
    assert engine.renders == 1


def test_what_it_took_is_told() -> None:
    save("a.jpg")
    _key, file = make()
    assert list(file.timings) == ["read", "decode", "encode", "store"]
    assert all(seconds >= 0 for seconds in file.timings.values())


def test_made_variant_is_found(engine: type[CountingEngine]) -> None:
    save("a.jpg")
    key, made = make()
    found = store.find(key)
    assert found is not None
    assert found.content is None
    assert (found.etag, found.length, found.modified_at) == (
        made.etag,
        made.length,
        made.modified_at,
    )
    assert store.read(key, found) == made.content


def test_variant_is_found_in_the_storage_when_the_cache_is_lost(
    engine: type[CountingEngine],
) -> None:
    save("a.jpg")
    key, made = make()
    caches["default"].clear()
    found = store.find(key)
    assert found is not None
    assert (found.content, found.etag) == (made.content, made.etag)
    again = store.find(key)
    assert again is not None
    assert again.content is None
    assert engine.renders == 1


def test_variant_that_is_missing_is_not_found() -> None:
    assert store.find("a.jpg/5d41402a-nFGBozSE6GBqnk/640.avif") is None


def test_lost_file_is_noticed_and_made_again(variants: Path, engine: type[CountingEngine]) -> None:
    save("a.jpg")
    key, _answer = make()
    (variants / key).unlink()
    found = store.find(key)
    assert found is not None
    assert store.read(key, found) is None
    assert store.find(key) is None
    make()
    assert files(variants) == [key]
    assert CachedVariant.objects.count() == 1
    assert engine.renders == 2


def test_whoever_comes_late_finds_what_was_made(engine: type[CountingEngine]) -> None:
    save("a.jpg")
    make()
    _key, file = make()
    assert file.content is not None
    assert file.timings == {}
    assert engine.renders == 1


@pytest.mark.django_db(transaction=True)
def test_many_threads_make_a_variant_once(
    settings: Settings,
    engine: type[CountingEngine],
    variants: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings.RESIZER = {**settings.RESIZER, "MAX_WAITING_PER_PROCESS": 12}
    monkeypatch.setattr(single_flight, "PATIENCE_SECONDS", 30)
    save("a.jpg")
    description, variant, key = wanted()
    together = threading.Barrier(12)

    def ask(_: int) -> VariantFile:
        together.wait(10)
        return make_in_thread(description, variant, key)

    with ThreadPoolExecutor(12) as pool:
        made = list(pool.map(ask, range(12)))
    assert len({file.content for file in made}) == 1
    assert engine.renders == 1
    assert files(variants) == [key]
    assert CachedVariant.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_widths_that_are_wanted_at_once_share_a_decoding(
    settings: Settings, engine: type[CountingEngine], variants: Path
) -> None:
    settings.RESIZER = {**settings.RESIZER, "MAX_RENDERS": 1, "MAX_WAITING_PER_PROCESS": 6}
    save("a.jpg")
    all_wanted = [wanted(width, target) for width in (320, 480, 640) for target in (AVIF, JPEG)]

    with ThreadPoolExecutor(6) as pool:
        with admit(lambda: 1, Deadline(10)):
            asking = [pool.submit(make_in_thread, *one) for one in all_wanted]
            wait_until(lambda: sum(len(batch.wanted) for batch in batches._batches.values()) == 6)
        made = [one.result(10) for one in asking]
    assert engine.renders == 1
    assert files(variants) == sorted(key for _, _, key in all_wanted)
    for (_, variant, key), file in zip(all_wanted, made, strict=True):
        assert decode(file.content or b"").size == (variant.width, variant.width * 3 // 4)
        # The same bytes as by itself.
        store.delete_files([key])
        assert store.make(originals.look_up("a.jpg"), variant, key).content == file.content


class LateEngine(CountingEngine):
    """Has made nothing when the deadline of the first request is over."""

    deadline = Deadline(0)
    made = 0

    def render(self, *arguments: Any) -> Generator[Rendered]:
        for rendered in super().render(*arguments):
            LateEngine.made += 1
            self.deadline._ends_at = 0
            yield rendered


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("number", [1, 3])
def test_batch_ends_with_the_time_of_who_has_begun_it(settings: Settings, number: int) -> None:
    engine = {"ENGINE": "tests.test_store.LateEngine", "ISOLATION": False}
    settings.RESIZER = {**engine, "MAX_RENDERS": 1, "MAX_WAITING_PER_PROCESS": 6}
    save("a.jpg")
    LateEngine.made, LateEngine.deadline = 0, Deadline(30)

    def ask(width: int, deadline: Deadline) -> rendering.Made:
        try:
            description, variant, _ = wanted(width, JPEG)
            return rendering.render(description, variant, deadline)
        finally:
            connection.close()

    with ThreadPoolExecutor(3) as pool:
        with admit(lambda: 1, Deadline(10)):
            asking = [pool.submit(ask, 320, LateEngine.deadline)]
            wait_until(lambda: batches._batches)
            asking += [pool.submit(ask, width, Deadline(30)) for width in (480, 640)[: number - 1]]
            wait_until(
                lambda: sum(len(batch.wanted) for batch in batches._batches.values()) == number
            )
        errors = [one.exception(20) for one in asking]
    assert LateEngine.made == 1
    assert sum(error is None for error in errors) == 1
    assert sum(isinstance(error, Busy) for error in errors) == number - 1
    # Nothing is remembered against the others.
    if number == 3:
        LateEngine.deadline = Deadline(30)
        assert ask(480, Deadline(30)).rendered.width == 480


@pytest.mark.django_db(transaction=True)
def test_variant_that_is_too_large_spoils_no_others(settings: Settings) -> None:
    settings.RESIZER = {"MAX_VARIANT_PIXELS": 320 * 240, "MAX_RENDERS": 1}
    save("a.jpg")
    small, large = wanted(320), wanted(640)
    with ThreadPoolExecutor(1) as pool, admit(lambda: 1, Deadline(10)):
        waiting = pool.submit(make_in_thread, *small)
        wait_until(lambda: batches._batches)
        with pytest.raises(TooManyPixels):
            store.make(*large)
        assert not waiting.done()
    assert waiting.result(10).is_kept


def test_waiting_ends_in_busy(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.RESIZER = {"LOCK_SECONDS": 1}
    save("a.jpg")
    description, variant, key = wanted()
    begun, may_end = threading.Event(), threading.Event()

    def occupy() -> None:
        begun.set()
        may_end.wait(10)

    with ThreadPoolExecutor(1) as pool:
        pool.submit(
            single_flight.share,
            key,
            occupy,
            look=lambda **_: None,
            deadline=Deadline(10),
            finish=lambda result: result,
            defer=lambda _finish, _result: False,
        )
        begun.wait(10)
        try:
            with pytest.raises(Busy):
                store.make(description, variant, key)
        finally:
            may_end.set()


def test_original_replaced_while_it_is_read_is_not_kept(
    variants: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save("a.jpg")
    description, variant, key = wanted()

    def render(self: Any, *args: Any) -> Iterator[Rendered | Sketch]:
        rendered = list(real(self, *args))
        save("a.jpg", photograph((800, 600)))
        yield from rendered

    engine_class = type(get_engine())
    # With the first variant of an original comes its sketch.
    real = engine_class.render_with_sketch
    monkeypatch.setattr(engine_class, "render_with_sketch", render)
    with pytest.raises(Busy, match="has changed"):
        store.make(description, variant, key)
    assert files(variants) == []
    assert originals.look_up("a.jpg").size == (800, 600)


def test_variant_that_cannot_be_kept_is_shown_all_the_same(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.STORAGES = {
        **settings.STORAGES,
        "resizer": {"BACKEND": "tests.test_store.ReadOnlyStorage"},
    }
    save("a.jpg")
    _key, file = make()
    assert file.content is not None
    assert not file.is_kept
    assert not CachedVariant.objects.exists()
    assert "could not be kept" in caplog.text


def test_variant_that_cannot_be_recorded_is_kept(
    variants: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OperationalError("database is locked")

    save("a.jpg")
    monkeypatch.setattr(index, "write_row", refuse)
    key, file = make()
    assert file.is_kept
    assert files(variants) == [key]
    assert "is kept but not recorded: OperationalError('database is locked')" in caplog.text


def test_row_of_the_original_is_written_again() -> None:
    save("a.jpg")
    description, variant, key = wanted()
    Original.objects.all().delete()
    store.make(description, variant, key)
    assert CachedVariant.objects.get().original == Original.objects.get()


def test_storage_without_times(settings: Settings) -> None:
    settings.STORAGES = {
        **settings.STORAGES,
        "resizer": {"BACKEND": "tests.test_store.TimelessStorage"},
    }
    save("a.jpg")
    key, _answer = make()
    caches["default"].clear()
    found = store.find(key)
    assert found is not None
    assert found.modified_at > 0


def test_storage_that_fails_is_our_error(settings: Settings) -> None:
    settings.STORAGES = {
        **settings.STORAGES,
        "resizer": {"BACKEND": "tests.test_store.FailingStorage"},
    }
    save("a.jpg")
    with pytest.raises(StoreFailed, match="gone for lunch"):
        store.find("a.jpg/5d41402a-nFGBozSE6GBqnk/640.avif")


def test_deleted_variant_leaves_nothing(variants: Path) -> None:
    save("photos/a.jpg")
    save("photos/b.jpg")
    keys = [make(320, name="photos/a.jpg")[0], make(640, name="photos/a.jpg")[0]]
    other, _answer = make(name="photos/b.jpg")
    store.delete(CachedVariant.objects.filter(key=keys[0]))
    assert files(variants) == sorted([keys[1], other])
    assert store.find(keys[0]) is None
    store.delete(CachedVariant.objects.all())
    assert list(variants.iterdir()) == []
    assert not CachedVariant.objects.exists()


def test_variant_whose_file_is_gone_can_be_deleted(variants: Path) -> None:
    save("a.jpg")
    key, _answer = make()
    (variants / key).unlink()
    store.delete(CachedVariant.objects.all())
    assert not CachedVariant.objects.exists()


def test_variant_that_cannot_be_deleted_stays_recorded(settings: Settings) -> None:
    save("a.jpg")
    make()
    settings.STORAGES = {
        **settings.STORAGES,
        "resizer": {"BACKEND": "tests.test_store.FailingStorage"},
    }
    with pytest.raises(StoreFailed):
        store.delete(CachedVariant.objects.all())
    assert CachedVariant.objects.count() == 1


@pytest.mark.parametrize("backend", ["FileSystemStorage", "InMemoryStorage"])
def test_forgotten_original_leaves_no_variant(
    settings: Settings, tmp_path: Path, backend: str
) -> None:
    settings.STORAGES = {
        **settings.STORAGES,
        "resizer": {
            "BACKEND": f"django.core.files.storage.{backend}",
            "OPTIONS": {"location": tmp_path / "variants"},
        },
    }
    save("a.jpg")
    save("b.jpg")
    key, _answer = make()
    make(640, JPEG)
    other, _answer = make(name="b.jpg")
    CachedVariant.objects.filter(width=640).delete()  # recorded or not
    save("a.jpg", photograph((800, 600)))
    originals.look_up(Reference("default", "a.jpg"), originals.Freshness.NOW)
    make(480)
    store.forget(Reference("default", "a.jpg"))
    assert [row.key for row in CachedVariant.objects.all()] == [other]
    assert store.find(key) is None
    assert store.find(other) is not None
    assert list(publishing.walk(backends.public_storage(), "a.jpg")) == []
    assert originals.look_up("a.jpg").size == (800, 600)


def test_forgetting_an_original_without_variants_is_no_error() -> None:
    save("a.jpg")
    originals.look_up("a.jpg")
    store.forget(Reference("default", "a.jpg"))


def test_variants_are_kept_beside_the_originals_when_no_place_is_configured(
    settings: Settings, tmp_path: Path
) -> None:
    settings.STORAGES = {
        alias: one for alias, one in settings.STORAGES.items() if alias != "resizer"
    }
    save("a.jpg")
    key, _answer = make()
    assert (tmp_path / "originals/_resized" / key).is_file()


def test_storage_that_cannot_be_loaded_is_not_replaced_by_another(settings: Settings) -> None:
    settings.STORAGES = {**settings.STORAGES, "resizer": {"BACKEND": "no.such.Storage"}}
    with pytest.raises(InvalidStorageError):
        backends.public_storage()


@pytest.mark.parametrize("damage", [b"", b"no picture at all"])
def test_damaged_variant_is_made_again(
    variants: Path, engine: type[CountingEngine], damage: bytes
) -> None:
    save("a.jpg")
    key, made = make()
    (variants / key).write_bytes(damage)
    found = store.find(key)
    assert found is not None
    assert store.read(key, found) is None
    caches["default"].clear()
    assert make()[1].content == made.content
    assert engine.renders == 2


def test_changed_file_is_answered_as_it_is(variants: Path) -> None:
    save("a.jpg")
    key, made = make(320, JPEG)
    other = photograph((320, 240))
    (variants / key).write_bytes(other)
    found = store.find(key)
    assert found is not None
    assert found.etag == made.etag
    assert store.read(key, found) is None
    # What was remembered was of the former file.
    loaded = store.find(key)
    assert loaded is not None
    assert (loaded.content, loaded.length) == (other, len(other))
    assert loaded.etag != made.etag


def test_what_another_process_has_made_is_answered(
    variants: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save("a.jpg")
    description, variant, key = wanted(320, JPEG)
    other = photograph((320, 240))
    real = rendering._render

    def render(*args: Any) -> Any:
        rendered = real(*args)
        (variants / key).parent.mkdir(parents=True)
        (variants / key).write_bytes(other)
        return rendered

    monkeypatch.setattr(rendering, "_render", render)
    assert store.make(description, variant, key).content == other
    assert (variants / key).read_bytes() == other


def test_broken_original_is_decoded_once_a_minute(
    engine: type[CountingEngine], clock: FrozenDateTimeFactory
) -> None:
    save("a.jpg", photograph((1000, 750))[:9000])
    for width in (320, 640, 320):
        with pytest.raises(UndecodableOriginal):
            make(width)
    assert engine.renders == 1
    clock.tick(timedelta(seconds=61))
    with pytest.raises(UndecodableOriginal):
        make()
    assert engine.renders == 2
    save("a.jpg")
    originals.look_up(Reference("default", "a.jpg"), originals.Freshness.NOW)
    make()


@pytest.mark.usefixtures("clock")
def test_original_of_too_much_work_is_refused_once_a_minute(engine: type[CountingEngine]) -> None:
    save("a.jpg", progressive_jpeg(640, 500))
    with pytest.raises(TooMuchWork):
        make(320)
    with pytest.raises(TooMuchWork, match="a moment ago"):
        make(640)
    assert engine.renders == 1


@pytest.mark.usefixtures("clock")
def test_process_that_asks_after_another_gets_its_error(
    engine: type[CountingEngine],
) -> None:
    save("a.jpg", photograph((1000, 750))[:9000])
    for _ in range(2):
        # As a process that remembers for itself alone, and has heard of nothing.
        caches["default"].clear()
        with pytest.raises(UndecodableOriginal):
            make()
    assert engine.renders == 1


def test_process_that_asks_after_another_finds_what_it_has_made(
    engine: type[CountingEngine],
) -> None:
    save("a.jpg")
    key, made = make()
    caches["default"].clear()
    description, variant, key = wanted()
    file = store.make(description, variant, key)
    assert (file.content, file.timings) == (made.content, {})
    assert engine.renders == 1


def test_variant_that_another_host_has_made_meanwhile_is_answered(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, engine: type[CountingEngine]
) -> None:
    database = {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "leases"}
    settings.CACHES = {"default": database}
    call_command("createcachetable")
    save("a.jpg")
    description, variant, key = wanted()
    caches["default"].set(f"resizer:lease:{digest_of(key)}", "another host", 60)
    other = encode(draw((320, 240)), "AVIF")

    def publish(seconds: float) -> None:
        publishing.publish(backends.public_storage(), key, other, AVIF)

    monkeypatch.setattr("resizer.concurrency.waiting.time.sleep", publish)
    assert store.make(description, variant, key).content == other
    assert engine.renders == 0


def test_variant_of_too_many_pixels_is_refused(settings: Settings) -> None:
    settings.RESIZER = {"MAX_VARIANT_PIXELS": 320 * 240}
    save("a.jpg")
    make(320)
    with pytest.raises(TooManyPixels):
        make(480)


def test_no_place_beside_originals_elsewhere(client: Client, settings: Settings) -> None:
    settings.STORAGES = {"default": {"BACKEND": "tests.test_store.Shelf"}}
    with pytest.raises(InvalidStorageError):
        backends.public_storage()
    save("a.jpg")
    response = client.get(picture.url("a.jpg", width=320))
    assert (response.status_code, response.headers["Retry-After"]) == (503, "5")
    assert response.content.decode() == Busy.public_message


def test_originals_in_memory_have_their_variants_there(client: Client, settings: Settings) -> None:
    settings.STORAGES = {"default": {"BACKEND": "django.core.files.storage.InMemoryStorage"}}
    save("a.jpg")
    url = picture.url("a.jpg", width=320)
    for timing in ("miss", "hit"):
        response = client.get(url)
        assert response.status_code == 200
        assert timing in response.headers["Server-Timing"]
    assert storages["default"].listdir("") == ([], ["a.jpg"])
    store.forget(Reference("default", "a.jpg"))
    assert list(publishing.walk(backends.public_storage(), "a.jpg")) == []


def test_same_picture_whoever_asks_first() -> None:
    save("a.jpg")
    _key, first = make()
    store.forget(Reference("default", "a.jpg"))
    _key, second = make()
    assert first.content == second.content
