"""Fields with a storage of their own, as projects, django-filer, Wagtail and django-tenants have them."""

from __future__ import annotations

import os
import re
import shutil
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from django.core.cache import caches
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, InMemoryStorage, Storage, storages
from django.core.management import CommandError, call_command
from django.db.models import ImageField
from django.db.models.fields.files import ImageFieldFile
from django.template import Context, Template
from django.test import override_settings
from django.utils.functional import LazyObject, SimpleLazyObject

import resizer
from config.gallery.models import Photo
from resizer import originals
from resizer.checks.configuration import check_settings
from resizer.errors import SourceFailed
from resizer.maintenance.doctor import examine
from resizer.markup import picture
from resizer.models import CachedVariant, Original
from resizer.sources import fields, find_by_url, get_source, get_sources, stat_each
from resizer.sources.identity import is_same, lies_in, own_alias
from tests.pictures import decode, photograph
from tests.servers import django_server

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client
    from pytest_django import Settings

    Use = Callable[[Storage], None]

LOCAL = "django.core.files.storage.FileSystemStorage"
PAGE = Template("{% load resizer %}{% resized_img photo.image alt='' width=320 %}")


class PrivateMedia(FileSystemStorage):
    """Says itself where its files are."""

    directory: Path

    def __init__(self) -> None:
        super().__init__(location=self.directory)


class LazyMedia(LazyObject):  # type: ignore[type-arg]  # Django's own cannot be indexed
    def _setup(self) -> None:
        self._wrapped = PrivateMedia()


@pytest.fixture
def private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(PrivateMedia, "directory", tmp_path / "private", raising=False)
    return tmp_path / "private"


@pytest.fixture
def use(db: None, monkeypatch: pytest.MonkeyPatch) -> Use:
    """Call it to have the field of the gallery keep its files in a storage."""

    def begin(storage: Storage) -> None:
        monkeypatch.setattr(Photo._meta.get_field("image"), "storage", storage)

    return begin


def upload(name: str = "a.jpg", size: tuple[int, int] = (1600, 1200)) -> Photo:
    photo = Photo(title=name)
    photo.image.save(name, ContentFile(photograph(size)))
    return photo


def show(photo: Photo) -> str:
    """The address in the page's `src`, as another process prints it."""
    caches["default"].clear()
    html = PAGE.render(Context({"photo": Photo.objects.get(pk=photo.pk)}))
    (address,) = re.findall(r' src="([^"]*)"', html)
    return str(address)


def forget() -> None:
    """Know what a process knows that has never seen the page, nor the database."""
    caches["default"].clear()
    CachedVariant.objects.all().delete()
    Original.objects.all().delete()


KINDS: dict[str, Callable[[Path], Any]] = {
    "a directory": lambda directory: FileSystemStorage(location=directory),
    "a class": lambda directory: PrivateMedia(),
    "a callable": lambda directory: ImageField(storage=PrivateMedia).storage,
    "a lazy object": lambda directory: LazyMedia(),
    "a lazy callable": lambda directory: SimpleLazyObject(PrivateMedia),
    "one of STORAGES": lambda directory: storages["private"],
}


@pytest.mark.parametrize("kind", KINDS)
def test_field_with_a_storage_of_its_own_is_a_closed_source(
    client: Client, settings: Settings, use: Use, private: Path, kind: str
) -> None:
    entry = {"BACKEND": LOCAL, "OPTIONS": {"location": private}}
    settings.STORAGES = {**settings.STORAGES, "private": entry}
    use(KINDS[kind](private))
    photo = upload()
    assert (private / "photographs/a.jpg").is_file()
    address = show(photo)
    match = re.match(r"/img/_(storage-[0-9a-f]{16})/photographs/a\.jpg/", address)
    assert match
    forget()
    answer = client.get(address)
    assert answer.status_code == 200
    assert decode(answer.content).size == (320, 240)
    assert client.get(f"/img/320/_{match[1]}/photographs/a.jpg").status_code == 404
    # Another file of the name, in a source that is open, stays another.
    settings.RESIZER = {"SOURCES": {"default": {"OPEN": True}}}
    assert client.get("/img/320/photographs/a.jpg").status_code == 404
    assert client.get(f"/img/320/_{match[1]}/photographs/a.jpg").status_code == 404


