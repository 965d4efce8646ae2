"""`resizer_warm`: makes what the tag prints, and nothing that is there already."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from django.core.cache import caches
from django.core.files.base import ContentFile
from django.core.files.storage import InMemoryStorage, storages
from django.core.management import CommandError, call_command
from django.template import Context, Template
from django.test import override_settings
from freezegun import freeze_time

from config.gallery.models import Photo
from resizer import originals, rendering, store
from resizer.errors import Busy, SourceFailed
from resizer.maintenance import warming
from resizer.models import CachedVariant, Original
from resizer.sources import StorageSource
from tests.conftest import CountingEngine, files, save
from tests.maintenance.test_purging import Impatient, kept
from tests.pictures import photograph

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path
    from typing import BinaryIO

    from django.core.files.storage import Storage
    from django.test import Client
    from pytest_django import Settings

    from resizer.sources import Stat

pytestmark = pytest.mark.django_db

FIELD = "gallery.Photo.image"


def warm(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    capsys.readouterr()
    call_command("resizer_warm", "--jobs", "1", *arguments)
    return capsys.readouterr().out


def add(name: str, size: tuple[int, int] = (640, 480), content: bytes | None = None) -> Photo:
    photo = Photo(title=name, alt=name)
    photo.image.save(name, ContentFile(content or photograph(size)))
    return photo


def printed(template: str, photo: Photo) -> list[str]:
    """The keys in the HTML of a tag."""
    html = Template("{% load resizer %}" + template).render(Context({"photo": photo}))
    return sorted(set(re.findall(r"/img/([^\s\",]+(?:,[^\s\",]+)*)", html)))


def test_what_the_tag_prints_is_made_once(
    capsys: pytest.CaptureFixture[str], client: Client, engine: type[CountingEngine]
) -> None:
    photos = [add("a.jpg"), add("b.jpg", (320, 480))]
    wanted = [key for one in photos for key in printed('{% resized_img photo.image alt="" %}', one)]
    assert (
        "\n" + warm(capsys, FIELD).split(":")[0] == f"\nMade {len(wanted)} variants of 2 originals"
    )
    assert kept() == sorted(wanted)
    assert CachedVariant.objects.count() == len(wanted)
    renders = engine.renders
    told = warm(capsys, FIELD)
    assert (
        told == f"Made 0 variants of 2 originals: 0 bytes. {len(wanted)} variants exist already.\n"
    )
    for key in wanted:
        assert client.get(f"/img/{key}").status_code == 200
    assert engine.renders == renders


def test_variants_of_tags_with_options_are_made(capsys: pytest.CaptureFixture[str]) -> None:
    photo = add("a.jpg")
    tag = '{% resized_img photo.image alt="" width=200 ratio="1/1" formats="" %}'
    square = printed(tag, photo)
    banner = printed('{% resized_img photo.image alt="" ratio="3/1" formats="" %}', photo)
    warm(capsys, FIELD, "--options", "width=200 ratio=1/1 formats=jpeg")
    assert set(square) <= set(kept())
    assert not set(banner) & set(kept())
    warm(capsys, FIELD, "--options", "width=200 ratio=1/1", "--options", "ratio=3/1")
    assert set(square) | set(banner) < set(kept())


def test_host_of_the_urls_does_not_matter(
    capsys: pytest.CaptureFixture[str], settings: Settings
) -> None:
    add("a.jpg", (320, 240))
    settings.RESIZER = {"HOST": "https://img.example.com"}
    assert warm(capsys, FIELD).startswith("Made 2 variants of 1 original: ")
    assert {key.split("/")[0] for key in kept()} == {"photographs"}


def test_preset_is_that_of_the_tag(capsys: pytest.CaptureFixture[str], settings: Settings) -> None:
    add("a.jpg")
    settings.RESIZER = {"PRESETS": {"card": {"width": 160, "ratio": "1/1"}}}
    warm(capsys, FIELD, "--preset", "card")
    assert {key.split("/")[3] for key in kept()} == {"1x1"}
    with pytest.raises(CommandError, match="cord"):
        warm(capsys, FIELD, "--preset", "cord")


def test_crops_keep_the_focal_point_of_their_row(capsys: pytest.CaptureFixture[str]) -> None:
    photo = add("a.jpg")
    Photo.objects.filter(pk=photo.pk).update(focal="10,90")
    photo.refresh_from_db()
    wanted = printed('{% resized_img photo.image alt="" ratio="1/1" formats="" %}', photo)
    assert all("fp10-90" in key for key in wanted)
    warm(capsys, FIELD, "--options", "ratio=1/1 formats=jpeg")
    assert set(wanted) <= set(kept())


def test_originals_whose_variants_exist_are_looked_at(capsys: pytest.CaptureFixture[str]) -> None:
    add("a.jpg")
    warm(capsys, FIELD)
    Original.objects.update(auto_focal_x=None, placeholder_color="", placeholder_blur="")
    caches["default"].clear()
    files = kept()
    warm(capsys, FIELD, "--dry-run")
    assert Original.objects.get().placeholder_color == ""
    warm(capsys, FIELD)
    row = Original.objects.get()
    assert row.placeholder_color
    assert row.placeholder_blur
    assert row.auto_focal_x is not None
    assert kept() == files
    # Once is enough.
    Original.objects.update(auto_focal_x=11)
    caches["default"].clear()
    warm(capsys, FIELD)
    assert Original.objects.get().auto_focal_x == 11


def test_automatic_point_is_found_before_crops_are_made(
    capsys: pytest.CaptureFixture[str],
) -> None:
    photo = add("a.jpg")
    warm(capsys, FIELD, "--options", "ratio=1/1 formats=jpeg focal=auto")
    tag = '{% resized_img photo.image alt="" ratio="1/1" formats="" focal="auto" %}'
    wanted = printed(tag, photo)
    row = Original.objects.get()
    assert all(f"fp{row.auto_focal_x}-{row.auto_focal_y}" in key for key in wanted)
    assert set(wanted) <= set(kept())


def test_original_that_cannot_be_looked_at_is_no_failure(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    photo = add("a.jpg")
    description = originals.look_up(photo.image)
    storages["default"].delete(description.reference.name)
    with caplog.at_level("INFO", "resizer.rendering"):
        rendering.add_sketch(description)
    assert "has no sketch: OriginalNotFound" in caplog.text


def test_dry_run_makes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    photo = add("a.jpg")
    wanted = printed('{% resized_img photo.image alt="" %}', photo)
    told = warm(capsys, FIELD, "--dry-run", "-v", "2").splitlines()
    assert sorted(told[:-1]) == wanted
    assert told[-1] == f"Would make {len(wanted)} variants of 1 original. 0 variants exist already."
    assert kept() == []


def test_bucket_is_asked_by_its_index(
    capsys: pytest.CaptureFixture[str], settings: Settings
) -> None:
    memory = {"BACKEND": "django.core.files.storage.InMemoryStorage"}
    settings.STORAGES = {**settings.STORAGES, "resizer": memory}
    add("a.jpg")
    warm(capsys, FIELD)
    made = len(kept())
    assert f"{made} variants exist already" in warm(capsys, FIELD)
    # What has no row is found again, and gets one.
    CachedVariant.objects.all().delete()
    caches["default"].clear()
    assert warm(capsys, FIELD).startswith(f"Made {made} variants")
    assert CachedVariant.objects.count() == made


def test_without_a_database_the_storage_is_asked(
    capsys: pytest.CaptureFixture[str], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = {"BACKEND": "django.core.files.storage.InMemoryStorage"}
    settings.STORAGES = {**settings.STORAGES, "resizer": memory}
    monkeypatch.setattr("resizer.records.rows.recorded", lambda keys: None)
    add("a.jpg")
    warm(capsys, FIELD)
    assert f"{len(kept())} variants exist already" in warm(capsys, FIELD)


def test_picture_that_is_not_resized_is_no_failure(capsys: pytest.CaptureFixture[str]) -> None:
    add("a.svg", content=b'<svg xmlns="http://www.w3.org/2000/svg"/>')
    told = warm(capsys, FIELD)
    assert told.startswith("Made 0 variants of 1 original: ")
    assert told.endswith("\n1 original is shown without resizing, such as SVG.\n")


def test_failures_are_told_and_the_rest_is_made(capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(warming.EXAMPLES + 1):
        add(f"{number}.jpg")
        storages["default"].delete(f"photographs/{number}.jpg")
    whole = photograph()
    add("half.jpg", content=whole[: len(whole) // 2])
    add("good.jpg", (320, 240))
    with pytest.raises(
        CommandError, match=r"^\d+ failures, such as:\nphotographs/0\.jpg: "
    ) as raised:
        warm(capsys, FIELD)
    assert str(raised.value).count("\n") == warming.EXAMPLES
    assert {key.split("/")[1] for key in kept()} == {"good.jpg"}


def test_original_that_is_known_as_broken_is_a_failure(
    capsys: pytest.CaptureFixture[str], client: Client
) -> None:
    whole = photograph()
    photo = add("half.jpg", content=whole[: len(whole) // 2])
    key = printed('{% resized_img photo.image alt="" %}', photo)[0]
    assert client.get(f"/img/{key}").status_code == 422
    with pytest.raises(
        CommandError, match=r"^1 failure, such as:\nphotographs/half\.jpg: .* is broken"
    ):
        warm(capsys, FIELD)


def test_empty_fields_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    Photo.objects.create(title="empty", alt="")
    assert warm(capsys, FIELD).startswith("Made 0 variants of 0 originals: ")


def test_all_image_fields_are_found(capsys: pytest.CaptureFixture[str]) -> None:
    add("a.jpg", (320, 240))
    assert warm(capsys, "gallery.Photo").startswith("Made 2 variants of 1 original: ")
    assert "2 variants exist already" in warm(capsys, "--all")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            [],
            r"^Name fields or sources, or use --all\. The image fields are: .*gallery\.Photo\.image",
        ),
        ([FIELD, "--all"], "Name fields or sources, or use --all"),
        (
            ["gallery.Photo.picture"],
            r"There is no field 'gallery\.Photo\.picture'\. Did you mean gallery\.Photo\.image\?$",
        ),
        (["gallery.Foto.image"], r"'gallery\.Foto\.image'\. Did you mean gallery\.Photo\.image\?$"),
        (["gallery.Photo.imag"], r"'gallery\.Photo\.imag'\. Did you mean gallery\.Photo\.image\?$"),
        (["gallery"], r"There is no field 'gallery'\. Write it like app\.Model\.field\.$"),
        (["gallery.Photo.title"], "'gallery.Photo.title' holds no files"),
        ([FIELD, "--options", "wide"], "has no options of a tag"),
        ([FIELD, "--options", "ratio=wide"], "ratio='wide' is not a pair"),
        ([FIELD, "--options", "widht=9"], r"^There is no option widht\. Did you mean width\?$"),
        ([FIELD, "--preset", "crd"], "preset='crd' is unknown"),
    ],
)
def test_wrong_arguments_are_one_sentence_with_exit_status_2(
    capsys: pytest.CaptureFixture[str], arguments: list[str], told: str
) -> None:
    with pytest.raises(CommandError, match=told) as raised:
        warm(capsys, *arguments)
    # What argparse itself finds has its status only in a shell.
    is_by_argparse = str(raised.value).startswith("Error: argument ")
    assert raised.value.returncode == (1 if is_by_argparse else 2)


@override_settings(ROOT_URLCONF="django.contrib.auth.urls")
def test_app_without_urls_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(CommandError, match="No URL leads to the app"):
        warm(capsys, FIELD)


class MuteStorage(InMemoryStorage):
    def exists(self, name: str) -> bool:
        raise RuntimeError("gone for lunch")


@pytest.mark.parametrize(
    "failing", ["test_store.ReadOnlyStorage", "management.test_warm.MuteStorage"]
)
def test_storage_that_cannot_keep_ends_the_run(
    capsys: pytest.CaptureFixture[str],
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    failing: str,
) -> None:
    add("a.jpg")
    settings.STORAGES = {
        **settings.STORAGES,
        "resizer": {"BACKEND": f"tests.{failing}"},
    }
    if "Mute" in failing:
        # As without a database: the storage itself has to say what it has.
        monkeypatch.setattr("resizer.records.rows.recorded", lambda keys: None)
    with pytest.raises(CommandError, match=r"^The variants storage failed: .* for the rest\.$"):
        warm(capsys, FIELD)
    assert capsys.readouterr().out.startswith("Made 0 variants of 1 original: ")


def test_json_has_the_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    add("a.jpg", (320, 240))
    told = json.loads(warm(capsys, FIELD, "--format", "json", "-v", "2"))
    assert (told["originals"], told["made"], told["present"]) == (1, 2, 0)
    assert (told["is_complete"], told["dry_run"]) == (True, False)


def test_interruption_says_what_was_done_and_the_next_run_does_the_rest(
    capsys: pytest.CaptureFixture[str],
) -> None:
    wanted = printed('{% resized_img photo.image alt="" %}', add("a.jpg"))
    out = Impatient()
    with pytest.raises(CommandError, match=r"^Interrupted\.$") as raised:
        call_command("resizer_warm", FIELD, "--jobs", "1", verbosity=2, stdout=out)
    assert raised.value.returncode == 130
    assert "\nMade 2 variants of 1 original: " in out.getvalue()
    assert kept() == sorted(CachedVariant.objects.values_list("key", flat=True))
    assert f"Made {len(wanted) - 2} variants" in warm(capsys, FIELD)
    assert kept() == wanted


def test_visitors_come_first(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    add("a.jpg", (320, 240))
    slept: list[int] = []
    monkeypatch.setattr("resizer.maintenance.warming.time.sleep", slept.append)
    real, refusals = store.make, [Busy("later")] * (warming.TRIES - 1)

    def make(*arguments: Any) -> Any:
        if refusals:
            raise refusals.pop()
        return real(*arguments)

    monkeypatch.setattr(store, "make", make)
    assert warm(capsys, FIELD).startswith("Made 2 variants")
    assert slept == [1] * (warming.TRIES - 1)
    store.forget(("default", "photographs/a.jpg"))  # type: ignore[arg-type]
    refusals += [Busy("later")] * 2 * warming.TRIES
    with pytest.raises(CommandError, match=r"^2 failures, such as:\nphotographs/a\.jpg/.*: later"):
        warm(capsys, FIELD)


def test_original_that_is_replaced_meanwhile_is_a_failure(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = add("a.jpg", (320, 240))
    real = store.make

    def make(*arguments: Any) -> Any:
        save(str(photo.image.name), photograph((320, 200)))
        return real(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(store, "make", make)
        with pytest.raises(CommandError, match=r"2 failures, such as:\n.* has changed"):
            warm(capsys, FIELD)
    assert warm(capsys, FIELD).startswith("Made 2 variants of 1 original: ")


def test_many_files_are_read_by_the_page(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warming, "PAGE", 2)
    for number in range(5):
        add(f"{number}.jpg", (320, 240))
    assert warm(capsys, FIELD).startswith("Made 10 variants of 5 originals: ")


@pytest.mark.django_db(transaction=True)
def test_several_threads_make_variants(capsys: pytest.CaptureFixture[str], variants: Path) -> None:
    wanted = []
    for number in range(3):
        photo = add(f"{number}.jpg")
        wanted += printed('{% resized_img photo.image alt="" %}', photo)
    assert warm(capsys, FIELD, "--jobs", "8").startswith(f"Made {len(wanted)} variants")
    assert files(variants) == sorted(wanted)
    assert CachedVariant.objects.count() == len(wanted)
    assert Original.objects.count() == 3


# In this process: an engine in another one would be late by this clock.
def test_progress_without_a_terminal_is_a_line_now_and_then(
    capsys: pytest.CaptureFixture[str], engine: type[CountingEngine]
) -> None:
    for number in range(3):
        add(f"{number}.jpg", (320, 240))
    with freeze_time("2026-11-22 12:00:00", auto_tick_seconds=40):
        told = warm(capsys, FIELD, "--dry-run").splitlines()
    assert "1 of 3 originals …" in told
    assert told[-1].startswith("Would make 6 variants of 3 originals.")
    with freeze_time("2026-11-22 12:00:00", auto_tick_seconds=40):
        assert warm(capsys, FIELD, "--dry-run", "-v", "0") == ""
        json.loads(warm(capsys, FIELD, "--dry-run", "--format", "json"))


def test_formats_of_most_visitors_are_made_first(
    capsys: pytest.CaptureFixture[str], engine: type[CountingEngine]
) -> None:
    add("a.jpg", (1000, 750))
    formats = [line.rpartition(".")[2] for line in warm(capsys, FIELD, "-v2").splitlines()[:-1]]
    assert formats == sorted(formats)
    assert set(formats) == {"avif", "jpg"}


class Web:
    """A source that cannot be listed."""

    def __init__(self) -> None:
        self._files = StorageSource("default")

    def claims(self, storage: Storage) -> bool:
        return False

    def spell(self, name: str) -> str:
        return name

    def stat(self, name: str, known: str | None = None) -> Stat:
        return self._files.stat(name, known)

    def open(self, name: str) -> AbstractContextManager[BinaryIO]:
        return self._files.open(name)


@pytest.mark.parametrize("is_debug", [False, True])
def test_pictures_among_static_files_are_made(
    capsys: pytest.CaptureFixture[str], settings: Settings, tmp_path: Path, is_debug: bool
) -> None:
    settings.DEBUG = is_debug
    settings.RESIZER = {"SOURCES": {"static": {"BACKEND": "resizer.sources.StaticSource"}}}
    directory = tmp_path / "static"
    settings.STATICFILES_DIRS = [directory] if is_debug else []
    settings.STATIC_ROOT = tmp_path / "collected" if is_debug else directory
    (directory / "brand").mkdir(parents=True)
    (directory / "brand/hero.JPG").write_bytes(photograph((640, 480)))
    (directory / "brand/site.css").write_text("a {}")
    told = warm(capsys, "--source", "static", "--options", "width=320")
    assert " of 1 original: " in told
    assert all(key.startswith("_static/brand/hero.JPG/") for key in kept())
    assert warm(capsys, "--source", "static", "--options", "width=320").startswith(
        "Made 0 variants"
    )


def test_known_originals_of_a_source_without_a_list_are_made(
    capsys: pytest.CaptureFixture[str], settings: Settings
) -> None:
    settings.RESIZER = {"SOURCES": {"web": {"BACKEND": "tests.management.test_warm.Web"}}}
    for name in ("a.jpg", "b.jpg"):
        save(name)
    assert warm(capsys, "--source", "web").startswith("Made 0 variants of 0 originals")
    originals.look_up("web:a.jpg", originals.Freshness.NOW)
    assert " of 1 original: " in warm(capsys, "--source", "web")
    assert kept()
    assert all(key.startswith("_web/a.jpg/") for key in kept())


def test_source_that_cannot_be_listed_is_told_with_what_was_made(
    capsys: pytest.CaptureFixture[str], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    add("a.jpg")

    def names(self: StorageSource) -> Iterator[str]:
        raise SourceFailed("gone for lunch")

    monkeypatch.setattr(StorageSource, "names", names)
    with pytest.raises(CommandError, match=r"^Source 'default' cannot be listed: gone for lunch"):
        warm(capsys, FIELD, "--source", "default")
    assert capsys.readouterr().out.startswith("Made ")


def test_unknown_source_is_a_wrong_argument() -> None:
    with pytest.raises(
        CommandError, match=r"no source 'nope'\. The sources are: default"
    ) as raised:
        call_command("resizer_warm", "--source", "nope")
    assert raised.value.returncode == 2
