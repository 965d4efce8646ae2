from __future__ import annotations

import gc
import io
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.core.cache import caches
from django.core.files.base import ContentFile
from django.core.files.storage import InMemoryStorage, Storage, storages
from django.core.management import CommandError, call_command
from django.db import OperationalError
from django.db.models import QuerySet
from django.test import override_settings

from resizer import originals
from resizer.keys.digests import digest_of
from resizer.maintenance import answers, presence, purging
from resizer.markup import picture
from resizer.models import CachedVariant, Original
from resizer.records import cache, index, tables
from resizer.records import rows as rows_module
from resizer.sources import StorageSource
from resizer.storages import directories, publishing
from resizer.store import backends
from tests.conftest import files, save, wait_until
from tests.pictures import photograph
from tests.projects import rows as load_rows
from tests.records.test_index import database  # noqa: F401  # a fixture
from tests.servers import ROOT, manage
from tests.test_originals import raising  # noqa: F401  # a fixture

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from django.test import Client
    from pytest_django import Settings

    from resizer.errors import ResizerError
    from resizer.sources import Stat
    from tests.projects import Project

pytestmark = pytest.mark.django_db


@pytest.fixture(params=["local", "listing", "index"])
def way(request: pytest.FixtureRequest, settings: Settings) -> list[str]:
    """Arguments for the three ways: local files, another storage's listing, and the index of one."""
    if request.param != "local":
        memory = {"BACKEND": "django.core.files.storage.InMemoryStorage"}
        settings.STORAGES = {**settings.STORAGES, "resizer": memory}
    settings.RESIZER = {"SOURCES": {"press": {"OPTIONS": {"storage": "press"}}}}
    settings.STORAGES = {
        **settings.STORAGES,
        "press": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
    }
    return ["--from-storage"] if request.param == "listing" else []


@pytest.fixture
def make(client: Client) -> Any:
    """Make a variant; gives its key."""

    def make(name: str, width: int = 320) -> str:
        url = picture.url(name, width=width, format="jpeg")
        assert client.get(url).status_code == 200
        return url.removeprefix("/img/")

    return make


