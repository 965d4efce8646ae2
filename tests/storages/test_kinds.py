"""Every kind of storage passes the same tests."""

from __future__ import annotations

import io
import itertools
import re
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.staticfiles.storage import StaticFilesStorage
from django.core.exceptions import SuspiciousFileOperation
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, InMemoryStorage, Storage
from django.utils.functional import SimpleLazyObject

import resizer
from resizer.errors import StoreFailed, TooManyBytes
from resizer.formats import AVIF
from resizer.sources.files import OriginalFile
from resizer.storages import publishing
from resizer.storages.kinds import kind_of
from resizer.storages.protocol import Reading
from tests.storages.quick import QuickStorage

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_django import Settings

    from resizer.storages.protocol import Kind

KEY = "photos/a.jpg/5d41402a-nFGBozSE6GBqnk/640.avif"
OTHER = KEY.replace("640", "320")
READING = Reading(max_bytes=1000)
KINDS = ("local files", "S3", "any")

_buckets = (f"kinds-{number}" for number in itertools.count())


@pytest.fixture
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], Storage]:
    """Call it for a new object of a kind, which all have one place; the ones in memory have none."""
    bucket = next(_buckets)

    def make(kind: str) -> Storage:
        if kind == "S3":
            url = request.getfixturevalue("moto_url")
            place = {"endpoint_url": url, "region_name": "us-east-1", "bucket_name": bucket}
            storage: Storage = QuickStorage(**place, location="below", querystring_auth=False)
            client = storage.bucket.meta.client  # type: ignore[attr-defined]
            client.create_bucket(Bucket=bucket)
            return storage
        if kind == "local files":
            return FileSystemStorage(tmp_path / "files", base_url="/files/")
        return InMemoryStorage(base_url="/files/")

    return make


@pytest.fixture(params=KINDS)
def storage(request: pytest.FixtureRequest, make: Callable[[str], Storage]) -> Storage:
    return make(request.param)


@pytest.fixture
def kind(storage: Storage) -> Kind:
    return kind_of(storage)


def save(storage: Storage, name: str, content: bytes) -> None:
    storage.delete(name)
    assert storage.save(name, ContentFile(content)) == name


# --- variants


def test_what_is_published_is_fetched_listed_and_removed(kind: Kind) -> None:
    before = time.time()
    published = kind.publish(KEY, b"content", AVIF)
    kind.publish(OTHER, b"other content", AVIF)
    fetched = kind.fetch(KEY)
    assert published is not None
    assert fetched is not None
    content, stored = fetched
    assert (content, stored.name, stored.bytes) == (b"content", KEY, 7)
    assert (published.name, published.bytes, published.etag) == (KEY, 7, stored.etag)
    assert before - 2 <= stored.modified_at <= time.time() + 2
    assert published.modified_at == pytest.approx(stored.modified_at, abs=2)
    assert kind.exists(KEY)
    for directory in ("", "photos", "photos/a.jpg"):
        listed = list(kind.walk(directory))
        assert [(one.name, one.bytes) for one in listed] == [(OTHER, 13), (KEY, 7)]
        assert listed[1].modified_at == pytest.approx(stored.modified_at, abs=2)
        assert listed[1].etag in {None, stored.etag}
        assert [one.name for one in kind.walk(directory, OTHER)] == [KEY]
    assert list(kind.walk("", KEY)) == list(kind.walk("nowhere")) == []
    kind.remove([KEY, "photos/a.jpg/never-there.avif"])
    assert kind.fetch(KEY) is None
    assert not kind.exists(KEY)
    assert [one.name for one in kind.walk()] == [OTHER]
    kind.remove([])


def test_second_is_not_kept(kind: Kind) -> None:
    assert kind.publish(KEY, b"first", AVIF) is not None
    assert kind.publish(KEY, b"second", AVIF) is None
    fetched = kind.fetch(KEY)
    assert fetched is not None
    assert fetched[0] == b"first"
    assert [one.name for one in kind.walk()] == [KEY]


# Django's own methods cannot decide that.
@pytest.mark.parametrize("storage", ["local files", "S3"], indirect=True)
def test_first_of_many_wins(kind: Kind) -> None:
    contents = [bytes([number]) * 100_000 for number in range(16)]
    with ThreadPoolExecutor(16) as pool:
        published = list(pool.map(lambda one: kind.publish(KEY, one, AVIF), contents))
    (first,) = [place for place, one in enumerate(published) if one is not None]
    fetched = kind.fetch(KEY)
    assert fetched is not None
    assert fetched[0] == contents[first]
    assert [one.name for one in kind.walk()] == [KEY]


def test_what_is_missing_is_told(kind: Kind) -> None:
    kind.publish(KEY, b"content", AVIF)
    gone = [KEY.replace("640", "960"), OTHER]
    assert sorted(kind.missing([gone[0], KEY, gone[1]])) == sorted(gone)
    assert kind.missing([KEY]) == kind.missing([]) == []


def test_name_that_leads_out_is_refused(storage: Storage) -> None:
    for call in (publishing.fetch, publishing.exists):
        with pytest.raises(StoreFailed, match=re.escape(repr("../a.avif"))):
            call(storage, "../a.avif")
    with pytest.raises(StoreFailed):
        publishing.publish(storage, "../a.avif", b"content", AVIF)


