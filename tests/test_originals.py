from __future__ import annotations

import logging
import os
import shutil
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.core.cache import caches
from django.core.files.base import ContentFile
from django.core.files.storage import InMemoryStorage, storages
from django.db import OperationalError, connection
from django.db.models.fields.files import FieldFile
from django.test.utils import CaptureQueriesContext
from PIL import Image

import resizer
from config.gallery.models import Photo
from resizer import formats, originals, store
from resizer.concurrency.at_once import NotAtOnce, at_once
from resizer.engines.pillow import PillowEngine
from resizer.errors import (
    Busy,
    OriginalNotFound,
    RenderKilled,
    ResizerError,
    SourceFailed,
    TooManyBytes,
    TooManyPixels,
    TooMuchWork,
    UndecodableOriginal,
    UnsupportedFormat,
)
from resizer.formats import JPEG
from resizer.keys.variant import Recipe
from resizer.markup import picture
from resizer.models import Original
from resizer.originals import memory
from resizer.records import index
from resizer.records.descriptions import Failed, Reference, cache_key, version_of
from resizer.sources import get_source
from tests.conftest import CountingEngine, save
from tests.pictures import draw, encode, photograph

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path
    from typing import BinaryIO

    from django.test import Client
    from freezegun.api import FrozenDateTimeFactory
    from pytest_django import (
        DjangoAssertNumQueries,
        DjangoCaptureOnCommitCallbacks,
        Settings,
    )

    from resizer.engines import Header, Rendered
    from resizer.keys.variant import Variant
    from resizer.records.descriptions import Description

REFERENCE = Reference("default", "a.jpg")

pytestmark = pytest.mark.django_db


def refresh(reference: Reference) -> Description:
    return originals.look_up(reference, originals.Freshness.FRESH)


class RaisingStorage(InMemoryStorage):
    """Works until it is told otherwise."""

    is_down = False

    def __getattribute__(self, name: str) -> Any:
        if name in {"open", "size", "exists", "get_modified_time"} and RaisingStorage.is_down:
            raise OSError("the storage is down")
        return super().__getattribute__(name)


@pytest.fixture
def raising(settings: Settings) -> Any:
    """Call it, and every further call of the originals' storage raises."""
    backend = {"BACKEND": "tests.test_originals.RaisingStorage"}
    settings.STORAGES = {**settings.STORAGES, "default": backend}
    RaisingStorage.is_down = False

    def begin() -> None:
        RaisingStorage.is_down = True

    yield begin
    RaisingStorage.is_down = False


def test_first_description_reads_the_header_and_writes_a_row(engine: type[CountingEngine]) -> None:
    save("a.jpg", photograph((640, 480)))
    description = originals.look_up("a.jpg")
    assert description.size == (640, 480)
    assert description.header.format is JPEG
    assert len(description.version_of(Recipe())) == 8
    row = Original.objects.get()
    assert (str(row), row.width, row.height, row.format) == ("a.jpg", 640, 480, "jpeg")
    assert row.bytes == description.header.bytes > 0
    assert (engine.headers, engine.renders) == (1, 0)