def purge(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    capsys.readouterr()
    call_command("resizer_purge", "--yes", *arguments)
    return capsys.readouterr().out


def kept() -> list[str]:
    return sorted(one.name for one in publishing.walk(backends.public_storage()))


def rows() -> list[str]:
    return sorted(CachedVariant.objects.values_list("key", flat=True))


def test_stale_variants_go_and_present_ones_stay(
    capsys: pytest.CaptureFixture[str], make: Any, way: list[str]
) -> None:
    for name in ("same.jpg", "replaced.jpg", "deleted.jpg"):
        save(name)
    stays = make("same.jpg")
    make("replaced.jpg")
    make("deleted.jpg")
    make("deleted.jpg", 640)
    save("replaced.jpg", photograph((800, 600)))
    originals.look_up("replaced.jpg", originals.Freshness.NOW)
    new = make("replaced.jpg")
    storages["default"].delete("deleted.jpg")
    would = "Would remove 3 cached variants, 1 row of a missing original: "
    assert would in purge(capsys, "--dry-run", *way)
    assert len(kept()) == 5
    told = purge(capsys, *way)
    assert told.startswith("Removed 3 cached variants, 1 row of a missing original: ")
    assert told.strip().endswith("KB.")
    assert kept() == rows() == sorted([stays, new])
    assert sorted(Original.objects.values_list("name", flat=True)) == ["replaced.jpg", "same.jpg"]
    assert purge(capsys, *way).startswith("Removed 0 cached variants: 0 bytes.")


def test_variants_go_by_age(capsys: pytest.CaptureFixture[str], make: Any, way: list[str]) -> None:
    save("a.jpg")
    key = make("a.jpg")
    assert purge(capsys, "--older-than", "1h", *way).startswith("Removed 0 ")
    assert purge(capsys, "--older-than", "0h", *way).startswith("Removed 1 cached variant: ")
    assert key not in kept()
    assert rows() == []


def test_variants_go_by_source(
    capsys: pytest.CaptureFixture[str], make: Any, way: list[str]
) -> None:
    save("a.jpg")
    storages["press"].save("b.jpg", ContentFile(photograph()))
    stays = make("a.jpg")
    gone = make("press:b.jpg")
    assert purge(capsys, "--source", "press", "--stale", *way).startswith("Removed 0 ")
    told = purge(capsys, "--source", "press", "-v", "2", *way)
    assert told.startswith(f"{gone}\nRemoved 1 cached variant: ")
    assert kept() == rows() == [stays]
    assert purge(capsys, "--source", "default", "--all", *way).startswith("Removed 1 ")
    assert kept() == rows() == []


def test_all_variants_go_and_nothing_else(
    capsys: pytest.CaptureFixture[str], make: Any, variants: Path, client: Client
) -> None:
    save("a.jpg")
    keys = [make("a.jpg"), make("a.jpg", 640)]
    key = keys[0]
    strangers = [
        "index.html",
        "a.jpg/notes.txt",
        key.rpartition("/")[0] + "/0320.jpg",
        key.rpartition("/")[0] + "/320.tiff",
        key.replace("/320.", "/fit-none/320."),
        ".hidden.tmp",
        f"a.jpg/.notes.txt.{'0' * 16}.tmp",
    ]
    for stranger in strangers:
        (variants / stranger).parent.mkdir(parents=True, exist_ok=True)
        (variants / stranger).write_bytes(b"not ours")
        os.utime(variants / stranger, (0, 0))
    assert purge(capsys, "--all").startswith("Removed 2 cached variants: ")
    assert files(variants) == sorted(strangers)
    # No memory of them is left either.
    assert client.get("/img/" + key).status_code == 200


def test_unfinished_files_of_killed_processes_go_after_an_hour(
    capsys: pytest.CaptureFixture[str], make: Any, variants: Path, settings: Settings
) -> None:
    settings.RESIZER = {"SOURCES": {"press": {}}}
    save("a.jpg")
    key = make("a.jpg")
    directory, _, name = key.rpartition("/")
    unfinished = [variants / directory / f".{name}.{number * 16}.tmp" for number in "01"]
    for path in unfinished:
        path.write_bytes(b"half a file")
    an_hour_ago = time.time() - purging.UNFINISHED_SECONDS
    os.utime(unfinished[0], (an_hour_ago, an_hour_ago))
    assert purge(capsys, "--source", "press", "--dry-run", "--all").count("unfinished") == 0
    told = purge(capsys)
    assert told.startswith("Removed 0 cached variants, 1 unfinished file: ")
    assert files(variants) == sorted([key, str(unfinished[1].relative_to(variants))])


def test_bookmarks_that_no_purge_reads_go(
    capsys: pytest.CaptureFixture[str], variants: Path
) -> None:
    hour, month = 3600, 30 * 86_400
    one = f".sweep-{'0' * 32}"
    ages = {one: month - hour, f"{one}_AbC1234": hour, f".sweep-{'1' * 32}": month}
    ages |= {f"{one}_new1234": 0, ".sweep-mine": month, f"{one}_AbC12345": month}
    variants.mkdir(exist_ok=True)
    for name, age in ages.items():
        (variants / name).write_bytes(b"[]")
        os.utime(variants / name, (time.time() - age, time.time() - age))
    assert "2 unfinished files" in purge(capsys)
    left = {one, f"{one}_new1234", ".sweep-mine", f"{one}_AbC12345"}
    assert set(files(variants)) == left


def test_rows_without_a_file_go(
    capsys: pytest.CaptureFixture[str], make: Any, variants: Path
) -> None:
    save("a.jpg")
    keys = [make("a.jpg"), make("a.jpg", 640), make("a.jpg", 480)]
    for key in keys[:2]:
        (variants / key).unlink()
    assert "2 rows without a file" in purge(capsys, "--dry-run")
    assert len(rows()) == 3
    assert "2 rows without a file" in purge(capsys)
    assert rows() == kept() == [keys[2]]


def test_rows_that_could_not_be_deleted_are_told(
    capsys: pytest.CaptureFixture[str], make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    save("a.jpg")
    key = make("a.jpg")

    def refuse(*_: Any) -> Any:
        raise OperationalError("permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(QuerySet, "delete", refuse)
        with pytest.raises(CommandError, match="some rows may remain, because the database failed"):
            purge(capsys, "--all")
    assert (kept(), rows()) == ([], [key])
    assert "1 row without a file" in purge(capsys, "--all")
    assert rows() == []


def test_database_that_is_down_from_the_start_is_told(
    capsys: pytest.CaptureFixture[str],
    make: Any,
    database: str,  # noqa: F811
) -> None:
    save("a.jpg")
    make("a.jpg")
    for arguments, sentence in {
        (): "some rows may remain, because the database failed",
        ("--dry-run",): "Not all rows were checked, because the database failed",
    }.items():
        # Without one nothing fails.
        fails = pytest.raises(CommandError, match=sentence)
        with nullcontext() if database == "none" else fails:
            purge(capsys, *arguments)
    assert len(kept()) == 1


def test_unrecorded_files_are_found_in_the_listing(
    capsys: pytest.CaptureFixture[str], make: Any, settings: Settings
) -> None:
    memory = {"BACKEND": "django.core.files.storage.InMemoryStorage"}
    settings.STORAGES = {**settings.STORAGES, "resizer": memory}
    save("a.jpg")
    make("a.jpg")
    CachedVariant.objects.all().delete()
    assert purge(capsys, "--all").startswith("Removed 0 ")
    assert purge(capsys, "--all", "--from-storage").startswith("Removed 1 cached variant")


def test_many_variants_go_in_batches(
    capsys: pytest.CaptureFixture[str], make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(purging, "BATCH", 2)
    save("a.jpg")
    for width in (320, 480, 640):
        make("a.jpg", width)
    assert purge(capsys, "--all").startswith("Removed 3 cached variants")
    assert kept() == rows() == []


def test_source_that_is_down_loses_nothing(
    capsys: pytest.CaptureFixture[str],
    make: Any,
    raising: Any,  # noqa: F811  # the fixture
) -> None:
    save("a.jpg")
    save("b.jpg")
    keys = [make("a.jpg"), make("a.jpg", 640), make("b.jpg")]
    raising()
    with pytest.raises(CommandError, match=r"2 originals could not be checked, such as default:a"):
        purge(capsys)
    assert kept() == sorted(keys)


class ForbiddingStorage(InMemoryStorage):
    """As S3 without the permission to list: what is missing is forbidden."""

    def listdir(self, path: str) -> tuple[list[str], list[str]]:
        return [], ["other.jpg"]

    def size(self, name: str) -> int:
        raise PermissionError("403")


def test_lost_permission_loses_nothing(
    capsys: pytest.CaptureFixture[str],
    make: Any,
    settings: Settings,
) -> None:
    save("a.jpg")
    key = make("a.jpg")
    storages["default"].delete("a.jpg")
    forbidding = {"BACKEND": "tests.maintenance.test_purging.ForbiddingStorage"}
    settings.STORAGES = {**settings.STORAGES, "default": forbidding}
    with pytest.raises(CommandError, match="Their variants stay"):
        purge(capsys)
    with pytest.raises(CommandError, match="Their variants stay"):
        purge(capsys, "--force")
    assert kept() == [key]


def test_storage_that_fails_is_one_sentence(
    capsys: pytest.CaptureFixture[str], settings: Settings
) -> None:
    settings.STORAGES = {
        **settings.STORAGES,
        "resizer": {"BACKEND": "tests.test_store.FailingStorage"},
    }
    with pytest.raises(CommandError, match=r"failed: .*gone for lunch.* again for the rest\."):
        purge(capsys, "--from-storage")


def test_source_that_nobody_knows(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(CommandError, match="no source 'pres', and no variant") as raised:
        purge(capsys, "--source", "pres")
    assert raised.value.returncode == 2


def test_variants_of_a_source_that_is_no_longer_configured_are_stale(
    capsys: pytest.CaptureFixture[str], make: Any, settings: Settings
) -> None:
    settings.RESIZER = {"SOURCES": {"press": {}}}
    save("a.jpg")
    make("press:a.jpg")
    settings.RESIZER = {}
    assert purge(capsys, "--source", "press").startswith("Removed 1 ")
    assert not Original.objects.filter(cached_variants__isnull=False).exists()


@pytest.mark.parametrize("age", ["30", "d", "1y", "-1d", "1.5d"])
def test_age_that_is_none_is_told(capsys: pytest.CaptureFixture[str], age: str) -> None:
    with pytest.raises(CommandError, match="a number and h, d or w"):
        purge(capsys, f"--older-than={age}")


@pytest.mark.parametrize("narrow", [["--stale"], ["--older-than", "1d"]])
def test_all_is_all(capsys: pytest.CaptureFixture[str], narrow: list[str]) -> None:
    with pytest.raises(CommandError, match="cannot be combined"):
        purge(capsys, "--all", *narrow)


# --- sources that cannot tell


def lose(directory: Path, how: str) -> None:
    shutil.rmtree(directory)
    if how != "absent":
        directory.mkdir()
    if how == "new disk":
        # As a file system is that has just been made.
        (directory / "lost+found").mkdir()


@pytest.mark.parametrize("how", ["absent", "empty", "new disk"])
def test_directory_that_is_not_mounted_loses_nothing(
    capsys: pytest.CaptureFixture[str], make: Any, way: list[str], tmp_path: Path, how: str
) -> None:
    save("a.jpg")
    for name in ("b.jpg", "c.jpg"):
        storages["press"].save(name, ContentFile(photograph()))
    stays = [make("a.jpg"), make("a.jpg", 640), make("press:b.jpg")]
    make("press:c.jpg")
    lose(tmp_path / "originals", how)
    storages["press"].delete("c.jpg")
    sentence = r"^Source 'default' is empty or missing\. So its variants stay\. To remove them, use --force\.$"
    for arguments in (["--dry-run"], [], ["--older-than", "0h", "--source", "default"]):
        with pytest.raises(CommandError, match=sentence) as raised:
            purge(capsys, *arguments, *way)
        assert raised.value.returncode == 1
    # What another source tells is believed.
    assert kept() == rows() == sorted(stays)
    assert sorted(Original.objects.values_list("name", flat=True)) == ["a.jpg", "b.jpg"]
    told = purge(capsys, "--force", *way)
    assert told.startswith("Removed 2 cached variants, 1 row of a missing original: ")
    assert kept() == rows() == [stays[2]]


def test_everything_is_removed_of_a_source_that_is_not_there_if_that_is_said(
    capsys: pytest.CaptureFixture[str], make: Any, tmp_path: Path
) -> None:
    save("a.jpg")
    make("a.jpg")
    lose(tmp_path / "originals", "absent")
    assert purge(capsys, "--all").startswith("Removed 1 cached variant: ")


def test_originals_that_lie_behind_links_are_there(
    capsys: pytest.CaptureFixture[str], make: Any, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "round").symlink_to(elsewhere)
    (tmp_path / "originals").mkdir(exist_ok=True)
    (tmp_path / "originals/photos").symlink_to(elsewhere)
    follows = {"OPTIONS": {"storage": "default", "follow_symlinks": True}}
    with override_settings(RESIZER={"SOURCES": {"default": follows}}):
        save("photos/a.jpg")
        make("photos/a.jpg")
        storages["default"].delete("photos/a.jpg")
        with pytest.raises(CommandError, match="is empty"):
            purge(capsys)
        save("photos/b.jpg")
        make("photos/b.jpg")
        assert purge(capsys).startswith("Removed 1 cached variant, 1 row of a missing original: ")


def test_directory_that_may_not_be_read_is_passed_over(
    capsys: pytest.CaptureFixture[str],
    make: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    save("a.jpg")
    make("a.jpg")
    storages["default"].delete("a.jpg")
    (tmp_path / "originals/lost+found").mkdir()
    save("z/b.jpg")
    key = make("z/b.jpg")
    real = os.scandir
    closed = {"lost+found"}

    # Root may read everything.
    def scandir(path: Any) -> Any:
        if Path(path).name in closed:
            raise PermissionError(f"{path}: permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert purge(capsys).startswith("Removed 1 cached variant, ")
    closed.add("originals")
    with pytest.raises(CommandError, match=r"does not respond: .*permission denied"):
        purge(capsys)
    assert kept() == [key]


def test_variants_beside_the_originals_are_no_originals(
    capsys: pytest.CaptureFixture[str], make: Any, settings: Settings
) -> None:
    settings.STORAGES = {one: settings.STORAGES[one] for one in ("default", "staticfiles")}
    save("a.jpg")
    key = make("a.jpg")
    # Of a release that knew other formats.
    save(f"_resized/{key.replace('.jpg', '.tiff')}")
    storages["default"].delete("a.jpg")
    with pytest.raises(CommandError, match="is empty or missing"):
        purge(capsys)
    assert key in kept()


@pytest.mark.parametrize("is_debug", [False, True])
def test_static_files_that_are_not_collected_lose_nothing(
    capsys: pytest.CaptureFixture[str],
    make: Any,
    settings: Settings,
    tmp_path: Path,
    is_debug: bool,
) -> None:
    places = [tmp_path / "one", tmp_path / "two"]
    settings.DEBUG = is_debug
    settings.STATICFILES_DIRS = [places[0], ("prefix", places[1])] if is_debug else []
    collected = {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": places[0]},
    }
    settings.STORAGES = {**settings.STORAGES, "staticfiles": collected}
    settings.RESIZER = {"SOURCES": {"static": {"BACKEND": "resizer.sources.StaticSource"}}}
    for place, name in zip(places, ("a.jpg", "b.jpg"), strict=True):
        place.mkdir()
        (place / name).write_bytes(photograph())
    names = ["a.jpg", "prefix/b.jpg"] if is_debug else ["a.jpg"]
    assert set(names) <= set(presence.first_names("static"))
    keys = [make(f"static:{name}") for name in names]
    (places[0] / "a.jpg").unlink()
    if is_debug:
        # There are others, of apps.
        assert purge(capsys).startswith("Removed 1 cached variant, ")
        (places[1] / "b.jpg").unlink()
        assert purge(capsys).startswith("Removed 1 cached variant, ")
        assert kept() == []
        return
    with pytest.raises(CommandError, match="is empty"):
        purge(capsys)
    assert kept() == keys


@pytest.mark.parametrize("gone", [2, 3])
def test_more_than_half_of_the_originals_do_not_go_at_once(
    capsys: pytest.CaptureFixture[str], make: Any, way: list[str], gone: int
) -> None:
    names = [f"{number}.jpg" for number in range(4 if gone == 2 else 5)]
    keys = []
    for name in names:
        save(name)
        keys.append(make(name))
    for name in names[:gone]:
        storages["default"].delete(name)
    if gone == 3:
        with pytest.raises(CommandError, match=r"'default' has lost 3 of 5 originals at once\."):
            purge(capsys, *way)
        assert kept() == rows() == sorted(keys)
        way = [*way, "--force"]
    told = purge(capsys, *way)
    assert told.startswith(f"Removed {gone} cached variants, {gone} rows of missing originals: ")
    assert kept() == rows() == sorted(keys[gone:])
    # They are known no longer.
    assert Original.objects.count() == 2


@pytest.mark.parametrize(("known", "gone"), [(1, 1), (2, 2), (3, 2), (3, 3)])
def test_few_originals_are_deleted_not_lost(
    capsys: pytest.CaptureFixture[str], make: Any, way: list[str], known: int, gone: int
) -> None:
    names = [f"{number}.jpg" for number in range(known)]
    keys = []
    for name in names:
        save(name)
        keys.append(make(name))
    # Something is there that nobody has asked for yet.
    save("readme.txt", b"no picture")
    for name in names[:gone]:
        storages["default"].delete(name)
    told = purge(capsys, *way)
    assert told.startswith(f"Removed {gone} cached variant")
    assert kept() == rows() == sorted(keys[gone:])
    storages["default"].delete("readme.txt")
    for name in names[gone:]:
        storages["default"].delete(name)
    if gone < known:
        with pytest.raises(CommandError, match="'default' is empty or missing"):
            purge(capsys, *way)
    assert kept() == rows() == sorted(keys[gone:])


def test_source_that_answers_nothing_is_left_alone_when_the_time_is_over(
    capsys: pytest.CaptureFixture[str],
    make: Any,
    raising: Any,  # noqa: F811  # the fixture
) -> None:
    for number in range(3):
        save(f"{number}.jpg")
        make(f"{number}.jpg")
    raising()
    with pytest.raises(CommandError, match=r"'default' does not respond: .* the storage is down"):
        purge(capsys, "--for", "0.000001")
    assert len(rows()) == 3


def test_originals_are_counted_without_a_database(
    capsys: pytest.CaptureFixture[str],
    make: Any,
    monkeypatch: pytest.MonkeyPatch,
    database: str,  # noqa: F811
) -> None:
    monkeypatch.setattr(answers, "SAMPLE", 5)
    for number in range(9):
        save(f"{number}.jpg")
        make(f"{number}.jpg")
        make(f"{number}.jpg", 640)
    for number in range(9):
        storages["default"].delete(f"{number}.jpg")
    save("other.jpg")
    caches["default"].clear()
    for arguments in ([], ["--for", "60"]):
        with pytest.raises(CommandError, match=r"'default' has lost 5 of 5 originals at once\."):
            purge(capsys, *arguments)
    assert len(kept()) == 18
    for number in range(1, 9):
        save(f"{number}.jpg")
        make(f"{number}.jpg")
    with monkeypatch.context() as patch:
        patch.setattr(answers, "SAMPLE", 300)
        patch.setattr(answers, "SAMPLE_SHARE", 0)
        patch.setattr(presence, "ENOUGH", 2)
        # A database that is down may have rows.
        has_rows = pytest.raises(CommandError, match="rows may remain")
        with nullcontext() if database == "none" else has_rows:
            purge(capsys, "--for", "60")
    # Those of the version before are gone as well.
    assert len(kept()) == 8


def test_directory_that_is_unmounted_meanwhile_loses_nothing_more(
    make: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(purging, "BATCH", 1)
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        save(name)
        make(name)
        save(name, photograph((800, 600)))
    removed: list[str] = []

    def unmount(name: str) -> None:
        removed.append(name)
        lose(tmp_path / "originals", "empty")

    run = purging.Purge(purging.Choice(is_stale=True), tell=unmount)
    run.run()
    assert len(removed) == run.report.variants == 1
    assert run.report.doubts == {"default": "is empty or missing"}
    assert len(kept()) == len(rows()) == 2


class SilentStorage(InMemoryStorage):
    def listdir(self, path: str) -> Any:
        raise NotImplementedError


@pytest.mark.parametrize("replaced", [False, True])
def test_source_that_lists_nothing_is_counted_all_the_same(
    capsys: pytest.CaptureFixture[str], make: Any, settings: Settings, replaced: bool
) -> None:
    silent = {"BACKEND": "tests.maintenance.test_purging.SilentStorage"}
    settings.STORAGES = {**settings.STORAGES, "default": silent}
    save("a.jpg")
    make("a.jpg")
    if replaced:
        save("a.jpg", photograph((800, 600)))
        assert purge(capsys).startswith("Removed 1 cached variant: ")
        return
    storages["default"].delete("a.jpg")
    with pytest.raises(CommandError, match="has lost 1 of 1"):
        purge(capsys)


def test_source_that_answers_nothing_is_soon_left_alone(
    capsys: pytest.CaptureFixture[str],
    make: Any,
    raising: Any,  # noqa: F811  # the fixture
) -> None:
    for number in range(presence.PATIENCE + 2):
        save(f"{number}.jpg")
        make(f"{number}.jpg")
    raising()
    with pytest.raises(CommandError, match=r"'default' does not respond: .* the storage is down"):
        purge(capsys)
    assert len(kept()) == presence.PATIENCE + 2


def test_source_that_was_taken_out_of_the_settings_is_asked_for_by_its_name(
    capsys: pytest.CaptureFixture[str], make: Any, settings: Settings
) -> None:
    settings.RESIZER = {"SOURCES": {"press": {}}}
    save("a.jpg")
    key = make("press:a.jpg")
    settings.RESIZER = {}
    with pytest.raises(CommandError, match="'press' is not among SOURCES"):
        purge(capsys)
    assert kept() == [key]
    assert purge(capsys, "--force").startswith("Removed 1 cached variant, 1 row of a missing")
    assert kept() == rows() == []


# --- what is left of originals


def test_rows_of_originals_that_are_gone_go_with_their_last_variant(
    capsys: pytest.CaptureFixture[str], make: Any, way: list[str]
) -> None:
    for name in ("seen.jpg", "gone.jpg", "stays.jpg", "here.jpg"):
        save(name)
        originals.look_up(name)
    key = make("stays.jpg")
    for name in ("gone.jpg", "stays.jpg"):
        storages["default"].delete(name)
    told = purge(capsys, "--stale", "--older-than", "1h", *way)
    assert told.startswith("Removed 0 cached variants, 1 row of a missing original: ")
    assert kept() == rows() == [key]
    names = Original.objects.values_list("name", flat=True)
    assert set(names) == {"seen.jpg", "stays.jpg", "here.jpg"}
    # An original that is there keeps its row, whether it has variants or not.
    save("stays.jpg", photograph((800, 600)))
    assert purge(capsys, *way).startswith("Removed 1 cached variant: ")
    assert Original.objects.count() == 3


@pytest.mark.parametrize("failing", ["pk", "original_id"])
def test_database_that_fails_meanwhile_is_told(
    capsys: pytest.CaptureFixture[str], make: Any, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    for name in ("a.jpg", "b.jpg"):
        save(name)
        make(name)
    storages["default"].delete("a.jpg")
    real = QuerySet.values_list

    def refuse(self: Any, *fields: str, **options: Any) -> Any:
        if fields[0] == failing:
            raise OperationalError("gone away")
        return real(self, *fields, **options)

    monkeypatch.setattr(QuerySet, "values_list", refuse)
    with pytest.raises(CommandError, match="rows may remain"):
        purge(capsys)
    assert len(kept()) == 1


# --- much to do, little time


@pytest.mark.parametrize("batch", [1, 4])
def test_purge_goes_on_where_it_was_stopped(
    capsys: pytest.CaptureFixture[str],
    make: Any,
    way: list[str],
    monkeypatch: pytest.MonkeyPatch,
    batch: int,
) -> None:
    monkeypatch.setattr(purging, "BATCH", batch)
    monkeypatch.setattr(tables, "BATCH", batch)
    names = ["A.jpg", "a.jpg", "a/b.jpg", "a-b.jpg", "é.jpg", "z/y/x.jpg"]
    stays = []
    for name in names:
        save(name)
        make(name)
        make(name, 640)
        save(name, photograph((800, 600)))
        originals.look_up(name, originals.Freshness.NOW)
        stays.append(make(name))
    storages["default"].delete("a.jpg")
    stays = [key for key in stays if not key.startswith("a.jpg/")]
    removed, runs = 0, 0
    while True:
        runs += 1
        told = purge(capsys, "--for", "0.000001", *way)
        removed += int(told.split()[1])
        # Never more than one original at a time, and never none for good.
        assert int(told.split()[1]) <= 3
        assert runs < 50
        if "continues from here" not in told:
            break
    assert removed == 13
    assert runs > 5
    assert kept() == rows() == sorted(stays)
    assert Original.objects.count() == 5
    # The end of one is the beginning of the next.
    assert "continues from here" in purge(capsys, "--for", "0.000001", *way)


class BackwardSource(StorageSource):
    def stat_many(self, names: Iterable[str]) -> Iterator[tuple[str, Stat | ResizerError]]:
        return super().stat_many(sorted(names, reverse=True))


def test_source_that_answers_in_an_order_of_its_own_does_not_stop_the_purge(
    capsys: pytest.CaptureFixture[str], make: Any, way: list[str], settings: Settings
) -> None:
    backward = {"BACKEND": "tests.maintenance.test_purging.BackwardSource"}
    settings.RESIZER = {"SOURCES": {"default": backward}}
    for name in ("a.jpg", "b.jpg", "c.jpg", "d.jpg"):
        save(name)
        make(name)
    save("a.jpg", photograph((800, 600)))
    originals.look_up("a.jpg", originals.Freshness.NOW)
    told = [purge(capsys, "--for", "0.000001", *way) for _ in range(8)]
    assert any("goes on" not in one for one in told)
    assert len(kept()) - ("continues from" in told[-1]) == len(rows()) == 3


def test_each_age_has_its_own_bookmark(
    capsys: pytest.CaptureFixture[str],
    make: Any,
    variants: Path,
    way: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(purging, "BATCH", 1)
    monkeypatch.setattr(tables, "BATCH", 1)
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        save(name)
        make(name)
    # Nothing is as old as that, so this one only passes by.
    for _ in range(2):
        assert "continues from" in purge(capsys, "--older-than", "30d", "--for", "0.000001", *way)
    told = purge(capsys, "--older-than", "0h", "--for", "60", *way)
    assert told.startswith("Removed 3 cached variants")
    assert rows() == []


def test_dry_run_leaves_no_bookmark(
    capsys: pytest.CaptureFixture[str], make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(purging, "BATCH", 1)
    save("a.jpg")
    keys = [make("a.jpg"), make("a.jpg", 640)]
    told = purge(capsys, "--all", "--dry-run", "--for", "0.000001")
    assert told.endswith("\nThe time of --for is over. The rest was not checked.\n")
    assert kept() == sorted(keys)
    assert purge(capsys, "--all", "--dry-run", "--for", "60").startswith("Would remove 2 ")


@pytest.mark.parametrize(
    "content",
    [
        None,
        b"5",
        b"null",
        b"{}",
        b'"files"',
        b"[]",
        b'["rows", 1]',
        b'["rows", "1", "default", "a.jpg"]',
        b'["files", 7]',
        b'["files", "a", "b"]',
        b'["later", 1]',
    ],
)
def test_bookmark_that_cannot_be_read_is_none(
    capsys: pytest.CaptureFixture[str],
    make: Any,
    variants: Path,
    monkeypatch: pytest.MonkeyPatch,
    content: bytes | None,
) -> None:
    monkeypatch.setattr(purging, "BATCH", 1)
    save("a.jpg")
    for width in (320, 480, 640):
        make("a.jpg", width)
    assert "continues from" in purge(capsys, "--all", "--for", "0.000001")
    (bookmark,) = variants.glob(".sweep-*")
    # Nobody who guesses URLs gets the name of an original.
    assert re.fullmatch(r"\.sweep-[0-9a-f]{32}", bookmark.name)
    written = bookmark.read_bytes()
    bookmark.write_bytes(written[: len(written) // 2] if content is None else content)
    assert purge(capsys, "--all", "--for", "60").startswith("Removed 2 cached variants")
    assert files(variants) == []


@pytest.mark.parametrize("seconds", ["0", "-1", "inf", "nan", "soon"])
def test_time_that_is_none_is_told(seconds: str) -> None:
    with pytest.raises(CommandError, match="--for"):
        call_command("resizer_purge", f"--for={seconds}")


@pytest.fixture
def most_objects(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], tuple[int, int]]]:
    """Call it to have everything purged: how many variants, and how many more objects lived meanwhile at most.

    Not bytes: the interpreter's table of interned strings doubles now and then, by megabytes at once.
    """
    for module, name in (
        *((purging, "BATCH"), (tables, "BATCH")),
        *((index, "PAGE"), (directories, "PAGE")),
    ):
        monkeypatch.setattr(module, name, 20)
    # The bounded memory of digests would grow in here.
    for module in (cache, index, rows_module):
        monkeypatch.setattr(module, "digest_of", digest_of.__wrapped__)
    # What is there already takes the collector no time.
    gc.collect()
    gc.freeze()

    def run() -> tuple[int, int]:
        def purge(*, is_dry: bool) -> tuple[int, int]:
            gc.collect()
            before = sys.getallocatedblocks()
            told = most = 0

            def tell(_name: str) -> None:
                nonlocal told, most
                told += 1
                if told % 20 == 0:
                    gc.collect()
                    most = max(most, sys.getallocatedblocks() - before)

            choice = purging.Choice(is_stale=True)
            purge = purging.Purge(choice, is_dry=is_dry, is_forced=True, tell=tell)
            purge.run()
            return purge.report.variants, most

        # Caches of Python and the database grow at first.
        purge(is_dry=True)
        return purge(is_dry=False)

    yield run
    gc.unfreeze()


def test_memory_does_not_grow_with_the_files(
    variants: Path, make: Any, most_objects: Callable[[], tuple[int, int]]
) -> None:
    save("a.jpg")
    key = make("a.jpg")
    for place in range(1000):
        # One directory of many originals.
        path = variants / key.replace("a.jpg", f"{place}.jpg")
        path.parent.mkdir(parents=True)
        path.touch()
    removed, most = most_objects()
    assert removed == 1000
    # A list of all would hold more.
    assert most < 1000


class Void(Storage):
    """Keeps nothing. Django's storage in memory interns each name, and Python 3.12 keeps interned strings for ever."""

    def exists(self, name: str) -> bool:
        return False

    def delete(self, name: str) -> None:
        pass


def test_memory_does_not_grow_with_the_rows(
    make: Any, settings: Settings, most_objects: Callable[[], tuple[int, int]]
) -> None:
    save("a.jpg")
    key = make("a.jpg")
    void = {"BACKEND": "tests.maintenance.test_purging.Void"}
    settings.STORAGES = {**settings.STORAGES, "resizer": void}
    original, variant = Original.objects.get(), CachedVariant.objects.get()
    originals, variants = [], []
    for place in range(1500):
        name = f"{place}.jpg"
        originals.append(copy(original))
        originals[-1].pk, originals[-1].name = None, name
        variants.append(copy(variant))
        variants[-1].pk, variants[-1].key = None, key.replace("a.jpg", name)
    Original.objects.bulk_create(originals)
    for row, of in zip(variants, originals, strict=True):
        row.original = of
    CachedVariant.objects.bulk_create(variants)
    del originals, variants
    removed, most = most_objects()
    assert removed == 1500
    assert not Original.objects.exclude(name="a.jpg").exists()
    # A list of all would hold more.
    assert most < 1500


# --- ends before the end


class Impatient(io.StringIO):
    """Somebody who presses Ctrl-C at the second line."""

    def write(self, text: str) -> int:
        if self.getvalue().count("\n") == 1:
            super().write(text)
            raise KeyboardInterrupt
        return super().write(text)


def test_interruption_says_what_was_done(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(purging, "BATCH", 1)
    save("a.jpg")
    for width in (320, 480, 640):
        make("a.jpg", width)
    out = Impatient()
    with pytest.raises(CommandError, match=r"^Interrupted\.$") as raised:
        call_command("resizer_purge", "--all", "--yes", verbosity=2, stdout=out)
    assert raised.value.returncode == 130
    assert "\nRemoved 1 cached variant: " in out.getvalue()
    # Of the file that was deleted last the row is gone, too.
    assert kept() == rows()
    assert len(rows()) == 1


class Stopping(io.StringIO):
    """As if systemd stopped the command at the second line."""

    is_stopped = False

    def write(self, text: str) -> int:
        written = super().write(text)
        # Once: a second signal ends the process.
        if not self.is_stopped and self.getvalue().count("\n") == 2:
            self.is_stopped = True
            os.kill(os.getpid(), signal.SIGTERM)
        return written


def test_end_of_the_machine_is_an_interruption(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(purging, "BATCH", 1)
    save("a.jpg")
    for width in (320, 480, 640):
        make("a.jpg", width)
    before = signal.getsignal(signal.SIGTERM)
    out = Stopping()
    with pytest.raises(CommandError, match=r"^Terminated\.$") as raised:
        call_command("resizer_purge", "--all", "--yes", verbosity=2, stdout=out)
    assert raised.value.returncode == 143
    assert "\nRemoved 1 cached variant: " in out.getvalue()
    assert kept() == rows()
    assert signal.getsignal(signal.SIGTERM) is before


def test_commands_run_in_any_thread() -> None:
    out = io.StringIO()
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(call_command, "resizer_explain", "/img/640/a.jpg", stdout=out)
        with pytest.raises(CommandError, match="404"):
            done.result()


FILL = """
from pathlib import Path
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from resizer import originals
from resizer.models import CachedVariant, Original

rows = []
for number in range(200):
    name = f"{number:03}.jpg"
    storages["default"].save(name, ContentFile(b"replaced"))
    row = Original.objects.create(
        name=name, fingerprint="", width=9, height=9, format="jpeg", bytes=8
    )
    keys = [f"{name}/00000000-{'x' * 14}/{width}.jpg" for width in range(300, 320)]
    directory = Path(storages["resizer"].path(keys[0])).parent
    directory.mkdir(parents=True)
    for key in keys:
        (directory / key.rpartition("/")[2]).write_bytes(b"stale")
        rows.append(CachedVariant(
            original=row, key=key, width=9, height=9, format="jpeg", bytes=5,
            created_at="2026-01-01T00:00:00Z",
        ))
CachedVariant.objects.bulk_create(rows)
"""


def test_purge_that_is_killed_is_repeated(
    project: Project,  # the fixture
) -> None:
    manage(ROOT, project.environment, "shell", "-v", "0", "-c", FILL)
    assert len(project.stored()) == len(load_rows(project)) == 4000
    variants = project.directory / "variants"
    command = [sys.executable, "manage.py", "resizer_purge"]
    environment = os.environ | project.environment
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    wait_until(lambda: not (variants / "070.jpg").exists())
    process.kill()
    assert process.wait() == -signal.SIGKILL
    files_left, rows_left = len(project.stored()), len(load_rows(project))
    # Files go first, a batch of them before their rows; no file has lost its row.
    assert 0 < files_left < rows_left < 4000
    assert set(project.stored()) <= set(load_rows(project))
    told = manage(ROOT, project.environment, "resizer_purge")
    lost = rows_left - files_left
    assert told.startswith(f"Removed {files_left:,} cached variants, {lost:,} rows ")
    assert project.stored() == load_rows(project) == []
    assert "Removed 0 cached" in manage(ROOT, project.environment, "resizer_purge")


@pytest.mark.parametrize(
    ("command", "redirection", "status", "told"),
    [
        ("resizer_doctor", ">&-", 0, ""),
        ("resizer_sync", ">&-", 0, ""),
        (
            *("resizer_purge -v2", ">/dev/full", 1),
            "CommandError: The output cannot be written: [Errno 28] No space left",
        ),
    ],
)
def test_output_that_cannot_be_written_is_no_traceback(
    project: Project,  # the fixture
    command: str,
    redirection: str,
    status: int,
    told: str,
) -> None:
    project.save("a.jpg", photograph((320, 240)))
    done = run_in_shell(project, f"manage.py {command} {redirection}")
    assert done.returncode == status
    assert done.stderr.startswith(told)
    assert done.stderr.count("\n") == bool(told)


def test_signs_that_a_terminal_lacks_are_written_by_their_numbers(
    project: Project,  # the fixture
) -> None:
    project.save("a.jpg", photograph((320, 240)))
    done = run_in_shell(project, "manage.py resizer_doctor", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("\\u2713 ")


def run_in_shell(
    project: Project,  # the fixture
    command: str,
    **others: str,
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "-c", f'"$0" {command}', sys.executable],
        cwd=ROOT,
        env=os.environ | project.environment | others,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("command", ["resizer_purge", "resizer_doctor", "resizer_sync"])
def test_disk_that_is_full_ends_a_command(command: str) -> None:
    full = pytest.raises(CommandError, match="No space left on device")
    with open("/dev/full", "w") as out, full as raised:
        call_command(command, stdout=out)
    assert raised.value.returncode == 1


def test_purge_works_without_any_output(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    save("a.jpg")
    make("a.jpg")
    # As Python has it where the descriptor was closed from the start.
    monkeypatch.setattr("sys.stdout", None)
    call_command("resizer_purge", "--all", "--yes", verbosity=2)
    assert kept() == []


def test_doctor_is_interrupted_without_a_traceback() -> None:
    with pytest.raises(CommandError, match=r"^Interrupted\.$") as raised:
        call_command("resizer_doctor", stdout=Impatient())
    assert raised.value.returncode == 130


def test_signs_that_a_file_lacks_are_written_by_their_numbers(tmp_path: Path) -> None:
    with open(tmp_path / "told", "w+", encoding="ascii") as out:
        call_command("resizer_doctor", stdout=out)
        out.seek(0)
        assert "\\u2713 " in out.read()


@pytest.mark.parametrize("format", ["text", "json"])
@pytest.mark.parametrize(
    "command", ["resizer_purge", "resizer_doctor", "resizer_stats", "resizer_sync"]
)
def test_pipe_that_is_closed_ends_a_command(command: str, format: str) -> None:
    reads, writes = os.pipe()
    os.close(reads)
    with open(writes, "w") as out, pytest.raises(SystemExit) as raised:
        call_command(command, format=format, stdout=out)
    assert raised.value.code == 141


def test_nothing_to_do_in_an_empty_place(capsys: pytest.CaptureFixture[str]) -> None:
    caches["default"].clear()
    assert purge(capsys) == "Removed 0 cached variants: 0 bytes.\n"
