from __future__ import annotations

import errno
import gzip
import io
import os
import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, cast

import pytest
from django.contrib.staticfiles.storage import ManifestStaticFilesStorage, StaticFilesStorage
from django.core.cache import caches
from django.core.files.base import ContentFile, File
from django.core.files.storage import InMemoryStorage, Storage, default_storage, storages
from django.core.management import call_command
from django.template import Context, Template

from config.gallery.models import Photo
from resizer.engines import get_engine
from resizer.engines.pillow import PillowEngine
from resizer.errors import Busy, OriginalNotFound, ResizerError, SourceFailed, SourceTimedOut
from resizer.markup import picture
from resizer.models import Original
from resizer.sources import (
    HttpSource,
    Source,
    SourceWithURLs,
    StaticSource,
    StorageSource,
    get_source,
    get_sources,
)
from tests.conftest import save
from tests.hostile_server import hostile_server
from tests.pictures import decode, photograph
from tests.storages.quick import QuickStorage

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from django.test import Client
    from pytest_django import Settings


class FailingStorage(InMemoryStorage):
    """Raises what it is told to."""

    error: Exception = OSError(errno.EIO, "disk on fire")

    def size(self, name: str) -> int:
        raise self.error

    def _open(self, name: str, mode: str = "rb") -> Any:
        raise self.error

    def url(self, name: str | None) -> str:
        raise self.error

    def listdir(self, path: str) -> Any:
        raise self.error


LOCAL = "django.core.files.storage.FileSystemStorage"
#: Each with the storage of the files that it reads.
SOURCES = {
    "local storage": LOCAL,
    "storage elsewhere": "django.core.files.storage.InMemoryStorage",
    "static files, found": LOCAL,
    "static files, collected": LOCAL,
    "web": LOCAL,
}


@pytest.fixture(params=SOURCES)
def source(request: pytest.FixtureRequest, settings: Settings, tmp_path: Path) -> Iterator[Source]:
    """One of each kind, of the files in the default storage."""
    directory = tmp_path / "originals"
    options = {"location": str(directory), "base_url": "/originals/"}
    storage = {"BACKEND": SOURCES[request.param], "OPTIONS": options}
    settings.STORAGES = {**settings.STORAGES, "default": storage, "staticfiles": storage}
    settings.STATICFILES_DIRS = [directory]
    settings.DEBUG = request.param == "static files, found"
    if request.param == "web":
        with hostile_server() as server:
            server.serve_directory(directory)
            yield HttpSource(f"{server.url}originals/", networks=["127.0.0.1"])
        return
    yield StaticSource() if "static" in request.param else StorageSource()


def test_file_is_told_and_read(source: Source) -> None:
    save("a/b.jpg", b"content")
    assert source.stat("a/b.jpg").bytes == 7
    with source.open("a/b.jpg") as file:
        assert file.read() == b"content"
        file.seek(2)
        assert file.read() == b"ntent"
    assert source.url("a/b.jpg").endswith("/originals/a/b.jpg")
    assert not source.claims(storages["resizer"])


def test_fingerprint_changes_with_the_file(source: Source) -> None:
    save("a.jpg", b"content")
    before = source.stat("a.jpg").fingerprint
    assert source.stat("a.jpg").fingerprint == before
    save("a.jpg", b"longer content")
    assert source.stat("a.jpg").fingerprint != before


def test_fingerprint_changes_with_a_file_of_the_same_size(source: Source) -> None:
    save("a.jpg", b"content")
    before = source.stat("a.jpg").fingerprint
    save("a.jpg", b"CONTENT")
    assert source.stat("a.jpg").fingerprint != before


def test_storage_that_keeps_no_times_tells_files_by_their_length(settings: Settings) -> None:
    timeless = {"BACKEND": "tests.test_store.TimelessStorage"}
    settings.STORAGES = {**settings.STORAGES, "default": timeless}
    save("a.jpg", b"content")
    before = StorageSource().stat("a.jpg")
    assert before.bytes == 7
    save("a.jpg", b"longer content")
    assert StorageSource().stat("a.jpg").fingerprint != before.fingerprint