def test_known_original_asks_neither_storage_nor_database(
    raising: Any, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    save("a.jpg")
    first = originals.look_up("a.jpg")
    raising()
    with django_assert_num_queries(0):
        assert originals.look_up("a.jpg") == first


def test_lost_cache_costs_one_query_and_no_storage_call(
    raising: Any, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    save("a.jpg")
    first = originals.look_up("a.jpg")
    caches["default"].clear()
    raising()
    with django_assert_num_queries(1):
        assert originals.look_up("a.jpg").fingerprint == first.fingerprint
    with django_assert_num_queries(0):
        originals.look_up("a.jpg")


def test_lost_row_is_written_again(engine: type[CountingEngine]) -> None:
    save("a.jpg")
    first = originals.look_up("a.jpg")
    Original.objects.all().delete()
    caches["default"].clear()
    assert originals.look_up("a.jpg").fingerprint == first.fingerprint
    assert Original.objects.count() == 1


def test_lost_database_costs_the_header_only(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise OperationalError("database is locked")

    save("a.jpg", photograph((640, 480)))
    monkeypatch.setattr(connection, "cursor", refuse)
    assert originals.look_up("a.jpg").size == (640, 480)
    assert "is not recorded: OperationalError('database is locked')" in caplog.text
    originals.forget(Reference("default", "a.jpg"))
    assert "is not forgotten: OperationalError('database is locked')" in caplog.text


def test_replaced_original_has_another_version(engine: type[CountingEngine]) -> None:
    save("a.jpg", photograph((640, 480)))
    before = originals.look_up("a.jpg")
    save("a.jpg", photograph((800, 600)))
    assert originals.look_up("a.jpg") == before
    after = originals.look_up(Reference("default", "a.jpg"), originals.Freshness.NOW)
    assert after.size == (800, 600)
    assert after.fingerprint != before.fingerprint
    assert originals.look_up("a.jpg") == after
    assert Original.objects.get().width == 800


def test_unchanged_original_is_not_read_again(engine: type[CountingEngine]) -> None:
    save("a.jpg")
    before = originals.look_up("a.jpg")
    assert (
        originals.look_up(Reference("default", "a.jpg"), originals.Freshness.NOW).fingerprint
        == before.fingerprint
    )
    assert engine.headers == 1


def test_forgotten_original_is_looked_at_again(engine: type[CountingEngine]) -> None:
    reference = Reference("default", "a.jpg")
    save("a.jpg", photograph((640, 480)))
    originals.look_up("a.jpg")
    save("a.jpg", photograph((800, 600)))
    originals.forget(reference)
    assert originals.look_up("a.jpg").size == (800, 600)


def test_forgotten_original_that_has_not_changed_keeps_its_version() -> None:
    save("a.jpg")
    before = originals.look_up("a.jpg")
    originals.forget(before.reference)
    assert originals.look_up("a.jpg").fingerprint == before.fingerprint
    assert Original.objects.get().checked_at is not None


def test_version_changes_with_what_its_own_quality_means(settings: Settings) -> None:
    qualities = (None, "low", "high", "auto", "lossless", 30)
    recipes = [Recipe(quality=quality) for quality in qualities]
    before = [version_of("a fingerprint", recipe) for recipe in recipes]
    settings.RESIZER = {"QUALITIES": {"medium": {"avif": 60}, "tiny": {"avif": 20}}}
    after = [version_of("a fingerprint", recipe) for recipe in recipes]
    assert after[0] != before[0]
    assert after[1:] == before[1:]


def test_version_changes_with_what_is_kept_of_metadata(settings: Settings) -> None:
    before = version_of("a fingerprint", Recipe())
    settings.RESIZER = {"METADATA": "copyright"}
    assert version_of("a fingerprint", Recipe()) != before
    settings.RESIZER = {"METADATA": "none"}
    assert version_of("a fingerprint", Recipe()) == before


def test_replaced_file_of_the_same_size_and_time_is_another(tmp_path: Path) -> None:
    save("a.jpg")
    path = tmp_path / "originals" / "a.jpg"
    before, status = originals.look_up(REFERENCE, originals.Freshness.NOW), path.stat()
    content = encode(draw((1600, 1200)).rotate(180), quality=70)
    path.write_bytes(content + bytes(status.st_size - len(content)))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    after = originals.look_up(REFERENCE, originals.Freshness.NOW)
    assert path.stat().st_mtime_ns == status.st_mtime_ns
    assert after.header.bytes == before.header.bytes
    assert after.version_of(Recipe()) != before.version_of(Recipe())


def test_other_rights_and_a_copy_are_the_same_original(tmp_path: Path) -> None:
    save("a.jpg")
    path = tmp_path / "originals" / "a.jpg"
    before = originals.look_up(REFERENCE, originals.Freshness.NOW)
    path.chmod(0o600)
    assert originals.look_up(REFERENCE, originals.Freshness.NOW).fingerprint == before.fingerprint
    shutil.copy2(path, tmp_path / "copy")
    (tmp_path / "copy").replace(path)
    assert originals.look_up(REFERENCE, originals.Freshness.NOW).fingerprint == before.fingerprint


def test_description_grows_old(clock: FrozenDateTimeFactory) -> None:
    save("a.jpg")
    description = originals.look_up("a.jpg")
    assert description.is_fresh
    clock.tick(timedelta(seconds=301))
    assert not description.is_fresh
    assert originals.look_up(description.reference, originals.Freshness.NOW).is_fresh


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", UnsupportedFormat),
        (b"\xff\xd8\xff\xe0 no picture", UndecodableOriginal),
        (photograph((1100, 1000)), TooManyPixels),
        (encode(draw((800, 800)), "PNG"), TooManyPixels),
        (photograph((800, 800), progressive=True), TooManyPixels),
        (encode(Image.new("1", (65_536, 1)), "PNG"), TooManyPixels),
        (encode(Image.new("1", (1, 65_536)), "PNG"), TooManyPixels),
        (photograph((64, 48)) + bytes(400_000), TooManyBytes),
    ],
    ids=["format", "broken", "pixels", "decoded", "progressive", "wide", "high", "bytes"],
)
def test_original_beyond_the_limits_is_refused(
    settings: Settings, content: bytes, error: type[ResizerError]
) -> None:
    settings.RESIZER = {
        "MAX_BYTES": 400_000,
        "MAX_PIXELS": 1_000_000,
        "MAX_DECODED_MEGABYTES": 4,
    }
    save("a.jpg", content)
    with pytest.raises(error):
        originals.look_up("a.jpg")
    assert not Original.objects.exists()


def test_large_baseline_photograph_is_within_the_limits(settings: Settings) -> None:
    settings.RESIZER = {"MAX_PIXELS": 1_000_000, "MAX_DECODED_MEGABYTES": 1}
    save("a.jpg", photograph((800, 800)))
    assert originals.look_up("a.jpg").size == (800, 800)


@pytest.mark.parametrize(
    ("format", "most"),
    [("WEBP", 26_900_000), ("AVIF", 32_000_000), ("PNG", 62_400_000), ("GIF", 100_000_000)],
)
def test_formats_may_have_as_many_pixels_as_the_documentation_says(
    settings: Settings, format: str, most: int
) -> None:
    """A thousandth of them, for a thousandth of the limits."""
    settings.RESIZER = {"MAX_DECODED_MEGABYTES": 5, "MAX_PIXELS": 1_000_000}
    side = int((most / 512 * 5) ** 0.5)
    save("a", encode(Image.new("L", (side, side)), format))
    assert originals.look_up("a").size == (side, side)
    save("b", encode(Image.new("L", (side + 20, side + 20)), format))
    with pytest.raises(TooManyPixels):
        originals.look_up("b")


@pytest.mark.parametrize(
    "name", ["missing.jpg", "../settings.py", "a\0.jpg", "x" * 5000, "a\n.jpg"]
)
def test_name_that_cannot_be_is_not_found(name: str) -> None:
    save("a.jpg")
    with pytest.raises(OriginalNotFound):
        originals.look_up(Reference("default", name))


def test_name_that_a_stranger_tries_writes_nothing() -> None:
    save("a.jpg")
    with CaptureQueriesContext(connection) as queries, pytest.raises(OriginalNotFound):
        originals.look_up(Reference("default", "missing.jpg"))
    assert all(query["sql"].startswith("SELECT") for query in queries)


def test_failure_is_remembered_for_a_minute(
    clock: FrozenDateTimeFactory, engine: type[CountingEngine]
) -> None:
    save("a.jpg", b"\xff\xd8\xff\xe0 no picture")
    for _ in range(3):
        with pytest.raises(UndecodableOriginal):
            originals.look_up("a.jpg")
    assert engine.headers == 1
    save("a.jpg")
    clock.tick(timedelta(seconds=61))
    assert originals.look_up("a.jpg").size == (1600, 1200)


def test_stale_is_better_than_broken(raising: Any, caplog: pytest.LogCaptureFixture) -> None:
    save("a.jpg")
    before = originals.look_up("a.jpg")
    raising()
    assert (
        originals.look_up(before.reference, originals.Freshness.NOW).fingerprint
        == before.fingerprint
    )
    assert "counts as unchanged" in caplog.text
    caches["default"].clear()
    assert (
        originals.look_up(before.reference, originals.Freshness.NOW).fingerprint
        == before.fingerprint
    )


def test_source_that_is_down_is_asked_once_a_minute(
    raising: Any, clock: FrozenDateTimeFactory, caplog: pytest.LogCaptureFixture
) -> None:
    save("a.jpg")
    reference = originals.look_up("a.jpg").reference
    raising()
    clock.tick(timedelta(seconds=301))
    for _ in range(5):
        refresh(reference)
    assert caplog.text.count("counts as unchanged") == 1
    clock.tick(timedelta(seconds=61))
    refresh(reference)
    assert caplog.text.count("counts as unchanged") == 2


def test_new_version_that_another_process_has_found_is_printed(
    clock: FrozenDateTimeFactory, raising: Any
) -> None:
    save("a.jpg")
    before = originals.look_up("a.jpg")
    Original.objects.update(fingerprint="of another file")
    raising()
    assert originals.look_up("a.jpg") == before
    clock.tick(timedelta(seconds=301))
    assert originals.look_up("a.jpg").fingerprint != before.fingerprint


def test_deleted_original_stays_deleted(clock: FrozenDateTimeFactory) -> None:
    save("a.jpg")
    save("b.jpg")
    reference = originals.look_up("a.jpg").reference
    storages["default"].delete("a.jpg")
    for _ in range(3):
        clock.tick(timedelta(seconds=301))
        with pytest.raises(OriginalNotFound):
            refresh(reference)
        with pytest.raises(OriginalNotFound):
            originals.look_up("a.jpg")


def test_lower_limit_holds_for_known_originals(settings: Settings) -> None:
    save("a.jpg")
    reference = originals.look_up("a.jpg").reference
    settings.RESIZER = {"MAX_PIXELS": 1_000_000}
    with pytest.raises(TooManyPixels):
        originals.look_up(reference, originals.Freshness.NOW)


def test_failure_of_an_unknown_class_is_one_all_the_same() -> None:
    save("a.jpg")
    failed = Failed("ErrorOfAnotherRelease", "")
    caches["default"].set(cache_key(REFERENCE), failed.encode())
    with pytest.raises(OriginalNotFound):
        originals.look_up("a.jpg")


def test_source_that_fails_is_an_error_for_an_unknown_original(raising: Any) -> None:
    save("a.jpg")
    raising()
    with pytest.raises(SourceFailed):
        originals.look_up("a.jpg")


def test_original_of_a_model_field(photo: Photo) -> None:
    assert originals.locate(photo.image) == Reference("default", "photographs/test.jpg")
    assert originals.look_up(photo.image).size == (1600, 1200)


def test_original_named_in_a_template(settings: Settings) -> None:
    settings.RESIZER = {"SOURCES": {"web": {"OPTIONS": {"storage": "resizer"}}}}
    assert originals.locate("a/b.jpg") == Reference("default", "a/b.jpg")
    assert originals.locate("web:a/b.jpg") == Reference("web", "a/b.jpg")
    assert originals.locate("12:30.jpg") == Reference("default", "12:30.jpg")


def test_original_by_its_row(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    save("a.jpg")
    description = originals.look_up("a.jpg")
    row = Original.objects.get()
    caches["default"].clear()
    with django_assert_num_queries(0):
        assert originals.look_up(row).fingerprint == description.fingerprint
    row.checked_at = None
    assert originals.look_up(row).fingerprint == description.fingerprint


def test_anything_else_is_no_original() -> None:
    with pytest.raises(TypeError, match=r"^int is no original\. Pass a model's file, or a name"):
        originals.locate(7)  # type: ignore[arg-type]  # that is the point
    with pytest.raises(
        TypeError, match=r"^Photo is no original\. Pass its file, such as \.image\.$"
    ):
        originals.locate(Photo())  # type: ignore[arg-type]


def test_field_in_a_storage_of_no_source_has_no_original(photo: Photo) -> None:
    photo.image.storage = storages["resizer"]
    with pytest.raises(OriginalNotFound, match=r"Add a source for it to RESIZER\['SOURCES'\]"):
        originals.locate(photo.image)


@pytest.fixture
def photos(db: None) -> list[Photo]:
    made = []
    for number in range(5):
        photo = Photo(title=str(number))
        photo.image.save(f"{number}.jpg", ContentFile(photograph((64 + number, 48))))
        originals.look_up(photo.image)
        made.append(photo)
    Photo.objects.create(title="without a file")
    caches["default"].clear()
    return list(Photo.objects.all())


def test_prefetch_warms_a_list_with_one_query(
    photos: list[Photo],
    django_assert_num_queries: DjangoAssertNumQueries,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: list[str] = []
    cache_class = type(caches["default"])
    for method in ("get", "get_many"):
        real = getattr(cache_class, method)

        def counted(
            self: Any, *args: Any, real: Any = real, method: str = method, **kwargs: Any
        ) -> Any:
            calls.append(method)
            return real(self, *args, **kwargs)

        monkeypatch.setattr(cache_class, method, counted)
    with django_assert_num_queries(1):
        resizer.prefetch(photos, "image")
    assert calls.count("get_many") == 1
    calls.clear()
    with django_assert_num_queries(0):
        widths = [originals.look_up(photo.image).size[0] for photo in photos if photo.image]
    assert widths == [64, 65, 66, 67, 68]
    assert calls == []


def test_prefetch_of_known_originals_makes_no_query(
    photos: list[Photo], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    resizer.prefetch(photos, "image")
    again = list(Photo.objects.all())
    with django_assert_num_queries(0):
        resizer.prefetch(again, "image")
        resizer.prefetch([], "image")
        assert originals.look_up(again[0].image).size == (64, 48)


def test_prefetch_leaves_unknown_and_broken_originals_to_the_tag(photos: list[Photo]) -> None:
    name = str(photos[0].image.name)
    save(name, b"\xff\xd8\xff\xe0 no picture")
    originals.forget(Reference("default", name))
    with pytest.raises(UndecodableOriginal):
        originals.look_up(photos[0].image)
    resizer.prefetch(photos, "image")
    with pytest.raises(UndecodableOriginal):
        originals.look_up(photos[0].image)


def test_prefetch_of_several_sources_is_one_query(
    settings: Settings, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    settings.RESIZER = {"SOURCES": {"other": {"OPTIONS": {"storage": "resizer"}}}}
    storages["resizer"].save("b.jpg", ContentFile(photograph()))
    save("a.jpg")
    files = []
    for alias, name in (("default", "a.jpg"), ("resizer", "b.jpg")):
        file = Photo().image.__class__(Photo(), Photo._meta.get_field("image"), name)
        file.storage = storages[alias]
        originals.look_up(file)
        files.append(file)
    caches["default"].clear()
    with django_assert_num_queries(1):
        originals.prefetch(files)
    assert isinstance(files[0], FieldFile)


def test_file_with_another_name_is_another_original(photos: list[Photo]) -> None:
    resizer.prefetch(photos, "image")
    photos[0].image.name = photos[1].image.name
    assert originals.look_up(photos[0].image).size == (65, 48)


def test_failures_are_logged_without_a_trace(
    caplog: pytest.LogCaptureFixture, raising: Any
) -> None:
    save("a.jpg")
    description = originals.look_up("a.jpg")
    raising()
    with caplog.at_level(logging.WARNING):
        originals.look_up(description.reference, originals.Freshness.NOW)
    assert len(caplog.records) == 1
    assert caplog.records[0].exc_info is None


#: Its header is whole, its pixels end early.
CUT = photograph((1000, 750))[:9000]


def pages() -> tuple[str, str]:
    return str(picture.build("a.jpg", alt="")), picture.url("a.jpg", width=320)


def fail(client: Client) -> str:
    """The URL of a variant that cannot be made, and was asked for."""
    save("a.jpg", CUT)
    html, url = pages()
    assert "<picture>" in html
    assert client.get(url).status_code == 422
    return url


PLAIN = '<img src="/originals/a.jpg" width="1000" height="750" alt="" data-resizer loading="lazy" decoding="async">'


def test_page_shows_a_broken_original_as_it_is_once_a_variant_has_failed(
    client: Client, clock: FrozenDateTimeFactory
) -> None:
    url = fail(client)
    # Longer than any failure or description is remembered.
    for seconds in (0, 61, 301, 24 * 3600):
        clock.tick(timedelta(seconds=seconds))
        assert pages() == (PLAIN, "/originals/a.jpg")
        assert client.get(url).status_code == 422


def test_page_shows_a_broken_original_as_it_is_though_the_cache_is_lost(client: Client) -> None:
    fail(client)
    caches["default"].clear()
    assert pages() == (PLAIN, "/originals/a.jpg")


def test_page_shows_a_broken_original_as_it_is_without_a_database(
    client: Client, clock: FrozenDateTimeFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("resizer.records.tables.is_configured", lambda: False)
    fail(client)
    for seconds in (0, 301, 24 * 3600):
        clock.tick(timedelta(seconds=seconds))
        assert pages() == (PLAIN, "/originals/a.jpg")


@pytest.mark.parametrize("is_saved", [True, False], ids=["saved", "behind Django's back"])
def test_page_shows_the_picture_again_once_a_broken_original_is_replaced(
    client: Client,
    clock: FrozenDateTimeFactory,
    is_saved: bool,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    url = fail(client)
    save("a.jpg", photograph((1000, 750)))
    if is_saved:
        with django_capture_on_commit_callbacks(execute=True):
            Photo.objects.create(title="Mended", image="a.jpg")
    else:
        clock.tick(timedelta(seconds=301))
    html, current = pages()
    assert "<picture>" in html
    assert current != url
    assert client.get(current).status_code == 200
    assert client.get(url)["Content-Location"] == current


def test_broken_original_costs_a_page_one_call_of_the_cache(
    client: Client,
    monkeypatch: pytest.MonkeyPatch,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    fail(client)
    calls: list[Any] = []
    cache_class = type(caches["default"])
    real = cache_class.get

    def counted(*args: Any) -> Any:
        calls.append(args)
        return real(*args)

    monkeypatch.setattr(cache_class, "get", counted)
    monkeypatch.setattr(get_source("default"), "stat", None)
    with django_assert_num_queries(0):
        assert str(picture.build("a.jpg", alt="")) == PLAIN
    assert len(calls) == 1


def test_broken_original_of_a_list_is_shown_as_it_is(
    client: Client,
    clock: FrozenDateTimeFactory,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    fail(client)
    photo = Photo(image="a.jpg")
    resizer.prefetch([photo], "image")
    with django_assert_num_queries(0):
        assert str(picture.build(photo.image, alt="")) == PLAIN
    save("a.jpg")
    clock.tick(timedelta(seconds=301))
    assert "<picture>" in str(picture.build(photo.image, alt=""))


def test_broken_original_is_tried_again_after_a_week_and_when_it_is_forgotten(
    client: Client, clock: FrozenDateTimeFactory
) -> None:
    url = fail(client)
    clock.tick(timedelta(days=7))
    assert "<picture>" in pages()[0]
    assert client.get(url).status_code == 422
    assert pages()[0] == PLAIN
    store.forget(Reference("default", "a.jpg"))
    assert "<picture>" in pages()[0]


def test_broken_original_is_tried_again_after_a_week_without_a_database(
    client: Client, clock: FrozenDateTimeFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many pages ask meanwhile: each has it looked at again."""
    monkeypatch.setattr("resizer.records.tables.is_configured", lambda: False)
    fail(client)
    for _ in range(6):
        clock.tick(timedelta(days=1))
        assert pages()[0] == PLAIN
    clock.tick(timedelta(days=1))
    assert "<picture>" in pages()[0]


@pytest.mark.parametrize("held_by", ["cache", "row", "both"])
def test_description_of_another_release_counts_as_none(
    client: Client, monkeypatch: pytest.MonkeyPatch, held_by: str
) -> None:
    """As after going back to a release that does not know the format."""
    save("a.jpg")
    photo = Photo(image="a.jpg")
    before = pages()
    # What the newer release remembers: the same original, in a format of its own.
    newer = replace(formats.JPEG, name="newer")
    with monkeypatch.context() as patch:
        patch.setitem(formats.BY_NAME, "newer", newer)
        known = originals.look_up("a.jpg")
        caches["default"].clear()
        Original.objects.all().delete()
        header = known.header._replace(format=newer)
        description = replace(known, header=header)
        if held_by != "row":
            memory.remember(description)
        if held_by != "cache":
            index.record(description)
    assert pages() == before
    resizer.prefetch([photo], "image")
    assert str(picture.build(photo.image, alt="")) == before[0]
    assert client.get(before[1]).status_code == 200
    assert Original.objects.get().format == "jpeg"


def test_row_of_another_release_is_described_anew(client: Client) -> None:
    save("a.jpg")
    before = pages()
    Original.objects.update(format="newer")
    caches["default"].clear()
    row = Original.objects.get()
    assert str(picture.build(row, alt="")) == before[0]
    resizer.prefetch([Photo(image="a.jpg")], "image")
    assert client.get(before[1]).status_code == 200


def test_looking_at_a_broken_original_again_writes_nothing(
    client: Client, clock: FrozenDateTimeFactory
) -> None:
    url = fail(client)
    clock.tick(timedelta(seconds=301))
    with CaptureQueriesContext(connection) as queries:
        assert pages() == (PLAIN, "/originals/a.jpg")
        assert client.get(url).status_code == 422
    assert all(query["sql"].startswith("SELECT") for query in queries)


def test_box_of_a_broken_original_is_that_of_its_picture(client: Client) -> None:
    fail(client)
    made = picture.build("a.jpg", alt="", width=2000, ratio="2/1")
    assert (made.width, made.height) == (1000, 500)


def test_frames_of_a_broken_original_are_not_made_one(
    client: Client, clock: FrozenDateTimeFactory
) -> None:
    frames = [draw((640, 480)).rotate(90 * turn) for turn in range(3)]
    content = encode(frames[0], "PNG", save_all=True, append_images=frames[1:])
    save("a.jpg", content[: len(content) * 9 // 10])
    url = picture.url("a.jpg", animated=True)
    assert "/animated/" in url
    assert client.get(url).status_code == 422
    clock.tick(timedelta(seconds=61))
    assert client.get(url).status_code == 422


class RefusingEngine(PillowEngine):
    """Reads headers, and makes nothing."""

    error: type[ResizerError]

    def render(
        self, file: BinaryIO, header: Header, variants: Sequence[Variant]
    ) -> Generator[Rendered]:
        raise RefusingEngine.error("as the test says")
        yield


@pytest.mark.parametrize(
    ("error", "is_broken"),
    [
        (UndecodableOriginal, True),
        (TooMuchWork, True),
        (RenderKilled, False),
        (Busy, False),
        (TooManyPixels, False),
    ],
)
def test_only_what_is_the_fault_of_the_file_makes_it_broken(
    client: Client, settings: Settings, error: type[ResizerError], is_broken: bool
) -> None:
    engine = "tests.test_originals.RefusingEngine"
    settings.RESIZER = {"ENGINE": engine, "ISOLATION": False}
    RefusingEngine.error = error
    save("a.jpg")
    assert client.get(picture.url("a.jpg", width=320)).status_code == error.status
    assert ("<picture>" not in pages()[0]) is is_broken


@pytest.mark.parametrize(
    ("options", "is_broken"),
    [
        ({"animated": True}, False),
        ({"linear": True}, False),
        ({"quality": "auto"}, False),
        ({"quality": "lossless"}, False),
        ({"ratio": "1/1"}, True),
        ({"quality": "high"}, True),
    ],
)
def test_costly_recipe_that_takes_too_long_leaves_the_other_pages_alone(
    client: Client, settings: Settings, options: dict[str, Any], is_broken: bool
) -> None:
    engine = "tests.test_originals.RefusingEngine"
    settings.RESIZER = {"ENGINE": engine, "ISOLATION": False}
    RefusingEngine.error = TooMuchWork
    frames = [draw((640, 480)).rotate(90 * turn) for turn in range(3)]
    save("a.jpg", encode(frames[0], "PNG", save_all=True, append_images=frames[1:]))
    assert client.get(picture.url("a.jpg", width=320, **options)).status_code == 422
    assert ("<picture>" not in pages()[0]) is is_broken


class WitnessEngine(PillowEngine):
    """Tells what it was given."""

    given: list[Header]

    def render(
        self, file: BinaryIO, header: Header, variants: Sequence[Variant]
    ) -> Generator[Rendered]:
        WitnessEngine.given.append(header)
        assert file.tell() == 0
        return super().render(file, header, variants)


@pytest.mark.parametrize(
    ("content", "is_shrinkable"),
    [
        (photograph((1000, 750)), True),
        (photograph((1000, 750)) + bytes(20), True),
        (photograph((1000, 750))[:-2], False),
    ],
    ids=["whole", "with more behind", "without an end"],
)
def test_jpeg_without_an_end_counts_as_decoded_whole(
    client: Client, settings: Settings, content: bytes, is_shrinkable: bool
) -> None:
    engine = "tests.test_originals.WitnessEngine"
    settings.RESIZER = {"ENGINE": engine, "ISOLATION": False}
    WitnessEngine.given = []
    save("a.jpg", content)
    assert client.get(picture.url("a.jpg", width=320)).status_code == 200
    assert [one.is_shrinkable for one in WitnessEngine.given] == [is_shrinkable]


def test_jpeg_without_an_end_that_takes_too_much_memory_is_shown_as_it_is(
    client: Client, settings: Settings
) -> None:
    settings.RESIZER = {"MAX_DECODED_MEGABYTES": 4}
    save("a.jpg", photograph((1000, 750)))
    assert client.get(picture.url("a.jpg", width=320)).status_code == 200
    save("b.jpg", photograph((1000, 750))[:-2])
    response = client.get(picture.url("b.jpg", width=320))
    assert response.status_code == 422
    assert response.content.decode() == TooMuchWork.public_message
    assert "<picture>" not in str(picture.build("b.jpg", alt=""))


def test_doubtful_original_is_left_to_django_before_its_request(db: None) -> None:
    token = at_once.set(True)
    try:
        with pytest.raises(NotAtOnce):
            memory.may_ask(Reference("default", "a.jpg"), "")
    finally:
        at_once.reset(token)