def test_text_names_no_storage_of_a_field(client: Client, use: Use, private: Path) -> None:
    """Anybody who has read the project can compute its alias, and many a template prints a text of its visitors."""
    use(PrivateMedia())
    photo = upload()
    alias = own_alias(PrivateMedia())
    name = f"{alias}:{photo.image.name}"
    html = Template(
        "{% load resizer %}{% resized_img name alt='' %}{% resized_url name width=320 %}"
    ).render(Context({"name": name}))
    assert f"/img/_{alias}/" not in html
    assert originals.locate(name) == ("default", name)
    assert [one.source for one in Original.objects.all()] == []
    # The field itself, the row, a reference and an address that a page has printed still lead to it.
    reference = originals.locate(photo.image)
    assert reference == (alias, photo.image.name)
    assert originals.look_up(reference).size == (1600, 1200)
    row = Original.objects.get()
    for file in (photo.image, row, reference):
        address = picture.url(file, width=320)
        assert address.startswith(f"/img/_{alias}/")
        assert client.get(address).status_code == 200


def test_storage_of_a_class_and_place_in_the_settings_is_that_source(
    client: Client, settings: Settings, use: Use, private: Path
) -> None:
    """As the error said: add a source for it."""
    entry = {"BACKEND": LOCAL, "OPTIONS": {"location": str(private), "base_url": "/private/"}}
    settings.STORAGES = {**settings.STORAGES, "press": entry}
    use(FileSystemStorage(location=private))
    photo = upload()
    before = show(photo)
    settings.RESIZER = {"SOURCES": {"press": {"OPTIONS": {"storage": "press"}}}}
    address = show(photo)
    assert address.startswith("/img/_press/photographs/a.jpg/")
    assert list(get_sources()) == ["default", "press"]
    forget()
    assert client.get(address).status_code == 200
    # What was printed before it had that name.
    assert before.startswith("/img/_storage-")
    assert client.get(before).status_code == 200


def test_storage_of_another_class_or_place_is_another_source(
    settings: Settings, use: Use, private: Path, tmp_path: Path
) -> None:
    entry = {"BACKEND": LOCAL, "OPTIONS": {"location": private}}
    settings.STORAGES = {**settings.STORAGES, "press": entry}
    settings.RESIZER = {"SOURCES": {"press": {"OPTIONS": {"storage": "press"}}}}
    use(PrivateMedia())
    here = show(upload())
    use(FileSystemStorage(location=tmp_path / "elsewhere"))
    there = show(upload("b.jpg"))
    both = [address.split("/")[2] for address in (here, there)]
    assert all(alias.startswith("_storage-") for alias in both)
    assert len(set(both)) == 2


class Unreachable(InMemoryStorage):
    def url(self, name: str | None) -> str:
        raise NotImplementedError("browsers cannot reach it")


class Anonymous(Storage):
    """Tells neither its place nor how it was made."""

    def url(self, name: str | None) -> str:
        return f"/anonymous/{name}"


@pytest.mark.parametrize(
    ("storage", "address"),
    [
        (InMemoryStorage(base_url="/memory/"), "/memory/a.jpg"),
        (Anonymous(), "/anonymous/a.jpg"),
        (Unreachable(), None),
    ],
)
def test_storage_that_cannot_be_a_source_shows_its_file_as_it_is(
    use: Use, caplog: pytest.LogCaptureFixture, storage: Storage, address: str | None
) -> None:
    use(storage)
    photo = Photo.objects.create(title="a", image="a.jpg")
    resizer.prefetch([photo], "image")
    context = Context({"photo": photo})
    expected = "" if address is None else f' src="{address}"'
    attributes = 'data-resizer loading="lazy" decoding="async"'
    assert PAGE.render(context) == f'<img{expected} width="320" alt="" {attributes}>'
    assert "Add a source for it to RESIZER['SOURCES']" in caplog.text
    tag = Template("{% load resizer %}{% resized_url photo.image width=320 %}")
    assert tag.render(context) == (address or "")