@pytest.mark.parametrize(
    "name", ["missing.jpg", "../secret.jpg", "/etc/passwd", "a\0b.jpg", "x" * 5000]
)
def test_name_that_the_storage_lacks_or_refuses_is_not_found(source: Source, name: str) -> None:
    save("a.jpg", b"content")
    with pytest.raises(OriginalNotFound):
        source.stat(name)
    with pytest.raises(OriginalNotFound), source.open(name):
        pass


@pytest.mark.parametrize("name", [".", "a.jpg/b.jpg", "pipe"])
def test_name_of_no_file_is_not_found(tmp_path: Path, name: str) -> None:
    save("a.jpg", b"content")
    os.mkfifo(tmp_path / "originals/pipe")
    with pytest.raises(OriginalNotFound):
        StorageSource().stat(name)


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (OSError(errno.EIO, "disk on fire"), SourceFailed),
        (RuntimeError("an error of the storage's own library"), SourceFailed),
        (TimeoutError("too slow"), SourceTimedOut),
        (PermissionError("no"), OriginalNotFound),
    ],
)
def test_storage_that_fails_is_our_error(
    settings: Settings, error: Exception, raised: type[ResizerError]
) -> None:
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {"BACKEND": "tests.sources.test_sources.FailingStorage"},
    }
    source = StorageSource()
    storages["default"].error = error  # type: ignore[attr-defined]
    with pytest.raises(raised):
        source.stat("a.jpg")
    with pytest.raises(raised), source.open("a.jpg"):
        pass
    with pytest.raises(raised):
        source.url("a.jpg")


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (OSError(errno.EIO, "disk on fire"), SourceFailed),
        (TimeoutError("too slow"), SourceTimedOut),
        (OSError(errno.EMFILE, "Too many open files"), Busy),
        (Busy("short of memory"), Busy),
    ],
)
def test_listing_that_fails_is_our_error(
    settings: Settings, error: Exception, raised: type[ResizerError]
) -> None:
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {"BACKEND": "tests.sources.test_sources.FailingStorage"},
    }
    storages["default"].error = error  # type: ignore[attr-defined]
    with pytest.raises(raised):
        list(StorageSource().names())


def test_error_of_the_reader_is_left_alone() -> None:
    save("a.jpg", b"content")
    with pytest.raises(ZeroDivisionError), StorageSource().open("a.jpg"):
        raise ZeroDivisionError


def test_source_claims_its_own_storage_only() -> None:
    assert StorageSource().claims(storages["default"])
    assert StorageSource().claims(default_storage)
    assert not StorageSource().claims(storages["resizer"])
    assert StorageSource("resizer").claims(storages["resizer"])


def test_sources_are_configured_by_alias(settings: Settings) -> None:
    settings.RESIZER = {"SOURCES": {"private": {"OPTIONS": {"storage": "resizer"}}}}
    storages["resizer"].save("a.jpg", ContentFile(b"private"))
    assert set(get_sources()) == {"default", "private"}
    assert get_source("private").stat("a.jpg").bytes == 7
    with pytest.raises(OriginalNotFound):
        get_source("public")


def test_local_file_has_a_number(tmp_path: Path) -> None:
    save("a.jpg", b"content")
    with StorageSource().open("a.jpg") as file:
        assert os.path.samestat(os.fstat(file.fileno()), os.stat(tmp_path / "originals/a.jpg"))
        assert file.read(3) == b"con"
        assert file.tell() == 3


def test_pipe_in_the_place_of_a_file_is_not_waited_for(tmp_path: Path) -> None:
    save("a.jpg", b"content")
    os.unlink(tmp_path / "originals/a.jpg")
    os.mkfifo(tmp_path / "originals/a.jpg")
    with pytest.raises(OriginalNotFound), StorageSource().open("a.jpg"):
        pass


class BreakingFile(io.BytesIO):
    error: Exception = OSError(errno.EIO, "disk on fire")

    def read(self, *_: Any) -> bytes:
        raise self.error

    seek = read  # type: ignore[assignment]  # both break