def test_local_files_are_answered_by_a_web_server_alone(
    make: Callable[[str], Storage],
) -> None:
    urls = [kind_of(make(kind)).url("a b.avif") for kind in KINDS]
    assert urls[0] is None
    assert str(urls[1]).endswith("/below/a%20b.avif")
    assert urls[2] == "/files/a%20b.avif"
    assert kind_of(Storage()).url("a.avif") is None


# --- originals


def test_original_is_told_and_read(storage: Storage, kind: Kind) -> None:
    save(storage, "a/b.jpg", b"content")
    stat = kind.stat("a/b.jpg", READING)
    assert stat.bytes == 7
    with kind.open("a/b.jpg", READING) as content:
        file = OriginalFile(content, "a/b.jpg")
        assert file.read(3) == b"con"
        assert file.tell() == 3
        assert file.seek(-2, io.SEEK_END) == 5
        assert file.read() == b"nt"
        file.seek(1)
        # As any file of Python's.
        buffered = io.BufferedReader(file)
        assert buffered.read(4) == b"onte"
        buffered.detach()
        assert (file.readable(), file.seekable()) == (True, True)
        assert file.fingerprint in {None, stat.fingerprint}
    save(storage, "a/b.jpg", b"CONTENT!")
    assert kind.stat("a/b.jpg", READING) != stat


def test_many_originals_are_told_as_each(storage: Storage, kind: Kind) -> None:
    names = ["b.jpg", "a/c.jpg", "a.jpg"]
    for name in names:
        save(storage, name, name.encode())
    assert sorted(kind.names()) == sorted(names)
    told = {name: ask() for name, ask in kind.stat_many(names, READING, nullcontext)}
    assert told == {name: kind.stat(name, READING) for name in names}
    ((_, ask),) = kind.stat_many(["gone.jpg"], READING, nullcontext)
    with pytest.raises(FileNotFoundError):
        ask()


def test_original_that_is_not_there_is_not_found(storage: Storage, kind: Kind) -> None:
    save(storage, "a.jpg", b"content")
    with pytest.raises(FileNotFoundError):
        kind.stat("b.jpg", READING)
    with pytest.raises(FileNotFoundError), kind.open("b.jpg", READING):
        pass
    with pytest.raises((SuspiciousFileOperation, OSError)):
        kind.stat("../a.jpg", READING)


@pytest.mark.parametrize("storage", ["local files", "S3"], indirect=True)
def test_equal_bytes_are_one_version_by_content(storage: Storage, kind: Kind) -> None:
    reading = READING._replace(by_content=True)
    told = []
    for content in (b"content", b"content", b"CONTENT"):
        save(storage, "a.jpg", content)
        told.append(kind.stat("a.jpg", reading))
    assert told[0] == told[1] != told[2]
    (_, ask), *_ = kind.stat_many(["a.jpg"], reading, nullcontext)
    assert ask() == told[2]


def test_object_that_is_too_large_is_not_opened(make: Callable[[str], Storage]) -> None:
    storage = make("S3")
    save(storage, "a.jpg", b"content")
    with pytest.raises(TooManyBytes), kind_of(storage).open("a.jpg", Reading(max_bytes=6)):
        pass


# --- what a kind says of itself


def test_kind_says_what_others_ask(make: Callable[[str], Storage]) -> None:
    local, bucket, memory = (kind_of(make(kind)) for kind in KINDS)
    assert [one.is_local for one in (local, bucket, memory)] == [True, False, False]
    assert [one.has_unsigned_urls for one in (local, bucket, memory)] == [False, True, False]
    assert all(one.names_are_paths for one in (local, bucket, memory))
    assert not kind_of(Storage()).names_are_paths


@pytest.mark.parametrize("name", ["local files", "S3"])
def test_objects_of_one_place_have_one_place(make: Callable[[str], Storage], name: str) -> None:
    one, other = kind_of(make(name)), kind_of(make(name))
    assert one.place is not None
    assert one.place == other.place
    assert one.lasting_place(None) == other.lasting_place("/elsewhere") == one.place


def test_place_in_the_project_is_the_same_in_every_release(tmp_path: Path) -> None:
    told = {
        kind_of(FileSystemStorage(tmp_path / release / "media")).lasting_place(
            str(tmp_path / release)
        )
        for release in ("1", "2")
    }
    assert told == {("media",)}


def test_directory_that_is_not_set_is_no_place(settings: Settings) -> None:
    settings.STATIC_ROOT = None
    kind = kind_of(StaticFilesStorage())
    assert (kind.place, kind.lasting_place("/project")) == (None, None)


def test_storage_in_memory_has_a_place_of_its_own(make: Callable[[str], Storage]) -> None:
    kind = kind_of(make("any"))
    assert (kind.place, kind.lasting_place(None)) == (None, None)


@pytest.mark.parametrize("name", KINDS)
def test_lazy_storage_is_of_the_kind_that_it_wraps(
    make: Callable[[str], Storage], name: str
) -> None:
    storage = make(name)
    lazy: Any = SimpleLazyObject(lambda: SimpleLazyObject(lambda: storage))
    assert type(kind_of(lazy)) is type(kind_of(storage))
    assert kind_of(storage) is kind_of(storage)


def test_kind_is_chosen_in_one_place() -> None:
    root = Path(resizer.__file__).parent
    asking = re.compile(r"(isinstance|issubclass)\([^()]*(\(\))?[^()]*FileSystemStorage|bucket_of")
    found = [
        path.relative_to(root).as_posix()
        for path in root.rglob("*.py")
        if asking.search(path.read_text())
    ]
    assert found == ["storages/kinds.py"]