def test_storage_that_no_field_has_shows_its_file_as_it_is(use: Use, private: Path) -> None:
    """Another process, which has not this object, would not find its originals."""
    photo = upload()
    photo.image.storage = FileSystemStorage(location=private, base_url="/private/")
    html = PAGE.render(Context({"photo": photo}))
    assert ' src="/private/photographs/a.jpg"' in html


def fail(error: Exception) -> Any:
    """A storage that raises as soon as it is used."""

    def set_up() -> Storage:
        raise error

    return SimpleLazyObject(set_up)


FAILURES: dict[str, Callable[[], Any]] = {
    "one of STORAGES that is missing": lambda: SimpleLazyObject(lambda: storages["missing"]),
    "ImportError": lambda: fail(ImportError("no such backend")),
    "AttributeError": lambda: fail(AttributeError("no tenant")),
    "KeyError": lambda: fail(KeyError("BUCKET")),
    "ValueError": lambda: fail(ValueError("no place")),
    "a place that is not known": lambda: Placeless(),
}


class Placeless(FileSystemStorage):
    """As of django-tenants, where there is no tenant."""

    @property
    def location(self) -> str:
        raise LookupError("no tenant")


@pytest.fixture(params=FAILURES)
def failing(request: pytest.FixtureRequest) -> Any:
    return FAILURES[request.param]()