class BreakingStorage(InMemoryStorage):
    def _open(self, name: str, mode: str = "rb") -> File[bytes]:
        return File(BreakingFile())


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (OSError(errno.EIO, "disk on fire"), SourceFailed),
        (RuntimeError("an error of the storage's own library"), SourceFailed),
        (TimeoutError("too slow"), SourceTimedOut),
    ],
)
def test_source_that_breaks_while_it_is_read_is_no_broken_picture(
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    raised: type[ResizerError],
) -> None:
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {"BACKEND": "tests.sources.test_sources.BreakingStorage"},
    }
    monkeypatch.setattr(BreakingFile, "error", error)
    with StorageSource().open("a.jpg") as file:
        with pytest.raises(raised):
            file.read()
        with pytest.raises(raised):
            file.seek(0, os.SEEK_END)
        with pytest.raises(raised):
            PillowEngine().read_header(file)


def test_symbolic_link_to_itself_is_not_found(tmp_path: Path) -> None:
    save("a.jpg", b"content")
    (tmp_path / "originals/loop.jpg").symlink_to("loop.jpg")
    with pytest.raises(OriginalNotFound):
        StorageSource().stat("loop.jpg")


def is_found(name: str, **options: Any) -> bool:
    """Whether a source of the default storage tells and opens a file; it does both or neither."""
    source = StorageSource(**options)
    try:
        assert source.stat(name).bytes == 7
    except OriginalNotFound:
        with pytest.raises(OriginalNotFound), source.open(name):
            pass
        return False
    with source.open(name) as file:
        assert file.read() == b"content"
    return True


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file beside the originals, in a directory whose name begins like theirs."""
    save("folder/a.jpg", b"content")
    directory = tmp_path / "originals-of-others"
    directory.mkdir()
    (directory / "secret.jpg").write_bytes(b"content")
    return directory / "secret.jpg"


@pytest.mark.parametrize(
    "name", ["file.jpg", "relative.jpg", "chain.jpg", "folder/up/secret.jpg", "back/a.jpg", "top"]
)
def test_link_that_leads_out_of_the_storage_is_not_found(
    tmp_path: Path, secret: Path, name: str
) -> None:
    originals = tmp_path / "originals"
    (originals / "file.jpg").symlink_to(secret)
    (originals / "relative.jpg").symlink_to("../originals-of-others/secret.jpg")
    (originals / "chain.jpg").symlink_to("relative.jpg")
    (originals / "folder/up").symlink_to(secret.parent)
    # Where it ends counts, not where it passes.
    (originals / "back").symlink_to("../originals/folder")
    (originals / "top").symlink_to(".")
    assert is_found(name) is (name == "back/a.jpg")


def test_link_within_the_storage_is_followed(tmp_path: Path) -> None:
    save("folder/a.jpg", b"content")
    (tmp_path / "originals/b.jpg").symlink_to("folder/a.jpg")
    (tmp_path / "originals/other").symlink_to(tmp_path / "originals/folder")
    assert is_found("b.jpg")
    assert is_found("other/a.jpg")


def test_location_may_be_a_link(tmp_path: Path) -> None:
    save("folder/a.jpg", b"content")
    (tmp_path / "originals").rename(tmp_path / "release")
    (tmp_path / "originals").symlink_to("release")
    (tmp_path / "release/b.jpg").symlink_to(tmp_path / "originals/folder/a.jpg")
    assert is_found("folder/a.jpg")
    assert is_found("b.jpg")


def test_links_on_purpose_are_followed(tmp_path: Path, secret: Path) -> None:
    (tmp_path / "originals/linked").symlink_to(secret.parent)
    (tmp_path / "originals/zero").symlink_to("/dev/zero")
    assert not is_found("linked/secret.jpg")
    assert is_found("linked/secret.jpg", follow_symlinks=True)
    assert not is_found("zero", follow_symlinks=True)


@pytest.mark.parametrize("taken", ["folder", "folder/a.jpg"])
def test_link_that_takes_the_place_of_a_checked_step_is_not_followed(
    tmp_path: Path, secret: Path, monkeypatch: pytest.MonkeyPatch, taken: str
) -> None:
    secret.rename(secret.with_name("a.jpg"))
    place = tmp_path / "originals" / taken
    target = secret.parent if place.is_dir() else secret.with_name("a.jpg")
    real = os.path.realpath

    def resolve(path: Any, **options: Any) -> Any:
        resolved = real(path, **options)
        # The moment after the check, before the file is opened.
        if resolved.endswith("a.jpg"):
            place.rename(tmp_path / "former")
            place.symlink_to(target)
        return resolved

    monkeypatch.setattr(os.path, "realpath", resolve)
    with pytest.raises(OriginalNotFound), StorageSource().open("folder/a.jpg"):
        pass
    assert place.is_symlink()


def test_static_files_that_were_collected_as_links_are_found(
    settings: Settings, static: Path
) -> None:
    (static / "img/logo.jpg").write_bytes(b"content")
    backend = "django.contrib.staticfiles.storage.StaticFilesStorage"
    settings.STORAGES = {**settings.STORAGES, "staticfiles": {"BACKEND": backend}}
    call_command("collectstatic", interactive=False, verbosity=0, link=True)
    assert (static.parent / "collected/img/logo.jpg").is_symlink()
    source = get_source("static")
    assert source.stat("img/logo.jpg").bytes == 7
    with source.open("img/logo.jpg") as file:
        assert file.read() == b"content"


@pytest.fixture
def static(settings: Settings, tmp_path: Path) -> Path:
    """Where static files are found; what is collected is elsewhere."""
    settings.STATICFILES_DIRS = [tmp_path / "static"]
    settings.STATIC_ROOT = tmp_path / "collected"
    settings.STATIC_URL = "/static/"
    backend = "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"
    settings.STORAGES = {**settings.STORAGES, "staticfiles": {"BACKEND": backend}}
    settings.RESIZER = {"SOURCES": {"static": {"BACKEND": "resizer.sources.StaticSource"}}}
    (tmp_path / "static/img").mkdir(parents=True)
    return tmp_path / "static"


@pytest.mark.parametrize(
    "backend", ["FileSystemStorage", "InMemoryStorage"], ids=["disk", "memory"]
)
@pytest.mark.parametrize("name", ["a//b.jpg", "./a/b.jpg", "a/./b.jpg", "a/b.jpg/"])
def test_name_that_django_opens_is_one_original(
    client: Client, db: None, settings: Settings, backend: str, name: str
) -> None:
    options = settings.STORAGES["default"]["OPTIONS"] if backend == "FileSystemStorage" else {}
    default = {"BACKEND": f"django.core.files.storage.{backend}", "OPTIONS": options}
    settings.STORAGES = {**settings.STORAGES, "default": default}
    save("a/b.jpg")
    with storages["default"].open(name) as opened:
        assert opened.read()
    for file in (name, f"default:{name}", Photo(image=name).image):
        url = picture.url(file, width=320)
        assert url == picture.url("a/b.jpg", width=320)
        assert client.get(url).status_code == 200
    assert Original.objects.count() == 1


@pytest.mark.parametrize("name", ["a/../b.jpg", "/b.jpg", ".", "//", "a\\b.jpg"])
def test_name_that_no_key_can_hold_prints_the_plain_original(db: None, name: str) -> None:
    save("b.jpg")
    for file in (f"default:{name}", Photo(image=name).image):
        assert str(picture.build(file, alt="")).startswith('<img src="/originals/')
    # A string with a slash at its start counts as a URL.
    expected = name if name.startswith("/") else "/originals/"
    assert str(picture.build(name, alt="")).startswith(f'<img src="{expected}')


def test_name_in_a_storage_that_may_tell_two_spellings_stays(db: None, settings: Settings) -> None:
    settings.STORAGES = {**settings.STORAGES, "default": {"BACKEND": "tests.test_store.Shelf"}}
    assert StorageSource().spell("a//b.jpg") == "a//b.jpg"
    assert picture.url("a//b.jpg", width=320) == "/shelf/a//b.jpg"


def test_static_file_has_one_spelling(db: None, settings: Settings, static: Path) -> None:
    (static / "img/logo.jpg").write_bytes(photograph())
    settings.DEBUG = True
    url = picture.url("static:./img//logo.jpg", width=320)
    assert url == picture.url("static:img/logo.jpg", width=320)
    assert url.startswith("/img/_static/img/logo.jpg/")


def test_static_file_is_found_in_development_and_collected_for_production(
    client: Client, db: None, settings: Settings, static: Path
) -> None:
    (static / "img/logo.jpg").write_bytes(photograph())
    template = Template("{% load resizer %}{% resized_url 'static:img/logo.jpg' width=320 %}")
    settings.DEBUG = True
    assert template.render(Context()).startswith("/img/_static/img/logo.jpg/")
    # Another app's as well.
    assert get_source("static").stat("admin/img/search.svg").bytes > 0
    settings.DEBUG = False
    with pytest.raises(SourceFailed, match="empty or missing"):
        get_source("static").stat("img/logo.jpg")
    (static.parent / "collected").mkdir()
    (static.parent / "collected" / "style.css").touch()
    with pytest.raises(OriginalNotFound):
        get_source("static").stat("img/logo.jpg")
    call_command("collectstatic", interactive=False, verbosity=0)
    caches["default"].clear()
    # The copy is another file, as yet unknown: a new version.
    answer = client.get(template.render(Context()), follow=True)
    assert decode(answer.content).size == (320, 240)
    # The address of the original itself is that of the collected file.
    assert re.fullmatch(
        r"/static/img/logo\.[0-9a-f]{12}\.jpg", get_source("static").url("img/logo.jpg")
    )


@pytest.mark.parametrize(
    "name", ["img", "missing.jpg", "../secret.jpg", "/etc/passwd", "a\0b", "."]
)
def test_name_that_no_finder_has_is_not_found(settings: Settings, static: Path, name: str) -> None:
    (static.parent / "secret.jpg").write_bytes(b"secret")
    settings.DEBUG = True
    with pytest.raises(OriginalNotFound):
        get_source("static").stat(name)


class UnpackingStorage(InMemoryStorage):
    """The descriptor of its file has other bytes than the file."""

    packed: Path

    def _open(self, name: str, mode: str = "rb") -> Any:
        return File(cast("Any", gzip.open(self.packed)))


def test_file_that_is_unpacked_while_it_is_read_is_a_picture(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    storage = {"BACKEND": "tests.sources.test_sources.UnpackingStorage"}
    settings.STORAGES = {**settings.STORAGES, "default": storage}
    path = tmp_path / "a.jpg.gz"
    path.write_bytes(gzip.compress(photograph((640, 480))))
    monkeypatch.setattr(UnpackingStorage, "packed", path, raising=False)
    with StorageSource().open("a.jpg") as file:
        assert get_engine().read_header(file).width == 640


def test_file_that_is_copied_is_the_same_by_its_content(tmp_path: Path) -> None:
    source = StorageSource(by_content=True)
    save("a.jpg", b"content")
    path = tmp_path / "originals/a.jpg"
    before = source.stat("a.jpg")
    assert before.bytes == 7
    os.utime(path, (1, 1))
    assert source.stat("a.jpg") == before != StorageSource().stat("a.jpg")
    save("a.jpg", b"content")
    assert source.stat("a.jpg") == before
    status = os.stat(path)
    with path.open("r+b") as file:
        file.write(b"CONTENT")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert os.stat(path).st_mtime_ns == status.st_mtime_ns
    assert source.stat("a.jpg").fingerprint != before.fingerprint


def test_file_that_is_too_large_is_not_read_for_its_version(settings: Settings) -> None:
    settings.RESIZER = {"MAX_BYTES": 6}
    save("a.jpg", b"content")
    assert StorageSource(by_content=True).stat("a.jpg") == StorageSource().stat("a.jpg")


@pytest.mark.parametrize("is_debug", [True, False])
def test_static_file_keeps_its_url_when_it_is_collected_again(
    settings: Settings, static: Path, is_debug: bool
) -> None:
    backend = "django.contrib.staticfiles.storage.StaticFilesStorage"
    settings.STORAGES = {**settings.STORAGES, "staticfiles": {"BACKEND": backend}}
    settings.DEBUG = is_debug
    found = set()
    for moment, content in ((1, b"content"), (2, b"content"), (3, b"CONTENT")):
        (static / "img/logo.jpg").write_bytes(content)
        call_command("collectstatic", interactive=False, verbosity=0, clear=True)
        for directory in (static, static.parent / "collected"):
            os.utime(directory / "img/logo.jpg", (moment, moment))
        found.add(get_source("static").stat("img/logo.jpg").fingerprint)
    assert len(found) == 2


class LooseManifestStorage(ManifestStaticFilesStorage):
    manifest_strict = False


class RevisedStorage(StaticFilesStorage):
    """Tells stored names by a rule of its own."""

    def stored_name(self, name: str) -> str:
        if name == "unknown.jpg":
            raise ValueError("no rule for it")
        return f"revised/{name}"


@pytest.fixture(params=["ManifestStaticFilesStorage", "LooseManifestStorage"])
def hashed(request: pytest.FixtureRequest, settings: Settings, static: Path) -> Path:
    """Where collected files are, of which only those with a hash in their name are kept."""
    storage = {"BACKEND": f"{__name__}.{request.param}"}
    settings.STORAGES = {**settings.STORAGES, "staticfiles": storage}
    # Not those of apps: the admin alone has more than a hundred to collect.
    settings.STATICFILES_FINDERS = ["django.contrib.staticfiles.finders.FileSystemFinder"]
    (static / "img/logo.jpg").write_bytes(photograph())
    (static / "img/mark.svg").write_bytes(b"<svg xmlns='http://www.w3.org/2000/svg'/>")
    call_command("collectstatic", interactive=False, verbosity=0)
    collected = static.parent / "collected"
    # As WhiteNoise does with WHITENOISE_KEEP_ONLY_HASHED_FILES.
    (collected / "img/logo.jpg").unlink()
    (collected / "img/mark.svg").unlink()
    return collected


def test_static_file_that_is_kept_by_its_hashed_name_alone_is_found(
    client: Client, db: None, hashed: Path
) -> None:
    (path,) = (hashed / "img").glob("logo.*.jpg")
    for name in ("img/logo.jpg", f"img/{path.name}"):
        template = Template(f"{{% load resizer %}}{{% resized_url 'static:{name}' width=320 %}}")
        url = template.render(Context())
        assert url.startswith(f"/img/_static/{name}/")
        answer = client.get(url)
        assert answer.status_code == 200
        assert decode(answer.content).size == (320, 240)
        assert get_source("static").url(name) == f"/static/img/{path.name}"


def test_static_file_that_cannot_be_resized_is_shown_by_its_hashed_name(
    db: None, hashed: Path
) -> None:
    (path,) = (hashed / "img").glob("mark.*.svg")
    for name in ("img/mark.svg", f"img/{path.name}"):
        tag = f"{{% load resizer %}}{{% resized_img 'static:{name}' alt='' %}}"
        html = Template(tag).render(Context())
        assert f' src="/static/img/{path.name}"' in html


@pytest.mark.parametrize(
    "name", ["img/%6Cogo.jpg", " img/logo.jpg", "img/logo.jpg?a", "img/logo.jpg#a", "img/none.jpg"]
)
def test_static_file_has_no_name_but_its_own(hashed: Path, name: str) -> None:
    source = get_source("static")
    with pytest.raises(OriginalNotFound):
        source.stat(name)
    with pytest.raises(OriginalNotFound), source.open(name):
        pass


def test_static_storage_tells_where_it_keeps_a_file(settings: Settings, static: Path) -> None:
    storage = {"BACKEND": f"{__name__}.RevisedStorage"}
    settings.STORAGES = {**settings.STORAGES, "staticfiles": storage}
    storages["staticfiles"].save("revised/a.jpg", ContentFile(b"content"))
    source = get_source("static")
    assert source.stat("a.jpg").bytes == 7
    with source.open("a.jpg") as file:
        assert file.read() == b"content"
    with pytest.raises(OriginalNotFound):
        source.stat("unknown.jpg")


@pytest.mark.parametrize("changed", [0, 99_999])
def test_replaced_file_of_the_same_size_and_time_has_another_beginning_or_end(
    tmp_path: Path, changed: int
) -> None:
    path = tmp_path / "originals/a.jpg"
    found = set()
    for byte in (b"a", b"b"):
        content = bytearray(100_000)
        content[changed : changed + 1] = byte
        replacement = tmp_path / f"replacement-{byte.hex()}"
        replacement.write_bytes(content)
        os.utime(replacement, (1_000_000_000, 1_000_000_000))
        replacement.rename(path)
        found.add(StorageSource().stat("a.jpg"))
    assert len(found) == 2


def test_file_that_another_thread_closes_is_read_no_longer(settings: Settings) -> None:
    memory = {"BACKEND": "django.core.files.storage.InMemoryStorage"}
    settings.STORAGES = {**settings.STORAGES, "default": memory}
    settings.RESIZER = {"MAX_FETCHES": 1}
    save("a.jpg", b"content")
    source = StorageSource()
    opened = source.open("a.jpg")
    opened.__enter__()
    assert source.stat("a.jpg").bytes == 7
    with ThreadPoolExecutor(1) as other:
        other.submit(opened.__exit__, None, None, None).result()
        held = source.open("a.jpg")
        other.submit(held.__enter__).result()
        with pytest.raises(Busy):
            source.stat("a.jpg")
        other.submit(held.__exit__, None, None, None).result()


def test_storage_knows_a_name_by_its_url() -> None:
    source = get_source("default")
    assert isinstance(source, SourceWithURLs)
    assert source.name_of("/originals/a%20b.jpg") == "a b.jpg"
    assert source.name_of(source.url("photos//é?.jpg")) == "photos/é?.jpg"
    assert source.name_of("/originals/a.jpg?v=2") == "a.jpg"
    assert source.name_of("/elsewhere/a.jpg") is None


@pytest.mark.parametrize("querystring_auth", [True, False], ids=["signed", "unsigned"])
def test_bucket_knows_a_name_by_its_url(*, querystring_auth: bool) -> None:
    place = {"endpoint_url": "http://s3.example", "region_name": "x", "bucket_name": "names"}
    storage = QuickStorage(**place, location="media", querystring_auth=querystring_auth)
    source = StorageSource(storage)
    url = source.url("2026/a b.jpg")
    assert ("?" in url) is querystring_auth
    bare = url.partition("?")[0].removeprefix("http:")
    # A signature cannot be checked, and without it anybody can write the URL of a private file.
    name = None if querystring_auth else "2026/a b.jpg"
    assert source.name_of(url.removeprefix("http:")) == source.name_of(bare) == name
    assert source.name_of(bare.replace("media", "other")) is None


def test_storage_without_urls_knows_no_name() -> None:
    assert StorageSource(Storage()).name_of("/media/a.jpg") is None


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("//bucket.example.com/pictures/2026/a%20b.jpg", "2026/a b.jpg"),
        # Another picture, perhaps.
        ("//bucket.example.com/pictures/a.jpg?w=100", None),
        ("//bucket.example.com/other/a.jpg", None),
        ("//cdn.example.com/photos/cat.jpg", "https:/cdn.example.com/photos/cat.jpg"),
        ("//old.example.com/cat.jpg?v=1", "http:/old.example.com/cat.jpg?v=1"),
        ("//cdn.example.com/photos/../cat.jpg", None),
        ("//cdn.example.com/private/cat.jpg", None),
        ("/photos/cat.jpg", None),
    ],
)
def test_web_knows_a_name_by_its_url(url: str, name: str | None) -> None:
    source = HttpSource(
        "https://bucket.example.com/pictures/",
        allowed_urls=["https://cdn.example.com/photos/*", "http://old.example.com/*?v=*"],
    )
    found = source.name_of(url)
    assert found == name
    if found is not None:
        assert source.url(found).partition(":")[2] == url