def test_field_of_which_the_storage_cannot_be_loaded_harms_no_other(
    client: Client,
    use: Use,
    private: Path,
    failing: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    use(PrivateMedia())
    photo = upload()
    field = Photo._meta.get_field("image")
    # As django-filer has its storages at a field.
    monkeypatch.setattr(field, "storages", {"broken": failing}, raising=False)
    fields._warn_once.cache_clear()
    caplog.clear()
    for _ in range(2):
        address = show(photo)
        assert address.startswith("/img/_storage-")
        forget()
        assert client.get(address).status_code == 200
        assert len(get_sources()) == 2
        assert f"source {own_alias(PrivateMedia())!r}" in [one.part for one in examine()]
        call_command("resizer_purge")
    complaints = [one for one in caplog.messages if "cannot be loaded" in one]
    assert len(complaints) == 1
    assert "gallery.Photo.image" in complaints[0]
    (warning,) = check_settings()
    assert warning.id == "resizer.W007"
    assert "gallery.Photo.image" in warning.msg


def test_page_of_a_field_of_which_the_storage_cannot_be_loaded_is_there(
    use: Use, failing: Any, caplog: pytest.LogCaptureFixture
) -> None:
    photo = Photo.objects.create(title="a", image="a.jpg")
    use(failing)
    photo.image.storage = failing
    resizer.prefetch([photo], "image")
    html = PAGE.render(Context({"photo": photo}))
    assert html == '<img width="320" alt="" data-resizer loading="lazy" decoding="async">'
    assert "the storage cannot be loaded" in caplog.text


@pytest.mark.parametrize("backend", ["StorageSource", "StaticSource"])
def test_source_of_which_the_storage_cannot_be_loaded_harms_no_other(
    client: Client, settings: Settings, use: Use, private: Path, backend: str
) -> None:
    use(PrivateMedia())
    photo = upload()
    lost = {"BACKEND": f"resizer.sources.{backend}", "OPTIONS": {"storage": "missing"}}
    settings.RESIZER = {"SOURCES": {"default": {}, "press": {**lost, "OPEN": True}}}
    assert show(photo).startswith("/img/_storage-")
    told = [message.id for message in check_settings()]
    # Django checks the storage of static files itself.
    assert told == (["resizer.E005"] if backend == "StorageSource" else [])
    assert find_by_url("/originals/a.jpg") == ("default", "a.jpg")
    # Its own pictures are away, as with a source that fails.
    assert "data-resizer" in Template(
        '{% load resizer %}{% resized_img "press:a.jpg" alt="" %}'
    ).render(Context())
    assert client.get("/img/320/_press/a.jpg").status_code == 502
    source = get_source("press")
    with pytest.raises(SourceFailed), source.open("a.jpg"):
        pass
    with pytest.raises(SourceFailed):
        source.url("a.jpg")
    ((_, failure),) = stat_each(source, ["a.jpg"], {})
    assert isinstance(failure, SourceFailed)
    with pytest.raises(SourceFailed, match="the storage cannot be loaded"):
        list(source.names())  # type: ignore[attr-defined]


def test_settings_of_one_test_break_no_other(
    client: Client, settings: Settings, use: Use, private: Path, tmp_path: Path
) -> None:
    entry = {"BACKEND": LOCAL, "OPTIONS": {"location": private}}
    settings.STORAGES = {**settings.STORAGES, "press": entry}
    settings.RESIZER = {"SOURCES": {"press": {"OPTIONS": {"storage": "press"}}}}
    # A field takes its storage once, when its class is made.
    use(storages["press"])
    photo = upload()
    assert show(photo).startswith("/img/_press/")
    elsewhere = {"BACKEND": LOCAL, "OPTIONS": {"location": tmp_path / "elsewhere"}}
    with override_settings(STORAGES={**settings.STORAGES, "press": elsewhere}):
        # The file is where the field has put it.
        address = show(photo)
        assert address.startswith("/img/_storage-")
        assert client.get(address).status_code == 200
    with override_settings(STORAGES={**settings.STORAGES, "press": dict(entry)}):
        address = show(photo)
        assert address.startswith("/img/_press/")
        assert client.get(address).status_code == 200
    with override_settings(MEDIA_ROOT=tmp_path / "media"):
        assert show(photo).startswith("/img/_press/")
    address = show(photo)
    assert address.startswith("/img/_press/")
    assert client.get(address).status_code == 200


class TenantStorage(FileSystemStorage):
    """As django-tenants has it: the place is that of the site which answers."""

    site = "one"
    root: Path

    @property
    def location(self) -> str:
        return str(self.root / self.site)


def test_storage_with_a_place_for_each_site_mixes_none(
    client: Client, use: Use, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TenantStorage, "root", tmp_path / "sites", raising=False)
    use(TenantStorage())
    sizes = {"one": (640, 480), "two": (480, 640)}
    photos, addresses = {}, {}
    for site, size in sizes.items():
        monkeypatch.setattr(TenantStorage, "site", site)
        photos[site] = upload("a.jpg", size)
        assert photos[site].image.name == "photographs/a.jpg"
        addresses[site] = show(photos[site])
    assert len({address.split("/")[2] for address in addresses.values()}) == 2
    for site, size in sizes.items():
        monkeypatch.setattr(TenantStorage, "site", site)
        answer = client.get(addresses[site])
        assert decode(answer.content).size == (320, round(320 * size[1] / size[0]))
        html = PAGE.render(Context({"photo": photos[site]}))
        assert f'width="320" height="{round(320 * size[1] / size[0])}"' in html


class Asked(TenantStorage):
    """Counts how often its place is asked for."""

    asked = 0

    @property
    def location(self) -> str:
        self.asked += 1
        return super().location


def test_storages_of_other_fields_cost_a_picture_nothing(
    client: Client, use: Use, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TenantStorage, "root", tmp_path / "sites", raising=False)
    others = [Asked() for _ in range(20)]
    for number, other in enumerate(others):
        monkeypatch.setattr(other, "site", f"other{number}", raising=False)
    use(Asked())
    field = Photo._meta.get_field("image")
    # As django-filer has its storages at a field.
    storages_by_name = {str(number): other for number, other in enumerate(others)}
    monkeypatch.setattr(field, "storages", storages_by_name, raising=False)
    mine = Asked()
    monkeypatch.setitem(storages_by_name, "mine", mine)
    for site in ("one", "two"):
        monkeypatch.setattr(mine, "site", site, raising=False)
        photo = upload()
        photo.image.storage = mine
        (tmp_path / "sites" / site).mkdir(exist_ok=True)
        (tmp_path / "sites" / site / "a.jpg").write_bytes(photograph())
        photo.image.name = "a.jpg"
        context = Context({"photo": photo})
        (address,) = re.findall(r' src="([^"]*)"', PAGE.render(context))
        # The first request looks for the storage among all.
        assert client.get(address).status_code == 200
        for other in (*others, mine):
            other.asked = 0
        assert address in PAGE.render(context)
        assert client.get(address).status_code == 200
        assert sum(other.asked for other in others) == 0
        assert mine.asked > 0


def test_storages_are_remembered_for_so_many_sites(
    client: Client, use: Use, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fields, "MAX_FOUND", 2)
    monkeypatch.setattr(TenantStorage, "root", tmp_path / "sites", raising=False)
    use(TenantStorage())
    for site in ("one", "two", "three", "four"):
        monkeypatch.setattr(TenantStorage, "site", site)
        address = show(upload("a.jpg"))
        assert client.get(address).status_code == 200
        assert len(fields._last_found) <= 2


class MultiStorageFile(ImageFieldFile):
    """As django-filer has it: the storage is chosen by the row."""

    @property
    def storage(self) -> Storage:
        photo = cast("Photo", self.instance)
        which = "public" if photo.title == "public" else "private"
        return self.field.storages[which]  # type: ignore[attr-defined, no-any-return]

    @storage.setter
    def storage(self, storage: Storage) -> None:
        pass


def test_field_that_chooses_among_storages_has_them_all(
    client: Client, use: Use, private: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    field = Photo._meta.get_field("image")
    chosen = {
        "public": FileSystemStorage(location=tmp_path / "public"),
        "private": PrivateMedia(),
    }
    monkeypatch.setattr(field, "storages", chosen, raising=False)
    monkeypatch.setattr(field, "attr_class", MultiStorageFile)
    for which, directory in (("public", tmp_path / "public"), ("private", private)):
        photo = upload(which)
        photo.image.name = "a.jpg"
        photo.save()
        (directory / "a.jpg").write_bytes(photograph())
        address = show(photo)
        assert address.startswith(f"/img/_{own_alias(chosen[which])}/a.jpg/")
        forget()
        assert client.get(address).status_code == 200


def test_alias_does_not_tell_releases_apart(settings: Settings) -> None:
    def alias(location: str) -> str | None:
        return own_alias(FileSystemStorage(location=location))

    settings.BASE_DIR = Path("/srv/releases/1")
    first = alias("/srv/releases/1/private")
    outside = alias("/srv/media/private")
    assert len({first, outside, alias("/private"), alias("/srv/releases/1")}) == 4
    settings.BASE_DIR = "/srv/releases/2"
    assert alias("/srv/releases/2/private") == first
    assert alias("/srv/media/private") == outside
    del settings.BASE_DIR
    assert alias("/srv/media/private") == outside


def test_storages_that_tell_no_place_are_told_apart() -> None:
    class Local(InMemoryStorage):
        """Django cannot say how it was made: no module has it."""

    class Remote(Anonymous):
        def __init__(self, container: str) -> None:
            self.container = container

        def deconstruct(self) -> tuple[str, tuple[str], dict[str, str]]:
            if not self.container:
                raise ValueError("no module has it")
            return "tests.Remote", (self.container,), {}

    assert is_same(Remote("a"), Remote("a"))
    assert lies_in(Remote("a"), Remote("a"))
    assert not lies_in(Remote("a"), Remote("b"))
    assert not is_same(Remote("a"), Remote("b"))
    assert not is_same(Remote(""), Remote(""))
    assert own_alias(Remote("a")) is None
    for kind in (Local, InMemoryStorage, Anonymous):
        one = kind()
        assert is_same(one, one)
        assert not is_same(one, kind())
        assert own_alias(one) is None
    assert is_same(SimpleLazyObject(lambda: storages["default"]), storages["default"])  # type: ignore[arg-type]


def test_field_that_keeps_its_files_among_the_variants_is_found(use: Use, variants: Path) -> None:
    use(FileSystemStorage(location=variants))
    assert [message.id for message in check_settings()] == ["resizer.E007"]


@pytest.mark.parametrize(
    ("location", "is_below"),
    [
        ("originals/private", True),
        ("originals", True),
        ("link/private", True),
        ("originals-private", False),
        (".", False),
        ("private", False),
    ],
)
def test_closed_source_below_an_open_one_is_reported(
    client: Client,
    settings: Settings,
    use: Use,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    location: str,
    is_below: bool,
) -> None:
    (tmp_path / "originals").mkdir(exist_ok=True)
    (tmp_path / "link").symlink_to("originals")
    monkeypatch.setattr(PrivateMedia, "directory", tmp_path / location, raising=False)
    use(PrivateMedia())
    upload()
    assert check_settings() == []
    settings.RESIZER = {"SOURCES": {"default": {"OPEN": True}}}
    found = check_settings()
    assert [message.id for message in found] == (["resizer.W008"] if is_below else [])
    inside = location.partition("/")[2]
    address = f"/img/320/{inside}/photographs/a.jpg".replace("//", "/")
    assert client.get(address).status_code == (200 if is_below else 404)


def test_closed_source_of_the_settings_below_an_open_one_is_reported(
    settings: Settings, tmp_path: Path
) -> None:
    below = {"BACKEND": LOCAL, "OPTIONS": {"location": tmp_path / "originals/press"}}
    settings.STORAGES = {**settings.STORAGES, "press": below}
    press: dict[str, Any] = {"OPTIONS": {"storage": "press"}}
    missing = {"OPTIONS": {"storage": "missing"}}
    settings.RESIZER = {"SOURCES": {"default": {"OPEN": True}, "press": press}}
    assert [message.id for message in check_settings()] == ["resizer.W008"]
    settings.RESIZER = {"SOURCES": {"default": {"OPEN": True}, "press": {**press, "OPEN": True}}}
    assert check_settings() == []
    settings.RESIZER = {"SOURCES": {"default": {"OPEN": True}, "missing": missing}}
    assert [message.id for message in check_settings()] == ["resizer.E005"]


class Objects(Storage):
    """Tells which bucket it has, as storages of objects do."""

    def __init__(self, bucket: str, location: str = "", endpoint_url: str | None = None) -> None:
        self.bucket_name = bucket
        self.location = location
        self.endpoint_url = endpoint_url


MINIO = "https://minio.example.com"


@pytest.mark.parametrize(
    ("inner", "outer", "is_below"),
    [
        (Objects("b", "media/private/"), Objects("b", "media"), True),
        (Objects("b", "media"), Objects("b"), True),
        (Objects("b"), Objects("b", "/"), True),
        (Objects("b", "media-private"), Objects("b", "media"), False),
        (Objects("b"), Objects("b", "media"), False),
        (Objects("c", "media"), Objects("b"), False),
        (Objects("b", "media", MINIO), Objects("b"), False),
        (Anonymous(), Anonymous(), False),
        (InMemoryStorage(), InMemoryStorage(), False),
        (FileSystemStorage("/media"), Objects("b"), False),
    ],
)
def test_storages_of_one_bucket_lie_in_each_other(
    inner: Storage, outer: Storage, is_below: bool
) -> None:
    assert lies_in(inner, outer) is is_below


def test_storages_of_one_bucket_name_on_two_servers_are_two() -> None:
    one, other = Objects("b"), Objects("b", endpoint_url=MINIO)
    assert not is_same(one, other)
    assert is_same(other, Objects("b", endpoint_url=MINIO))
    assert not is_same(other, Objects("b", endpoint_url="https://s3.example.com"))


def test_commands_know_the_storages_of_fields(
    client: Client, use: Use, private: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    use(PrivateMedia())
    alias = own_alias(PrivateMedia())
    private.mkdir()
    assert f"source {alias!r}" in [finding.part for finding in examine()]
    call_command("resizer_purge", source=alias, yes=True)
    assert capsys.readouterr().out.startswith("Removed 0 cached variants")
    photo = upload()
    assert client.get(show(photo)).status_code == 200
    call_command("resizer_purge", source=alias, yes=True)
    assert capsys.readouterr().out.startswith("Removed 1 cached variant")
    with pytest.raises(CommandError, match="There is no source"):
        call_command("resizer_purge", source="storage-0123456789abcdef", yes=True)


def test_saved_files_of_a_field_are_looked_at(
    use: Use, private: Path, django_capture_on_commit_callbacks: Any
) -> None:
    use(PrivateMedia())
    with django_capture_on_commit_callbacks(execute=True):
        photo = upload()
    assert Original.objects.get().source == own_alias(PrivateMedia())
    assert originals.look_up(photo.image).size == (1600, 1200)
    use(InMemoryStorage())
    with django_capture_on_commit_callbacks(execute=True):
        upload("b.jpg")
    assert Original.objects.count() == 1


SITE = """
from pathlib import Path

BASE_DIR = Path(__file__).parent
SECRET_KEY = "for tests only"
DEBUG = True
ROOT_URLCONF = "site_of_storages"
INSTALLED_APPS = ["resizer", "albums"]
DATABASES = {}
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": BASE_DIR / "media"}},
    "resizer": {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": BASE_DIR / "variants"}},
}
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates"}]


def page(request):
    from albums.models import Picture
    from django.http import HttpResponse
    from django.template import Context, Template

    template = Template("{% load resizer %}{% resized_img picture.file alt='' %}")
    return HttpResponse(template.render(Context({"picture": Picture(file="a.jpg")})))


def urls():
    from django.urls import include, path

    return [path("", page), path("img/", include("resizer.urls"))]


from django.utils.functional import SimpleLazyObject

urlpatterns = SimpleLazyObject(urls)
"""
MODELS = """
from django.conf import settings
from django.core.files.storage import FileSystemStorage
from django.db import models


class PrivateMedia(FileSystemStorage):
    def __init__(self):
        super().__init__(location=settings.BASE_DIR / "private")


class Picture(models.Model):
    file = models.FileField(storage=PrivateMedia())
"""
MANAGE = """
import os, sys
from django.core.management import execute_from_command_line

os.environ["DJANGO_SETTINGS_MODULE"] = "site_of_storages"
execute_from_command_line(sys.argv)
"""


def test_server_that_has_never_shown_the_page_finds_the_storage_of_its_field(
    tmp_path: Path,
) -> None:
    """Two releases in directories of their own, neither of which says anything in its settings."""
    content = photograph()
    for release in ("one", "two"):
        project = tmp_path / release
        (project / "albums").mkdir(parents=True)
        (project / "private").mkdir()
        (project / "albums/__init__.py").touch()
        (project / "albums/models.py").write_text(MODELS)
        (project / "site_of_storages.py").write_text(SITE)
        (project / "manage.py").write_text(MANAGE)
        (project / "private/a.jpg").write_bytes(content)
    shutil.copystat(tmp_path / "one/private/a.jpg", tmp_path / "two/private/a.jpg")
    paths = {"PYTHONPATH": os.pathsep.join(["", os.getcwd()])}
    with ExitStack() as stack:
        one = stack.enter_context(django_server(tmp_path / "one", paths))
        two = stack.enter_context(django_server(tmp_path / "two", paths))
        with urllib.request.urlopen(one) as answer:
            html = answer.read().decode()
        addresses = re.findall(r"/img/[^ \"]+/320\.(?:avif|jpg)", html)
        assert addresses
        for address in addresses:
            with urllib.request.urlopen(two + address) as answer:
                assert answer.url == two + address
                assert decode(answer.read()).size == (320, 240)
